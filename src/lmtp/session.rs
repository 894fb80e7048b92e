//! One conversation with a client, without its socket: what is read, what is asked of others, what
//! is replied. Pure.
//!
//! ```text
//! bytes -> feed -> wish -> Wish: what only the world can answer -> recipient, resume, begin, settle
//!                          replies gather in take_output
//! ```
//!
//! # Trust
//!
//! The client is not trusted, even where only the MTA reaches the socket: what it passes on was
//! written by anybody. Lines, recipients, errors and idle commands have limits, and what waits to
//! be read is bounded by what was fed.
//!
//! # Invariants
//!
//! * A message is complete only behind CRLF `.` CRLF ([`Wish::Settle`], contract E23).
//! * Each accepted RCPT has one reply of its own, in order, the same address twice too (RFC 2033
//!   section 4.2).
//! * What is said does not depend on how the bytes were cut.
//! * Nothing that came before 354 is content, and nothing meant as content becomes a command: who
//!   says more behind DATA before it is answered is hung up on (RFC 2920 section 3.1).

use super::command::{self, Command, Mail, Rcpt};
use super::content::Content;
use super::reply::Reply;
use crate::model::Address;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// May a message come in now? [`Session::begin`].
    Begin,
    /// More from the client; what there is to say is to be said first.
    Bytes,
    /// The end, once what there is to say has been said.
    HangUp,
    /// Has the client said something behind DATA without waiting? [`Session::resume`].
    Pause,
    /// Is there such a list? [`Session::recipient`].
    Recipient(Address),
    /// The message is complete: what became of it? [`Session::settle`].
    Settle,
    /// A piece of the message to be kept, however short.
    Store(Vec<u8>),
}

/// A conversation.
#[derive(Debug)]
pub struct Session {
    name: String,
    max_size: u64,
    input: Vec<u8>,
    /// So much of `input` was used.
    used: usize,
    output: Vec<u8>,
    phase: Phase,
    greeted: bool,
    transaction: Option<Transaction>,
    commands: u64,
    errors: usize,
    idle: usize,
}

#[derive(Debug)]
enum Phase {
    Begin,
    Command,
    Content { content: Content, piece: Vec<u8> },
    Over,
    Pause,
    Recipient(Address),
    Settle,
}

#[derive(Debug, Default)]
struct Transaction {
    sender: String,
    utf8: bool,
    recipients: Vec<Address>,
}

impl Session {
    /// Begins a conversation by a greeting; `name` is ours, messages of more than `max_size` bytes
    /// are refused where the client announces their size.
    #[must_use]
    pub fn new(name: &str, max_size: u64) -> Self {
        let mut session = Self {
            name: name.to_owned(),
            max_size,
            input: Vec::new(),
            used: 0,
            output: Vec::new(),
            phase: Phase::Command,
            greeted: false,
            transaction: None,
            commands: 0,
            errors: 0,
            idle: 0,
        };
        session.say(&Reply::new(220, format!("{name} LMTP Listseal")));
        session
    }

