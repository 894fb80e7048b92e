//! For whom a revocation list speaks, and where a certificate says that its lists are.
//!
//! # Invariants
//!
//! * What is not understood makes a list unusable, never wider.
//!
//! # See also
//!
//! RFC 5280 sections 4.2.1.13 (distribution points), 5.2.5 (issuing distribution point), 6.3.3 b.

use std::ops::{BitAnd, BitOrAssign};

use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv, oid};
use crate::pki::certificate::Certificate;
use crate::pki::extension::{GeneralName, general_name};
use crate::pki::name::Canonical;

/// A set of reasons for revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reasons(u16);

impl Reasons {
    /// Every reason there is: bits 1 to 8 of ReasonFlags.
    pub const ALL: Self = Self(0x7f80);
    /// No reason.
    pub const NONE: Self = Self(0);

    fn read(flags: &Tlv<'_>) -> Self {
        // IMPLICIT BIT STRING: the count of unused bits first; named bits beyond the end are zero.
        let bits = flags.content.get(1..).unwrap_or_default();
        let octet = |at: usize| u16::from(bits.get(at).copied().unwrap_or(0));
        Self((octet(0) << 8 | octet(1)) & Self::ALL.0)
    }

    /// True when `other` holds a reason that is not in this set.
    #[must_use]
    pub fn lacks_some_of(self, other: Self) -> bool {
        other.0 & !self.0 != 0
    }
}

impl BitAnd for Reasons {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOrAssign for Reasons {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// One name of a distribution point, comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointName {
    /// A distinguished name.
    Directory(Canonical),
    /// Any other form, by its bytes.
    Other(Vec<u8>),
}

impl PointName {
    fn read(tlv: &Tlv<'_>) -> Result<Self, Asn1Error> {
        Ok(match general_name(tlv)? {
            GeneralName::Directory(der) => Self::Directory(Canonical::new(der)),
            _ => Self::Other(tlv.raw.to_vec()),
        })
    }
}

/// Which certificates a list speaks for, by its issuing distribution point.
#[derive(Debug)]
pub struct Scope {
    user_only: bool,
    ca_only: bool,
    attributes_only: bool,
    /// It lists certificates of other issuers too.
    pub indirect: bool,
    /// The reasons for which it revokes.
    pub reasons: Reasons,
    /// The names of its distribution point, where it has one.
    names: Option<Vec<PointName>>,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            user_only: false,
            ca_only: false,
            attributes_only: false,
            indirect: false,
            reasons: Reasons::ALL,
            names: None,
        }
    }
}

impl Scope {
    /// Reads an IssuingDistributionPoint of a list by `issuer`.
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] where it is malformed or holds a field that is not known.
    pub fn read(value: &[u8], issuer: &Canonical) -> Result<Self, Asn1Error> {
        let mut out = Self::default();
        let mut fields = Reader::only(value, tag::SEQUENCE)?.children();
        while !fields.is_empty() {
            let field = fields.read()?;
            match field.tag {
                POINT => out.names = Some(point_names(&field, issuer)?),
                USER_ONLY => out.user_only = field.boolean()?,
                CA_ONLY => out.ca_only = field.boolean()?,
                SOME_REASONS => out.reasons = Reasons::read(&field),
                INDIRECT => out.indirect = field.boolean()?,
                ATTRIBUTES_ONLY => out.attributes_only = field.boolean()?,
                _ => return Err(Asn1Error::Unexpected),
            }
        }
        Ok(out)
    }

    /// True when a list by `issuer` with this scope speaks for `certificate` at `point`.
    #[must_use]
    pub fn covers(&self, certificate: &Certificate, issuer: &Canonical, point: &Point) -> bool {
        let right_issuer = if point.issuers.is_empty() {
            issuer == certificate.issuer_name()
        } else {
            self.indirect && point.issuers.contains(issuer)
        };
        let constraints = certificate.basic_constraints().ok().flatten();
        let is_ca = constraints.is_some_and(|basic| basic.ca);
        let wrong_kind = if is_ca { self.user_only } else { self.ca_only };
        let right_kind = !self.attributes_only && !wrong_kind;
        let right_point = self
            .names
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| point.names.contains(name)));
        right_issuer && right_kind && right_point
    }
}

/// A place where lists for a certificate are.
#[derive(Debug)]
pub struct Point {
    names: Vec<PointName>,
    /// The reasons for which the lists there revoke.
    pub reasons: Reasons,
    /// Who issues the lists; empty where the certificate's own issuer does.
    pub issuers: Vec<Canonical>,
}

impl Point {
    /// Returns the distribution points of `certificate`, and the one that every certificate has:
    /// its issuer's name. Of a malformed extension nothing counts.
    #[must_use]
    pub fn all_of(certificate: &Certificate) -> Vec<Self> {
        let mut out = stated(certificate).unwrap_or_default();
        out.push(Self {
            names: vec![PointName::Directory(certificate.issuer_name().clone())],
            reasons: Reasons::ALL,
            issuers: Vec::new(),
        });
        out
    }
}

