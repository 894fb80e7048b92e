//! Nothing accepted is lost, whatever ends the program or the power, and whatever the disk refuses.
//!
//! | file | what is done |
//! | --- | --- |
//! | `points` | the program ends at each row of the contract's table of crash points, by `kill -9` and by a panic |
//! | `cuts` | what a disk may hold after a power cut, worked out for every step of hundreds of traces; each state is recovered and audited |
//! | `killed` | a process is killed, the next one goes on with what it sees, and the power fails |
//! | `mutations` | the same with one sync left out: it is found |
//! | `errors` | every call fails once, in every way |
//! | `kills` | `kill -9` of intake and daemon at random moments |
//! | `lmtp` | the rows of intake, and random kills, where mail comes in over LMTP |
//! | `power` | the power of a mounted ext4 fails at random moments |
//!
//! The program is built with the feature `faults`. Each campaign prints one line of figures, and
//! keeps it in the file that `LISTSEAL_FIGURES` names (`figures`).

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

mod check;
mod cuts;
mod disk;
mod errors;
mod figures;
mod killed;
mod kills;
mod life;
mod lmtp;
mod mutations;
mod points;
mod power;
mod relay;
mod sink;
