//! Words that every stage speaks: addresses, envelopes, routes, list policies, reasons.
//!
//! # Invariants
//!
//! * Nothing here reads a file, a clock or the environment.
//! * No type here holds mail content or key material.

pub mod address;
pub mod bounce;
pub mod deferral;
pub mod envelope;
pub mod escape;
pub mod figures;
pub mod id;
pub mod list;
pub mod plan;
pub mod reason;
pub mod roster;
pub mod route;
pub mod text;
pub mod trace;

pub use address::Address;
pub use deferral::Deferral;
pub use envelope::Envelope;
pub use figures::{hex, micros};
pub use id::SpoolId;
pub use reason::Reason;
