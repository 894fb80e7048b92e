//! Bad input of every kind through the whole program: a clear message names the file and the
//! remedy, nothing is lost, and the good mail behind it is delivered in the same run.
//!
//! Every test ends in [`house::House::adds_up`]: the audit holds and nothing panicked.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
// Tests read and write files.
#![allow(clippy::disallowed_methods)]

#[path = "../common/mod.rs"]
mod common;

mod certificates;
mod house;
mod keys;
mod lists;
mod mails;
mod settings;
mod spoil;
mod templates;
mod truncated;
