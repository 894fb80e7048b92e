//! Writes EnvelopedData and AuthEnvelopedData so that one ciphertext serves every subscriber.
//!
//! ```text
//! ContentInfo { type, EnvelopedData { version, { RecipientInfo }, { data, algorithm, ciphertext } } }
//! \_________________________ prefix: per subscriber _______________________/ \__ shared by all __/
//! ```
//!
//! The ciphertext is the last field (followed by the shared tag where there is one), so a copy is a
//! small [`prefix`] and the bytes that all copies have in common.
//!
//! # Invariants
//!
//! * An object has exactly one RecipientInfo (contract S41): [`prefix`] takes one.
//! * Output is DER of definite length.
//! * Content keys are zeroed when dropped and have no Debug.
//!
//! # Does not
//!
//! Judge certificates: validity, usage and trust are questions of `seal` and `pki::path`.
//!
//! # See also
//!
//! RFC 5652 section 6, RFC 5083, RFC 5084, RFC 3565, RFC 5753, RFC 8418.

mod content;
mod recipient;

pub use content::{ContentKey, SharedContent, encrypt_content};
pub use recipient::{KeyTransport, Recipient};

use crate::asn1::reader::tag;
use crate::asn1::{oid, writer};

/// Why an envelope cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// More content than the cipher takes.
    #[error("the content is too large to encrypt")]
    Content,
    /// The public key of the certificate does not work.
    #[error("the public key of the certificate cannot be used to encrypt")]
    Key,
}

/// Returns everything in front of the ciphertext, for one recipient.
///
/// `recipient_info` comes from [`Recipient::info`] and the key of `content`.
#[must_use]
pub fn prefix(recipient_info: &[u8], content: &SharedContent) -> Vec<u8> {
    let sealed = content.ciphertext_len();
    let tail = content.shared().len().saturating_sub(sealed);
    let start = content.front();
    let recipients = writer::header(tag::SET, recipient_info.len());
    // A key-agreement recipient raises the version of EnvelopedData (RFC 5652 section 6.1);
    // AuthEnvelopedData stays at 0 (RFC 5083 section 2.1).
    let agreed = recipient_info.first() == Some(&tag::context(1));
    let authenticated = content.cipher().is_authenticated();
    let version = writer::small_uint(if agreed && !authenticated { 2 } else { 0 });
    let kind = writer::oid(if authenticated {
        &oid::AUTH_ENVELOPED_DATA
    } else {
        &oid::ENVELOPED_DATA
    });

    let encrypted = sum(&[start.len(), sealed]);
    let encrypted_header = writer::header(tag::SEQUENCE, encrypted);
    let body = sum(&[
        version.len(),
        recipients.len(),
        recipient_info.len(),
        encrypted_header.len(),
        encrypted,
        tail,
    ]);
    let body_header = writer::header(tag::SEQUENCE, body);
    let explicit = sum(&[body_header.len(), body]);
    let explicit_header = writer::header(tag::context(0), explicit);
    let whole = sum(&[kind.len(), explicit_header.len(), explicit]);
    [
        &writer::header(tag::SEQUENCE, whole),
        &kind,
        &explicit_header,
        &body_header,
        &version,
        &recipients,
        recipient_info,
        &encrypted_header,
        start,
    ]
    .concat()
}

fn sum(lengths: &[usize]) -> usize {
    lengths
        .iter()
        .fold(0, |sum, length| sum.saturating_add(*length))
}
