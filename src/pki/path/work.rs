//! The work that one message may cost, and what was already found out.
//!
//! # Invariants
//!
//! * What is remembered of signatures holds whatever is asked, for one setting of old algorithms;
//!   what is remembered of signers of lists holds for one question.
//!
//! # See also
//!
//! Contract E14: 100 signatures, 250,000 comparisons of names, 64 paths.

use std::collections::HashMap;

use crate::model::Reason;
use crate::model::list::Legacy;
use crate::pki::certificate::Certificate;
use crate::pki::revocation::Crl;
use crate::pki::signature::{SignatureAlgorithm, SignatureError, verify};

/// Counts down, and remembers signatures that were verified.
///
/// One serves for all that is asked about one message: its signers, in all its layers, and their
/// chains. Else whoever nests signed objects has the same work done for each.
pub struct Work {
    signatures: usize,
    comparisons: usize,
    paths: usize,
    known: HashMap<([u8; 32], Vec<u8>), Result<(), SignatureError>>,
    /// Who signs lists is asked about itself: those in question, outermost first.
    pub(super) signers: Vec<[u8; 32]>,
    /// Whether a certificate may sign lists under an anchor, where that was found out.
    pub(super) judged: HashMap<([u8; 32], [u8; 32]), bool>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            signatures: MAX_SIGNATURES,
            comparisons: 250_000,
            paths: 64,
            known: HashMap::new(),
            signers: Vec::new(),
            judged: HashMap::new(),
        }
    }
}

impl Work {
    /// Forgets what held for the question before.
    pub(super) fn begin(&mut self) {
        self.signers.clear();
        self.judged.clear();
    }

    /// Pays for verifying one signature that is remembered nowhere.
    ///
    /// # Errors
    ///
    /// [`Reason::PathBudget`].
    pub fn signature(&mut self) -> Result<(), Reason> {
        pay(&mut self.signatures, 1)
    }

    /// Pays for `count` comparisons of names.
    ///
    /// # Errors
    ///
    /// [`Reason::PathBudget`].
    pub(super) fn compare(&mut self, count: usize) -> Result<(), Reason> {
        pay(&mut self.comparisons, count)
    }

    /// Pays for judging one complete path.
    ///
    /// # Errors
    ///
    /// [`Reason::PathBudget`].
    pub(super) fn path(&mut self) -> Result<(), Reason> {
        pay(&mut self.paths, 1)
    }

    /// Verifies that the key of `issuer` signed `certificate`.
    ///
    /// # Errors
    ///
    /// [`Reason::PathBudget`] outside, the finding inside.
    pub(super) fn verify(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
        legacy: Legacy,
    ) -> Result<Result<(), SignatureError>, Reason> {
        let what = (certificate.sha256(), issuer.spki_der().to_vec());
        self.once(what, || {
            let algorithm = SignatureAlgorithm::from_tlv(certificate.signature_algorithm()?)?;
            let key = issuer
                .public_key()
                .map_err(|_| SignatureError::Unsupported)?;
            verify(
                &key,
                &algorithm,
                certificate.tbs(),
                certificate.signature(),
                legacy,
            )
        })
    }

    /// Verifies that the key of `issuer` signed `crl`.
    ///
    /// # Errors
    ///
    /// As [`Work::verify`].
    pub(super) fn verify_crl(
        &mut self,
        crl: &Crl,
        issuer: &Certificate,
        legacy: Legacy,
    ) -> Result<Result<(), SignatureError>, Reason> {
        let what = (crl.sha256(), issuer.spki_der().to_vec());
        self.once(what, || {
            let (tbs, algorithm, value) = crl.signed_parts()?;
            let algorithm = SignatureAlgorithm::from_tlv(algorithm)?;
            let key = issuer
                .public_key()
                .map_err(|_| SignatureError::Unsupported)?;
            verify(&key, &algorithm, tbs, value, legacy)
        })
    }

