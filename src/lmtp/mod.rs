//! LMTP: the MTA's other way in, a reply for each recipient once its message is on the disk.
//!
//! The protocol has no socket: `command`, `content` and `reply` read and write it, `session` says
//! what comes next. `connection` carries it out for one client, `storing` hands the message to
//! intake, `listen` opens the place and `server` lets clients in.
//!
//! # Place in the flow
//!
//! MTA → **lmtp** → intake → spool. `listseal run` listens where `[lmtp] listen` says.
//!
//! # Trust
//!
//! Touches no key and nothing that was decrypted (contract S1). Whoever reaches the socket may hand
//! in mail with any sender, as the MTA does: a socket is open to its owner and group, and to a
//! network only where the settings say so in as many words.
//!
//! # Invariants
//!
//! * 250 for a recipient is said after I7 for it, never before (contract R1).
//! * Local trouble is 4xx, so that the MTA keeps the mail (R2).
//!
//! # Does not
//!
//! Offer CHUNKING: Postfix and Exim do not use it for LMTP, and DATA is one path to test. Nor TLS
//! or AUTH: it is for this machine.
//!
//! # See also
//!
//! RFC 2033 (LMTP), RFC 5321, RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6531 (SMTPUTF8), RFC 2034.

#![allow(
    clippy::disallowed_methods,
    reason = "what is not the protocol is shell: it reads clocks"
)]

mod command;
mod connection;
mod content;
mod listen;
pub mod reply;
mod server;
pub mod session;
mod storing;
#[cfg(test)]
mod tests;

pub use listen::unfit;
pub use reply::Reply;
pub use server::Server;
pub use session::{Session, Wish};
