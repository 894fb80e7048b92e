//! One mail through ESMTP or LMTP: which command comes next, which reply belongs to which, and what
//! each means (the table of contract R14). Pure.
//!
//! # Trust
//!
//! Addresses go into commands as they are; [`Address`] holds no control character, space or angle
//! bracket, which is checked once more here (S48). A reply that cannot belong to the command it
//! would answer ends the connection, and nothing after it is believed.
//!
//! # Invariants
//!
//! * A recipient has one end, and it is `Sent` only by the reply to the mail itself: the dot, or the
//!   last chunk.
//! * The mail goes out only after a recipient was accepted. A server that offers CHUNKING and does
//!   not know BDAT would take its lines for commands; so does one that was never asked for it.
//! * Whatever has no end when the connection does is deferred.
//!
//! # See also
//!
//! RFC 5321 sections 3.3 and 4.2, RFC 2033 (LMTP), RFC 2920 section 3.1, RFC 3030 section 2, RFC 3461.

use std::collections::VecDeque;

use super::offers::Offers;
use super::reply::Reply;
use crate::deliver::Outcome;
use crate::model::{Address, Reason};

/// Who sends what to whom.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// `None` is the null sender.
    pub(super) from: Option<&'a Address>,
    /// At most a hundred, so that all commands fit into the buffers between two hosts.
    pub(super) to: &'a [Address],
    /// Bytes of the mail.
    pub(super) size: usize,
    /// Whether the mail has bytes beyond ASCII.
    pub(super) needs_8bit: bool,
    /// The name that reports about it bring back.
    pub(super) name: Option<&'a str>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: see [`Transaction::end`].
    End,
    /// Send the mail: as one chunk after this command, or with dots stuffed and a dot at its end.
    Mail(Option<String>),
    /// Wait for the reply to this.
    Read(Step),
    /// Send this.
    Write(String),
}

/// A point of the conversation that a reply belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Data,
    /// The end of a mail that nobody takes.
    Emptied,
    Mail,
    /// The mail itself; LMTP answers for each recipient.
    Message(Option<usize>),
    Rcpt(usize),
}

/// What can be done with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It takes another mail.
    Ready,
    /// It takes another mail after RSET.
    Reset,
    /// It is to be dropped.
    Broken,
}

/// How a transaction ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// One for each recipient.
    pub(super) outcomes: Vec<Outcome>,
    pub(super) after: After,
    /// Whether any byte of the mail was sent: before that, trying again repeats nothing.
    pub(super) data_sent: bool,
    /// The server offers CHUNKING and does not understand BDAT.
    pub(super) knows_no_chunks: bool,
}

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Transaction {
    lmtp: bool,
    offers: Offers,
    size: usize,
    /// Commands that were not sent yet.
    waiting: VecDeque<(Step, String)>,
    /// Replies that are due, in order.
    due: VecDeque<Step>,
    outcomes: Vec<Option<Outcome>>,
    after: After,
    mail_refused: bool,
    may_send: bool,
    data_sent: bool,
    knows_no_chunks: bool,
}

impl Transaction {
    /// Plans a transaction with a server of these offers.
    pub(super) fn new(envelope: &Envelope<'_>, offers: Offers, lmtp: bool) -> Self {
        let mut this = Self {
            lmtp,
            offers,
            size: envelope.size,
            waiting: VecDeque::new(),
            due: VecDeque::new(),
            outcomes: vec![None; envelope.to.len()],
            after: After::Ready,
            mail_refused: false,
            may_send: false,
            data_sent: false,
            knows_no_chunks: false,
        };
        match this.mail_command(envelope) {
            Ok(command) => this.plan(command, envelope),
            Err(problem) => this.settle_all(|| unsupported(problem)),
        }
        this
    }

