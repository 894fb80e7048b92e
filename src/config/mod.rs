//! The configuration: typed settings, and every mistake in them at once.
//!
//! # Place in the flow
//!
//! Read by the shell before a message is touched; the stages get [`crate::model::list::ListPolicy`]
//! and never see a file.
//!
//! # Invariants
//!
//! * Nothing is guessed: an unknown key, a wrong type or an impossible value is a [`Problem`] that
//!   names file, line, key and remedy, and all of them are reported together.
//! * What a key means and what its default is stands in `etc/listseal.toml`; a test holds the two
//!   together.
//! * A passphrase is named here and read by who needs it, when he does: [`secret`].
//!
//! # See also
//!
//! [`crate::store::lists`] reads `list.toml` with [`list::ListKeys`].

#![allow(
    clippy::disallowed_methods,
    reason = "configuration is shell: it reads files"
)]

mod findings;
pub mod list;
pub mod lmtp;
mod passphrase;
pub mod permission;
pub mod problem;
pub mod settings;
mod suggest;
mod table;
pub mod transport;
pub mod units;
mod words;

pub use findings::read_text;
pub use list::ListKeys;
pub use lmtp::{Listen, Lmtp};
pub use passphrase::{Login, PassphraseSource, secret};
pub use problem::{Problem, Problems, Severity};
pub use settings::{
    DEFAULT_FILE, Delivery, Intake, Log, LogFormat, LogLevel, Paths, Settings, SpoolKeys, Trust,
};
pub use transport::Transport;
