//! Mail that the list signs: answers, notices, and posts where `sign = true`.
//!
//! # Invariants
//!
//! * A post may have been decrypted: every copy made of it here is wiped when it goes, and none
//!   outgrows its room, which would leave an earlier one behind (contract S44).
//!
//! # See also
//!
//! RFC 1847 section 2.1, RFC 8551 sections 3.5.3 and 3.2.2.

use rand_core::CryptoRng;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Outer, SealError};
use crate::cms::sign::signed_detached;
use crate::mime::canon::Wiped;
use crate::mime::write::{Header, base64_lines, boundary, multipart};
use crate::pki::{Certificate, Digest, KeyPair};

/// Wraps `entity` into a multipart/signed entity, signed by `pair`.
///
/// `extra` certificates are enclosed beside the pair's own and its chain. `signing_time` belongs to
/// answers; distributed mail has none, because clients compare it with Date.
///
/// # Errors
///
/// [`SealError::Sign`] when the key cannot sign.
pub fn multipart_signed(
    entity: &[u8],
    pair: &KeyPair,
    extra: &[Certificate],
    signing_time: Option<OffsetDateTime>,
    rng: &mut dyn CryptoRng,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let signed = Wiped::crlf(entity);
    let signature = signed_detached(&signed, pair, extra, signing_time)?;
    let body = base64_lines(&signature.der);
    let boundary = boundary(rng, &[&signed, &body]);
    let mut header = Header::new();
    header.push_value(
        "Content-Type",
        &format!(
            "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg={}; boundary=\"{boundary}\"",
            micalg(signature.digest)
        ),
    )?;
    push_encoding(&mut header, &signed)?;
    let mut part = Header::new();
    part.push_value(
        "Content-Type",
        "application/pkcs7-signature; name=\"smime.p7s\"",
    )?
    .push_value("Content-Transfer-Encoding", "base64")?
    .push_value("Content-Disposition", "attachment; filename=\"smime.p7s\"")?;
    Ok(multipart(
        &header.with_body(b""),
        &boundary,
        &[&signed, &part.with_body(&body)],
    ))
}

/// How a post that the list signs leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Signed alone.
    Clear,
    /// Sealed besides.
    Sealed,
}

/// Wraps the entity of a post for `sign = true`: the list's signature around a multipart/mixed that
/// holds the author's part unaltered. A signature directly around another one breaks in Thunderbird.
///
/// The multipart/mixed repeats the fields that readers are shown, so that the signature covers them
/// too (RFC 9788). There is no signing time: clients compare it with Date.
///
/// # Errors
///
/// [`SealError::Sign`] when the key cannot sign, [`SealError::Header`] as for [`super::Sealing`].
pub fn list_signed(
    entity: &[u8],
    outer: &Outer,
    cover: Cover,
    pair: &KeyPair,
    rng: &mut dyn CryptoRng,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let entity = Wiped::crlf(entity);
    let boundary = boundary(rng, &[&entity]);
    let shown = outer.protected(cover)?;
    let mut header = Header::new();
    let hp = match cover {
        Cover::Clear => "clear",
        Cover::Sealed => "cipher",
    };
    header.push_value(
        "Content-Type",
        &format!("multipart/mixed; hp=\"{hp}\"; boundary=\"{boundary}\""),
    )?;
    push_encoding(&mut header, &entity)?;
    let header = Zeroizing::new([&shown[..], &header.with_body(b"")].concat());
    let mixed = multipart(&header, &boundary, &[&entity]);
    multipart_signed(&mixed, pair, &[], None, rng)
}

/// Says of a multipart what is true of its parts (RFC 2045 section 6.4). The author's text is not
/// encoded anew for mail servers without 8BITMIME (contract decision 13).
fn push_encoding(header: &mut Header, parts: &[u8]) -> Result<(), SealError> {
    if !parts.is_ascii() {
        header.push_value("Content-Transfer-Encoding", "8bit")?;
    }
    Ok(())
}

/// RFC 8551 section 3.5.3.2.
fn micalg(digest: Digest) -> &'static str {
    match digest {
        Digest::Md5 => "md5",
        Digest::Sha1 => "sha-1",
        Digest::Sha224 => "sha-224",
        Digest::Sha256 => "sha-256",
        Digest::Sha384 => "sha-384",
        Digest::Sha512 => "sha-512",
        Digest::Sha3_256 | Digest::Sha3_384 | Digest::Sha3_512 => digest.name(),
    }
}