    fn mail_command(&self, envelope: &Envelope<'_>) -> Result<String, &'static str> {
        let from = envelope.from.map(|one| self.spelled(one)).transpose()?;
        let from = from.unwrap_or_default();
        let mut command = format!("MAIL FROM:<{from}>");
        if self.offers.size {
            command.push_str(&format!(" SIZE={}", envelope.size));
        }
        if envelope.needs_8bit {
            if !self.offers.eight_bit {
                // Re-encoding would break signatures (contract decision 13).
                return Err("the mail server does not take 8-bit content (8BITMIME)");
            }
            command.push_str(" BODY=8BITMIME");
        }
        let foreign = |one: &Address| !one.to_string().is_ascii();
        if self.offers.utf8
            && (envelope.from.is_some_and(foreign) || envelope.to.iter().any(foreign))
        {
            command.push_str(" SMTPUTF8");
        }
        if let (true, Some(name)) = (self.offers.dsn, envelope.name) {
            // What comes back must not carry the content around once more (RFC 3461 section 4.3).
            command.push_str(&format!(" RET=HDRS ENVID={name}"));
        }
        command.push_str("\r\n");
        Ok(command)
    }

    fn plan(&mut self, mail: String, envelope: &Envelope<'_>) {
        let reports = self.offers.dsn && envelope.name.is_some();
        let notify = if reports { " NOTIFY=FAILURE" } else { "" };
        let mut commands = VecDeque::from([(Step::Mail, mail)]);
        for (index, address) in envelope.to.iter().enumerate() {
            match self.spelled(address) {
                Ok(to) => {
                    let command = format!("RCPT TO:<{to}>{notify}\r\n");
                    commands.push_back((Step::Rcpt(index), command));
                }
                Err(problem) => self.settle(index, unsupported(problem)),
            }
        }
        if commands.len() == 1 {
            return;
        }
        if !self.offers.chunking {
            commands.push_back((Step::Data, "DATA\r\n".to_owned()));
        }
        self.waiting = commands;
    }

    /// Returns an address as a command spells it, if this server can take it.
    fn spelled(&self, address: &Address) -> Result<String, &'static str> {
        let text = address.to_string();
        let unfit = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>');
        if text.contains(unfit) {
            return Err("the address has a character that no command may have");
        }
        if !text.is_ascii() && !self.offers.utf8 {
            return Err("the mail server does not take addresses beyond ASCII (SMTPUTF8)");
        }
        Ok(text)
    }

    /// Returns what is to be done next.
    pub(super) fn next(&mut self) -> Next {
        if self.after == After::Broken {
            return Next::End;
        }
        if self.due.is_empty() || self.offers.pipelining {
            let mut commands = String::new();
            while let Some((step, command)) = self.waiting.pop_front() {
                if self.is_pointless(step) {
                    continue;
                }
                self.due.push_back(step);
                commands.push_str(&command);
                if !self.offers.pipelining {
                    break;
                }
            }
            if !commands.is_empty() {
                return Next::Write(commands);
            }
        }
        if let Some(step) = self.due.front() {
            return Next::Read(*step);
        }
        if self.data_sent || !(self.may_send || self.offers.chunking) {
            return Next::End;
        }
        self.send()
    }

    /// Returns how the mail goes out, now that all commands are answered.
    fn send(&mut self) -> Next {
        let accepted: Vec<usize> = self.open().collect();
        let refused_by_all = accepted.is_empty() || self.mail_refused;
        if refused_by_all && std::mem::take(&mut self.may_send) {
            // RFC 2920 section 3.1: it went ahead without a recipient. LMTP would not say how often
            // it answers then.
            self.after = if self.lmtp {
                After::Broken
            } else {
                After::Reset
            };
            self.due.push_back(Step::Emptied);
            return if self.lmtp {
                Next::End
            } else {
                Next::Write(".\r\n".to_owned())
            };
        }
        if refused_by_all {
            return Next::End;
        }
        self.data_sent = true;
        if self.lmtp {
            let each = accepted.into_iter().map(|one| Step::Message(Some(one)));
            self.due.extend(each);
        } else {
            self.due.push_back(Step::Message(None));
        }
        Next::Mail(
            self.offers
                .chunking
                .then(|| format!("BDAT {} LAST\r\n", self.size)),
        )
    }

    /// Whether nothing can come of a command that was not sent yet.
    fn is_pointless(&self, step: Step) -> bool {
        match step {
            Step::Data => self.mail_refused || self.open().next().is_none(),
            _ => self.mail_refused,
        }
    }

