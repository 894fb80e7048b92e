//! Logging in at the next hop (RFC 4954).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::sink::{At, Sink};
use super::*;

/// Settings that log in as `user`, with the passphrase in a file of `dir`.
pub(super) fn logging_in(sink: &Sink, dir: &Path, user: &str) -> Delivery {
    let secret = dir.join("passwd");
    std::fs::write(&secret, "open sesame\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "[delivery]\ntransport = \"{}\"\nhostname = \"relay.example.org\"\n\
         user = \"{user}\"\npasswd_file = \"passwd\"\n",
        sink.url()
    );
    let file = dir.join("listseal.toml");
    Settings::parse(&file, &text).unwrap().delivery
}

#[tokio::test]
async fn login_speaks_plain_or_login_and_neither_goes_without() {
    let b64 = |text: &str| base64_simd::STANDARD.encode_to_string(text);
    let plain = format!("AUTH PLAIN {}", b64("\0list@x.org\0open sesame"));
    let login = [
        "AUTH LOGIN".to_owned(),
        b64("list@x.org"),
        b64("open sesame"),
    ];
    for (offer, words) in [
        ("AUTH CRAM-MD5 LOGIN PLAIN", Some(vec![plain.clone()])),
        ("AUTH=PLAIN", Some(vec![plain])),
        ("AUTH LOGIN", Some(login.to_vec())),
        ("AUTH CRAM-MD5", None),
        ("8BITMIME", None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let sink = Sink::start().await;
        sink.offer(&[offer]);
        let settings = logging_in(&sink, dir.path(), "list@x.org");
        let courier = Courier::with(&settings, patient()).unwrap();
        let outcome = courier.deliver(&parcel(MAIL)).await;
        let commands = sink.commands.lock().unwrap().clone();
        match words {
            Some(words) => {
                assert_eq!(kind(&outcome), Kind::Sent, "{offer}: {outcome:?}");
                assert_eq!(commands[1..=words.len()], words[..], "{offer}");
                assert!(commands[words.len() + 1].starts_with("MAIL"));
            }
            None => {
                assert_eq!(kind(&outcome), Kind::Deferred(0), "{offer}");
                assert_eq!(commands.len(), 1, "{commands:?}");
            }
        }
    }
}

#[tokio::test]
async fn refused_login_defers_and_its_words_are_not_repeated() {
    for (reply, code) in [
        ("535 5.7.8 wrong: b3BlbiBzZXNhbWU= open sesame", 535),
        ("454 4.7.0 open sesame", 454),
        ("250 open sesame", 250),
        ("334 b3BlbiBzZXNhbWU=", 334),
    ] {
        for offer in ["AUTH PLAIN", "AUTH LOGIN"] {
            let dir = tempfile::tempdir().unwrap();
            let sink = Sink::start().await;
            sink.offer(&[offer]);
            sink.say(At::Auth, reply);
            let settings = logging_in(&sink, dir.path(), "list");
            let courier = Courier::with(&settings, impatient()).unwrap();
            let outcome = courier.deliver(&parcel(MAIL)).await;
            let Outcome::Deferred { code: found, text } = &outcome else {
                panic!("{offer}, {reply}: {outcome:?}");
            };
            // A LOGIN that is asked on and on gets no third word, nor an answer.
            let unanswered = offer == "AUTH LOGIN" && code == 334;
            assert!(
                *found == code || unanswered,
                "{offer}, {reply}: {outcome:?}"
            );
            assert!(
                !text.contains("sesame") && !text.contains("b3Blbi"),
                "{text}"
            );
            assert_eq!(sink.mails(), []);
        }
    }
}

#[tokio::test]
async fn s43_passphrase_that_others_can_read_is_not_used_and_a_changed_one_counts_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start().await;
    sink.offer(&["AUTH PLAIN"]);
    let settings = logging_in(&sink, dir.path(), "list");
    let secret = dir.path().join("passwd");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let courier = Courier::with(&settings, patient()).unwrap();
    let outcome = courier.deliver(&parcel(MAIL)).await;
    assert!(
        matches!(&outcome, Outcome::Deferred { text, .. } if text.contains("chmod 600")),
        "{outcome:?}"
    );
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&secret, "new\n").unwrap();
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
    let said = base64_simd::STANDARD.encode_to_string("\0list\0new");
    let commands = sink.commands.lock().unwrap().clone();
    assert!(
        commands.contains(&format!("AUTH PLAIN {said}")),
        "{commands:?}"
    );
}

#[tokio::test]
async fn s48_passphrase_is_said_behind_tls_alone_where_tls_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start().await;
    // Offered in clear, as somebody in between would.
    sink.offer(&["AUTH PLAIN"]);
    let mut settings = logging_in(&sink, dir.path(), "list");
    settings.cafile = Some(tls::with_certificate(&sink, dir.path()));
    let courier = Courier::with(&settings, patient()).unwrap();
    assert_eq!(
        kind(&courier.deliver(&parcel(MAIL)).await),
        Kind::Deferred(0)
    );
    assert_eq!(sink.commands.lock().unwrap().len(), 1);
    sink.offer(&["STARTTLS", "AUTH PLAIN"]);
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
    let commands = sink.commands.lock().unwrap().clone();
    let order: Vec<&str> = commands[1..].iter().map(|one| &one[..4]).collect();
    assert_eq!(
        order,
        ["EHLO", "STAR", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]
    );
}
