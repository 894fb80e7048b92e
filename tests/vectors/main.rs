//! Project Wycheproof's vectors through the code that mail goes through: a key, a parameter or a
//! signature that is wrong in one small way, inside the CMS object or the structure it comes in.
//!
//! # Place in the flow
//!
//! Where the vector leaves room for it, a whole SignedData or EnvelopedData is built around it and
//! read by the transcoder and `cms`; where not (an unwrapped key of odd length, a tag over data that
//! are no attributes), the function that does the step is called with its AlgorithmIdentifier.
//!
//! # Invariants
//!
//! * Nothing excuses the acceptance of an invalid vector.
//! * `ledger` excuses refusals of valid vectors and lists what becomes of acceptable ones; a line
//!   that no longer fits fails the test, and so do vectors that vanish.
//! * Everything that `legacy` can admit is admitted, so that arithmetic and not policy refuses.
//!
//! # See also
//!
//! <https://github.com/C2SP/wycheproof>; `docs/vectors.md` has the figures.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

mod agreement;
mod ciphers;
mod derivation;
mod ledger;
#[path = "../common/ledger.rs"]
mod lines;
mod mail;
mod signatures;
mod transport;
