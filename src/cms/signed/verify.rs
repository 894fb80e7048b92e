//! Checks the signatures of a SignedData.
//!
//! # Invariants
//!
//! * A signer is valid only when digest, signed attributes, certificate and signature value all
//!   hold (contract S25, S27).
//!
//! # See also
//!
//! RFC 5652 sections 5.4 to 5.6, RFC 8551 section 2.5.

use time::OffsetDateTime;

use super::{Signed, Signer};
use crate::asn1::reader::tag;
use crate::asn1::{Tlv, oid};
use crate::cms::algorithms::{AlgorithmId, SIGNATURE_NAMES, dotted};
use crate::cms::attributes::{self, Attributes, is_set_of_attributes};
use crate::cms::certificate_id::CertificateId;
use crate::cms::content_info::ContentKind;
use crate::model::Reason;
use crate::model::list::Legacy;
use crate::pki::certificate::{Certificate, CertificateError};
use crate::pki::path::Work;
use crate::pki::public_key::KeyProblem;
use crate::pki::signature::{Digest, SignatureAlgorithm, SignatureError, verify};
use crate::pki::time as asn1_time;

/// What is known of one signer after the check.
#[derive(Clone)]
pub struct SignerEvidence {
    /// The signer's certificate, where it is at hand.
    pub certificate: Option<Certificate>,
    /// Whether the signature is valid, and why not.
    pub result: Result<(), Reason>,
    /// Name of the digest algorithm.
    pub digest: String,
    /// Name of the signature algorithm.
    pub signature: String,
    /// When the signer says it signed.
    pub signing_time: Option<OffsetDateTime>,
    /// SMIMECapabilities as received, in DER.
    pub capabilities: Option<Vec<u8>>,
    /// The enclosed certificate that the signer wants mail to be encrypted to.
    pub encryption_certificate: Option<Certificate>,
    /// True where the signature value covers the content itself.
    bare: bool,
}

impl SignerEvidence {
    /// True where the signature is over other content than it was checked with, or may be.
    #[must_use]
    pub fn is_over_other_content(&self) -> bool {
        match self.result {
            Err(Reason::DigestMismatch) => true,
            Err(Reason::SignatureMismatch) => self.bare,
            _ => false,
        }
    }
}

impl<'a> Signed<'a> {
    /// Checks every signer over `content`; certificates are searched in the bag, then in `extra`.
    ///
    /// Whose signature is beyond the work that is left gets [`Reason::LimitExceeded`].
    #[must_use]
    pub fn verify(
        &self,
        content: &[u8],
        extra: &[Certificate],
        legacy: Legacy,
        work: &mut Work,
    ) -> Vec<SignerEvidence> {
        let mut digested = Digested {
            content,
            values: Vec::new(),
        };
        self.signers
            .iter()
            .map(|signer| self.evidence(signer, &mut digested, extra, legacy, work))
            .collect()
    }

    fn evidence(
        &self,
        signer: &Signer<'a>,
        content: &mut Digested<'_>,
        extra: &[Certificate],
        legacy: Legacy,
        work: &mut Work,
    ) -> SignerEvidence {
        let der = signer.attributes.as_ref().map(attributes::der);
        let attributes = signer
            .attributes
            .zip(der.as_deref())
            .map(|(received, der)| Attributes::parse(&received, der))
            .transpose();
        let known = attributes.as_ref().ok().and_then(Option::as_ref);
        let candidates: Vec<&Certificate> = self
            .certificates
            .iter()
            .chain(extra)
            .filter(|certificate| signer.id.names(certificate))
            .filter(|certificate| known.is_none_or(|known| is_meant(known, certificate)))
            .take(MAX_CANDIDATES)
            .collect();
        let mut certificate = candidates.first().copied();
        let result = attributes
            .as_ref()
            .map_err(|_| Reason::BadSignedAttributes)
            .and_then(|attributes| self.covered(signer, attributes.as_ref(), content, legacy))
            .and_then(|covered| {
                let mut outcome = None;
                for candidate in candidates {
                    let checked = check(signer, &covered, candidate, legacy, work);
                    if checked.is_ok() {
                        certificate = Some(candidate);
                        return checked;
                    }
                    if checked == Err(Reason::LimitExceeded) {
                        return checked;
                    }
                    outcome.get_or_insert(checked);
                }
                outcome.unwrap_or_else(|| Err(self.missing(&signer.id)))
            });
        SignerEvidence {
            bare: signer.attributes.is_none(),
            certificate: certificate.cloned(),
            result,
            digest: digest_of(&signer.digest).map_or_else(
                || dotted(&signer.digest.oid),
                |digest| digest.name().to_owned(),
            ),
            signature: signer.algorithm.name(SIGNATURE_NAMES),
            signing_time: known
                .and_then(|a| a.single(&oid::SIGNING_TIME))
                .and_then(|t| asn1_time::read(&t).ok()),
            capabilities: known
                .and_then(|a| a.single(&oid::SMIME_CAPABILITIES))
                .map(|t| t.raw.to_vec()),
            encryption_certificate: known
                .and_then(|a| a.single(&oid::ENCRYPTION_KEY_PREFERENCE))
                .and_then(|t| self.preferred(&t)),
        }
    }

