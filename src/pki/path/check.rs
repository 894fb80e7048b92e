//! One complete path from leaf to anchor, judged by the rules of RFC 5280 section 6.1 and RFC 8550.
//!
//! # Invariants
//!
//! * Of several things wrong the gravest is reported: a path is called expired only where nothing
//!   but time is wrong with it.
//! * Signatures were verified while the path was built.

use crate::asn1::oid::{self, Oid};
use crate::model::Reason;
use crate::pki::certificate::Certificate;
use crate::pki::extension::KeyUsage;
use crate::pki::path::constraints::Constraints;
use crate::pki::path::policy::Policies;
use crate::pki::path::work::Work;
use crate::pki::path::{Part, Purpose, Query, crl_issuer, shape};

/// Checks `path`, leaf first, anchor last.
///
/// # Errors
///
/// The gravest [`Reason`] against it.
pub fn check(
    query: &Query<'_>,
    part: Part,
    path: &[Certificate],
    work: &mut Work,
) -> Result<(), Reason> {
    for certificate in path {
        shape::check(certificate)?;
        critical_extensions(certificate)?;
        certificate
            .public_key()
            .map_err(|_| Reason::UnsupportedAlgorithm)?
            .check(query.legacy)?;
    }
    let issuers = path.get(1..).unwrap_or_default();
    let anchor = path.last();
    for issuer in issuers {
        may_issue(issuer, anchor == Some(issuer))?;
    }
    lengths(path)?;
    names(path, work)?;
    policies(path)?;
    if part == Part::Holder {
        leaf_usage(query)?;
    }
    crl_issuer::revocation(query, path, work)?;
    validity(query, path)
}

/// Every critical extension must be one of those that are processed (RFC 5280 section 4.2).
fn critical_extensions(certificate: &Certificate) -> Result<(), Reason> {
    let known = |oid: &[u8]| PROCESSED.iter().any(|one| one.as_bytes() == oid);
    if certificate
        .extensions()
        .any(|e| e.critical && !known(e.oid))
    {
        return Err(Reason::UnknownCritical);
    }
    Ok(())
}

const PROCESSED: [Oid; 10] = [
    oid::KEY_USAGE,
    oid::SUBJECT_ALT_NAME,
    oid::BASIC_CONSTRAINTS,
    oid::NAME_CONSTRAINTS,
    oid::CERTIFICATE_POLICIES,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::POLICY_MAPPINGS,
    oid::POLICY_CONSTRAINTS,
    oid::EXTENDED_KEY_USAGE,
    oid::INHIBIT_ANY_POLICY,
];

/// A certificate above the leaf must be that of a certification authority (contract S29).
fn may_issue(issuer: &Certificate, is_anchor: bool) -> Result<(), Reason> {
    let malformed = |_| Reason::CertificateMalformed;
    let constraints = issuer.basic_constraints().map_err(malformed)?;
    let usage = issuer.key_usage().map_err(malformed)?;
    let signs = usage.is_none_or(|bits| bits.any(KeyUsage::KEY_CERT_SIGN));
    let is_ca = match constraints {
        Some(constraints) => constraints.ca && (is_anchor || issuer.version() == 2),
        // Roots older than version 3 cannot say so; an operator who trusts one says it for them.
        None => is_anchor && issuer.version() < 2 && is_self_issued(issuer),
    };
    if !is_ca || !signs {
        return Err(Reason::UsageIssuer);
    }
    // An issuer for web servers alone may not issue for mail (RFC 8550 section 4.4.4).
    match issuer.is_for_email() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Reason::UsageEmail),
        Err(_) => Err(Reason::CertificateMalformed),
    }
}

fn is_self_issued(certificate: &Certificate) -> bool {
    certificate.issuer_name() == certificate.subject_name()
}

/// pathLenConstraint counts the intermediates below, self-issued ones left out.
fn lengths(path: &[Certificate]) -> Result<(), Reason> {
    let mut below = 0_u64;
    for issuer in path.get(1..).unwrap_or_default() {
        let constraints = issuer
            .basic_constraints()
            .map_err(|_| Reason::CertificateMalformed)?;
        if let Some(limit) = constraints.and_then(|c| c.path_len)
            && below > limit
        {
            return Err(Reason::PathLength);
        }
        if !is_self_issued(issuer) {
            below = below.saturating_add(1);
        }
    }
    Ok(())
}

fn names(path: &[Certificate], work: &mut Work) -> Result<(), Reason> {
    let mut constraints = Constraints::default();
    for (place, certificate) in path.iter().enumerate().rev() {
        // A CA's certificate for its own new key is not a subject of its constraints.
        if place == 0 || !is_self_issued(certificate) {
            constraints.check(certificate, work)?;
        }
        if place > 0 {
            constraints.add(certificate)?;
        }
    }
    Ok(())
}

fn policies(path: &[Certificate]) -> Result<(), Reason> {
    // The anchor gives name and key alone (RFC 5280 section 6.1.1 d).
    let below_anchor = path.len().saturating_sub(1);
    let mut policies = Policies::new(below_anchor);
    for (place, certificate) in path.iter().take(below_anchor).enumerate().rev() {
        policies.enter(certificate, place == 0, is_self_issued(certificate))?;
    }
    policies.finish()
}

fn leaf_usage(query: &Query<'_>) -> Result<(), Reason> {
    for fits in [query.leaf.is_for_email(), query.leaf.is_of_mail_type()] {
        match fits {
            Ok(true) => {}
            Ok(false) => return Err(Reason::UsageEmail),
            Err(_) => return Err(Reason::CertificateMalformed),
        }
    }
    let usage = query.leaf.usage();
    match query.purpose {
        Purpose::Sign if !usage.sign => Err(Reason::UsageSign),
        Purpose::Encrypt if !usage.encrypt => Err(Reason::UsageEncrypt),
        _ => Ok(()),
    }
}

/// Everything in the path must be valid at the moment in question (contract S29).
fn validity(query: &Query<'_>, path: &[Certificate]) -> Result<(), Reason> {
    if path.iter().any(|c| query.at < c.not_before()) {
        return Err(Reason::NotYetValid);
    }
    if path.first().is_some_and(|leaf| leaf.not_after() < query.at) {
        return Err(Reason::Expired);
    }
    if path.iter().any(|c| c.not_after() < query.at) {
        return Err(Reason::IssuerExpired);
    }
    Ok(())
}
