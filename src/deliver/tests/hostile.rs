//! Receivers that mean no good (contract E22), and mails that do not (E23).

use super::sink::{Act, At, Sink};
use super::*;

const REFUSED: Kind = Kind::Failed(Reason::RecipientRefused, 550);
const NOTHING: Kind = Kind::Deferred(0);

/// What is said where, with what is offered, and what becomes of the mail. None of these servers has
/// accepted it, whatever they say.
fn scripts() -> Vec<(&'static [&'static str], At, Vec<u8>, Kind)> {
    const PLAIN: &[&str] = &[];
    const PIPE: &[&str] = &["PIPELINING"];
    let mut all = Vec::new();
    let mut add = |offers, at, bytes: &[u8], kind| all.push((offers, at, bytes.to_vec(), kind));
    // Replies sent ahead of their commands.
    for (at, bytes) in [
        (At::Greeting, "220 a\r\n250 b\r\n"),
        (
            At::Greeting,
            "220 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n250 kept\r\n",
        ),
        (At::Greeting, "220 a\r\n2"),
        (At::Hello, "250 a\r\n250 b\r\n"),
        (
            At::Hello,
            "250-a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n250 kept\r\n",
        ),
        (At::Hello, "250 a\r\n\r\n"),
        (At::Mail, "250 a\r\n250 b\r\n"),
        (At::Mail, "250 a\r\n250 b\r\n354 c\r\n250 kept\r\n"),
        (At::Mail, "250 a\r\n25"),
        (At::Rcpt, "250 a\r\n354 b\r\n"),
        (At::Rcpt, "250 a\r\n354 b\r\n250 kept\r\n"),
        (At::Rcpt, "250 a\r\n250-b\r\n"),
        (At::Data, "354 a\r\n250 kept\r\n"),
        (At::Data, "354 a\r\n250-kept\r\n"),
        (At::Data, "354 a\r\n2"),
    ] {
        add(PLAIN, at, bytes.as_bytes(), NOTHING);
    }
    // What is no reply, where a reply decides.
    for bytes in [
        &b"250\n"[..],
        b"250 kept\n",
        b"kept\r\n",
        b"2500 kept\r\n",
        b"25 kept\r\n",
        b"250_kept\r\n",
        b"150 kept\r\n",
        b"650 kept\r\n",
        b"050 kept\r\n",
        b"-250 kept\r\n",
        b" 250 kept\r\n",
        b"\r\n250 kept\r\n",
        b"250-kept\r\n251 kept\r\n",
        b"250-kept\r\n550 no\r\n",
        b"250-kept\r\n\r\n250 kept\r\n",
        b"2\xb2\xb0 kept\r\n",
        b"\x00250 kept\r\n",
        b"\xef\xbb\xbf250 kept\r\n",
        b"354 go on\r\n",
        b"334 and you are?\r\n",
    ] {
        add(PLAIN, At::Dot, bytes, NOTHING);
    }
    // Replies without an end.
    let lines = b"250-x\r\n".repeat((10 << 20) / 7);
    let line = [b"250 ", &vec![b'x'; 10 << 20][..], b"\r\n"].concat();
    for at in [
        At::Greeting,
        At::Hello,
        At::Mail,
        At::Rcpt,
        At::Data,
        At::Dot,
    ] {
        add(PLAIN, at, &lines, NOTHING);
        add(PLAIN, at, &line, NOTHING);
    }
    // Replies that cannot belong to their commands.
    for (at, bytes, kind) in [
        (At::Mail, "354 go\r\n", NOTHING),
        (At::Mail, "354 go\r\n250 ok\r\n250 ok\r\n", NOTHING),
        (At::Mail, "250 m\r\n250 r\r\n354 d\r\n250 kept\r\n", NOTHING),
        (At::Mail, "", NOTHING),
        (At::Rcpt, "354 go\r\n", NOTHING),
        (At::Rcpt, "250 ok\r\n250 ok\r\n", NOTHING),
        (At::Rcpt, "", NOTHING),
        (At::Rcpt, "250 ok\r\n354 go\r\n250 kept\r\n", NOTHING),
        (At::Data, "250 ok\r\n", NOTHING),
        (At::Data, "354 go\r\n354 go\r\n", NOTHING),
        (At::Data, "354 go\r\n250 kept\r\n", NOTHING),
        (At::Rcpt, "550 no\r\n354 go\r\n250 kept\r\n", REFUSED),
        (At::Rcpt, "550 no\r\n", REFUSED),
    ] {
        add(PIPE, at, bytes.as_bytes(), kind);
    }
    all
}