    /// Takes the next reply.
    pub(super) fn take(&mut self, reply: &Reply) {
        let Some(step) = self.due.pop_front() else {
            self.break_off(0, "a reply to nothing");
            return;
        };
        let kind = reply.code / 100;
        let fits = match step {
            Step::Data => kind >= 4 || reply.code == 354,
            Step::Emptied | Step::Mail | Step::Message(_) | Step::Rcpt(_) => kind != 3,
        };
        if reply.code == 421 {
            self.break_off(421, &reply.text());
        } else if !fits {
            let text = format!("unexpected reply {} to {}", reply.code, step.name());
            self.break_off(0, &text);
        } else if kind >= 4 {
            self.refused(step, reply);
        } else {
            self.granted(step, reply);
        }
    }

    fn granted(&mut self, step: Step, reply: &Reply) {
        match step {
            Step::Data => self.may_send = true,
            Step::Emptied | Step::Mail | Step::Rcpt(_) => {}
            Step::Message(Some(index)) => self.settle(index, Outcome::Sent(reply.text())),
            Step::Message(None) => self.settle_all(|| Outcome::Sent(reply.text())),
        }
    }

    fn refused(&mut self, step: Step, reply: &Reply) {
        self.after = After::Reset;
        let (code, text) = (reply.code, reply.text());
        let outcome = |reason| {
            let text = text.clone();
            if code >= 500 {
                Outcome::Failed { reason, code, text }
            } else {
                Outcome::Deferred { code, text }
            }
        };
        match step {
            Step::Emptied => {}
            // Refused by what follows from the refusal of MAIL, not for its own sake.
            Step::Rcpt(_) | Step::Data if self.mail_refused => {}
            Step::Rcpt(index) => self.settle(index, outcome(Reason::RecipientRefused)),
            Step::Mail => {
                self.mail_refused = true;
                self.settle_all(|| outcome(Reason::MessageRefused));
            }
            // It is BDAT that it does not know, and no word about the mail.
            Step::Message(_) if self.offers.chunking && (500..=504).contains(&code) => {
                self.knows_no_chunks = true;
                self.break_off(code, &text);
            }
            Step::Message(Some(index)) => self.settle(index, outcome(Reason::MessageRefused)),
            Step::Data | Step::Message(None) => {
                self.settle_all(|| outcome(Reason::MessageRefused));
            }
        }
    }

    /// The connection is of no use any more; what has no end yet is deferred.
    pub(super) fn break_off(&mut self, code: u16, text: &str) {
        self.after = After::Broken;
        self.settle_all(|| Outcome::Deferred {
            code,
            text: text.to_owned(),
        });
    }

    pub(super) fn end(mut self) -> Ending {
        self.settle_all(|| Outcome::Deferred {
            code: 0,
            text: "the server said neither yes nor no".to_owned(),
        });
        Ending {
            outcomes: self.outcomes.into_iter().flatten().collect(),
            after: self.after,
            data_sent: self.data_sent,
            knows_no_chunks: self.knows_no_chunks,
        }
    }

    /// Recipients that have no end yet.
    fn open(&self) -> impl Iterator<Item = usize> {
        let all = self.outcomes.iter().enumerate();
        all.filter(|(_, outcome)| outcome.is_none())
            .map(|(index, _)| index)
    }

    fn settle(&mut self, index: usize, outcome: Outcome) {
        if let Some(free @ None) = self.outcomes.get_mut(index) {
            *free = Some(outcome);
        }
    }

    fn settle_all(&mut self, outcome: impl Fn() -> Outcome) {
        for free in self.outcomes.iter_mut().filter(|one| one.is_none()) {
            *free = Some(outcome());
        }
    }
}

impl Step {
    /// What the reply answers, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Data => "DATA",
            Self::Emptied | Self::Message(_) => "the mail",
            Self::Mail => "MAIL",
            Self::Rcpt(_) => "RCPT",
        }
    }
}

fn unsupported(problem: &str) -> Outcome {
    Outcome::Failed {
        reason: Reason::AddressUnsupported,
        code: 0,
        text: problem.to_owned(),
    }
}

#[cfg(test)]
#[path = "../tests/transaction.rs"]
mod tests;
