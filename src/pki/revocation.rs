//! Certificate revocation lists: complete ones, signed by the issuer they speak for.
//!
//! # Trust
//!
//! CRLs come from files and from mails; each is believed only after its signature was verified with
//! the key of the certificate's own issuer, so where it came from does not matter.
//!
//! # Invariants
//!
//! * A CRL with a critical extension that is not understood, an indirect one, a delta and one for
//!   some reasons only are never believed.
//! * A stale CRL proves no certificate good, but what it revokes stays revoked.
//!
//! # See also
//!
//! RFC 5280 sections 5 and 6.3.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use ::time::OffsetDateTime;
use sha2::{Digest as _, Sha256};

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader};
use crate::model::Reason;
use crate::pki::certificate::{Certificate, CertificateError};
use crate::pki::extension::read_extensions;
use crate::pki::name::Canonical;
use crate::pki::pem::{self, PemError};
use crate::pki::time as asn1_time;

/// A certificate revocation list. Clones share it.
#[derive(Clone)]
pub struct Crl(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    sha256: [u8; 32],
    issuer: Canonical,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    revoked: HashSet<Box<[u8]>>,
    scope: Scope,
}

/// Which certificates a CRL speaks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scope {
    /// False where something in it is not understood.
    usable: bool,
    user_only: bool,
    ca_only: bool,
    /// The names of its distribution point, where it has one.
    point: Option<Vec<Vec<u8>>>,
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
        outer.expect(tag::BIT_STRING)?.bit_octets()?;
        outer.finish()?;
        fields.optional(tag::INTEGER)?;
        let inner_algorithm = fields.expect(tag::SEQUENCE)?;
        let issuer = fields.expect(tag::SEQUENCE)?;
        let this_update = asn1_time::read(&fields.read()?)?;
        let next_update = match fields.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(asn1_time::read(&fields.read()?)?),
            _ => None,
        };
        let mut scope = Scope {
            usable: outer_algorithm == inner_algorithm,
            ..Scope::default()
        };
        let mut revoked = HashSet::new();
        if let Some(list) = fields.optional(tag::SEQUENCE)? {
            let mut entries = list.children();
            while !entries.is_empty() {
                let mut entry = entries.expect(tag::SEQUENCE)?.children();
                let serial = entry.expect(tag::INTEGER)?.content;
                entry.read()?;
                if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
                    // The critical one is certificateIssuer, of indirect CRLs.
                    let critical = read_extensions(extensions.raw)?.iter().any(|e| e.critical);
                    scope.usable &= !critical;
                }
                entry.finish()?;
                revoked.insert(serial.into());
            }
        }
        if let Some(explicit) = fields.optional(tag::context(0))? {
            read_scope(explicit.content, &mut scope)?;
        }
        fields.finish()?;
        Ok(Self(Arc::new(Inner {
            sha256: Sha256::digest(der).into(),
            issuer: Canonical::new(issuer.raw),
            this_update,
            next_update,
            revoked,
            scope,
            der: der.to_vec(),
        })))
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

    /// True when the list speaks for `certificate`, were it authentic and fresh.
    fn covers(&self, certificate: &Certificate) -> bool {
        let scope = &self.0.scope;
        if !scope.usable {
            return false;
        }
        let is_ca = certificate
            .basic_constraints()
            .ok()
            .flatten()
            .is_some_and(|b| b.ca);
        if (scope.user_only && is_ca) || (scope.ca_only && !is_ca) {
            return false;
        }
        match &scope.point {
            None => true,
            Some(names) => distribution_points(certificate)
                .unwrap_or_default()
                .iter()
                .any(|name| names.contains(name)),
        }
    }

    fn is_fresh(&self, at: OffsetDateTime) -> bool {
        self.0.this_update <= at && self.0.next_update.is_some_and(|next| at <= next)
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl({} revoked)", self.0.revoked.len())
    }
}

fn read_scope(extensions: &[u8], scope: &mut Scope) -> Result<(), CrlError> {
    for extension in read_extensions(extensions)? {
        if extension.oid == ISSUING_DISTRIBUTION_POINT.as_bytes() {
            read_point(extension.value, scope)?;
        } else if extension.oid == DELTA_INDICATOR.as_bytes() {
            scope.usable = false;
        } else if extension.critical {
            let known = extension.oid == oid::AUTHORITY_KEY_ID.as_bytes()
                || extension.oid == CRL_NUMBER.as_bytes();
            scope.usable &= known;
        }
    }
    Ok(())
}

