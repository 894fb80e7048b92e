//! Opening mail that other programs made: openssl, Python's `cryptography`, gpgsm.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

mod attributes;
mod budget;
#[path = "../common/mod.rs"]
mod common;
mod encodings;
mod encrypted;
mod forged;
mod framing;
mod gnupg;
mod hostile;
mod international;
mod lab;
mod nested;
mod odd;
mod recipients;
mod signed;
