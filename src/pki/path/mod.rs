//! Chains: from a certificate over those at hand to an anchor, judged for mail.
//!
//! # Place in the flow
//!
//! open asks for the signer, harvest and expand for certificates to keep and to seal for.
//!
//! # Trust
//!
//! The pool is hostile: it may hold cross-signed loops made to keep us busy. All work is counted
//! (contract E13, E14) and what is left undone counts as untrusted.
//!
//! # Invariants
//!
//! * [`ChainVerdict::Trusted`] needs a complete path whose every signature was verified.
//! * Among several paths the best verdict is reported; a worse path never spoils a good one.
//!
//! # See also
//!
//! RFC 5280 section 6, RFC 4158 (building), RFC 8550 section 4.

mod check;
mod constraints;
mod crl_issuer;
mod policy;
mod shape;
mod work;

use ::time::OffsetDateTime;

use crate::model::Reason;
use crate::model::list::{Legacy, Revocation};
use crate::pki::anchors::Anchors;
use crate::pki::certificate::Certificate;
use crate::pki::revocation::Crls;
use crate::pki::signature::SignatureError;

pub use work::Work;

/// What a certificate is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To seal mail for its holder.
    Encrypt,
    /// To verify what its holder signed.
    Sign,
}

/// One question about one certificate.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The certificate in question.
    pub leaf: &'a Certificate,
    /// Certificates that may stand between it and an anchor, trusted in nothing.
    pub pool: &'a [Certificate],
    /// Where chains may end.
    pub anchors: &'a Anchors,
    /// Revocation lists at hand.
    pub crls: &'a Crls,
    /// The moment for which the answer holds.
    pub at: OffsetDateTime,
    /// The use in question.
    pub purpose: Purpose,
    /// Old algorithms that are admitted.
    pub legacy: Legacy,
    /// What a certificate without valid CRL is worth.
    pub revocation: Revocation,
}

/// The answer, with the path it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The verdict.
    pub verdict: ChainVerdict,
    /// Why it is not [`ChainVerdict::Trusted`].
    pub reason: Option<Reason>,
    /// From the leaf up to the anchor; the leaf alone where no path was found.
    pub path: Vec<Certificate>,
}

/// What a chain is worth, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChainVerdict {
    /// Good for the purpose at that moment.
    Trusted,
    /// It was good once: something in it has expired.
    Expired,
    /// Something in it is not valid yet.
    NotYetValid,
    /// Something in it is revoked.
    Revoked,
    /// Something in it may not be used for this.
    BadUsage,
    /// No acceptable path to an anchor.
    Untrusted,
    /// A signature in it is wrong or a certificate cannot be read.
    Broken,
}

impl ChainVerdict {
    /// Returns the word used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Revoked => "revoked",
            Self::BadUsage => "bad-usage",
            Self::Untrusted => "untrusted",
            Self::Broken => "broken",
        }
    }

    /// Returns the verdict that goes with a reason.
    fn of(reason: Reason) -> Self {
        match reason {
            Reason::Expired | Reason::IssuerExpired => Self::Expired,
            Reason::NotYetValid => Self::NotYetValid,
            Reason::Revoked => Self::Revoked,
            Reason::UsageSign | Reason::UsageEncrypt | Reason::UsageEmail | Reason::UsageIssuer => {
                Self::BadUsage
            }
            Reason::CertificateMalformed | Reason::ChainSignature => Self::Broken,
            _ => Self::Untrusted,
        }
    }
}

impl serde::Serialize for ChainVerdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Says what a certificate is worth: builds every path that the work budget allows and reports the
/// best.
///
/// An anchor is trusted as such, be it a root, an intermediate or the leaf itself, but what it
/// states about itself (validity, usage, constraints) still holds.
#[must_use]
pub fn validate(query: &Query<'_>) -> Chain {
    validate_within(query, &mut Work::default())
}

/// As [`validate`], within the work that is left for a message of which something was asked before.
#[must_use]
pub fn validate_within(query: &Query<'_>, work: &mut Work) -> Chain {
    work.begin();
    let mut search = Search::new(query, Part::Holder, work);
    let mut path = vec![query.leaf.clone()];
    let outcome = search.extend(&mut path);
    let (best, fallback) = (search.best, search.fallback);
    match (outcome, best) {
        (_, Some((None, path))) => Chain {
            verdict: ChainVerdict::Trusted,
            reason: None,
            path,
        },
        // Something else was found first, or not everything was looked at: who is revoked all the
        // same is to know it.
        (_, Some((Some(reason), path)))
            if ChainVerdict::of(reason) != ChainVerdict::Broken
                && (reason == Reason::Revoked || is_revoked(query, &path, work)) =>
        {
            Chain {
                verdict: ChainVerdict::Revoked,
                reason: Some(Reason::Revoked),
                path,
            }
        }
        // What was not looked at might have been better: say so rather than guess.
        (Err(budget), _) => Chain {
            verdict: ChainVerdict::Untrusted,
            reason: Some(budget),
            path: vec![query.leaf.clone()],
        },
        (Ok(()), Some((Some(reason), path))) => Chain {
            verdict: ChainVerdict::of(reason),
            reason: Some(reason),
            path,
        },
        (Ok(()), None) => Chain {
            verdict: ChainVerdict::of(fallback),
            reason: Some(fallback),
            path: vec![query.leaf.clone()],
        },
    }
}

