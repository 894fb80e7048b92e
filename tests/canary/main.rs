//! Plaintext of encrypted posts reaches no file (contract S40).
//!
//! Posts that carry words found nowhere else go through everything that can happen to a post; then,
//! and after each of many `kill -9`, every file below the site is searched for them in every
//! encoding of mail: spool, state, certificates, outgoing mail, logs at their finest, temporary
//! directory, files that are deleted but open, core files. That the search finds what is there is
//! shown with mail that is not encrypted.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]
// Tests read and write files.
#![allow(clippy::disallowed_methods)]

#[path = "../common/mod.rs"]
mod common;

mod clear;
mod fates;
mod kills;
mod posts;
mod scan;
mod traced;
