//! Writes SignedData: detached signatures of the list, and certificates alone.
//!
//! # Invariants
//!
//! * A signature covers signed attributes, among them content type and digest (contract S25).
//! * The digest is the one the signature algorithm uses (contract S27).
//! * What the capabilities announce, the list can read.
//! * The signature names its certificate, so that no other one for the same key can take its place.
//!
//! # See also
//!
//! RFC 5652 section 5, RFC 8551 sections 2.5 and 3.2.2 (certs-only), RFC 5754, RFC 5035.

use ::cms::content_info::{CmsVersion, ContentInfo};
use ::cms::signed_data::{DigestAlgorithmIdentifiers, EncapsulatedContentInfo};
use der::asn1::{Any, OctetString, SetOfVec};
use der::{Decode as _, Encode as _, Sequence, Tag, ValueOrd};
use time::OffsetDateTime;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::writer;
use crate::pki::capabilities::oaep_algorithm;
use crate::pki::{Certificate, Digest, KeyError, KeyPair, PublicKey, time as asn1_time};

/// A detached signature and the digest it uses.
pub struct Detached {
    /// DER of the ContentInfo.
    pub der: Vec<u8>,
    /// For `micalg`.
    pub digest: Digest,
}

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// It cannot be encoded.
    #[error("the signature cannot be written: {0}")]
    Asn1(#[from] der::Error),
    /// The private key cannot sign.
    #[error("the list's private key {0}")]
    Key(#[from] KeyError),
}

/// SignedData of RFC 5652 section 5.1. That of the crate would decode the certificates and write
/// them anew; here they stay as they are, byte for byte, however odd.
#[derive(Sequence)]
struct SignedData {
    version: CmsVersion,
    digest_algorithms: DigestAlgorithmIdentifiers,
    content: EncapsulatedContentInfo,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    certificates: Option<SetOfVec<Any>>,
    signers: SetOfVec<SignerInfo>,
}

/// SignerInfo of RFC 5652 section 5.3; the signer is named as his certificate names him.
#[derive(Sequence, ValueOrd)]
struct SignerInfo {
    version: CmsVersion,
    signer: Any,
    digest_algorithm: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    attributes: Attributes,
    signature_algorithm: AlgorithmIdentifierOwned,
    signature: OctetString,
}

/// Signs `content`, which the caller has brought into canonical form (CRLF).
///
/// The pair's certificate and chain are enclosed, and `extra` besides, but no root of the chain: who
/// believes in it has it (RFC 8550 section 2.3). The first certificate that
/// may be encrypted to, of `extra` or else the pair's own, is named as the one to encrypt to. Leave
/// `signing_time` out of what is distributed: clients compare it with Date.
///
/// # Errors
///
/// [`SignError::Key`] when the private key cannot sign.
pub fn signed_detached(
    content: &[u8],
    pair: &KeyPair,
    extra: &[Certificate],
    signing_time: Option<OffsetDateTime>,
) -> Result<Detached, SignError> {
    let certificate = &pair.certificate;
    let digest = pair.key.signing_digest().ok_or(KeyError::CannotSign)?;
    let preferred = extra
        .iter()
        .chain(std::iter::once(certificate))
        .find(|one| one.usage().encrypt);
    let attributes = attributes(digest.of(content), certificate, preferred, signing_time)?;
    // Signed with the tag of a SET, written with the context tag (RFC 5652 section 5.4).
    let (algorithm, _, signature) = pair.key.sign(&attributes.to_der()?)?;
    let digest_algorithm = AlgorithmIdentifierOwned::from_der(&digest.algorithm())?;
    let signer = SignerInfo {
        version: CmsVersion::V1,
        signer: Any::from_der(&issuer_and_serial(tag::SEQUENCE, certificate))?,
        digest_algorithm: digest_algorithm.clone(),
        attributes,
        signature_algorithm: AlgorithmIdentifierOwned::from_der(&algorithm)?,
        signature: OctetString::new(signature)?,
    };
    let chain = pair.chain.iter();
    let chain = chain.filter(|one| one.issuer_der() != one.subject_der());
    let bag = std::iter::once(certificate).chain(chain).chain(extra);
    let der = signed_data(vec![digest_algorithm], bag, vec![signer])?;
    Ok(Detached { der, digest })
}

/// Returns SignedData that holds certificates and nothing else (`.p7c`).
///
/// # Errors
///
/// [`SignError::Asn1`] for more of them than an object can hold (256 MiB).
pub fn certs_only(certificates: &[Certificate]) -> Result<Vec<u8>, SignError> {
    Ok(signed_data(Vec::new(), certificates.iter(), Vec::new())?)
}

fn signed_data<'a>(
    digests: Vec<AlgorithmIdentifierOwned>,
    certificates: impl Iterator<Item = &'a Certificate>,
    signers: Vec<SignerInfo>,
) -> Result<Vec<u8>, der::Error> {
    let mut bag: Vec<&[u8]> = certificates.map(Certificate::der).collect();
    bag.sort_unstable();
    bag.dedup();
    let bag = bag.into_iter().map(Any::from_der);
    let bag = bag.collect::<Result<Vec<_>, _>>()?;
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: digests.try_into()?,
        content: EncapsulatedContentInfo {
            econtent_type: oid::DATA,
            econtent: None,
        },
        certificates: (!bag.is_empty()).then(|| bag.try_into()).transpose()?,
        signers: signers.try_into()?,
    };
    let info = ContentInfo {
        content_type: oid::SIGNED_DATA,
        content: Any::encode_from(&signed)?,
    };
    info.to_der()
}

