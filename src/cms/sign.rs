//! Writes SignedData: detached signatures of the list, and certificates alone.
//!
//! # Invariants
//!
//! * A signature covers signed attributes, among them content type and digest (contract S25).
//! * The digest is the one the signature algorithm uses (contract S27).
//! * What the capabilities announce, the list can read.
//!
//! # See also
//!
//! RFC 5652 section 5, RFC 8551 sections 2.5 and 3.2.2 (certs-only), RFC 5754.

use time::OffsetDateTime;
use time::macros::format_description;

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::writer;
use crate::pki::{Certificate, Digest, KeyError, KeyPair};

/// A detached signature and the digest it uses.
pub struct Detached {
    /// DER of the ContentInfo.
    pub der: Vec<u8>,
    /// For `micalg`.
    pub digest: Digest,
}

/// Signs `content`, which the caller has brought into canonical form (CRLF).
///
/// The pair's certificate and chain are enclosed, and `extra` besides. The first certificate that
/// may be encrypted to, of `extra` or else the pair's own, is named as the one to encrypt to. Leave
/// `signing_time` out of what is distributed: clients compare it with Date.
///
/// # Errors
///
/// [`KeyError`] when the private key cannot sign.
pub fn signed_detached(
    content: &[u8],
    pair: &KeyPair,
    extra: &[Certificate],
    signing_time: Option<OffsetDateTime>,
) -> Result<Detached, KeyError> {
    let certificate = &pair.certificate;
    let digest = pair.key.signing_digest().ok_or(KeyError::CannotSign)?;
    let preferred = extra
        .iter()
        .chain(std::iter::once(certificate))
        .find(|one| one.usage().encrypt);
    let attributes = attributes(&digest.of(content), preferred, signing_time);
    // Signed with the tag of a SET, written with the context tag (RFC 5652 section 5.4).
    let (algorithm, _, signature) = pair.key.sign(&writer::element(tag::SET, &[&attributes]))?;
    let signer = writer::sequence(&[
        &writer::small_uint(1),
        &issuer_and_serial(tag::SEQUENCE, certificate),
        &digest.algorithm(),
        &writer::element(tag::context(0), &[&attributes]),
        &algorithm,
        &writer::octet_string(&signature),
    ]);
    let bag: Vec<&Certificate> = std::iter::once(certificate)
        .chain(&pair.chain)
        .chain(extra)
        .collect();
    let der = signed_data(&[&digest.algorithm()], &bag, &[&signer]);
    Ok(Detached { der, digest })
}

/// Returns SignedData that holds certificates and nothing else (`.p7c`).
#[must_use]
pub fn certs_only(certificates: &[Certificate]) -> Vec<u8> {
    let bag: Vec<&Certificate> = certificates.iter().collect();
    signed_data(&[], &bag, &[])
}

fn signed_data(digests: &[&[u8]], certificates: &[&Certificate], signers: &[&[u8]]) -> Vec<u8> {
    let mut bag: Vec<&[u8]> = certificates.iter().map(|one| one.der()).collect();
    bag.sort_unstable();
    bag.dedup();
    let bag = if bag.is_empty() {
        Vec::new()
    } else {
        writer::element(tag::context(0), &bag)
    };
    let body = writer::sequence(&[
        &writer::small_uint(1),
        &writer::set_of(digests),
        &writer::sequence(&[&writer::oid(&oid::DATA)]),
        &bag,
        &writer::set_of(signers),
    ]);
    writer::sequence(&[
        &writer::oid(&oid::SIGNED_DATA),
        &writer::element(tag::context(0), &[&body]),
    ])
}

/// The signed attributes in DER order, without the tag around them.
fn attributes(
    message_digest: &[u8],
    preferred: Option<&Certificate>,
    signing_time: Option<OffsetDateTime>,
) -> Vec<u8> {
    let mut all = vec![
        attribute(&oid::CONTENT_TYPE, &writer::oid(&oid::DATA)),
        attribute(&oid::MESSAGE_DIGEST, &writer::octet_string(message_digest)),
        attribute(&oid::SMIME_CAPABILITIES, &capabilities()),
    ];
    if let Some(certificate) = preferred {
        all.push(attribute(
            &oid::ENCRYPTION_KEY_PREFERENCE,
            &issuer_and_serial(tag::context(0), certificate),
        ));
    }
    if let Some(time) = signing_time.and_then(asn1_time) {
        all.push(attribute(&oid::SIGNING_TIME, &time));
    }
    all.sort_unstable();
    all.concat()
}

fn attribute(name: &Oid, value: &[u8]) -> Vec<u8> {
    writer::sequence(&[&writer::oid(name), &writer::set_of(&[value])])
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

/// SMIMECapabilities: the content ciphers that the list reads, best first (RFC 8551 section 2.5.2).
fn capabilities() -> Vec<u8> {
    let ciphers = [
        oid::AES256_GCM,
        oid::AES128_GCM,
        oid::AES256_CBC,
        oid::AES192_CBC,
        oid::AES128_CBC,
    ];
    let list: Vec<Vec<u8>> = ciphers
        .iter()
        .map(|cipher| writer::sequence(&[&writer::oid(cipher)]))
        .collect();
    let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
    writer::sequence(&list)
}

/// UTCTime until 2049, then GeneralizedTime (RFC 5652 section 11.3).
fn asn1_time(time: OffsetDateTime) -> Option<Vec<u8>> {
    let time = time.to_offset(time::UtcOffset::UTC);
    if (1950..2050).contains(&time.year()) {
        let format = format_description!("[year repr:last_two][month][day][hour][minute][second]Z");
        let text = time.format(format).ok()?;
        Some(writer::element(tag::UTC_TIME, &[text.as_bytes()]))
    } else {
        let format = format_description!("[year][month][day][hour][minute][second]Z");
        let text = time.format(format).ok()?;
        Some(writer::element(tag::GENERALIZED_TIME, &[text.as_bytes()]))
    }
}
