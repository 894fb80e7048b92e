//! Knows which element stands where in a CMS object, so that the transcoder guesses nothing.
//!
//! # See also
//!
//! RFC 5652 sections 3, 5.1, 5.3, 6.1, 6.2; RFC 5083 section 2.1; RFC 3274 section 1.1.

use crate::asn1::oid;
use crate::asn1::reader::tag;

/// What stands at a position of the CMS schema.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// SET of elements that keep their bytes, be they BER.
    Attributes,
    /// SET of elements that keep their bytes; BER and tags in no use there are left out.
    Bag,
    CompressedData,
    ContentInfo,
    /// `[0] EXPLICIT` around the content of this type.
    Content(Body),
    EncapsulatedContent,
    /// `[0] EXPLICIT OCTET STRING`.
    EncapsulatedOctets,
    EncryptedContent,
    EnvelopedData(Body),
    /// Anything without strings by implicit tag: only lengths change.
    Framing,
    /// A string, possibly in pieces, that leaves in one piece under this tag.
    Octets(u8),
    OriginatorInfo,
    RecipientInfo,
    RecipientInfos,
    SignedData,
    SignerInfo,
    SignerInfos,
}

/// The content types whose schema is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    AuthEnveloped,
    Compressed,
    Enveloped,
    Other,
    Signed,
}

impl Body {
    /// Returns the body that the content of an OBJECT IDENTIFIER announces.
    pub(super) fn of(oid_content: &[u8]) -> Self {
        [
            (&oid::SIGNED_DATA, Self::Signed),
            (&oid::ENVELOPED_DATA, Self::Enveloped),
            (&oid::AUTH_ENVELOPED_DATA, Self::AuthEnveloped),
            (&oid::COMPRESSED_DATA, Self::Compressed),
        ]
        .into_iter()
        .find(|(oid, _)| oid.as_bytes() == oid_content)
        .map_or(Self::Other, |(_, body)| body)
    }
}

impl Rule {
    /// Returns the rule for the child at `index` with this tag.
    pub(super) fn child(self, index: usize, tag: u8, body: Body) -> Self {
        match (self, index, tag) {
            (Self::ContentInfo, 1, CONTEXT_0) => Self::Content(body),
            (Self::Content(Body::Signed), 0, tag::SEQUENCE) => Self::SignedData,
            (Self::Content(Body::Compressed), 0, tag::SEQUENCE) => Self::CompressedData,
            (Self::Content(kind @ (Body::Enveloped | Body::AuthEnveloped)), 0, tag::SEQUENCE) => {
                Self::EnvelopedData(kind)
            }
            // Content of a plain data object.
            (Self::Content(_), 0, CONSTRUCTED_OCTETS) => Self::Octets(tag::OCTET_STRING),

            (Self::SignedData, 2.., tag::SEQUENCE) => Self::EncapsulatedContent,
            (Self::SignedData, 3.., CONTEXT_0 | CONTEXT_1) => Self::Bag,
            (Self::SignedData, 3.., tag::SET) => Self::SignerInfos,
            (Self::SignerInfos, _, tag::SEQUENCE) => Self::SignerInfo,
            (Self::SignerInfo, 1, CONTEXT_0) => Self::Octets(tag::context_primitive(0)),
            (Self::SignerInfo, 3.., CONTEXT_0) => Self::Attributes,
            (Self::SignerInfo, 3.., CONTEXT_1) => Self::Bag,

            (Self::CompressedData, 2.., tag::SEQUENCE) => Self::EncapsulatedContent,
            (Self::EncapsulatedContent, 1, CONTEXT_0) => Self::EncapsulatedOctets,
            (Self::EncapsulatedOctets, 0, tag::OCTET_STRING | CONSTRUCTED_OCTETS) => {
                Self::Octets(tag::OCTET_STRING)
            }

            (Self::EnvelopedData(_), 1, CONTEXT_0) => Self::OriginatorInfo,
            (Self::EnvelopedData(_), 1.., tag::SET) => Self::RecipientInfos,
            (Self::EnvelopedData(_), 2.., tag::SEQUENCE) => Self::EncryptedContent,
            // The authenticated attributes are hashed as they stand; the others are not read.
            (Self::EnvelopedData(Body::AuthEnveloped), 3.., CONTEXT_1) => Self::Attributes,
            (Self::EnvelopedData(_), 3.., CONTEXT_1 | CONTEXT_2) => Self::Bag,
            (Self::OriginatorInfo, _, CONTEXT_0 | CONTEXT_1) => Self::Bag,
            (Self::RecipientInfos, _, tag::SEQUENCE) => Self::RecipientInfo,
            (Self::RecipientInfo, 1, CONTEXT_0) => Self::Octets(tag::context_primitive(0)),
            (Self::EncryptedContent, 2, CONTEXT_0) => Self::Octets(tag::context_primitive(0)),

            (_, _, CONSTRUCTED_OCTETS) => Self::Octets(tag::OCTET_STRING),
            _ => Self::Framing,
        }
    }
}

const CONTEXT_0: u8 = tag::context(0);
const CONTEXT_1: u8 = tag::context(1);
const CONTEXT_2: u8 = tag::context(2);
/// Tag of an OCTET STRING in pieces.
pub(super) const CONSTRUCTED_OCTETS: u8 = tag::OCTET_STRING | 0x20;
