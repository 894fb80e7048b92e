//! What the site keeps on disk apart from mail: lists, rosters, anchors, templates.
//!
//! # Place in the flow
//!
//! Asked by the daemon for every message anew, so that edits count from the next message on.
//!
//! # Invariants
//!
//! * One bad file never takes others with it: each is a [`crate::config::Problem`] of its own.
//! * No name from outside becomes part of a path unless it passed [`crate::model`].

#![allow(
    clippy::disallowed_methods,
    reason = "the store is shell: it reads and writes files"
)]

pub mod anchors;
pub mod bounces;
mod capabilities;
pub mod certificates;
pub mod claims;
pub mod directory;
mod journal;
pub mod keys;
pub mod limits;
pub mod lists;
pub mod passphrase;
mod pem_file;
pub mod proof;
pub mod replay;
mod replay_entry;
pub mod roster;
pub mod scenarios;
pub mod templates;
pub mod told;
pub mod trust;

pub use journal::Damage;