/// True where a list revokes something in a path that is refused for another reason.
fn is_revoked(query: &Query<'_>, path: &[Certificate], work: &mut Work) -> bool {
    crl_issuer::revocation(query, path, work) == Err(Reason::Revoked)
}

/// In what part a certificate stands at the lower end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Its holder writes or reads mail.
    Holder,
    /// It signs revocation lists.
    CrlIssuer,
}

struct Search<'q, 'a, 'w> {
    query: &'q Query<'a>,
    part: Part,
    /// The only anchor that counts, where there is one.
    anchor: Option<&'q Certificate>,
    work: &'w mut Work,
    /// The best complete path so far; no reason means trusted.
    best: Option<(Option<Reason>, Vec<Certificate>)>,
    /// What to say where no path is complete.
    fallback: Reason,
}

impl<'q, 'a, 'w> Search<'q, 'a, 'w> {
    fn new(query: &'q Query<'a>, part: Part, work: &'w mut Work) -> Self {
        Self {
            query,
            part,
            anchor: None,
            work,
            best: None,
            fallback: Reason::UnknownIssuer,
        }
    }

    /// Grows `path` upwards in every possible way, depth first.
    ///
    /// The depth is bounded by [`MAX_CERTIFICATES`], so recursion is too.
    fn extend(&mut self, path: &mut Vec<Certificate>) -> Result<(), Reason> {
        let Some(top) = path.last().cloned() else {
            return Ok(());
        };
        if self.query.anchors.contains(&top) {
            self.finish(path)?;
        }
        if self.is_trusted() || path.len() >= MAX_CERTIFICATES {
            return Ok(());
        }
        for (candidate, is_anchor) in self.issuers(&top, path)? {
            match self.work.verify(&top, &candidate, self.query.legacy)? {
                Ok(()) => {}
                Err(error) => {
                    self.note(&top, &candidate, error);
                    continue;
                }
            }
            path.push(candidate);
            let outcome = if is_anchor {
                self.finish(path)
            } else {
                self.extend(path)
            };
            path.pop();
            outcome?;
            if self.is_trusted() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Returns who may have issued `top`, the likely ones first.
    fn issuers(
        &mut self,
        top: &Certificate,
        path: &[Certificate],
    ) -> Result<Vec<(Certificate, bool)>, Reason> {
        let mut found: Vec<(Certificate, bool)> = self
            .query
            .anchors
            .named(top.issuer_name())
            .map(|anchor| (anchor.clone(), true))
            .collect();
        self.work.compare(self.query.pool.len())?;
        for candidate in self.query.pool {
            if candidate.subject_name() != top.issuer_name() {
                continue;
            }
            // The same name with the same key again is a loop.
            let in_path = path.iter().any(|seen| {
                seen.subject_name() == candidate.subject_name()
                    && seen.spki_der() == candidate.spki_der()
            });
            self.work.compare(path.len() + found.len())?;
            if !in_path && !found.iter().any(|(seen, _)| seen == candidate) {
                found.push((candidate.clone(), false));
            }
        }
        found.retain(|(candidate, _)| candidate != top);
        let key_id = top.authority_key_id();
        found.sort_by_key(|(candidate, is_anchor)| {
            let names_it = key_id.is_some() && candidate.subject_key_id() == key_id;
            (!names_it, !is_anchor, !candidate.is_valid_at(self.query.at))
        });
        Ok(found)
    }

    /// Judges a path that has reached an anchor.
    fn finish(&mut self, path: &[Certificate]) -> Result<(), Reason> {
        if self.anchor.is_some_and(|only| path.last() != Some(only)) {
            return Ok(());
        }
        self.work.path()?;
        let result = match check::check(self.query, self.part, path, self.work) {
            Ok(()) => None,
            Err(Reason::PathBudget) => return Err(Reason::PathBudget),
            Err(reason) => Some(reason),
        };
        let rank = |reason: Option<Reason>| reason.map(|r| (ChainVerdict::of(r), r));
        let better = match &self.best {
            None => true,
            Some((known, _)) => rank(result) < rank(*known),
        };
        if better {
            self.best = Some((result, path.to_vec()));
        }
        Ok(())
    }

    fn is_trusted(&self) -> bool {
        matches!(self.best, Some((None, _)))
    }

    /// Keeps what a candidate with the right name failed at, for the case that nothing succeeds.
    fn note(&mut self, child: &Certificate, issuer: &Certificate, error: SignatureError) {
        let reason = match error {
            SignatureError::Mismatch => {
                // Another key under the same name, or another root of that name, is no forgery but
                // an unknown issuer.
                let key_id = child.authority_key_id();
                let other_key = key_id.is_some() && issuer.subject_key_id() != key_id;
                if other_key || child.issuer_name() == child.subject_name() {
                    return;
                }
                Reason::ChainSignature
            }
            other => other.reason(),
        };
        if self.fallback == Reason::UnknownIssuer {
            self.fallback = reason;
        }
    }
}

/// Leaf, six intermediates (contract E14), anchor.
const MAX_CERTIFICATES: usize = 8;

#[cfg(test)]
mod tests;
