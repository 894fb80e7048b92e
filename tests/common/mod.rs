//! What the tests that run the real program share: keys and certificates, a site in a scratch
//! directory, mail made by `openssl`, readers of other makers, and a harness for cases in files.
//!
//! Nothing here links to the product but the path of its binary.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::print_stdout,
    reason = "the harness says what the standard one says"
)]

pub mod foreign;
pub mod hostile;
pub mod lab;
pub mod lmtp;
pub mod mail;
pub mod runner;
pub mod site;
