//! Opens a message: peels encryption, signatures and compression off it, outside in.
//!
//! # Place in the flow
//!
//! raw bytes → **[`open`]** → [`Opened`] → authorize. `listseal inspect` prints [`report`].
//!
//! # Trust
//!
//! Everything is hostile: the sender, the captured ciphertext, the certificates in the message.
//!
//! # Invariants
//!
//! * Only the root entity is looked at: what is encrypted or signed below a multipart is neither
//!   decrypted nor counted as signed (contract S18).
//! * At most [`MAX_LAYERS`] layers, two private-key operations, one decompression (E10, E11, S13).
//! * The innermost signature speaks for the author; unsigned outer fields never override what it
//!   covers (S30).
//! * [`Opened`] has no constructor but [`open`], and shows nothing in logs.
//!
//! # Does not
//!
//! Decide who may post: the verdicts are facts, the list's rules judge them.
//!
//! # Examples
//!
//! ```
//! use listseal::model::list::{Legacy, Revocation};
//! use listseal::open::{Context, Verdict, open};
//! use listseal::pki::anchors::Anchors;
//! use listseal::pki::revocation::Crls;
//!
//! let anchors = Anchors::new(Vec::new());
//! let crls = Crls::new(Vec::new());
//! let context = Context {
//!     now: time::OffsetDateTime::UNIX_EPOCH,
//!     keys: &[],
//!     known: &[],
//!     untrusted: &[],
//!     anchors: &anchors,
//!     crls: &crls,
//!     legacy: Legacy::NONE,
//!     revocation: Revocation::Soft,
//!     max_inflated: 50 << 20,
//! };
//! let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
//! let opened = open(b"From: a@example.org\r\n\r\nhello\r\n", &context, &mut rng);
//! assert_eq!(opened.signature(), Verdict::None);
//! assert!(!opened.encrypted());
//! ```
//!
//! # See also
//!
//! RFC 8551 section 3, RFC 2634 section 1.1 (triple wrap), RFC 9788 (protected headers).

mod content;
mod hidden;
mod layer;
mod object;
mod opened;
mod peel;
mod report;
mod signer;
mod wrapping;

use rand_core::CryptoRng;
use time::OffsetDateTime;

pub use layer::{EncryptedLayer, Form, Layer, SignedLayer};
pub use opened::{Opened, Verdict};
pub use report::report;
pub use signer::Signer;

use crate::model::list::{Legacy, Revocation};
use crate::pki::anchors::Anchors;
use crate::pki::certificate::Certificate;
use crate::pki::key::KeyPair;
use crate::pki::revocation::Crls;

/// Layers that are peeled off: triple wrapping, compression and one more (contract E10).
pub const MAX_LAYERS: usize = 5;

/// What a message is opened with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The instant at which certificates must be valid.
    pub now: OffsetDateTime,
    /// Key pairs to decrypt with.
    pub keys: &'a [KeyPair],
    /// Certificates at hand for signers who enclose none; also used for path building.
    pub known: &'a [Certificate],
    /// Certificates for path building only.
    pub untrusted: &'a [Certificate],
    /// Whom to trust.
    pub anchors: &'a Anchors,
    /// Revocation lists at hand; enclosed ones are added.
    pub crls: &'a Crls,
    /// Old algorithms that are admitted.
    pub legacy: Legacy,
    /// What a certificate is worth that no valid CRL covers.
    pub revocation: Revocation,
    /// Most bytes that decompression may give.
    pub max_inflated: usize,
}

/// Opens `message` as far as it goes; whatever is wrong is in the result.
#[must_use]
pub fn open(message: &[u8], context: &Context<'_>, rng: &mut dyn CryptoRng) -> Opened {
    Opened::new(message, peel::peel(message, context, rng))
}
