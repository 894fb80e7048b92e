//! Revocation along a path, and who may sign the lists that tell of it.
//!
//! # Trust
//!
//! A list is believed when it is signed by the certificate that stands above in the path, or by
//! another one of the name that issues it, if that one has a valid path of its own to the same
//! anchor (RFC 5280 section 6.3.3 f): after a change of keys, with a key for lists alone, or for
//! lists of several issuers.
//!
//! # Invariants
//!
//! * No certificate vouches for itself with a list that it signed, unless its issuer says so: by
//!   naming it as cRLIssuer in its own distribution point.

use crate::model::Reason;
use crate::model::list::Revocation;
use crate::pki::certificate::Certificate;
use crate::pki::extension::KeyUsage;
use crate::pki::path::work::Work;
use crate::pki::path::{Part, Query, Search};
use crate::pki::revocation::{Crl, Status};

/// Asks the lists about every certificate below the anchor.
///
/// # Errors
///
/// [`Reason::Revoked`], [`Reason::RevocationUnknown`] where that is asked for,
/// [`Reason::PathBudget`].
pub fn revocation(query: &Query<'_>, path: &[Certificate], work: &mut Work) -> Result<(), Reason> {
    let Some(anchor) = path.last().filter(|_| query.revocation != Revocation::Off) else {
        return Ok(());
    };
    let mut unknown = false;
    for (certificate, issuer) in path.iter().zip(path.iter().skip(1)) {
        work.compare(query.crls.price(certificate))?;
        let status = query.crls.status(certificate, query.at, |crl| {
            if is_own_list(certificate, crl, work) {
                return Ok(work.verify_crl(crl, certificate, query.legacy)?.is_ok());
            }
            is_authentic(query, crl, issuer, anchor, work)
        })?;
        match status {
            Status::Revoked => return Err(Reason::Revoked),
            Status::Unknown => unknown = true,
            Status::Good => {}
        }
    }
    if unknown && query.revocation == Revocation::Hard {
        return Err(Reason::RevocationUnknown);
    }
    Ok(())
}

/// True for the list of a signer of lists that is in question itself. Under another name than that
/// of its issuer the list was found through the distribution point alone.
fn is_own_list(certificate: &Certificate, crl: &Crl, work: &Work) -> bool {
    crl.issuer_name() == certificate.subject_name()
        && crl.issuer_name() != certificate.issuer_name()
        && work.signers.last() == Some(&certificate.sha256())
}

fn is_authentic(
    query: &Query<'_>,
    crl: &Crl,
    issuer: &Certificate,
    anchor: &Certificate,
    work: &mut Work,
) -> Result<bool, Reason> {
    if crl.issuer_name() == issuer.subject_name()
        && may_sign_lists(issuer)
        && work.verify_crl(crl, issuer, query.legacy)?.is_ok()
    {
        return Ok(true);
    }
    work.compare(query.pool.len())?;
    let others = query.anchors.named(crl.issuer_name()).chain(query.pool);
    for other in others {
        if other.subject_name() == crl.issuer_name()
            && other != issuer
            && may_sign_lists(other)
            && !work.signers.contains(&other.sha256())
            && work.verify_crl(crl, other, query.legacy)?.is_ok()
            && has_path(query, other, anchor, work)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Without keyUsage only a certification authority may, or an issuer too old to say what it is.
fn may_sign_lists(certificate: &Certificate) -> bool {
    match (certificate.key_usage(), certificate.basic_constraints()) {
        (Ok(Some(bits)), _) => bits.any(KeyUsage::CRL_SIGN),
        (Ok(None), Ok(Some(constraints))) => constraints.ca,
        (Ok(None), Ok(None)) => certificate.version() < 2,
        _ => false,
    }
}

/// True when `signer` has a valid path to `anchor`.
fn has_path(
    query: &Query<'_>,
    signer: &Certificate,
    anchor: &Certificate,
    work: &mut Work,
) -> Result<bool, Reason> {
    let question = (signer.sha256(), anchor.sha256());
    if let Some(known) = work.judged.get(&question) {
        return Ok(*known);
    }
    if work.signers.len() >= MAX_DEPTH {
        return Ok(false);
    }
    work.signers.push(signer.sha256());
    let mut search = Search::new(query, Part::CrlIssuer, work);
    search.anchor = Some(anchor);
    let outcome = search.extend(&mut vec![signer.clone()]);
    let valid = search.is_trusted();
    work.signers.pop();
    outcome?;
    // A refusal may come from those in question above; alone it may be otherwise.
    if valid || work.signers.is_empty() {
        work.judged.insert(question, valid);
    }
    Ok(valid)
}

/// Signers of lists about signers of lists; more than two have not been seen.
const MAX_DEPTH: usize = 4;
