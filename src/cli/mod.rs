//! The command line: one file a subcommand, each a thin caller of the rooms behind it.
//!
//! Every subcommand file has `pub struct Args` (clap) and `pub fn run(args: &Args, config: &Path)
//! -> u8`, which returns an exit code of [`exit`].
//!
//! # Invariants
//!
//! * Exit codes are those of `sysexits.h`; whatever goes wrong locally in `queue` is 75, so that
//!   the MTA keeps the mail (contract R2).
//! * What a person reads goes to standard output, complaints to standard error.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the command line is shell: it reads the clock and files and talks to people"
)]

pub mod audit;
pub mod check;
pub mod exit;
pub mod inspect;
pub mod list;
pub mod queue;
pub mod spool;
