//! A conversation without a socket: what would come of a mail if a server said this. Pure.
//!
//! # Place in the flow
//!
//! Beside it: `tests/fuzz` has servers say anything here. What is said and believed is decided by
//! the same `transaction`, `reply` and
//! `offers`; what `connection` adds, that nothing is said
//! while something unasked waits to be read, is repeated here.

use super::offers::Offers;
use super::reply::{Replies, Reply};
use super::transaction::{Envelope, Next, Transaction};
use crate::deliver::Outcome;
use crate::model::Address;

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// What we said, one turn after the other, EHLO first; the mail itself is [`MAIL`].
    pub said: Vec<String>,
    /// What became of each recipient.
    pub outcomes: Vec<Outcome>,
}

/// Stands for the mail in [`Rehearsal::said`].
pub const MAIL: &str = "*";

/// What a server says, turn by turn, and how it gets here.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its greeting, and what it says each time that we have said something.
    pub turns: &'a [&'a [u8]],
    /// At most so many bytes come at once.
    pub piece: usize,
    /// Whether it speaks LMTP.
    pub lmtp: bool,
}

/// Carries one mail of `size` bytes for `to` to this server.
#[must_use]
pub fn rehearse(server: &Server<'_>, to: &[Address], size: usize, needs_8bit: bool) -> Rehearsal {
    let mut talk = Talk {
        turns: server.turns.iter(),
        rest: &[],
        piece: server.piece.max(1),
        replies: Replies::default(),
        said: Vec::new(),
    };
    talk.turn();
    let outcomes = match talk.introduce(server.lmtp) {
        Ok(offers) => {
            let envelope = Envelope {
                from: None,
                to,
                size,
                needs_8bit,
                name: None,
            };
            talk.carry(Transaction::new(&envelope, offers, server.lmtp))
        }
        Err(text) => vec![Outcome::Deferred { code: 0, text }; to.len()],
    };
    Rehearsal {
        said: talk.said,
        outcomes,
    }
}

struct Talk<'a> {
    turns: std::slice::Iter<'a, &'a [u8]>,
    /// What the server has said and we have not read.
    rest: &'a [u8],
    piece: usize,
    replies: Replies,
    said: Vec<String>,
}

impl Talk<'_> {
    fn introduce(&mut self, lmtp: bool) -> Result<Offers, String> {
        self.wanted(220)?;
        self.say(if lmtp { "LHLO x\r\n" } else { "EHLO x\r\n" }.to_owned())?;
        Ok(Offers::of(&self.wanted(250)?))
    }

    fn wanted(&mut self, code: u16) -> Result<Reply, String> {
        let reply = self.reply()?;
        if reply.code == code {
            Ok(reply)
        } else {
            Err(reply.text())
        }
    }

    fn carry(&mut self, mut transaction: Transaction) -> Vec<Outcome> {
        loop {
            let done = match transaction.next() {
                Next::End => return transaction.end().outcomes,
                Next::Write(commands) => self.say(commands),
                Next::Mail(command) => {
                    let mail = format!("{}{MAIL}", command.unwrap_or_default());
                    self.say(mail)
                }
                Next::Read(_) => self.reply().map(|reply| transaction.take(&reply)),
            };
            if let Err(problem) = done {
                transaction.break_off(0, &problem);
            }
        }
    }

    fn say(&mut self, text: String) -> Result<(), String> {
        if !self.replies.is_empty() || !self.rest.is_empty() {
            return Err("the server sent more than it was asked for".to_owned());
        }
        self.said.push(text);
        self.turn();
        Ok(())
    }

    fn turn(&mut self) {
        self.rest = self.turns.next().copied().unwrap_or_default();
    }

    fn reply(&mut self) -> Result<Reply, String> {
        loop {
            if let Some(reply) = self.replies.next()? {
                return Ok(reply);
            }
            if self.rest.is_empty() {
                return Err("the server closed the connection".to_owned());
            }
            let (now, later) = self.rest.split_at(self.piece.min(self.rest.len()));
            self.replies.feed(now);
            self.rest = later;
        }
    }
}
