//! Finds the CMS object that an entity holds, whatever it is encoded in.
//!
//! # Invariants
//!
//! * What is decoded on the way is wiped: it may have been encrypted (contract S44).
//!
//! # See also
//!
//! RFC 8551 section 3.1.3 for transfer encodings, RFC 7468 for PEM, contract E12 for what may
//! follow the object.

use std::borrow::Cow;

use memchr::memmem;

use crate::asn1::ber::first_to_der;
use crate::asn1::reader::tag;
use crate::cms::CmsError;
use crate::cms::content_info::ContentInfo;
use crate::mime::canon::Wiped;
use crate::mime::{Entity, encoding};
use crate::model::Reason;
use crate::pki::pem;

/// Hands the CMS object in the body of `entity` to `read`.
pub(super) fn with_object<T>(
    entity: &Entity<'_>,
    read: impl FnOnce(ContentInfo<'_>) -> Result<T, Reason>,
) -> Result<T, Reason> {
    let body = object_bytes(entity)?;
    let (der, rest) = first_to_der(&body).map_err(|error| CmsError::from(error).reason())?;
    let der = Wiped::new(der);
    // A binary body ends in the line end that separates it from what follows, and some writers of
    // BER or of whole blocks add zeros.
    if !rest.iter().all(|b| *b == 0 || b.is_ascii_whitespace()) {
        return Err(Reason::Malformed);
    }
    read(ContentInfo::parse(&der).map_err(CmsError::reason)?)
}

/// Returns the body without its transfer encoding, be it the one in the header, base64 that no
/// header tells of, or the PEM that command line tools write (RFC 7468 sections 8 and 9).
fn object_bytes<'a>(entity: &Entity<'a>) -> Result<Wiped<'a>, Reason> {
    let decoded = entity.decoded_body().map(Wiped::new);
    let own = |body| Wiped::new(Cow::Owned(body));
    let pem = armored(entity.body()).or_else(|| armored(decoded.as_deref().ok()?));
    if let Some(object) = pem {
        return Ok(own(object));
    }
    let base64 = |body| encoding::base64(body).map(own);
    match decoded {
        Ok(body) if body.first() == Some(&tag::SEQUENCE) => Ok(body),
        decoded => match base64(entity.body()) {
            Ok(body) if body.first() == Some(&tag::SEQUENCE) => Ok(body),
            _ => decoded.map_err(|_| Reason::Malformed),
        },
    }
}

/// Returns what the one PEM block holds that `text` is; its bytes are moved, not copied.
fn armored(text: &[u8]) -> Option<Vec<u8>> {
    if !text.trim_ascii_start().starts_with(BEGIN) || memmem::find_iter(text, BEGIN).count() != 1 {
        return None;
    }
    let mut only = pem::blocks(text).ok()?.pop()?;
    (only.body.first() == Some(&tag::SEQUENCE)).then(|| std::mem::take(&mut *only.body))
}

const BEGIN: &[u8] = b"-----BEGIN ";
