//! Certificates, keys, signatures and chains: what X.509 and PKCS#8 say, judged for mail.
//!
//! Certificates are cut from their bytes and keep them: an odd serial number, name or date does not
//! lose a message. What is odd in a way that matters is refused where it matters, in [`path`].
//!
//! # Invariants
//!
//! * Nothing here reads a file or a clock; `at` and `now` are arguments.
//! * Private keys and passphrases are wiped when dropped and print nothing.
//! * Key sizes and exponents are checked before any arithmetic (contract E15).
//!
//! # See also
//!
//! RFC 5280, RFC 8550, RFC 8017, RFC 5480, RFC 8410.

pub mod anchors;
pub mod bundle;
pub mod capabilities;
pub mod certificate;
pub mod digest;
pub mod extension;
pub mod issue;
pub mod key;
mod key_cost;
mod key_file;
mod key_material;
mod key_pair;
mod key_trial;
pub mod name;
pub mod path;
pub mod pem;
pub mod pkcs12;
mod pss;
pub mod public_key;
pub mod revocation;
pub mod signature;
pub mod slot;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;

pub use anchors::Anchors;
pub use certificate::{Certificate, CertificateError, Usage};
pub use digest::Digest;
pub use key::{KeyError, KeyKind, KeyPair, Passphrase, PrivateKey};
pub use path::{Chain, ChainVerdict, Purpose, Query};
pub use public_key::{Curve, PublicKey};
pub use revocation::{Crl, Crls};
pub use slot::Slot;
