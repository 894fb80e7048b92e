//! Puts a signer's evidence together: the signature, the chain, the companions.

use super::Context;
use crate::cms::signed::{Signed, SignerEvidence};
use crate::model::Address;
use crate::pki::certificate::Certificate;
use crate::pki::path::{Chain, ChainVerdict, Purpose, Query, validate};
use crate::pki::revocation::Crls;

/// One signer of one layer.
pub struct Signer {
    /// What the signature says.
    pub evidence: SignerEvidence,
    /// What the chain of the signer's certificate says; none where the certificate is unknown.
    pub chain: Option<Chain>,
    /// Enclosed certificates that mail for this signer may be encrypted to, other than the signer's
    /// own: trusted for encryption, with an address of the signer, and either named by the signed
    /// attribute SMIMEEncryptionKeyPreference or of the same issuer.
    pub encryption_certificates: Vec<Certificate>,
}

impl Signer {
    /// True when the certificate is for `address`.
    #[must_use]
    pub fn names(&self, address: &Address) -> bool {
        self.evidence
            .certificate
            .as_ref()
            .is_some_and(|certificate| certificate.names(address))
    }

    /// True when the chain ends at an anchor and nothing speaks against it.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.chain
            .as_ref()
            .is_some_and(|chain| chain.verdict == ChainVerdict::Trusted)
    }
}

/// Checks every signer of `signed` over `content`, and their chains.
pub(super) fn signers(signed: &Signed<'_>, content: &[u8], context: &Context<'_>) -> Vec<Signer> {
    let crls = context.crls.clone().with(signed.crls());
    let pool: Vec<Certificate> = signed
        .certificates()
        .iter()
        .chain(context.untrusted)
        .chain(context.known)
        .cloned()
        .collect();
    let world = World {
        context,
        crls: &crls,
        pool: &pool,
    };
    signed
        .verify(content, context.known, context.legacy)
        .into_iter()
        .map(|evidence| {
            let chain = evidence
                .certificate
                .as_ref()
                .map(|certificate| world.chain(certificate, Purpose::Sign));
            let trusted = chain
                .as_ref()
                .is_some_and(|chain| chain.verdict == ChainVerdict::Trusted);
            let encryption_certificates = if trusted && evidence.result.is_ok() {
                world.companions(&evidence, signed.certificates())
            } else {
                Vec::new()
            };
            Signer {
                evidence,
                chain,
                encryption_certificates,
            }
        })
        .collect()
}

struct World<'a> {
    context: &'a Context<'a>,
    crls: &'a Crls,
    pool: &'a [Certificate],
}

impl World<'_> {
    fn chain(&self, leaf: &Certificate, purpose: Purpose) -> Chain {
        validate(&Query {
            leaf,
            pool: self.pool,
            anchors: self.context.anchors,
            crls: self.crls,
            at: self.context.now,
            purpose,
            legacy: self.context.legacy,
            revocation: self.context.revocation,
        })
    }

    fn companions(&self, evidence: &SignerEvidence, bag: &[Certificate]) -> Vec<Certificate> {
        let Some(own) = &evidence.certificate else {
            return Vec::new();
        };
        let addresses = own.addresses();
        bag.iter()
            .filter(|other| other.der() != own.der() && other.usage().encrypt)
            .filter(|other| addresses.iter().any(|address| other.names(address)))
            .filter(|other| {
                other.issuer_der() == own.issuer_der()
                    || evidence
                        .encryption_certificate
                        .as_ref()
                        .is_some_and(|named| named.der() == other.der())
            })
            .take(MAX_COMPANIONS)
            .filter(|other| self.chain(other, Purpose::Encrypt).verdict == ChainVerdict::Trusted)
            .cloned()
            .collect()
    }
}

/// Chains that are built for companions of one signer.
const MAX_COMPANIONS: usize = 4;
