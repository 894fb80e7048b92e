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
//! * One recipient per transaction, so that nobody sees another (S41) and a crash repeats one copy.
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
mod connection;
mod dir;
mod guard;
mod pool;
pub mod retry;
mod sendmail;
mod smtp;
#[cfg(test)]
mod tests;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

pub use cargo::Cargo;

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
}

/// A transport that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// LMTP over a network would go in clear.
    #[error(
        "delivery.transport: lmtp:// reaches only this machine; name 127.0.0.1 or a unix socket (lmtp+unix:///path), or use smtp://"
    )]
    RemoteLmtp,
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
    Smtp(Box<pool::Pool>),
}

impl Courier {
    /// Sets the transport up. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`CourierError`] for a transport that can never work as configured.
    pub fn new(settings: &Delivery) -> Result<Self, CourierError> {
        Self::with(settings, Patience::default(), None)
    }

    fn with(
        settings: &Delivery,
        patience: Patience,
        anchor: Option<&[u8]>,
    ) -> Result<Self, CourierError> {
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
            | Transport::LmtpUnix(_) => {
                let dialer = connection::Dialer::new(settings, patience, anchor)?;
                Way::Smtp(Box::new(pool::Pool::new(dialer, settings.connections)))
            }
        };
        Ok(Self { way })
    }

    /// Hands one parcel over and waits for the answer, within the time budget of contract R15.
    ///
    /// At most `delivery.connections` parcels are under way at once; more wait here.
    pub async fn deliver(&self, parcel: &Parcel) -> Outcome {
        let mail = match wire::Mail::new(&parcel.cargo) {
            Ok(mail) => mail,
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
            Way::Smtp(pool) => pool.deliver(parcel, &mail).await,
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
    connect: Duration,
    command: Duration,
    data: Duration,
    block: Duration,
    dot: Duration,
    transaction: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            connect: Duration::from_secs(30),
            command: minutes(5),
            data: minutes(2),
            block: minutes(3),
            dot: minutes(10),
            transaction: minutes(30),
        }
    }
}

impl Patience {
    /// For `size` bytes of mail and the reply to them: 1 KiB a second at least, and half an hour at
    /// most for the bytes.
    fn body(&self, size: usize) -> Duration {
        let slowest = Duration::from_secs(u64::try_from(size / 1024).unwrap_or(u64::MAX));
        (self.block.saturating_add(slowest)).min(self.transaction) + self.dot
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
