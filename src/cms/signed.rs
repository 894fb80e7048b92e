//! Reads SignedData and checks its signatures.
//!
//! # Place in the flow
//!
//! `open` calls it for each signed layer; trust in the signer's certificate is `pki::path`'s.
//!
//! # Trust
//!
//! Nothing in the object is believed before [`Signed::verify`] says so, and then only the content
//! and the signed attributes.
//!
//! # Invariants
//!
//! * Digests and signatures are computed over bytes as received; attributes also in DER order,
//!   because some mailers sign the one and send the other.
//! * One unreadable certificate in the bag loses that certificate alone. Enclosed revocation lists
//!   beyond the limits are not read: nothing is worse without them than had nobody enclosed any.
//!
//! # See also
//!
//! RFC 5652 section 5, RFC 8551 section 2.5, RFC 8419 (Ed25519).

mod verify;

pub use verify::SignerEvidence;

use super::CmsError;
use super::algorithms::AlgorithmId;
use super::certificate_id::CertificateId;
use super::content_info::ContentKind;
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv};
use crate::pki::certificate::Certificate;
use crate::pki::revocation::Crl;

/// Certificates that are read from one bag (contract E13).
pub const MAX_CERTIFICATES: usize = 32;
/// Size of one certificate in a bag (contract E13).
pub const MAX_CERTIFICATE_LEN: usize = 64 * 1024;
/// Revocation lists that are read from one bag.
pub const MAX_CRLS: usize = 32;
/// Size of the revocation lists that are read from one bag, together.
pub const MAX_CRLS_LEN: usize = 4 * 1024 * 1024;
/// Signers of one object (contract E13).
pub const MAX_SIGNERS: usize = 8;

/// A SignedData cut into its parts.
pub struct Signed<'a> {
    digests: Vec<AlgorithmId<'a>>,
    content_type: Tlv<'a>,
    content: Option<&'a [u8]>,
    certificates: Vec<Certificate>,
    /// What stands in the bag as a certificate and cannot be read.
    unreadable: Vec<&'a [u8]>,
    crls: Vec<Tlv<'a>>,
    signers: Vec<Signer<'a>>,
}

/// One SignerInfo.
struct Signer<'a> {
    id: CertificateId<'a>,
    digest: AlgorithmId<'a>,
    attributes: Option<Tlv<'a>>,
    /// Nobody vouches for these.
    unsigned: Option<Tlv<'a>>,
    algorithm: AlgorithmId<'a>,
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Cuts the content of a ContentInfo of kind [`ContentKind::Signed`].
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when the structure is another, [`CmsError::Limit`] above the limits of
    /// contract E13, [`CmsError::Foreign`] for content that is no octets.
    pub fn parse(content: Tlv<'a>) -> Result<Self, CmsError> {
        let mut parts = Reader::only(content.raw, tag::SEQUENCE)?.children();
        parts.expect(tag::INTEGER)?;
        let digests = each(&parts.expect(tag::SET)?, MAX_SIGNERS, |t| {
            AlgorithmId::parse(t)
        })?;
        let mut inner = parts.expect(tag::SEQUENCE)?.children();
        let content_type = inner.expect(tag::OID)?;
        let content = match inner.optional(tag::context(0))? {
            Some(explicit) => match Reader::only(explicit.content, tag::OCTET_STRING) {
                Err(Asn1Error::Unexpected)
                    if ContentKind::of(&content_type) != ContentKind::Data =>
                {
                    return Err(CmsError::Foreign);
                }
                octets => Some(octets?.content),
            },
            None => None,
        };
        inner.finish()?;
        let (bag, unreadable) = bag(parts.optional(tag::context(0))?)?;
        let crls = revocation_lists(parts.optional(tag::context(1))?)?;
        let signers = each(&parts.expect(tag::SET)?, MAX_SIGNERS, signer)?;
        parts.finish()?;
        Ok(Self {
            digests,
            content_type,
            content,
            certificates: bag,
            unreadable,
            crls,
            signers,
        })
    }

    /// Returns the readable certificates of the bag.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Returns the readable CRLs of the bag; their issuers vouch for them, not this object.
    #[must_use]
    pub fn crls(&self) -> Vec<Crl> {
        self.crls
            .iter()
            .filter_map(|tlv| Crl::from_der(tlv.raw).ok())
            .collect()
    }

    /// Returns the enclosed content, none in a detached signature.
    #[must_use]
    pub fn content(&self) -> Option<&'a [u8]> {
        self.content
    }

    /// Returns what the content says it is; S/MIME wants [`ContentKind::Data`].
    #[must_use]
    pub fn content_kind(&self) -> ContentKind {
        ContentKind::of(&self.content_type)
    }

    /// Returns the number of signers; none in a bag of certificates.
    #[must_use]
    pub fn signers(&self) -> usize {
        self.signers.len()
    }
}

