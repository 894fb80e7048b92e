//! Reads the outermost structure of a CMS object: which content it carries.
//!
//! # See also
//!
//! RFC 5652 section 3.

use super::CmsError;
use crate::asn1::oid;
use crate::asn1::reader::tag;
use crate::asn1::{Reader, Tlv};

/// A content type that S/MIME uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// AuthEnvelopedData.
    AuthEnveloped,
    /// CompressedData.
    Compressed,
    /// Plain data.
    Data,
    /// EnvelopedData.
    Enveloped,
    /// Any other type.
    Other,
    /// SignedData.
    Signed,
}

impl ContentKind {
    /// Returns the kind that an OBJECT IDENTIFIER names.
    #[must_use]
    pub fn of(oid: &Tlv<'_>) -> Self {
        [
            (&oid::AUTH_ENVELOPED_DATA, Self::AuthEnveloped),
            (&oid::COMPRESSED_DATA, Self::Compressed),
            (&oid::DATA, Self::Data),
            (&oid::ENVELOPED_DATA, Self::Enveloped),
            (&oid::SIGNED_DATA, Self::Signed),
        ]
        .into_iter()
        .find(|(known, _)| oid.is_oid(known))
        .map_or(Self::Other, |(_, kind)| kind)
    }
}

/// A ContentInfo cut into its two parts.
#[derive(Clone, Copy)]
pub struct ContentInfo<'a> {
    /// What the content is.
    pub kind: ContentKind,
    /// The element inside `[0]`.
    pub content: Tlv<'a>,
}

impl<'a> ContentInfo<'a> {
    /// Cuts `der`, which must be one ContentInfo and nothing else.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when it is not.
    pub fn parse(der: &'a [u8]) -> Result<Self, CmsError> {
        let mut parts = Reader::only(der, tag::SEQUENCE)?.children();
        let kind = ContentKind::of(&parts.expect(tag::OID)?);
        let mut explicit = parts.expect(tag::context(0))?.children();
        parts.finish()?;
        let content = explicit.read()?;
        explicit.finish()?;
        Ok(Self { kind, content })
    }
}