/// Reads an IssuingDistributionPoint (RFC 5280 section 5.2.5).
fn read_point(value: &[u8], scope: &mut Scope) -> Result<(), CrlError> {
    let mut fields = Reader::only(value, tag::SEQUENCE)?.children();
    while !fields.is_empty() {
        let field = fields.read()?;
        let set = field.content != [0];
        match field.tag {
            POINT => {
                let name = Reader::new(field.content).read()?;
                if name.tag == FULL_NAME {
                    scope.point = Some(raw_names(name.children())?);
                } else {
                    scope.usable = false;
                }
            }
            USER_ONLY => scope.user_only = set,
            CA_ONLY => scope.ca_only = set,
            INDIRECT | ATTRIBUTES_ONLY if !set => {}
            // Some reasons only, indirect, attribute certificates: not for us.
            _ => scope.usable = false,
        }
    }
    Ok(())
}

fn raw_names(mut names: Reader<'_>) -> Result<Vec<Vec<u8>>, Asn1Error> {
    let mut out = Vec::new();
    while !names.is_empty() {
        out.push(names.read()?.raw.to_vec());
    }
    Ok(out)
}

/// Returns the full names of every distribution point of a certificate.
fn distribution_points(certificate: &Certificate) -> Result<Vec<Vec<u8>>, Asn1Error> {
    let Some(extension) = certificate.extension(&oid::CRL_DISTRIBUTION_POINTS) else {
        return Ok(Vec::new());
    };
    let mut points = Reader::only(extension.value, tag::SEQUENCE)?.children();
    let mut out = Vec::new();
    while !points.is_empty() {
        let mut fields = points.expect(tag::SEQUENCE)?.children();
        if let Some(point) = fields.optional(POINT)? {
            let name = Reader::new(point.content).read()?;
            if name.tag == FULL_NAME {
                out.extend(raw_names(name.children())?);
            }
        }
    }
    Ok(out)
}

const POINT: u8 = tag::context(0);
const FULL_NAME: u8 = tag::context(0);
const USER_ONLY: u8 = tag::context_primitive(1);
const CA_ONLY: u8 = tag::context_primitive(2);
const INDIRECT: u8 = tag::context_primitive(4);
const ATTRIBUTES_ONLY: u8 = tag::context_primitive(5);
const CRL_NUMBER: Oid = Oid::new_unwrap("2.5.29.20");
const DELTA_INDICATOR: Oid = Oid::new_unwrap("2.5.29.27");
const ISSUING_DISTRIBUTION_POINT: Oid = Oid::new_unwrap("2.5.29.28");

/// What the CRLs at hand say about one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A fresh CRL covers it and does not list it.
    Good,
    /// An authentic CRL lists it.
    Revoked,
    /// No fresh, authentic CRL covers it.
    Unknown,
}

/// The CRLs at hand. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Crls {
    lists: Vec<Crl>,
    by_issuer: HashMap<Canonical, Vec<usize>>,
}

impl Crls {
    /// Returns the set of these lists.
    #[must_use]
    pub fn new(lists: Vec<Crl>) -> Self {
        Self::default().with(lists)
    }

    /// Returns this set together with `more`, for example those enclosed in a message.
    #[must_use]
    pub fn with(mut self, more: Vec<Crl>) -> Self {
        for crl in more {
            let place = self.lists.len();
            self.by_issuer
                .entry(crl.issuer_name().clone())
                .or_default()
                .push(place);
            self.lists.push(crl);
        }
        self
    }

    /// Returns every list.
    #[must_use]
    pub fn lists(&self) -> &[Crl] {
        &self.lists
    }

