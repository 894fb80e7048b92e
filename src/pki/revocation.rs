//! Certificate revocation lists: complete and delta, direct and indirect, of all or of some.
//!
//! # Trust
//!
//! CRLs come from files and from mails; each is believed only after its signature was verified with
//! a key that may sign lists for that name under the same anchor, so where it came from does not
//! matter.
//!
//! # Invariants
//!
//! * A CRL with a critical extension that is not understood is never believed.
//! * A stale CRL proves no certificate good, but what it revokes stays revoked.
//!
//! # See also
//!
//! RFC 5280 sections 5 and 6.3.

mod scope;
mod status;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ::time::OffsetDateTime;
use sha2::{Digest as _, Sha256};

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader};
use crate::pki::certificate::{Certificate, CertificateError};
use crate::pki::extension::read_extensions;
use crate::pki::name::Canonical;
use crate::pki::pem::{self, PemError};
use crate::pki::time as asn1_time;

use scope::Scope;
use status::Number;
pub use status::{Crls, Status};

/// A certificate revocation list. Clones share it.
#[derive(Clone)]
pub struct Crl(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    sha256: [u8; 32],
    issuer: Canonical,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    entries: Entries,
    /// False where something in it is not understood.
    usable: bool,
    scope: Scope,
    number: Option<Number>,
    /// Of a delta: the number of the list that it starts from.
    delta_base: Option<Number>,
    /// The issuingDistributionPoint and the authorityKeyIdentifier as received: a list replaces
    /// those that have the same.
    point: Vec<u8>,
    authority: Vec<u8>,
}

/// What is listed, by issuer and serial number.
type Entries = HashMap<Canonical, HashMap<Box<[u8]>, Entry>>;

/// What a list says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// It is revoked or on hold.
    Revoked,
    /// In a delta: no longer.
    Removed,
}

/// Why bytes are no usable CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Not the structure of a CRL.
    #[error("is not a CRL: {0}")]
    Asn1(#[from] Asn1Error),
    /// Its extensions are broken.
    #[error("{0}")]
    Extensions(#[from] CertificateError),
    /// Neither DER nor PEM with a CRL in it.
    #[error("holds no CRL: PEM with -----BEGIN X509 CRL----- or DER is expected")]
    NoCrl,
    /// The PEM framing is broken.
    #[error("{0}")]
    Pem(#[from] PemError),
}

impl Crl {
    /// Returns the CRL that `der` holds, without any judgement on it.
    ///
    /// # Errors
    ///
    /// [`CrlError`] where it is not one CRL in DER form and nothing else.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        let mut outer = Reader::only(der, tag::SEQUENCE)?.children();
        let mut fields = outer.expect(tag::SEQUENCE)?.children();
        let outer_algorithm = outer.expect(tag::SEQUENCE)?;
        outer.expect(tag::BIT_STRING)?;
        outer.finish()?;
        fields.optional(tag::INTEGER)?;
        let inner_algorithm = fields.expect(tag::SEQUENCE)?;
        let issuer = fields.expect(tag::SEQUENCE)?;
        let this_update = asn1_time::read(&fields.read()?)?;
        let next_update = match fields.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(asn1_time::read(&fields.read()?)?),
            _ => None,
        };
        let entries = fields.optional(tag::SEQUENCE)?;
        let mut list = Inner {
            der: der.to_vec(),
            sha256: Sha256::digest(der).into(),
            issuer: Canonical::new(issuer.raw),
            this_update,
            next_update,
            entries: Entries::new(),
            usable: outer_algorithm == inner_algorithm,
            scope: Scope::default(),
            number: None,
            delta_base: None,
            point: Vec::new(),
            authority: Vec::new(),
        };
        if let Some(explicit) = fields.optional(tag::context(0))? {
            list.read_extensions(explicit.content)?;
        }
        fields.finish()?;
        if let Some(entries) = entries {
            list.read_entries(entries.children())?;
        }
        Ok(Self(Arc::new(list)))
    }

    /// Returns the CRLs of a PEM text, or the one of a DER file.
    ///
    /// # Errors
    ///
    /// [`CrlError`] names the first thing that cannot be used.
    pub fn from_file(bytes: &[u8]) -> Result<Vec<Self>, CrlError> {
        if bytes.first() == Some(&tag::SEQUENCE) {
            return Ok(vec![Self::from_der(bytes)?]);
        }
        let blocks = pem::blocks(bytes)?;
        let all: Result<Vec<Self>, CrlError> = blocks
            .iter()
            .filter(|b| b.label == "X509 CRL")
            .map(|b| Self::from_der(&b.body))
            .collect();
        match all {
            Ok(list) if list.is_empty() => Err(CrlError::NoCrl),
            other => other,
        }
    }

    /// Returns the bytes as received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Returns the SHA-256 of the whole list.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    /// Returns the comparable name of who issued it.
    #[must_use]
    pub fn issuer_name(&self) -> &Canonical {
        &self.0.issuer
    }

    /// Returns when a newer one will be there, where it says so.
    #[must_use]
    pub fn next_update(&self) -> Option<OffsetDateTime> {
        self.0.next_update
    }

    /// Returns the signed part, the signature's AlgorithmIdentifier and its value.
    ///
    /// # Errors
    ///
    /// Never for a list that was read.
    pub fn signed_parts(&self) -> Result<(&[u8], crate::asn1::Tlv<'_>, &[u8]), Asn1Error> {
        let mut outer = Reader::only(&self.0.der, tag::SEQUENCE)?.children();
        let tbs = outer.expect(tag::SEQUENCE)?.raw;
        let algorithm = outer.expect(tag::SEQUENCE)?;
        let value = outer.expect(tag::BIT_STRING)?.bit_octets()?;
        Ok((tbs, algorithm, value))
    }

    /// Returns what the list says of `certificate`, were it authentic.
    fn entry(&self, certificate: &Certificate) -> Option<Entry> {
        let serials = self.0.entries.get(certificate.issuer_name())?;
        serials.get(certificate.serial()).copied()
    }

    fn is_fresh(&self, at: OffsetDateTime) -> bool {
        self.0.this_update <= at && self.0.next_update.is_some_and(|next| at <= next)
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Crl({} revoked)",
            self.0.entries.values().map(HashMap::len).sum::<usize>()
        )
    }
}