fn attributes(
    message_digest: Vec<u8>,
    signer: &Certificate,
    preferred: Option<&Certificate>,
    signing_time: Option<OffsetDateTime>,
) -> Result<Attributes, der::Error> {
    let mut all = vec![
        attribute(oid::CONTENT_TYPE, Any::encode_from(&oid::DATA)?)?,
        attribute(
            oid::MESSAGE_DIGEST,
            Any::new(Tag::OctetString, message_digest)?,
        )?,
        attribute(
            oid::SMIME_CAPABILITIES,
            Any::encode_from(&capabilities(preferred)?)?,
        )?,
        attribute(
            oid::SIGNING_CERTIFICATE_V2,
            Any::from_der(&signing_certificate(signer))?,
        )?,
    ];
    if let Some(certificate) = preferred {
        let name = issuer_and_serial(tag::context(0), certificate);
        all.push(attribute(
            oid::ENCRYPTION_KEY_PREFERENCE,
            Any::from_der(&name)?,
        )?);
    }
    if let Some(time) = signing_time {
        // UTCTime until 2049, then GeneralizedTime (RFC 5652 section 11.3).
        let time = asn1_time::write(time)?.to_der()?;
        all.push(attribute(oid::SIGNING_TIME, Any::from_der(&time)?)?);
    }
    all.try_into()
}

fn attribute(oid: Oid, value: Any) -> Result<Attribute, der::Error> {
    let values = vec![value].try_into()?;
    Ok(Attribute { oid, values })
}

fn issuer_and_serial(tag: u8, certificate: &Certificate) -> Vec<u8> {
    writer::element(
        tag,
        &[
            certificate.issuer_der(),
            &writer::element(tag::INTEGER, &[certificate.serial()]),
        ],
    )
}

/// SigningCertificateV2 with one ESSCertIDv2; SHA-256 is its default and stays out. Issuer and serial
/// number stand in the SignerInfo already (RFC 5035 sections 3 and 4).
fn signing_certificate(certificate: &Certificate) -> Vec<u8> {
    let one = writer::sequence(&[&writer::octet_string(&certificate.sha256())]);
    writer::sequence(&[&writer::sequence(&[&one])])
}

/// SMIMECapabilities: what the list reads, best first, content ciphers and then key transport to
/// `certificate` (RFC 8551 section 2.5.2).
fn capabilities(
    certificate: Option<&Certificate>,
) -> Result<Vec<AlgorithmIdentifierOwned>, der::Error> {
    let ciphers = [
        oid::AES256_GCM,
        oid::AES128_GCM,
        oid::AES256_CBC,
        oid::AES192_CBC,
        oid::AES128_CBC,
    ];
    let one = |oid| AlgorithmIdentifierOwned {
        oid,
        parameters: None,
    };
    let mut all: Vec<_> = ciphers.into_iter().map(one).collect();
    let key = certificate.and_then(|one| one.public_key().ok());
    if matches!(key, Some(PublicKey::Rsa { .. })) {
        all.push(AlgorithmIdentifierOwned::from_der(&oaep_algorithm())?);
    }
    Ok(all)
}