    /// Returns what the lists say about `certificate` at a moment; `is_authentic` verifies one list
    /// with the key of the certificate's issuer.
    ///
    /// # Errors
    ///
    /// Whatever `is_authentic` fails with: the work budget is used up.
    pub fn status(
        &self,
        certificate: &Certificate,
        at: OffsetDateTime,
        mut is_authentic: impl FnMut(&Crl) -> Result<bool, Reason>,
    ) -> Result<Status, Reason> {
        let mut status = Status::Unknown;
        let places = self.by_issuer.get(certificate.issuer_name());
        for crl in places
            .into_iter()
            .flatten()
            .filter_map(|place| self.lists.get(*place))
        {
            let listed = crl.0.revoked.contains(certificate.serial());
            let says_something = crl.0.this_update <= at && (listed || crl.is_fresh(at));
            if !says_something || !crl.covers(certificate) || !is_authentic(crl)? {
                continue;
            }
            if listed {
                return Ok(Status::Revoked);
            }
            status = Status::Good;
        }
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use ::time::Duration;

    use super::*;
    use crate::model::list::Revocation;
    use crate::pki::path::ChainVerdict;
    use crate::pki::testing::{CA, LEAF, Pki};

    const TRUSTED: (ChainVerdict, Option<Reason>) = (ChainVerdict::Trusted, None);

    fn no(verdict: ChainVerdict, reason: Reason) -> (ChainVerdict, Option<Reason>) {
        (verdict, Some(reason))
    }

    #[test]
    fn crls_revoke_and_hard_mode_needs_one() {
        let pki = Pki::new();
        pki.issue("mid", "root", CA);
        pki.issue("leaf", "mid", LEAF);
        pki.issue("other", "mid", LEAF);
        pki.issue_as("impostor", "/CN=mid", "", CA, "-days 9");
        let revoked = no(ChainVerdict::Revoked, Reason::Revoked);
        let unknown = no(ChainVerdict::Untrusted, Reason::RevocationUnknown);
        let ask = |leaf: &str, lists: Vec<Crl>, revocation, days: i64| {
            let mut question = pki.ask(leaf, &["mid"]);
            question.crls = Crls::new(lists);
            question.revocation = revocation;
            question.at += Duration::days(days) + Duration::seconds(2);
            question.says()
        };
        let mid = pki.crl("mid", &["leaf"], "", "");
        let root = pki.crl("root", &[], "", "");
        use Revocation::{Hard, Off, Soft};
        let both = || vec![mid.clone(), root.clone()];
        assert_eq!(ask("leaf", both(), Soft, 0), revoked);
        assert_eq!(ask("leaf", both(), Hard, 0), revoked);
        assert_eq!(ask("leaf", both(), Off, 0), TRUSTED);
        assert_eq!(ask("other", both(), Hard, 0), TRUSTED);
        assert_eq!(ask("other", vec![mid.clone()], Hard, 0), unknown);
        assert_eq!(ask("other", vec![], Hard, 0), unknown);
        assert_eq!(ask("other", vec![], Soft, 0), TRUSTED);
        // Stale: proves nobody good, but who is on it stays revoked.
        assert_eq!(ask("other", both(), Hard, 8), unknown);
        assert_eq!(ask("other", both(), Soft, 8), TRUSTED);
        assert_eq!(ask("leaf", both(), Soft, 8), revoked);
        // Not yet there at the moment asked for.
        assert_eq!(
            ask("other", both(), Hard, -1).1,
            Some(Reason::RevocationUnknown)
        );
        // Signed by another key under the CA's name.
        let forged = pki.crl("impostor", &["leaf"], "", "");
        assert_eq!(ask("leaf", vec![forged], Soft, 0), TRUSTED);
        // The intermediate is revoked.
        let root = pki.crl("root", &["mid"], "", "");
        assert_eq!(ask("other", vec![root], Soft, 0), revoked);
    }

    #[test]
    fn crls_that_speak_of_other_things_are_not_believed() {
        let pki = Pki::new();
        pki.issue(
            "leaf",
            "root",
            &format!("{LEAF}\ncrlDistributionPoints=URI:http://x.example/1.crl"),
        );
        let ask = |list: Crl| {
            let mut question = pki.ask("leaf", &[]);
            question.crls = Crls::new(vec![list]);
            question.revocation = Revocation::Hard;
            question.at += Duration::seconds(2);
            question.says().1
        };
        let unknown = Some(Reason::RevocationUnknown);
        let point = |lines: &str| format!("issuingDistributionPoint=critical,@p\n[p]\n{lines}");
        for (extensions, expected) in [
            (
                "crlNumber=1"
                    .to_owned()
                    .replace("crlNumber=1", "authorityKeyIdentifier=keyid"),
                None,
            ),
            ("1.2.3.4=critical,ASN1:NULL".to_owned(), unknown),
            ("1.2.3.4=ASN1:NULL".to_owned(), None),
            ("2.5.29.27=critical,ASN1:INTEGER:1".to_owned(), unknown),
            (point("fullname=URI:http://x.example/1.crl"), None),
            (point("fullname=URI:http://x.example/2.crl"), unknown),
            (point("onlyuser=TRUE"), None),
            (point("onlyCA=TRUE"), unknown),
            (point("indirectCRL=TRUE"), unknown),
            (point("onlysomereasons=keyCompromise"), unknown),
        ] {
            let list = pki.crl("root", &[], "", &extensions);
            assert_eq!(ask(list), expected, "{extensions}");
            // What such a list revokes is not believed either.
            let list = pki.crl("root", &["leaf"], "", &extensions);
            let expected = expected.or(Some(Reason::Revoked));
            assert_eq!(ask(list), expected, "{extensions}");
        }
    }

    #[test]
    fn broken_crls_are_errors() {
        let pki = Pki::new();
        let good = pki.crl("root", &[], "", "");
        for end in 0..good.der().len() {
            assert!(Crl::from_der(&good.der()[..end]).is_err(), "{end}");
        }
        assert_eq!(Crl::from_file(good.der()).unwrap().len(), 1);
        assert!(Crl::from_file(&pki.0.read("root.pem")).is_err());
        assert!(Crl::from_file(b"").is_err());
    }
}
