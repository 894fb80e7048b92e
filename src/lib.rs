//! Listseal: an S/MIME relay daemon for mailing lists.
//!
//! ```text
//! raw bytes --open--> Opened --authorize--> Admitted | Refused
//! Admitted  --harvest--> certificates worth keeping
//! roster    --expand--> who gets a sealed copy, who cannot and why
//! Admitted  --seal--> content encrypted once --per subscriber--> Sealed
//! Refused, unreachable --notice--> Rendered (no message content, by type)
//! ```
//!
//! Vocabulary (pure): [`model`]. Formats (pure): [`asn1`], [`pki`], [`mime`], [`cms`]. Stages
//! (pure): [`open`], [`authorize`], [`harvest`], [`expand`], [`seal`], [`notice`], composed by
//! [`relay`]. Shell, which alone reads clocks, files and sockets: [`config`], [`spool`], [`store`],
//! [`intake`], [`lmtp`], [`deliver`], [`daemon`], [`cli`]; [`disk`] holds their system calls.

// Vocabulary
pub mod model;
// Formats
pub mod asn1;
pub mod cms;
pub mod mime;
pub mod pki;
// Stages
pub mod authorize;
pub mod expand;
pub mod harvest;
pub mod notice;
pub mod open;
pub mod relay;
pub mod seal;
// Shell
pub mod cli;
pub mod config;
pub mod daemon;
pub mod deliver;
pub mod disk;
pub mod intake;
pub mod lmtp;
pub mod spool;
pub mod store;