impl Inner {
    fn read_extensions(&mut self, extensions: &[u8]) -> Result<(), CrlError> {
        for extension in read_extensions(extensions)? {
            let number =
                || Reader::only(extension.value, tag::INTEGER).map(|n| Number::new(n.content));
            if extension.oid == ISSUING_DISTRIBUTION_POINT.as_bytes() {
                self.point = extension.value.to_vec();
                match Scope::read(extension.value, &self.issuer) {
                    Ok(scope) => self.scope = scope,
                    Err(_) => self.usable = false,
                }
            } else if extension.oid == DELTA_INDICATOR.as_bytes() {
                self.delta_base = Some(number()?);
            } else if extension.oid == CRL_NUMBER.as_bytes() {
                self.number = Some(number()?);
            } else if extension.oid == oid::AUTHORITY_KEY_ID.as_bytes() {
                self.authority = extension.value.to_vec();
            } else {
                self.usable &= !extension.critical;
            }
        }
        Ok(())
    }

    fn read_entries(&mut self, mut entries: Reader<'_>) -> Result<(), CrlError> {
        let mut issuer = self.issuer.clone();
        while !entries.is_empty() {
            let mut entry = entries.expect(tag::SEQUENCE)?.children();
            let serial = entry.expect(tag::INTEGER)?.content;
            entry.read()?;
            let mut kind = Entry::Revoked;
            if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
                for extension in read_extensions(extensions.raw)? {
                    if extension.oid == CERTIFICATE_ISSUER.as_bytes() && self.scope.indirect {
                        // It holds for the entries that follow, too.
                        let names = Reader::only(extension.value, tag::SEQUENCE)?.children();
                        issuer = scope::directory_name(names)?;
                    } else if extension.oid == REASON_CODE.as_bytes() {
                        let code = Reader::only(extension.value, ENUMERATED)?;
                        if self.delta_base.is_some() && code.content == [REMOVE_FROM_CRL] {
                            kind = Entry::Removed;
                        }
                    } else if extension.oid != INVALIDITY_DATE.as_bytes() {
                        self.usable &= !extension.critical;
                    }
                }
            }
            entry.finish()?;
            if !self.entries.contains_key(&issuer) {
                self.entries.insert(issuer.clone(), HashMap::new());
            }
            if let Some(serials) = self.entries.get_mut(&issuer) {
                serials.insert(serial.into(), kind);
            }
        }
        Ok(())
    }
}

const ENUMERATED: u8 = 0x0a;
const REMOVE_FROM_CRL: u8 = 8;
const CRL_NUMBER: Oid = Oid::new_unwrap("2.5.29.20");
const REASON_CODE: Oid = Oid::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: Oid = Oid::new_unwrap("2.5.29.24");
const DELTA_INDICATOR: Oid = Oid::new_unwrap("2.5.29.27");
const ISSUING_DISTRIBUTION_POINT: Oid = Oid::new_unwrap("2.5.29.28");
const CERTIFICATE_ISSUER: Oid = Oid::new_unwrap("2.5.29.29");