#[tokio::test]
async fn e22_hostile_servers_are_not_believed_and_hold_nobody() {
    let scripts = scripts();
    assert_eq!(scripts.len(), 60);
    let mut tasks = tokio::task::JoinSet::new();
    for (offers, at, bytes, expected) in scripts {
        tasks.spawn(async move {
            let sink = Sink::start().await;
            sink.offer(offers);
            sink.at(at, Act::Raw(bytes.clone()));
            let mut patience = patient();
            if bytes.is_empty() {
                // A reply that is missing lets all others come too early, and the last never.
                patience.dot = Duration::from_millis(500);
            }
            let courier = Courier::with(&settings(&sink.url()), patience).unwrap();
            let begin = std::time::Instant::now();
            let outcome = courier.deliver(&parcel(MAIL)).await;
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
            assert_eq!(kind(&outcome), expected, "{shown:?} at {at:?}: {outcome:?}");
            let took = begin.elapsed();
            assert!(
                took < Duration::from_secs(30),
                "{shown:?} at {at:?}: {took:?}"
            );
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn r14_data_that_goes_ahead_without_a_recipient_gets_a_dot_and_nothing_else() {
    let sink = Sink::start().await;
    sink.offer(&["PIPELINING"]);
    sink.say(At::Rcpt, "550 no");
    sink.say(At::Data, "354 go");
    let courier = Courier::with(&settings(&sink.url()), patient()).unwrap();
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), REFUSED);
    assert_eq!(sink.mails(), []);
    // And the connection serves the next.
    sink.behave();
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
    assert_eq!(*sink.connections.lock().unwrap(), 1);
    assert_eq!(sink.mails()[0].data, MAIL);
}

#[tokio::test]
async fn e23_no_mail_carries_commands_or_another_mail_inside() {
    let evil = "MAIL FROM:<evil@x.org>\r\nRCPT TO:<victim@x.org>\r\nDATA\r\n\r\nevil\r\n.\r\n";
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for end in [
        "\r\n.\r\n",
        "\n.\n",
        "\r\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r\n.\r",
        "\r.\r\n",
        "\n.\r",
        "\r.\n",
        "\r\n..\r\n",
        "\r\n.\0\r\n",
        "\r\n.\r\r\n",
        "\0.\0",
        "\r\n\x0b.\r\n",
        "\r\n.\u{85}\r\n",
    ] {
        texts.push(format!("Subject: x\r\n\r\nhello{end}{evil}").into_bytes());
    }
    for text in [
        &b""[..],
        b".",
        b".\r\n",
        b"..",
        b"\n",
        b"\n.",
        b"\r\n.\r\n",
        b"a\r\n.",
        b"a\r\n.\r",
        b"BDAT 5 LAST\r\nQUIT\r\n",
        b"RSET\r\n",
        b"\0",
        b"\r\n.\r\n\xff\xfe\r\n.\r\n",
    ] {
        texts.push(text.to_vec());
    }
    for offers in [
        &["8BITMIME"][..],
        &["8BITMIME", "PIPELINING"],
        &["8BITMIME", "CHUNKING"],
        &["8BITMIME", "PIPELINING", "CHUNKING"],
    ] {
        for scheme in ["smtp", "lmtp"] {
            let sink = Sink::start().await;
            sink.offer(offers);
            let url = sink.url().replace("smtp", scheme);
            let courier = Courier::with(&settings(&url), patient()).unwrap();
            let mut kept = Vec::new();
            for text in &texts {
                let outcome = courier.deliver(&parcel(text)).await;
                match lines(text) {
                    Some(whole) => {
                        assert_eq!(kind(&outcome), Kind::Sent, "{text:?}: {outcome:?}");
                        kept.push(whole);
                    }
                    None => {
                        let expected = Kind::Failed(Reason::MimeMalformed, 0);
                        assert_eq!(kind(&outcome), expected, "{text:?}");
                    }
                }
            }
            let arrived: Vec<Vec<u8>> = sink.mails().into_iter().map(|one| one.data).collect();
            assert_eq!(arrived, kept, "{offers:?}");
            assert!(kept.len() > 15);
            let commands = sink.commands.lock().unwrap().clone();
            let smuggled = commands.iter().any(|one| one.contains("evil"));
            assert!(!smuggled, "{commands:?}");
        }
    }
}

/// The mail in CRLF, `None` with a carriage return that ends no line; by other means than the
/// transports do it.
fn lines(text: &[u8]) -> Option<Vec<u8>> {
    let bare = String::from_utf8_lossy(text)
        .replace("\r\n", "")
        .contains('\r');
    if bare {
        return None;
    }
    let mut out = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    Some(out)
}
