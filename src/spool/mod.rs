//! The spool: received bytes, plans and slots, durable before anyone is told so.
//!
//! `spool/README.md` holds the table of states and of crash points; it was written before this
//! code and binds it.
//!
//! # Place in the flow
//!
//! intake → **spool** → open … seal → deliver; every stage's progress comes back here.
//!
//! # Trust
//!
//! The directory is ours and checked to be (contract E5, E6, R18); what lies in `new/` is
//! checked again before it is opened, and verified before it is used (R3).
//!
//! # Invariants
//!
//! * Nothing decrypted is ever written here: received bytes, plans, slots, reasons (S40).
//! * No file is removed before its end is recorded (R9, R12).
//! * After a failed fsync nothing more is promised: [`SpoolError::is_fatal`] (R7).
//!
//! # Does not
//!
//! Decide anything about a message, parse MIME, or send.

#![allow(
    clippy::disallowed_methods,
    reason = "the spool is shell: it reads clocks and files"
)]

mod announce;
pub mod audit;
mod books;
mod carry;
pub mod desk;
pub(crate) mod durable;
pub mod error;
pub mod fingerprint;
mod guard;
pub mod layout;
pub mod ledger;
mod lock;
pub mod message;
mod queue;
mod record;
mod recover;
pub mod slots;
pub mod watch;
pub mod why;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use books::Totals;
pub use desk::{Desk, Entry, State};
pub use error::SpoolError;
pub use guard::check_room;
pub use layout::{Layout, Shelf};
pub use message::Message;
pub use queue::{Arrival, Received, Scan, Spool, SpoolSettings, Stage};
pub use recover::Recovery;
pub use slots::{Slot, Slots, Tally};
pub use watch::Watch;
pub use why::{Again, Why};
