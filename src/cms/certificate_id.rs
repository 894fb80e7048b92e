//! How CMS names a certificate: by issuer and serial number, or by key identifier.
//!
//! # Trust
//!
//! A name says whose certificate is meant, nothing more: the key behind it proves itself by
//! decrypting or verifying.
//!
//! # See also
//!
//! RFC 5652 sections 5.3, 6.2.1 and 10.2.4; RFC 5280 section 4.2.1.2.

use super::CmsError;
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv};
use crate::pki::certificate::Certificate;
use crate::pki::name::Canonical;

/// How a certificate is named.
#[derive(Clone, Copy)]
pub enum CertificateId<'a> {
    /// By issuer name and serial number, as encoded.
    IssuerSerial {
        /// The whole Name.
        issuer: &'a [u8],
        /// Content octets of the INTEGER.
        serial: &'a [u8],
    },
    /// By subject key identifier.
    KeyId(&'a [u8]),
}

impl<'a> CertificateId<'a> {
    /// Reads an IssuerAndSerialNumber.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when `tlv` is none.
    pub fn issuer_and_serial(tlv: &Tlv<'a>) -> Result<Self, CmsError> {
        let mut parts = tlv.children();
        let issuer = parts.expect(tag::SEQUENCE)?.raw;
        let serial = parts.expect(tag::INTEGER)?.content;
        parts.finish()?;
        Ok(Self::IssuerSerial { issuer, serial })
    }

    /// Reads a choice of IssuerAndSerialNumber and `[0] IMPLICIT` SubjectKeyIdentifier.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when `tlv` is neither.
    pub fn parse(tlv: &Tlv<'a>) -> Result<Self, CmsError> {
        if tlv.tag == tag::context_primitive(0) {
            Ok(Self::KeyId(tlv.content))
        } else {
            Self::issuer_and_serial(&Reader::only(tlv.raw, tag::SEQUENCE)?)
        }
    }

    /// True when bytes that are no readable certificate look like the one that is named. They are
    /// good for nothing but to say so.
    #[must_use]
    pub fn names_unreadable(&self, der: &[u8]) -> bool {
        match self {
            Self::IssuerSerial { issuer, serial } => {
                issuer_and_serial_within(der).is_ok_and(|found| found == (*issuer, *serial))
            }
            Self::KeyId(id) => memchr::memmem::find(der, id).is_some(),
        }
    }

    /// True when `certificate` is the one that is named.
    ///
    /// Some mailers encode the issuer's name anew, with other string types, and serial numbers
    /// without the octet that keeps them positive. A certificate without a key identifier is known
    /// by the one that RFC 5280 section 4.2.1.2 makes of its key.
    #[must_use]
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerSerial { issuer, serial } => {
                significant(certificate.serial()) == significant(serial)
                    && (certificate.issuer_der() == *issuer
                        || *certificate.issuer_name() == Canonical::new(issuer))
            }
            Self::KeyId(id) => match certificate.subject_key_id() {
                Some(own) => own == *id,
                None => certificate
                    .public_key()
                    .is_ok_and(|key| key.key_id() == *id),
            },
        }
    }
}

/// Returns issuer and serial number from where they stand in a certificate, whatever follows them.
fn issuer_and_serial_within(der: &[u8]) -> Result<(&[u8], &[u8]), Asn1Error> {
    let mut outer = Reader::only(der, tag::SEQUENCE)?.children();
    let mut fields = outer.expect(tag::SEQUENCE)?.children();
    fields.optional(tag::context(0))?;
    let serial = fields.expect(tag::INTEGER)?.content;
    fields.expect(tag::SEQUENCE)?;
    Ok((fields.expect(tag::SEQUENCE)?.raw, serial))
}

/// Returns the octets of a number without those that only give it its sign.
fn significant(mut number: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = number {
        number = rest;
    }
    number
}
