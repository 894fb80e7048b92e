//! A list or site address as one message finds it, and what may stand in its way.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::config::Problem;
use crate::model::list::ListPolicy;
use crate::model::route::Role;
use crate::model::{Address, Reason};
use crate::pki::path::Purpose;
use crate::pki::{Certificate, KeyPair};
use crate::relay::Belief;
use crate::store::anchors::Trust;
use crate::store::keys::KeyRing;
use crate::store::lists::ListConfig;

/// A list or site address as it is at this instant.
pub(super) struct World {
    /// Its settings and places; of the site address as if it were a list.
    pub config: ListConfig,
    /// Its keys.
    pub ring: Arc<KeyRing>,
    /// Its anchors.
    pub trust: Arc<Trust>,
    /// In which role it was written to.
    pub role: Role,
    /// True for the site address.
    pub is_site: bool,
}

/// What makes the messages of a list wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// The list or site address.
    pub of: Address,
    /// Why, in a word; a private key is the owners' affair, everything else the listmasters'.
    pub reason: Reason,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Why nothing can be sealed to somebody now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsealable {
    /// The reader's certificate, or that there is none.
    Reader(Reason),
    /// What is known of the reader cannot be told: the copy waits.
    Trouble(Obstacle),
}

impl From<Reason> for Unsealable {
    fn from(reason: Reason) -> Self {
        Self::Reader(reason)
    }
}

impl World {
    pub fn policy(&self) -> &ListPolicy {
        &self.config.policy
    }

    pub fn belief(&self) -> Belief<'_> {
        let policy = &self.config.policy;
        Belief {
            anchors: &self.trust.anchors,
            crls: &self.trust.crls,
            legacy: policy.legacy,
            revocation: policy.revocation,
        }
    }

    /// Returns the obstacle that certificates are out of reach.
    pub fn certificates(&self, problem: Problem) -> Obstacle {
        Obstacle {
            of: self.config.policy.address.clone(),
            reason: Reason::CertificateUnusable,
            problems: vec![problem],
        }
    }

    /// Returns the certificates above that of a pair of this list: those in its file, else the way
    /// to an anchor.
    pub fn issuers(&self, pair: &KeyPair, now: OffsetDateTime) -> Vec<Certificate> {
        if !pair.chain.is_empty() {
            return pair.chain.clone();
        }
        let chain = self
            .belief()
            .chain(&pair.certificate, &[], Purpose::Encrypt, now);
        chain.path.into_iter().skip(1).collect()
    }

    /// Returns the obstacle that a key of this list cannot be used.
    pub fn keyless(&self) -> Obstacle {
        Obstacle {
            of: self.config.policy.address.clone(),
            reason: Reason::KeyUnavailable,
            problems: self
                .ring
                .problems()
                .iter()
                .filter(|problem| problem.is_error())
                .cloned()
                .collect(),
        }
    }
}
