//! The limits of the contract (section 4, G9, G11), kept by the whole relay.
//!
//! | file | what is done |
//! | --- | --- |
//! | `bombs` | hundreds of hostile mails go through intake and daemon: what each costs and what becomes of it |

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used
)]
// Tests read and write files.
#![allow(clippy::disallowed_methods)]

#[path = "../common/mod.rs"]
mod common;

mod bombs;
mod figures;
mod large;
mod members;
mod neighbours;
mod process;
mod queue;
mod sink;
mod table;