    /// Takes bytes as they came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Returns what was said since the last time.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Returns the sender of the message under way, empty for `<>`.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.transaction.as_ref().map_or("", |open| &open.sender)
    }

    /// Returns the accepted recipients of the message under way, in their order.
    #[must_use]
    pub fn recipients(&self) -> &[Address] {
        self.transaction
            .as_ref()
            .map_or(&[], |open| &open.recipients)
    }

    /// Returns how many lines of commands were taken so far.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// True from MAIL to the replies to the message.
    #[must_use]
    pub fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// True while the client sends a message.
    #[must_use]
    pub fn is_in_content(&self) -> bool {
        matches!(self.phase, Phase::Content { .. })
    }

    /// Goes on as far as it can.
    #[must_use]
    pub fn wish(&mut self) -> Wish {
        loop {
            match &mut self.phase {
                Phase::Begin => return Wish::Begin,
                Phase::Over => return Wish::HangUp,
                Phase::Pause => return Wish::Pause,
                Phase::Recipient(address) => return Wish::Recipient(address.clone()),
                Phase::Settle => return Wish::Settle,
                Phase::Content { content, piece } => {
                    let rest = self.input.get(self.used..).unwrap_or_default();
                    let (used, ended) = content.read(rest, piece);
                    self.used += used;
                    let piece = if ended || piece.len() >= PIECE {
                        std::mem::take(piece)
                    } else {
                        return Wish::Bytes;
                    };
                    if ended {
                        self.phase = Phase::Settle;
                    }
                    if !piece.is_empty() {
                        return Wish::Store(piece);
                    }
                }
                Phase::Command => match self.line() {
                    Ok(None) => return Wish::Bytes,
                    Ok(Some(line)) => self.command(&line),
                    Err(reply) => self.hang_up(&reply),
                },
            }
        }
    }

    /// Answers [`Wish::Recipient`].
    pub fn recipient(&mut self, verdict: Result<(), Reply>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        let (Phase::Recipient(address), Some(open)) = (phase, &mut self.transaction) else {
            return;
        };
        match verdict {
            Ok(()) => {
                open.recipients.push(address);
                self.say(&RECIPIENT_OK);
            }
            // Recipients that do not exist are the sender's error and not the client's.
            Err(reply) => self.say(&reply),
        }
    }

    /// Answers [`Wish::Pause`]: has nothing come behind DATA?
    pub fn resume(&mut self, is_quiet: bool) {
        if !is_quiet || self.used < self.input.len() {
            return self.hang_up(&NOT_ASKED);
        }
        self.phase = Phase::Command;
        match &self.transaction {
            None => self.refuse(&MAIL_FIRST),
            // With PIPELINING this follows from refused recipients, and is no error.
            Some(open) if open.recipients.is_empty() => self.say(&NO_RECIPIENTS),
            Some(_) => self.phase = Phase::Begin,
        }
    }

    /// Answers [`Wish::Begin`].
    pub fn begin(&mut self, verdict: Result<(), Reply>) {
        match verdict {
            Ok(()) => {
                self.say(&GO_AHEAD);
                let (content, piece) = (Content::new(), Vec::new());
                self.phase = Phase::Content { content, piece };
            }
            Err(reply) => {
                self.say(&reply);
                self.transaction = None;
                self.phase = Phase::Command;
            }
        }
    }

    /// Answers [`Wish::Settle`], one reply for each of [`Session::recipients`].
    pub fn settle(&mut self, replies: &[Reply]) {
        let open = self.transaction.take().unwrap_or_default();
        for at in 0..open.recipients.len() {
            self.say(replies.get(at).unwrap_or(&NOT_SETTLED));
        }
        self.phase = Phase::Command;
    }

    /// Ends the conversation with these words.
    pub fn hang_up(&mut self, reply: &Reply) {
        self.say(reply);
        self.transaction = None;
        self.phase = Phase::Over;
    }

    /// Takes the next line, without its CRLF.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Reply> {
        let rest = self.input.get(self.used..).unwrap_or_default();
        let start = rest.get(..MAX_LINE).unwrap_or(rest);
        let Some(end) = memchr::memchr(b'\n', start) else {
            // No client of ours is lost: what cannot be understood cannot be skipped safely.
            return if rest.len() < MAX_LINE {
                Ok(None)
            } else {
                Err(LINE_TOO_LONG)
            };
        };
        let line = start.get(..end).and_then(|line| line.strip_suffix(b"\r"));
        let line = line.ok_or(BARE_LF)?.to_vec();
        self.used += end + 1;
        self.commands = self.commands.saturating_add(1);
        Ok(Some(line))
    }

    fn command(&mut self, line: &[u8]) {
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(reply) => return self.refuse(&reply),
        };
        if matches!(
            command,
            Command::Lhlo | Command::Noop | Command::Rset | Command::Vrfy
        ) {
            self.idle += 1;
            if self.idle > MAX_IDLE {
                return self.hang_up(&TOO_IDLE);
            }
        }
        match command {
            Command::Data => self.phase = Phase::Pause,
            Command::Lhlo => self.greet(),
            Command::Mail(mail) => self.mail(mail),
            Command::Noop => self.say(&OK),
            Command::Quit => self.hang_up(&BYE),
            Command::Rcpt(rcpt) => self.rcpt(rcpt),
            Command::Rset => {
                self.transaction = None;
                self.say(&OK);
            }
            Command::Vrfy => self.say(&MAYBE),
        }
    }

    fn greet(&mut self) {
        self.greeted = true;
        self.transaction = None;
        let size = format!("SIZE {}", self.max_size);
        let offers = [
            self.name.as_str(),
            "PIPELINING",
            &size,
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
        ];
        let last = offers.len() - 1;
        for (at, offer) in offers.iter().enumerate() {
            let mark = if at == last { ' ' } else { '-' };
            let line = format!("250{mark}{offer}\r\n");
            self.output.extend_from_slice(line.as_bytes());
        }
    }

    fn mail(&mut self, mail: Mail) {
        if !self.greeted {
            return self.refuse(&LHLO_FIRST);
        }
        if self.transaction.is_some() {
            return self.refuse(&NESTED);
        }
        if mail.size.is_some_and(|size| size > self.max_size) {
            let text = format!(
                "5.3.4 the message is larger than the {} bytes that are accepted here",
                self.max_size
            );
            return self.say(&Reply::new(552, text));
        }
        self.idle = 0;
        self.transaction = Some(Transaction {
            sender: mail.sender,
            utf8: mail.utf8,
            recipients: Vec::new(),
        });
        self.say(&SENDER_OK);
    }

    fn rcpt(&mut self, rcpt: Rcpt) {
        let Some(open) = &self.transaction else {
            return self.refuse(&MAIL_FIRST);
        };
        if !rcpt.is_ascii && !open.utf8 {
            return self.refuse(&command::NEEDS_UTF8);
        }
        if open.recipients.len() >= MAX_RECIPIENTS {
            return self.say(&TOO_MANY);
        }
        match rcpt.address {
            Ok(address) => self.phase = Phase::Recipient(address),
            Err(reply) => self.say(&reply),
        }
    }

    /// Says what was wrong with a command; a client that makes too many mistakes is not worth
    /// listening to.
    fn refuse(&mut self, reply: &Reply) {
        self.say(reply);
        self.errors += 1;
        if self.errors >= MAX_ERRORS {
            self.hang_up(&TOO_MANY_ERRORS);
        }
    }

    fn say(&mut self, reply: &Reply) {
        reply.say(&mut self.output);
    }
}