    /// Returns why there is no certificate for a signer: none came, or it cannot be read.
    fn missing(&self, id: &CertificateId<'_>) -> Reason {
        if self.unreadable.iter().any(|der| id.names_unreadable(der)) {
            Reason::CertificateMalformed
        } else {
            Reason::SignerUnknown
        }
    }

    /// Returns what the signature value covers, once everything but that value has been checked.
    fn covered<'c>(
        &self,
        signer: &Signer<'a>,
        attributes: Option<&Attributes<'_>>,
        content: &mut Digested<'c>,
        legacy: Legacy,
    ) -> Result<Covered<'c>, Reason> {
        let digest = digest_of(&signer.digest).ok_or(Reason::UnsupportedAlgorithm)?;
        // S27: an empty set, and one without this algorithm, are refused.
        if !self
            .digests
            .iter()
            .any(|listed| digest_of(listed) == Some(digest))
        {
            return Err(Reason::DigestNotListed);
        }
        if !digest.is_admitted(legacy) {
            return Err(Reason::WeakDigest);
        }
        let algorithm = SignatureAlgorithm::from_tlv(signer.algorithm.whole)
            .and_then(|named| named.with_digest(digest))
            .map_err(SignatureError::reason)?;
        if signer.unsigned.is_some_and(|tlv| is_misplaced(&tlv)) {
            return Err(Reason::BadSignedAttributes);
        }
        let Some(attributes) = attributes else {
            return Ok(Covered {
                algorithm,
                bytes: self.bare(content.content, legacy)?,
            });
        };
        let several_times =
            attributes.holds(&oid::SIGNING_TIME) && attributes.single(&oid::SIGNING_TIME).is_none();
        if !attributes.are_distinct() || several_times || attributes.holds(&oid::COUNTERSIGNATURE) {
            return Err(Reason::BadSignedAttributes);
        }
        let named = attributes
            .single(&oid::CONTENT_TYPE)
            .ok_or(Reason::BadSignedAttributes)?;
        if named.raw != self.content_type.raw {
            return Err(Reason::ContentTypeMismatch);
        }
        let signed = attributes
            .single(&oid::MESSAGE_DIGEST)
            .filter(|value| value.tag == tag::OCTET_STRING)
            .ok_or(Reason::BadSignedAttributes)?;
        if signed.content != content.value(digest) {
            return Err(Reason::DigestMismatch);
        }
        Ok(Covered {
            algorithm,
            bytes: Bytes::Attributes(attributes.encodings()),
        })
    }

    /// Content signed without attributes: only where the list admits it, and never content that
    /// could be somebody's signed attributes (contract S25).
    fn bare<'c>(&self, content: &'c [u8], legacy: Legacy) -> Result<Bytes<'c>, Reason> {
        let admitted = legacy.admits(Legacy::NO_SIGNED_ATTRIBUTES)
            && self.content_kind() == ContentKind::Data
            && !is_set_of_attributes(content);
        if admitted {
            Ok(Bytes::Content(content))
        } else {
            Err(Reason::NoSignedAttributes)
        }
    }

    /// Returns the enclosed certificate that an SMIMEEncryptionKeyPreference names.
    fn preferred(&self, value: &Tlv<'_>) -> Option<Certificate> {
        let id = match value.tag {
            ISSUER_AND_SERIAL => CertificateId::issuer_and_serial(value).ok()?,
            RECIPIENT_KEY_ID => {
                CertificateId::KeyId(value.children().expect(tag::OCTET_STRING).ok()?.content)
            }
            SUBJECT_KEY_ID => CertificateId::KeyId(value.content),
            _ => return None,
        };
        self.certificates.iter().find(|c| id.names(c)).cloned()
    }
}

