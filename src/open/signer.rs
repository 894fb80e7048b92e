//! Puts a signer's evidence together: the signature and the chain.

use std::collections::HashMap;

use super::Context;
use crate::cms::signed::{Signed, SignerEvidence};
use crate::model::Address;
use crate::pki::certificate::Certificate;
use crate::pki::path::{Chain, ChainVerdict, Purpose, Query, Work, validate_within};
use crate::pki::revocation::Crls;

/// One signer of one layer.
pub struct Signer {
    /// What the signature says.
    pub evidence: SignerEvidence,
    /// What the chain of the signer's certificate says; none where the certificate is unknown.
    pub chain: Option<Chain>,
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
///
/// Where a signature is over something else, it may be over the content `as_received`: toolkits that
/// are told that content is binary sign its bare line feeds. Then it has to fit every signer.
pub(super) fn signers(
    signed: &Signed<'_>,
    content: &[u8],
    as_received: Option<&[u8]>,
    context: &Context<'_>,
    work: &mut Work,
) -> Vec<Signer> {
    // Whoever is at hand may be the signer; the signature tells.
    let others = [context.known, context.untrusted].concat();
    let mut check = |bytes: &[u8]| signed.verify(bytes, &others, context.legacy, work);
    let differs = |all: &[SignerEvidence]| all.iter().any(SignerEvidence::is_over_other_content);
    let mut evidence = check(content);
    if let Some(bytes) = as_received
        && differs(&evidence)
    {
        let other = check(bytes);
        if !differs(&other) {
            evidence = other;
        }
    }
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
    // Who signs twice is judged once.
    let mut chains: HashMap<[u8; 32], Chain> = HashMap::new();
    evidence
        .into_iter()
        .map(|evidence| {
            let chain = evidence.certificate.as_ref().map(|leaf| {
                let known = chains.entry(leaf.sha256());
                known.or_insert_with(|| world.chain(leaf, work)).clone()
            });
            Signer { evidence, chain }
        })
        .collect()
}

struct World<'a> {
    context: &'a Context<'a>,
    crls: &'a Crls,
    pool: &'a [Certificate],
}

impl World<'_> {
    fn chain(&self, leaf: &Certificate, work: &mut Work) -> Chain {
        let query = Query {
            leaf,
            pool: self.pool,
            anchors: self.context.anchors,
            crls: self.crls,
            at: self.context.now,
            purpose: Purpose::Sign,
            legacy: self.context.legacy,
            revocation: self.context.revocation,
        };
        validate_within(&query, work)
    }
}