    fn once(
        &mut self,
        what: ([u8; 32], Vec<u8>),
        check: impl FnOnce() -> Result<(), SignatureError>,
    ) -> Result<Result<(), SignatureError>, Reason> {
        if let Some(result) = self.known.get(&what) {
            return Ok(*result);
        }
        self.signature()?;
        let result = check();
        self.known.insert(what, result);
        Ok(result)
    }
}

const MAX_SIGNATURES: usize = 100;

fn pay(account: &mut usize, price: usize) -> Result<(), Reason> {
    *account = account.checked_sub(price).ok_or(Reason::PathBudget)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // Certificates are made to be valid now.

    use ::time::OffsetDateTime;

    use super::*;
    use crate::model::list::Revocation;
    use crate::pki::path::{ChainVerdict, Purpose};
    use crate::pki::testing::{CA, LEAF, Pki, Question, Scratch};
    use crate::pki::{Anchors, Crls, pem};

    #[test]
    fn e14_cross_signed_loops_end_within_the_budget() {
        let scratch = Scratch::new();
        scratch.python(
            r#"
import datetime as dt
from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
now = dt.datetime.now(dt.timezone.utc)
def name(cn): return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
def cert(subject, key, issuer, issuer_key, ca):
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca, None), critical=True).sign(issuer_key, hashes.SHA256()))
keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(16)]
same = name("same")
pem = lambda c: c.public_bytes(serialization.Encoding.PEM)
with open("pool.pem", "wb") as out:
    for k in keys:
        for i in keys:
            if k is not i: out.write(pem(cert(same, k, same, i, True)))
user = ec.generate_private_key(ec.SECP256R1())
open("leaf.pem", "wb").write(pem(cert(name("leaf"), user, same, keys[0], False)))
root = ec.generate_private_key(ec.SECP256R1())
open("root.pem", "wb").write(pem(cert(name("root"), root, name("root"), root, True)))
# With a way out that is always refused: the anchor carries the same name.
open("same.pem", "wb").write(pem(cert(same, keys[15], same, keys[15], False)))
"#,
        );
        let pool = pem::certificates(&scratch.read("pool.pem")).unwrap();
        assert_eq!(pool.len(), 240);
        for anchor in ["root.pem", "same.pem"] {
            let question = Question {
                leaf: scratch.certificate("leaf.pem"),
                pool: pool.clone(),
                anchors: Anchors::new(vec![scratch.certificate(anchor)]),
                crls: Crls::default(),
                at: OffsetDateTime::now_utc(),
                purpose: Purpose::Sign,
                legacy: Legacy::NONE,
                revocation: Revocation::Soft,
            };
            let mut work = Work::default();
            let chain = question.answer_within(&mut work);
            let refused = (ChainVerdict::Untrusted, Some(Reason::PathBudget));
            assert_eq!((chain.verdict, chain.reason), refused, "{anchor}");
            // Each signature that was computed is remembered.
            assert_eq!(
                work.known.len(),
                MAX_SIGNATURES - work.signatures,
                "{anchor}"
            );
            // Another question about the same message gets what is left.
            let chain = question.answer_within(&mut work);
            assert_eq!((chain.verdict, chain.reason), refused, "{anchor}");
            assert!(work.known.len() <= MAX_SIGNATURES, "{anchor}");
        }
    }

    #[test]
    fn e14_chains_longer_than_six_intermediates_are_refused() {
        let pki = Pki::new();
        let mut issuer = "root".to_owned();
        let mut names = Vec::new();
        for number in 1..=7 {
            let name = format!("ca{number}");
            pki.issue(&name, &issuer, CA);
            names.push(name.clone());
            issuer = name;
        }
        let pool: Vec<&str> = names.iter().map(String::as_str).collect();
        pki.issue("six", "ca6", LEAF);
        pki.issue("seven", "ca7", LEAF);
        assert_eq!(pki.ask("six", &pool).says(), (ChainVerdict::Trusted, None));
        let says = pki.ask("seven", &pool).says();
        assert_eq!(says, (ChainVerdict::Untrusted, Some(Reason::UnknownIssuer)));
    }
}