/// Returns the digest that an AlgorithmIdentifier names. Some signers put their signature algorithm
/// where its digest belongs.
fn digest_of(algorithm: &AlgorithmId<'_>) -> Option<Digest> {
    Digest::from_algorithm(&algorithm.whole)
        .ok()
        .or_else(|| SignatureAlgorithm::from_tlv(algorithm.whole).ok()?.digest())
}

/// False where the signer has signed that another certificate of this name is his (RFC 5035
/// section 5). What says so in a way that is not understood excludes none.
fn is_meant(attributes: &Attributes<'_>, certificate: &Certificate) -> bool {
    [oid::SIGNING_CERTIFICATE, oid::SIGNING_CERTIFICATE_V2]
        .iter()
        .filter_map(|kind| {
            let mut first = attributes
                .single(kind)?
                .children()
                .expect(tag::SEQUENCE)
                .ok()?
                .children()
                .expect(tag::SEQUENCE)
                .ok()?
                .children();
            let named = first.optional(tag::SEQUENCE).ok()?;
            let digest = match named {
                Some(algorithm) => Digest::from_algorithm(&algorithm).ok()?,
                None if *kind == oid::SIGNING_CERTIFICATE => Digest::Sha1,
                None => Digest::Sha256,
            };
            let hash = first.expect(tag::OCTET_STRING).ok()?.content;
            Some(digest.of(certificate.der()) == hash)
        })
        .all(|fits| fits)
}

/// True for unsigned attributes among which is one that has its place under the signature alone
/// (RFC 5652 sections 11.1 to 11.3): whoever shows it would show what nobody signed.
fn is_misplaced(unsigned: &Tlv<'_>) -> bool {
    let signed_only = [oid::CONTENT_TYPE, oid::MESSAGE_DIGEST, oid::SIGNING_TIME];
    let der = attributes::der(unsigned);
    Attributes::parse(unsigned, &der)
        .is_ok_and(|found| signed_only.iter().any(|kind| found.holds(kind)))
}

/// What a signature value is computed over, and how.
struct Covered<'c> {
    algorithm: SignatureAlgorithm,
    bytes: Bytes<'c>,
}

enum Bytes<'c> {
    /// In every encoding that may have been hashed.
    Attributes(Vec<Vec<u8>>),
    Content(&'c [u8]),
}

/// The content with its digests, each computed once however many signers there are.
struct Digested<'c> {
    content: &'c [u8],
    values: Vec<(Digest, Vec<u8>)>,
}

impl Digested<'_> {
    fn value(&mut self, digest: Digest) -> Vec<u8> {
        if let Some((_, value)) = self.values.iter().find(|(known, _)| *known == digest) {
            return value.clone();
        }
        let value = digest.of(self.content);
        self.values.push((digest, value.clone()));
        value
    }
}

fn check(
    signer: &Signer<'_>,
    covered: &Covered<'_>,
    certificate: &Certificate,
    legacy: Legacy,
    work: &mut Work,
) -> Result<(), Reason> {
    let key = certificate.public_key().map_err(|error| match error {
        CertificateError::Key(KeyProblem::Unsupported) => Reason::UnsupportedAlgorithm,
        _ => Reason::CertificateMalformed,
    })?;
    let mut holds = |message: &[u8]| {
        work.signature().map_err(|_| Reason::LimitExceeded)?;
        verify(&key, &covered.algorithm, message, signer.signature, legacy)
            .map_err(SignatureError::reason)
    };
    match &covered.bytes {
        Bytes::Content(content) => holds(content),
        Bytes::Attributes(encodings) => encodings
            .iter()
            .map(|encoding| holds(encoding))
            .find(|outcome| *outcome != Err(Reason::SignatureMismatch))
            .unwrap_or(Err(Reason::SignatureMismatch)),
    }
}

/// Certificates that are tried where several bear the signer's identifier.
const MAX_CANDIDATES: usize = 4;
const ISSUER_AND_SERIAL: u8 = tag::context(0);
const RECIPIENT_KEY_ID: u8 = tag::context(1);
const SUBJECT_KEY_ID: u8 = tag::context_primitive(2);
