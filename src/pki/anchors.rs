//! The certificates that chains may end in, as the site chose them.
//!
//! # Invariants
//!
//! * Any certificate may be an anchor; being one is the operator's decision and needs no signature.

use std::collections::HashMap;
use std::sync::Arc;

use crate::pki::certificate::Certificate;
use crate::pki::name::Canonical;

/// A set of trust anchors. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Anchors(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    certificates: Vec<Certificate>,
    by_subject: HashMap<Canonical, Vec<usize>>,
}

impl Anchors {
    /// Returns the set of `certificates`, each once.
    #[must_use]
    pub fn new(certificates: Vec<Certificate>) -> Self {
        let mut inner = Inner::default();
        for certificate in certificates {
            let place = inner.certificates.len();
            let same_name = inner
                .by_subject
                .entry(certificate.subject_name().clone())
                .or_default();
            let known = same_name
                .iter()
                .any(|at| inner.certificates.get(*at) == Some(&certificate));
            if !known {
                same_name.push(place);
                inner.certificates.push(certificate);
            }
        }
        Self(Arc::new(inner))
    }

    /// Returns every anchor.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.0.certificates
    }

    /// True when there is none: then nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.certificates.is_empty()
    }

    /// Returns the anchors with this subject.
    pub fn named(&self, subject: &Canonical) -> impl Iterator<Item = &Certificate> {
        let places = self.0.by_subject.get(subject);
        places
            .into_iter()
            .flatten()
            .filter_map(|at| self.0.certificates.get(*at))
    }

    /// True when this very certificate is an anchor.
    #[must_use]
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.named(certificate.subject_name())
            .any(|anchor| anchor == certificate)
    }
}
