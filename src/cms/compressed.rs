//! Inflates CompressedData without trusting it to be small.
//!
//! # Invariants
//!
//! * Inflating stops at 100 times the compressed size and at the caller's limit (contract E11); past
//!   6 MiB already at 8 times, because what is inside may be held three times while it is read.
//!
//! # See also
//!
//! RFC 3274.

use std::io::Read;

use flate2::read::ZlibDecoder;
use zeroize::Zeroizing;

use super::algorithms::AlgorithmId;
use super::content_info::ContentKind;
use crate::asn1::reader::tag;
use crate::asn1::{Reader, Tlv, oid};
use crate::model::Reason;

/// Returns the content of CompressedData, at most `limit` bytes.
///
/// # Errors
///
/// [`Reason::Malformed`], [`Reason::UnsupportedAlgorithm`] for anything but zlib,
/// [`Reason::UnsupportedContent`] for anything but plain data inside, [`Reason::LimitExceeded`].
pub fn inflate(content: &Tlv<'_>, limit: usize) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let mut parts = content.children();
    parts.expect(tag::INTEGER).map_err(malformed)?;
    let algorithm = parts.read().map_err(malformed)?;
    let algorithm = AlgorithmId::parse(&algorithm).map_err(|e| e.reason())?;
    if !algorithm.is(&oid::ZLIB) {
        return Err(Reason::UnsupportedAlgorithm);
    }
    let mut inner = parts.expect(tag::SEQUENCE).map_err(malformed)?.children();
    if ContentKind::of(&inner.expect(tag::OID).map_err(malformed)?) != ContentKind::Data {
        return Err(Reason::UnsupportedContent);
    }
    let explicit = inner.expect(tag::context(0)).map_err(malformed)?;
    let deflated = Reader::only(explicit.content, tag::OCTET_STRING)
        .map_err(malformed)?
        .content;
    let bound = deflated
        .len()
        .saturating_mul(MAX_RATIO)
        .min(deflated.len().saturating_mul(LARGE_RATIO).max(SMALL))
        .max(ALWAYS)
        .min(limit);
    let mut out = Zeroizing::new(Vec::new());
    let mut inflating = ZlibDecoder::new(deflated);
    while out.len() < bound {
        // A vector that grows by itself leaves its old content behind unwiped (contract S44).
        let old = out.len();
        let size = old
            .saturating_mul(2)
            .clamp(FIRST, bound.max(FIRST))
            .min(bound);
        let mut larger = Zeroizing::new(vec![0; size]);
        let (kept, free) = larger.split_at_mut_checked(old).ok_or(Reason::Malformed)?;
        kept.copy_from_slice(&out);
        let read = filled(&mut inflating, free).map_err(|_| Reason::Malformed)?;
        let complete = read < free.len();
        larger.truncate(old.saturating_add(read));
        out = larger;
        if complete {
            return Ok(out);
        }
    }
    // One more byte means that the bound, not the content, ended it.
    let mut more = [0];
    match inflating.read(&mut more) {
        Ok(0) => Ok(out),
        Ok(_) => Err(Reason::LimitExceeded),
        Err(_) => Err(Reason::Malformed),
    }
}

/// Reads until `free` is full or nothing is left.
fn filled(inflating: &mut impl Read, free: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = free.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match inflating.read(rest)? {
            0 => break,
            more => read = read.saturating_add(more),
        }
    }
    Ok(read)
}

fn malformed(_: crate::asn1::Asn1Error) -> Reason {
    Reason::Malformed
}

/// Size of the first buffer.
const FIRST: usize = 64 * 1024;
const MAX_RATIO: usize = 100;
/// What a short message may become at [`MAX_RATIO`].
const SMALL: usize = 6 << 20;
/// How much more than its compressed size anything longer may be.
const LARGE_RATIO: usize = 8;
/// A short text of blanks shrinks a thousandfold and harms nobody.
const ALWAYS: usize = 64 * 1024;
