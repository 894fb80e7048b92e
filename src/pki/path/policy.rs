//! Certificate policies, for a reader who accepts any policy.
//!
//! Whoever accepts any policy needs to know one thing of RFC 5280's policy tree: whether it is
//! empty where an issuer requires that it is not. For that the policies that are expected at the
//! next certificate are enough; the tree above them is not kept.
//!
//! # See also
//!
//! RFC 5280 sections 6.1.2 to 6.1.5.

use std::collections::BTreeSet;

use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, oid};
use crate::model::Reason;
use crate::pki::certificate::Certificate;

/// The state between two certificates of a path.
pub struct Policies {
    expected: BTreeSet<Vec<u8>>,
    any: bool,
    explicit: usize,
    mapping: usize,
    inhibit_any: usize,
}

impl Policies {
    /// Returns the state above the first of `count` certificates.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let never = count.saturating_add(1);
        Self {
            expected: BTreeSet::new(),
            any: true,
            explicit: never,
            mapping: never,
            inhibit_any: never,
        }
    }

    /// Processes one certificate, from the anchor down.
    ///
    /// # Errors
    ///
    /// [`Reason::PolicyRequired`] where no policy is left but one is required,
    /// [`Reason::CertificateMalformed`].
    pub fn enter(
        &mut self,
        certificate: &Certificate,
        is_leaf: bool,
        self_issued: bool,
    ) -> Result<(), Reason> {
        let malformed = |_: Asn1Error| Reason::CertificateMalformed;
        let stated = stated(certificate).map_err(malformed)?;
        let (stated, states_any) = stated.unwrap_or_default();
        let any_counts = states_any && (self.inhibit_any > 0 || (!is_leaf && self_issued));
        let mut next: BTreeSet<Vec<u8>> = stated
            .into_iter()
            .filter(|policy| self.any || self.expected.contains(policy))
            .collect();
        if any_counts {
            next.append(&mut self.expected);
        }
        self.expected = next;
        self.any &= any_counts;
        self.required()?;
        if is_leaf {
            self.explicit = self.explicit.saturating_sub(1);
        } else {
            self.map(certificate)?;
            if !self_issued {
                for counter in [&mut self.explicit, &mut self.mapping, &mut self.inhibit_any] {
                    *counter = counter.saturating_sub(1);
                }
            }
        }
        self.tighten(certificate, is_leaf).map_err(malformed)
    }

    /// Judges the end of the path.
    ///
    /// # Errors
    ///
    /// [`Reason::PolicyRequired`].
    pub fn finish(&self) -> Result<(), Reason> {
        self.required()
    }

    fn required(&self) -> Result<(), Reason> {
        let empty = self.expected.is_empty() && !self.any;
        if empty && self.explicit == 0 {
            return Err(Reason::PolicyRequired);
        }
        Ok(())
    }

    fn map(&mut self, certificate: &Certificate) -> Result<(), Reason> {
        let mappings = mappings(certificate).map_err(|_| Reason::CertificateMalformed)?;
        let any = oid::CERTIFICATE_POLICIES_ANY.as_bytes();
        if mappings.iter().any(|(from, to)| from == any || to == any) {
            return Err(Reason::PolicyRequired);
        }
        let mut mapped = BTreeSet::new();
        let mut gone = BTreeSet::new();
        for (from, to) in mappings {
            if self.mapping > 0 && (self.any || self.expected.contains(&from)) {
                mapped.insert(to);
            }
            gone.insert(from);
        }
        self.expected.retain(|policy| !gone.contains(policy));
        self.expected.extend(mapped);
        Ok(())
    }

    fn tighten(&mut self, certificate: &Certificate, is_leaf: bool) -> Result<(), Asn1Error> {
        let number = |tlv: &crate::asn1::Tlv<'_>| {
            // IMPLICIT INTEGER: only the tag differs.
            let value = tlv.content.iter().try_fold(0_usize, |sum, digit| {
                sum.checked_mul(256)?.checked_add(usize::from(*digit))
            });
            value.unwrap_or(usize::MAX)
        };
        if let Some(extension) = certificate.extension(&oid::POLICY_CONSTRAINTS) {
            let mut fields = Reader::only(extension.value, tag::SEQUENCE)?.children();
            if let Some(skip) = fields.optional(tag::context_primitive(0))? {
                let skip = number(&skip);
                if !is_leaf || skip == 0 {
                    self.explicit = self.explicit.min(skip);
                }
            }
            if let Some(skip) = fields.optional(tag::context_primitive(1))? {
                self.mapping = self.mapping.min(number(&skip));
            }
            fields.finish()?;
        }
        if let Some(extension) = certificate.extension(&oid::INHIBIT_ANY_POLICY) {
            let skip = Reader::only(extension.value, tag::INTEGER)?;
            self.inhibit_any = self.inhibit_any.min(number(&skip));
        }
        Ok(())
    }
}

/// The policies of a certificate, and whether anyPolicy is among them.
type Stated = (BTreeSet<Vec<u8>>, bool);

fn stated(certificate: &Certificate) -> Result<Option<Stated>, Asn1Error> {
    let Some(extension) = certificate.extension(&oid::CERTIFICATE_POLICIES) else {
        return Ok(None);
    };
    let mut list = Reader::only(extension.value, tag::SEQUENCE)?.children();
    let mut out = BTreeSet::new();
    let mut any = false;
    while !list.is_empty() {
        let mut fields = list.expect(tag::SEQUENCE)?.children();
        let policy = fields.expect(tag::OID)?;
        if policy.is_oid(&oid::CERTIFICATE_POLICIES_ANY) {
            any = true;
        } else {
            out.insert(policy.content.to_vec());
        }
    }
    Ok(Some((out, any)))
}

/// A policy of the issuer and the one of the subject that stands for it.
type Mapping = (Vec<u8>, Vec<u8>);

fn mappings(certificate: &Certificate) -> Result<Vec<Mapping>, Asn1Error> {
    let Some(extension) = certificate.extension(&oid::POLICY_MAPPINGS) else {
        return Ok(Vec::new());
    };
    let mut list = Reader::only(extension.value, tag::SEQUENCE)?.children();
    let mut out = Vec::new();
    while !list.is_empty() {
        let mut pair = list.expect(tag::SEQUENCE)?.children();
        let from = pair.expect(tag::OID)?.content.to_vec();
        let to = pair.expect(tag::OID)?.content.to_vec();
        pair.finish()?;
        out.push((from, to));
    }
    Ok(out)
}
