//! Hands finished mail to the next hop, one recipient at a time, and says what became of it.
//!
//! # Place in the flow
//!
//! seal, notice → **deliver** → the site's MTA, a directory, sendmail. The daemon records the
//! [`Outcome`] in the message's slots and asks [`retry`] when to come again.
//!
//! # Trust
//!
//! The next hop is not trusted: its replies are bounded, matched to their commands and shown without
//! control characters (contract R14, E22). Over any network it has to prove who it is by TLS (S48).
//!
//! # Invariants
//!
//! * Only finished mail goes out: a [`Cargo`] is made of what seal or notice made, and of nothing
//!   else. Plaintext of an encrypted post has no road here (S3, S40).
//! * A parcel has one recipient, so that nobody sees another (S41) and a crash repeats one copy.
//! * Lines leave ending in CRLF, dot-stuffed where the protocol asks for it (E23).
//!
//! # See also
//!
//! RFC 5321, RFC 2033 (LMTP), RFC 3207 (STARTTLS); contract R13 to R15.

#![allow(
    clippy::disallowed_methods,
    reason = "delivery is shell: it has the network, processes, files and the clock"
)]

mod cargo;
mod dir;
pub mod retry;
mod sendmail;
mod smtp;
#[cfg(test)]
mod tests;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

pub use cargo::Cargo;
pub use smtp::rehearsal;

use crate::config::{Delivery, Transport};
use crate::model::{Address, Reason};

/// One mail on its way to one recipient.
#[derive(Debug)]
pub struct Parcel {
    /// Envelope sender; `None` is the null sender `<>`.
    pub reverse_path: Option<Address>,
    /// Envelope recipient.
    pub to: Address,
    /// The mail.
    pub cargo: Cargo,
    /// The name of this copy, which reports about it bring back: in its header, and as ENVID where
    /// the next hop sends reports (RFC 3461). Letters, digits and dots.
    pub name: Option<String>,
}

/// What became of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not now; to be tried again.
    Deferred {
        /// Reply code, 0 without one.
        code: u16,
        /// One line for the log.
        text: String,
    },
    /// Never.
    Failed {
        /// What is reported.
        reason: Reason,
        /// Reply code, 0 without one.
        code: u16,
        /// One line for the log.
        text: String,
    },
    /// The next hop took it over. The text is its reply.
    Sent(String),
    /// The courier was stopped before it was this parcel's turn; nothing was said about it.
    Untried,
}

/// A transport that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// LMTP over a network would go in clear.
    #[error(
        "delivery.transport: lmtp:// reaches only this machine; name 127.0.0.1 or a unix socket (lmtp+unix:///path), or use smtp://"
    )]
    RemoteLmtp,
    /// The certificates that the next hop is to be known by cannot be used.
    #[error("{place}: delivery.cafile {problem}; write the authority's certificate there, or the server's own, in PEM", place = .place.display())]
    Anchors {
        /// Which file.
        place: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("delivery.transport: TLS cannot be set up: {0}; see that ca-certificates is installed")]
    Tls(String),
    /// The directory of `dir:` cannot be used.
    #[error("{place}: {source}; see that the directory can be written", place = .place.display())]
    Directory {
        /// Which directory.
        place: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// The way out, shared by all messages.
#[derive(Debug)]
pub struct Courier {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Dir(dir::Directory),
    Sendmail(sendmail::Sendmail),
    Smtp(Box<smtp::Pool>),
}

impl Courier {
    /// Sets the transport up. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`CourierError`] for a transport that can never work as configured.
    pub fn new(settings: &Delivery) -> Result<Self, CourierError> {
        Self::with(settings, Patience::default())
    }

    fn with(settings: &Delivery, patience: Patience) -> Result<Self, CourierError> {
        let way = match &settings.transport {
            Transport::Dir(path) => Way::Dir(dir::Directory::open(path)?),
            Transport::Sendmail(path) => Way::Sendmail(sendmail::Sendmail::new(
                path,
                settings.connections,
                patience,
            )),
            Transport::Lmtp(hop) if !hop.is_loopback() => return Err(CourierError::RemoteLmtp),
            Transport::Smtp(_)
            | Transport::Smtps(_)
            | Transport::Lmtp(_)
            | Transport::LmtpUnix(_) => Way::Smtp(Box::new(smtp::Pool::new(settings, patience)?)),
        };
        Ok(Self { way })
    }

    /// Hands one parcel over and waits for the answer, within the time budget of contract R15.
    ///
    /// At most `delivery.connections` parcels are under way at once; more wait here.
    pub async fn deliver(&self, parcel: &Parcel) -> Outcome {
        let mail = match wire::Mail::new(&parcel.cargo) {
            Ok(mail) => mail.named(parcel.name.as_deref()),
            Err(problem) => {
                return Outcome::Failed {
                    reason: Reason::MimeMalformed,
                    code: 0,
                    text: problem.to_owned(),
                };
            }
        };
        match &self.way {
            Way::Dir(directory) => directory.deliver(parcel, &mail).await,
            Way::Sendmail(sendmail) => sendmail.deliver(parcel, &mail).await,
            Way::Smtp(pool) => {
                let to = std::slice::from_ref(&parcel.to);
                let ends = pool.deliver(parcel.reverse_path.as_ref(), to, &mail).await;
                let end = ends.and_then(|all| all.into_iter().next());
                end.unwrap_or(Outcome::Untried)
            }
        }
    }

    /// Begins nothing any more (contract R16): what waits for its turn comes back as
    /// [`Outcome::Untried`], what is under way comes to its end.
    pub fn stop(&self) {
        match &self.way {
            Way::Dir(_) => {}
            Way::Sendmail(sendmail) => sendmail.stop(),
            Way::Smtp(pool) => pool.stop(),
        }
    }

    /// Says goodbye on idle connections; to be called once nothing is under way.
    pub async fn close(&self) {
        if let Way::Smtp(pool) = &self.way {
            pool.close().await;
        }
    }
}

/// How long each step may take (contract R15, RFC 5321 section 4.5.3.2).
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// To reach the server, by all its addresses.
    connect: Duration,
    /// For each reply to a command, and the greeting.
    command: Duration,
    data: Duration,
    /// For the server to take the next bytes of a mail.
    block: Duration,
    /// How long a mail may flow at less than 1 KiB a second.
    pace: Duration,
    /// From MAIL to the last byte.
    transaction: Duration,
    dot: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            connect: Duration::from_secs(30),
            command: minutes(5),
            data: minutes(2),
            block: minutes(3),
            pace: minutes(1),
            transaction: minutes(30),
            dot: minutes(10),
        }
    }
}

/// Returns what a foreign program said as one short line.
fn tidy(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_TEXT)
        .collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

const MAX_TEXT: usize = 300;
