//! The machine around the program fails it or is set against it: nothing accepted is lost, nothing
//! torn, nothing outside its directories touched (contract E1-E6, E17-E21, R4, R5, R13, R17, R18).
//!
//! | file | what is done |
//! | --- | --- |
//! | `full`, `stores` | the disk of each writer is full at sixty levels, on tmpfs and on ext4; the guard before it |
//! | `failing` | system calls fail from outside (strace), a file system turns read-only or goes away |
//! | `limits` | too few descriptors, threads, bytes of a file, bytes of memory |
//! | `clock` | the clock jumps by hours and by ten years while mail waits |
//! | `events` | inotify off, at its limit, flooded; a network file system |
//! | `owners` | ten daemons at once |
//! | `modes` | directories that others can write to |
//! | `hostile`, `planted` | links, pipes, sockets, devices, foreign files wherever the program looks |
//! | `names` | addresses of 318 octets, file systems that fold case |
//!
//! The program is built with the feature `faults`, for `ROOM` and `RESCAN` alone. Campaigns print one
//! line of figures each and keep it where `LISTSEAL_FIGURES` says, as those of `tests/crash` do.

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
#[allow(dead_code, reason = "the other binary uses its part")]
#[path = "../crash/figures.rs"]
mod figures;
#[allow(dead_code, reason = "the other binary uses its part")]
#[path = "../crash/relay.rs"]
mod relay;
#[allow(dead_code, reason = "the other binary uses its part")]
#[path = "../crash/sink.rs"]
mod sink;

mod clock;
mod disks;
mod events;
mod failing;
mod full;
mod hostile;
mod limits;
mod modes;
mod names;
mod owners;
mod planted;
mod stores;
