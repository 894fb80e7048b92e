//! What mail servers send back, in their many shapes: what counts against a member, what does not,
//! and who hears of it.
//!
//! | file | what comes back |
//! | --- | --- |
//! | `forged` | reports that outsiders and members write in another's name |
//! | `life` | suspended, resumed, forgiven, gone and back again |
//! | `shapes` | reports as other programs write them |
//! | `world` | a list, its copies, and reports about them |

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
// Tests read and write files.
#![allow(clippy::disallowed_methods)]

#[path = "../common/mod.rs"]
mod common;

mod forged;
mod life;
mod shapes;
mod told;
mod world;
