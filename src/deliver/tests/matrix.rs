//! Ten stages, ten reactions, one recipient and three: what becomes of the mail is what the table of
//! contract R14 says, cell by cell, with and without PIPELINING, and with CHUNKING.

use tokio::task::JoinSet;

use super::sink::{Act, At, Sink};
use super::*;

const STAGES: [At; 10] = [
    At::Connect,
    At::Greeting,
    At::Hello,
    At::StartTls,
    At::Mail,
    At::Rcpt,
    At::Data,
    At::Body,
    At::Dot,
    At::Quit,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    Yes,
    NotNow,
    Busy,
    Never,
    Close,
    Reset,
    Silence,
    Drip,
    Oversized,
    Garbage,
}

use Reaction::{Busy, Close, Drip, Garbage, Never, NotNow, Oversized, Reset, Silence, Yes};

const REACTIONS: [Reaction; 10] = [
    Yes, NotNow, Busy, Never, Close, Reset, Silence, Drip, Oversized, Garbage,
];

/// Contract R14, read as a table: what each of `count` recipients gets when the server reacts so at
/// this stage. At RCPT it is the second of three that is met.
fn expected(at: At, reaction: Reaction, count: usize) -> Vec<Kind> {
    use Kind::{Deferred, Failed, Sent};
    let all = |kind: Kind| vec![kind; count];
    let one = |kind: Kind| match count {
        1 => vec![kind],
        _ => vec![Sent, kind, Sent],
    };
    let early = matches!(at, At::Connect | At::Greeting | At::Hello | At::StartTls);
    match (at, reaction) {
        // "QUIT failures never matter."
        (At::Quit, _) => all(Sent),
        // A 250 is believed only when it can be matched to its command; nor is a no.
        (At::Body, _) => all(Deferred(0)),
        // DATA is answered with 354.
        (At::Data, Yes) => all(Deferred(0)),
        (_, Yes) => all(Sent),
        (At::Rcpt, NotNow) => one(Deferred(451)),
        (_, NotNow) => all(Deferred(451)),
        (_, Busy) => all(Deferred(421)),
        (_, Never) if early => all(Deferred(554)),
        (At::Rcpt, Never) => one(Failed(Reason::RecipientRefused, 554)),
        (_, Never) => all(Failed(Reason::MessageRefused, 554)),
        (_, Close | Reset | Silence | Drip | Oversized | Garbage) => all(Deferred(0)),
    }
}

fn act(at: At, reaction: Reaction) -> Act {
    let yes = match at {
        At::Connect | At::Greeting | At::StartTls => "220 yes",
        At::Hello => "250-yes\r\n250 STARTTLS",
        At::Quit => "221 yes",
        _ => "250 yes",
    };
    // Before the greeting, what is said is said by somebody who then hangs up.
    let say = |text: &str| match at {
        At::Connect => Act::SayAndClose(text.to_owned()),
        _ => Act::Say(text.to_owned()),
    };
    match reaction {
        Yes => Act::Say(yes.to_owned()),
        NotNow => say("451 4.3.0 not now"),
        Busy => say("421 4.3.2 busy"),
        Never => say("554 5.7.1 never"),
        Close => Act::Close,
        Reset => Act::Reset,
        Silence => Act::Silence,
        Drip => Act::Drip(yes.to_owned(), Duration::from_millis(200)),
        Oversized => Act::Raw(vec![b'2'; 1 << 20]),
        Garbage => Act::Raw(b"\x00\xff\x16\x03\x01 garbage\r\n\r\n".to_vec()),
    }
}

/// Waits long for whoever answers, and briefly where nobody will.
fn patience(at: At, reaction: Reaction) -> Patience {
    let mut patience = patient();
    if matches!(reaction, Silence | Drip) {
        let short = Duration::from_millis(700);
        match at {
            At::Data => patience.data = short,
            At::Body => (patience.block, patience.pace) = (short, short),
            At::Dot => patience.dot = short,
            At::Quit => {}
            _ => patience.command = short,
        }
    }
    patience
}

/// One cell: what came out, if it is not what should have.
async fn cell(
    at: At,
    reaction: Reaction,
    count: usize,
    offers: &'static [&'static str],
) -> Option<String> {
    let sink = Sink::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&sink.url());
    if at == At::StartTls {
        sink.offer(&[offers, &["8BITMIME", "STARTTLS"]].concat());
        settings.cafile = Some(tls::with_certificate(&sink, dir.path()));
    } else {
        sink.offer(&[offers, &["8BITMIME"]].concat());
    }
    let is_usual = reaction == Yes && matches!(at, At::Connect | At::Hello);
    if !is_usual {
        sink.at(at, act(at, reaction));
    }
    *sink.victim.lock().unwrap() = Some(count / 2);
    let courier = Courier::with(&settings, patience(at, reaction)).unwrap();
    let to = ["a@x.org", "b@x.org", "c@x.org"];
    // More than the kernel's buffers take while nobody reads.
    let size = if at == At::Body { 6 << 20 } else { 4 << 10 };
    let line = [b".", &[b'x'; 1021][..], b"\r\n"].concat();
    let mail = line.repeat(size / line.len());
    let outcomes = to_all(&courier, &addresses(&to[..count]), &mail).await;
    courier.close().await;
    let kinds: Vec<Kind> = outcomes.iter().map(kind).collect();
    let mut wrong = Vec::new();
    let wanted = expected(at, reaction, count);
    if kinds != wanted {
        wrong.push(format!("{outcomes:?} instead of {wanted:?}"));
    }
    // Who was told "sent" has the mail, byte for byte and once; who was told "failed" has none.
    let mails = sink.mails();
    let sent = kinds.iter().filter(|one| **one == Kind::Sent).count();
    let kept: usize = mails.iter().map(|one| one.to.len()).sum();
    let unknown = at == At::Dot && matches!(reaction, Drip | Oversized) || at == At::Body;
    if kept != sent && !unknown {
        wrong.push(format!("{kept} kept"));
    }
    if sent > 0 && !(mails.len() == 1 && mails[0].data == mail) {
        wrong.push("not the mail that was sent".to_owned());
    }
    let cell = format!("{reaction:?} at {at:?}, {count} recipients, {offers:?}");
    (!wrong.is_empty()).then(|| format!("{cell}: {}", wrong.join("; ")))
}

async fn all_cells(stages: &[At], offers: &'static [&'static str]) -> usize {
    let (mut cells, mut count, mut wrong) = (JoinSet::new(), 0, Vec::new());
    for at in stages.iter().copied() {
        for reaction in REACTIONS {
            for recipients in [1, 3] {
                cells.spawn(cell(at, reaction, recipients, offers));
                count += 1;
                // Not all at once: each has a server, and some a mail of megabytes.
                if cells.len() >= 20 {
                    wrong.extend(cells.join_next().await.unwrap().unwrap());
                }
            }
        }
    }
    while let Some(cell) = cells.join_next().await {
        wrong.extend(cell.unwrap());
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    count
}

#[tokio::test]
async fn r14_every_reaction_at_every_stage_means_what_the_table_says() {
    assert_eq!(all_cells(&STAGES, &[]).await, 200);
}

#[tokio::test]
async fn r14_table_holds_with_pipelining() {
    assert_eq!(all_cells(&STAGES, &["PIPELINING"]).await, 200);
}

#[tokio::test]
async fn r14_table_holds_with_chunking() {
    let stages: Vec<At> = STAGES.into_iter().filter(|at| *at != At::Data).collect();
    assert_eq!(all_cells(&stages, &["PIPELINING", "CHUNKING"]).await, 180);
}
