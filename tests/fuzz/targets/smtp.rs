//! Target `smtp_reply`: what a server says, against the protocol that the courier speaks.

use std::collections::VecDeque;

use listseal::deliver::Outcome;
use listseal::deliver::rehearsal::{MAIL, Rehearsal, Server, rehearse};
use listseal::model::Address;

/// A server that says anything.
struct Case<'a> {
    lmtp: bool,
    needs_8bit: bool,
    to: Vec<Address>,
    piece: usize,
    turns: Vec<&'a [u8]>,
}

impl<'a> Case<'a> {
    /// Input: an octet of flags, an octet that says how it is cut, and turns with [`BETWEEN`] in between.
    fn of(data: &'a [u8]) -> Option<Self> {
        let (flags, rest) = data.split_first()?;
        let (piece, rest) = rest.split_first()?;
        let address = |n| Address::parse(&format!("m{n}@x.org")).unwrap();
        Some(Self {
            lmtp: flags & 1 != 0,
            needs_8bit: flags & 2 != 0,
            to: (0..=flags >> 2 & 3).map(address).collect(),
            piece: usize::from(*piece) + 1,
            turns: rest.split(|byte| *byte == BETWEEN).collect(),
        })
    }

    fn play(&self, piece: usize) -> Rehearsal {
        let server = Server {
            turns: &self.turns,
            piece,
            lmtp: self.lmtp,
        };
        rehearse(&server, &self.to, 7, self.needs_8bit)
    }

    /// The codes that the server gave after EHLO, in order, read by lines and not by bytes; up to
    /// the first that is none.
    fn codes(&self) -> VecDeque<u16> {
        let mut codes = VecDeque::new();
        for turn in self.turns.iter().skip(2) {
            let text = String::from_utf8_lossy(turn);
            for line in text.split_inclusive("\r\n") {
                let code = line.get(..3).and_then(|code| code.parse().ok());
                let Some(code @ 200..=599) = code else {
                    return codes;
                };
                if line.as_bytes().get(3) != Some(&b'-') {
                    codes.push_back(code);
                }
            }
        }
        codes
    }
}

const BETWEEN: u8 = 0x1e;

/// The same comes of it however it is cut. Nobody is sent anything but by a 2xx that belongs to the
/// mail, and the mail goes out once at most.
pub fn reply(data: &[u8]) {
    let Some(case) = Case::of(data) else {
        return;
    };
    let played = case.play(case.piece);
    for piece in [1, 2, usize::MAX] {
        assert_eq!(case.play(piece), played, "{piece} bytes at a time");
    }
    assert_eq!(played.outcomes.len(), case.to.len());
    let untried = |one: &Outcome| matches!(one, Outcome::Untried);
    assert!(!played.outcomes.iter().any(untried));
    let mails = played.said.iter().filter(|one| one.ends_with(MAIL)).count();
    assert!(mails <= 1);
    let sent: Vec<bool> = played.outcomes.iter().map(is_taken).collect();
    if !sent.contains(&true) {
        return;
    }
    assert_eq!(mails, 1, "sent without a mail");
    // Every command has one reply, in order; the mail has one, or in LMTP one for each accepted.
    let mut codes = case.codes();
    let mut accepted = Vec::new();
    for line in played
        .said
        .iter()
        .skip(1)
        .flat_map(|turn| turn.split("\r\n"))
    {
        if line == MAIL {
            break;
        }
        if line.is_empty() || line.starts_with("BDAT") {
            continue;
        }
        let code = codes.pop_front().expect("a command without a reply");
        if line.starts_with("RCPT") {
            accepted.push(code / 100 == 2);
        } else {
            let yes = if line == "DATA" { 3 } else { 2 };
            assert_eq!(code / 100, yes, "{line} was answered with {code}");
        }
    }
    assert_eq!(accepted.len(), case.to.len());
    let verdict = codes.front().copied();
    for (accepted, sent) in accepted.into_iter().zip(sent) {
        let code = match (case.lmtp, accepted) {
            (_, false) => None,
            (true, true) => codes.pop_front(),
            (false, true) => verdict,
        };
        assert!(
            !sent || code.is_some_and(|code| code / 100 == 2),
            "{code:?}"
        );
    }
}

/// True where every recipient's mail is taken.
pub fn is_sent(data: &[u8]) -> bool {
    Case::of(data).is_some_and(|case| case.play(case.piece).outcomes.iter().all(is_taken))
}

fn is_taken(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Sent(_))
}
