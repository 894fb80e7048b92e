//! What the lists at hand say about one certificate.
//!
//! # Invariants
//!
//! * A certificate is good only where fresh, authentic lists cover it for every reason.
//! * Of lists with the same scope the newest counts, with the delta that fits it. What a stale one
//!   revokes stays revoked.
//!
//! # See also
//!
//! RFC 5280 sections 5.2.4 (deltas) and 6.3.3.

use std::cmp::Reverse;
use std::collections::HashMap;

use ::time::OffsetDateTime;

use super::scope::{Point, Reasons};
use super::{Crl, Entry};
use crate::model::Reason;
use crate::pki::certificate::Certificate;
use crate::pki::name::Canonical;

/// What the CRLs at hand say about one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Fresh CRLs cover it and do not list it.
    Good,
    /// An authentic CRL lists it.
    Revoked,
    /// No fresh, authentic CRLs cover it for every reason.
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

    /// Returns how many comparisons a question about `certificate` costs.
    #[must_use]
    pub fn price(&self, certificate: &Certificate) -> usize {
        let price = |point: &Point| -> usize {
            let own = self.places(certificate, point).count();
            own.saturating_add(1)
        };
        Point::all_of(certificate).iter().map(price).sum()
    }

    /// Returns where the lists of those stand that may speak for `certificate` at `point`.
    fn places<'a>(
        &'a self,
        certificate: &'a Certificate,
        point: &'a Point,
    ) -> impl Iterator<Item = usize> {
        let own = std::slice::from_ref(certificate.issuer_name());
        let issuers = if point.issuers.is_empty() {
            own
        } else {
            &point.issuers
        };
        issuers
            .iter()
            .filter_map(|name| self.by_issuer.get(name))
            .flatten()
            .copied()
    }

    /// Returns what the lists say about `certificate` at a moment; `is_authentic` finds out whether
    /// a list is by whom it says, and whether that one may issue lists.
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
        let mut covered = Reasons::NONE;
        for point in Point::all_of(certificate) {
            for group in self.groups(certificate, &point, at) {
                let adds = covered.lacks_some_of(group.reasons);
                match group.judge(certificate, at, adds, &mut is_authentic)? {
                    Status::Revoked => return Ok(Status::Revoked),
                    Status::Good => covered |= group.reasons,
                    Status::Unknown => {}
                }
            }
        }
        if covered.lacks_some_of(Reasons::ALL) {
            Ok(Status::Unknown)
        } else {
            Ok(Status::Good)
        }
    }

    /// Returns the lists that cover `certificate` at `point`, together what belongs together,
    /// newest first.
    fn groups(
        &self,
        certificate: &Certificate,
        point: &Point,
        at: OffsetDateTime,
    ) -> Vec<Group<'_>> {
        let mut found: Vec<&Crl> = self
            .places(certificate, point)
            .filter_map(|place| self.lists.get(place))
            .filter(|crl| crl.0.this_update <= at && crl.0.usable)
            .filter(|crl| crl.0.scope.covers(certificate, crl.issuer_name(), point))
            .collect();
        found.sort_by_key(|crl| Reverse((crl.0.this_update, crl.0.number.clone())));
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut places: HashMap<(&Canonical, &[u8], &[u8]), usize> = HashMap::new();
        for crl in found {
            let key = (crl.issuer_name(), &*crl.0.point, &*crl.0.authority);
            let place = *places.entry(key).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Group {
                    reasons: crl.0.scope.reasons & point.reasons,
                    complete: Vec::new(),
                    deltas: Vec::new(),
                });
            }
            if let Some(group) = groups.get_mut(place) {
                match &crl.0.delta_base {
                    Some(base) => group.deltas.push((crl, base)),
                    None => group.complete.push(crl),
                }
            }
        }
        groups
    }
}

/// Lists by one issuer, under one key identifier, with one scope: each replaces the one before.
struct Group<'a> {
    reasons: Reasons,
    complete: Vec<&'a Crl>,
    /// With the number of the list that each starts from.
    deltas: Vec<(&'a Crl, &'a Number)>,
}

impl Group<'_> {
    fn judge(
        &self,
        certificate: &Certificate,
        at: OffsetDateTime,
        adds: bool,
        is_authentic: &mut impl FnMut(&Crl) -> Result<bool, Reason>,
    ) -> Result<Status, Reason> {
        let all = self
            .complete
            .iter()
            .chain(self.deltas.iter().map(|(crl, _)| crl));
        if !adds && all.clone().all(|crl| crl.entry(certificate).is_none()) {
            // Nothing that could be found out would change anything.
            return Ok(Status::Unknown);
        }
        let mut base = None;
        for crl in &self.complete {
            if is_authentic(crl)? {
                base = Some(*crl);
                break;
            }
        }
        let mut fresh = base.is_some_and(|crl| crl.is_fresh(at));
        let mut entry = base.and_then(|crl| crl.entry(certificate));
        for (delta, start) in &self.deltas {
            let number = base.and_then(|crl| crl.0.number.as_ref());
            if number.is_some() && delta.0.number.as_ref() <= number {
                // The complete list is newer.
                continue;
            }
            if !is_authentic(delta)? {
                continue;
            }
            let change = delta.entry(certificate);
            if number.is_some_and(|number| number >= start) {
                fresh |= delta.is_fresh(at);
                entry = match change {
                    Some(Entry::Removed) => None,
                    other => other.or(entry),
                };
                break;
            }
            // What happened between the two lists is not known, but this is.
            if change == Some(Entry::Revoked) {
                return Ok(Status::Revoked);
            }
        }
        Ok(match entry {
            Some(_) => Status::Revoked,
            None if fresh => Status::Good,
            None => Status::Unknown,
        })
    }
}

/// A CRL number, which may have up to 20 octets (RFC 5280 section 5.2.3); greater is later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(usize, Vec<u8>);

impl Number {
    /// Returns the number with these big-endian octets.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        let digits: Vec<u8> = octets
            .iter()
            .copied()
            .skip_while(|octet| *octet == 0)
            .collect();
        Self(digits.len(), digits)
    }
}