/// The longest command with its line end: twice what Postfix sends with the longest address.
const MAX_LINE: usize = 2048;
/// Recipients of one message; Postfix hands over 50 at once unless told otherwise.
const MAX_RECIPIENTS: usize = 1000;
/// Mistakes in one conversation.
const MAX_ERRORS: usize = 20;
/// Commands in a row that lead to nothing.
const MAX_IDLE: usize = 100;
/// What is kept of a message before it is passed on.
const PIECE: usize = 64 * 1024;

const OK: Reply = Reply::fixed(250, "2.0.0 fine");
const BYE: Reply = Reply::fixed(221, "2.0.0 goodbye");
const SENDER_OK: Reply = Reply::fixed(250, "2.1.0 sender accepted");
const RECIPIENT_OK: Reply = Reply::fixed(250, "2.1.5 recipient accepted");
const MAYBE: Reply = Reply::fixed(252, "2.5.2 RCPT tells whether there is such a list");
const GO_AHEAD: Reply = Reply::fixed(354, "end with a line of a single dot");
const LHLO_FIRST: Reply = Reply::fixed(503, "5.5.1 LHLO comes first");
const MAIL_FIRST: Reply = Reply::fixed(503, "5.5.1 MAIL comes first");
const NESTED: Reply = Reply::fixed(503, "5.5.1 there is a sender already: RSET or DATA");
const NO_RECIPIENTS: Reply = Reply::fixed(503, "5.5.1 there is no valid recipient");
const NOT_ASKED: Reply = Reply::fixed(503, "5.5.1 wait for the reply to DATA; goodbye");
const BARE_LF: Reply = Reply::fixed(500, "5.5.2 a command ends in CR LF; goodbye");
const LINE_TOO_LONG: Reply = Reply::fixed(500, "5.5.2 the line is too long; goodbye");
const TOO_MANY: Reply = Reply::fixed(452, "4.5.3 too many recipients");
const TOO_MANY_ERRORS: Reply = Reply::fixed(421, "4.7.0 too many errors; goodbye");
const TOO_IDLE: Reply = Reply::fixed(421, "4.7.0 too many commands without mail; goodbye");
const NOT_SETTLED: Reply = Reply::fixed(451, "4.3.0 it is not known what became of the message");

#[cfg(test)]
#[path = "tests/session.rs"]
mod tests;