fn stated(certificate: &Certificate) -> Result<Vec<Point>, Asn1Error> {
    let Some(extension) = certificate.extension(&oid::CRL_DISTRIBUTION_POINTS) else {
        return Ok(Vec::new());
    };
    let mut list = Reader::only(extension.value, tag::SEQUENCE)?.children();
    let mut out = Vec::new();
    while !list.is_empty() {
        if out.len() >= MAX_POINTS {
            return Err(Asn1Error::Value);
        }
        let mut fields = list.expect(tag::SEQUENCE)?.children();
        let point = fields.optional(POINT)?;
        let reasons = fields.optional(REASONS)?;
        let issuers = match fields.optional(CRL_ISSUER)? {
            Some(names) => directories(names.children())?,
            None => Vec::new(),
        };
        fields.finish()?;
        // A relative name starts from the issuer of the list (RFC 5280 section 4.2.1.13).
        let base = issuers.first().unwrap_or(certificate.issuer_name());
        let names = match &point {
            Some(point) => point_names(point, base)?,
            None => issuers.iter().cloned().map(PointName::Directory).collect(),
        };
        out.push(Point {
            names,
            reasons: reasons.map_or(Reasons::ALL, |flags| Reasons::read(&flags)),
            issuers,
        });
    }
    Ok(out)
}

/// Reads a DistributionPointName: full names, or one relative to `base`.
fn point_names(point: &Tlv<'_>, base: &Canonical) -> Result<Vec<PointName>, Asn1Error> {
    let mut fields = point.children();
    let name = fields.read()?;
    fields.finish()?;
    match name.tag {
        FULL_NAME => {
            let mut names = name.children();
            let mut out = Vec::new();
            while !names.is_empty() {
                if out.len() >= MAX_NAMES {
                    return Err(Asn1Error::Value);
                }
                out.push(PointName::read(&names.read()?)?);
            }
            Ok(out)
        }
        RELATIVE_NAME => Ok(vec![PointName::Directory(base.below(name.content)?)]),
        _ => Err(Asn1Error::Unexpected),
    }
}

fn directories(mut names: Reader<'_>) -> Result<Vec<Canonical>, Asn1Error> {
    let mut out = Vec::new();
    while !names.is_empty() {
        if let GeneralName::Directory(der) = general_name(&names.read()?)? {
            out.push(Canonical::new(der));
        }
    }
    if out.is_empty() || out.len() > MAX_NAMES {
        return Err(Asn1Error::Value);
    }
    Ok(out)
}

/// Returns the distinguished name among the GeneralNames of an issuer.
///
/// # Errors
///
/// [`Asn1Error`] where one is malformed or there is none.
pub fn directory_name(names: Reader<'_>) -> Result<Canonical, Asn1Error> {
    directories(names)?
        .into_iter()
        .next()
        .ok_or(Asn1Error::Value)
}

/// More than any authority writes; every one is compared with every other.
const MAX_POINTS: usize = 16;
const MAX_NAMES: usize = 16;

const POINT: u8 = tag::context(0);
const FULL_NAME: u8 = tag::context(0);
const RELATIVE_NAME: u8 = tag::context(1);
const REASONS: u8 = tag::context_primitive(1);
const CRL_ISSUER: u8 = tag::context(2);
const USER_ONLY: u8 = tag::context_primitive(1);
const CA_ONLY: u8 = tag::context_primitive(2);
const SOME_REASONS: u8 = tag::context_primitive(3);
const INDIRECT: u8 = tag::context_primitive(4);
const ATTRIBUTES_ONLY: u8 = tag::context_primitive(5);

#[cfg(test)]
mod tests {
    use ::time::Duration;

    use crate::model::Reason;
    use crate::model::list::Revocation;
    use crate::pki::Crls;
    use crate::pki::testing::{LEAF, Pki};

    #[test]
    fn a_flag_that_is_not_one_octet_makes_the_list_unusable() {
        let pki = Pki::new();
        pki.issue("leaf", "root", LEAF);
        for (flag, expected) in [
            ("03:81:01:ff", None),
            ("03:84:01:00", None),
            ("02:81:00", Some(Reason::RevocationUnknown)),
            ("04:81:02:ff:ff", Some(Reason::RevocationUnknown)),
            ("02:84:00", Some(Reason::RevocationUnknown)),
        ] {
            let point = format!("2.5.29.28=critical,DER:30:{flag}");
            let list = pki.crl("root", &[], "", &point);
            let mut question = pki.ask("leaf", &[]);
            question.crls = Crls::new(vec![list]);
            question.revocation = Revocation::Hard;
            // thisUpdate is in this second.
            question.at += Duration::seconds(2);
            assert_eq!(question.says().1, expected, "{flag}");
        }
    }
}