fn signer<'a>(tlv: &Tlv<'a>) -> Result<Signer<'a>, CmsError> {
    let mut parts = Reader::only(tlv.raw, tag::SEQUENCE)?.children();
    parts.expect(tag::INTEGER)?;
    let id = CertificateId::parse(&parts.read()?)?;
    let digest = AlgorithmId::parse(&parts.read()?)?;
    let attributes = parts.optional(tag::context(0))?;
    let algorithm = AlgorithmId::parse(&parts.read()?)?;
    let signature = parts.expect(tag::OCTET_STRING)?.content;
    let unsigned = parts.optional(tag::context(1))?;
    parts.finish()?;
    Ok(Signer {
        id,
        digest,
        attributes,
        unsigned,
        algorithm,
        signature,
    })
}

fn each<'a, T>(
    set: &Tlv<'a>,
    limit: usize,
    read: impl Fn(&Tlv<'a>) -> Result<T, CmsError>,
) -> Result<Vec<T>, CmsError> {
    let mut rest = set.children();
    let mut found = Vec::new();
    while !rest.is_empty() {
        if found.len() == limit {
            return Err(CmsError::Limit);
        }
        found.push(read(&rest.read()?)?);
    }
    Ok(found)
}

/// Returns the readable certificates, and the bytes of the others.
fn bag(set: Option<Tlv<'_>>) -> Result<(Vec<Certificate>, Vec<&[u8]>), CmsError> {
    let elements = match set {
        Some(set) => each(&set, MAX_CERTIFICATES, |tlv| Ok(*tlv))?,
        None => Vec::new(),
    };
    if elements
        .iter()
        .any(|tlv| tlv.raw.len() > MAX_CERTIFICATE_LEN)
    {
        return Err(CmsError::Limit);
    }
    let mut readable = Vec::new();
    let mut unreadable = Vec::new();
    // Attribute certificates and other forms have context tags; they name no mail signer.
    for tlv in elements.iter().filter(|tlv| tlv.tag == tag::SEQUENCE) {
        match Certificate::from_der(tlv.raw) {
            Ok(certificate) => readable.push(certificate),
            Err(_) => unreadable.push(tlv.raw),
        }
    }
    Ok((readable, unreadable))
}

/// Returns the first revocation lists, unread, as many as the limits allow.
fn revocation_lists(set: Option<Tlv<'_>>) -> Result<Vec<Tlv<'_>>, CmsError> {
    let mut found = Vec::new();
    let mut left = MAX_CRLS_LEN;
    let mut rest = set.as_ref().map_or_else(|| Reader::new(&[]), Tlv::children);
    while !rest.is_empty() && found.len() < MAX_CRLS {
        let tlv = rest.read()?;
        // Other forms of revocation information, OCSP responses for one, have context tags.
        if tlv.tag != tag::SEQUENCE {
            continue;
        }
        match left.checked_sub(tlv.raw.len()) {
            Some(less) => left = less,
            None => continue,
        }
        found.push(tlv);
    }
    Ok(found)
}
