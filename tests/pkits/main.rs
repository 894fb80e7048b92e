//! NIST PKITS through path validation and through open: 224 signed mails, each made for one rule of
//! RFC 5280, with its certificates and revocation lists enclosed.
//!
//! # Place in the flow
//!
//! `tests/run` puts the vectors (the Python package `cryptography_vectors`) into `target/`; by hand:
//! `pip install --no-deps --target target/tests/vectors cryptography_vectors`, or name the place in
//! `LISTSEAL_VECTORS`.
//!
//! # Invariants
//!
//! * The settings are those under which NIST states its results: any policy is acceptable and
//!   every certificate needs a revocation list.
//! * `ledger` excuses refusals of valid paths by their reason; an excused one that passes fails the
//!   test, and nothing excuses the acceptance of an invalid path.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

mod ledger;
#[path = "../common/ledger.rs"]
mod lines;
mod vectors;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use listseal::model::list::{Legacy, Revocation};
use listseal::open::{Context, open};
use listseal::pki::path::{Chain, ChainVerdict, Purpose, Query, validate};
use listseal::pki::{Anchors, Certificate, Crls};
use time::OffsetDateTime;
use time::macros::datetime;

use ledger::{Ledger, Tally};
use vectors::{Mail, Vectors};

/// Within the validity of everything that is not expired on purpose.
const AT: OffsetDateTime = datetime!(2024-01-01 00:00 UTC);

/// What open finds about the signer of a mail: the reason against it, or none.
fn opened(mail: &Mail, anchors: &Anchors, revocation: Revocation) -> Option<String> {
    let context = Context {
        now: AT,
        keys: &[],
        known: &[],
        untrusted: &[],
        anchors,
        crls: &Crls::default(),
        // The mails, not the certificates, are signed with SHA-1.
        legacy: Legacy::SHA1,
        revocation,
        max_inflated: 1 << 20,
    };
    let opened = open(&mail.bytes, &context, &mut UnwrapErr(SysRng));
    let layer = opened.layers().first().and_then(|layer| layer.signed());
    let [signer] = layer.expect("a signed mail").signers.as_slice() else {
        panic!("{}: one signer", mail.name);
    };
    match (&signer.evidence.result, &signer.chain) {
        (_, Some(chain)) if chain.verdict != ChainVerdict::Trusted => Some(code(chain)),
        (Ok(()), Some(_)) => None,
        (Err(reason), _) => Some(reason.code().to_owned()),
        (Ok(()), None) => panic!("{}: a valid signature without signer", mail.name),
    }
}

fn code(chain: &Chain) -> String {
    let reason = chain.reason.expect("a reason where there is no trust");
    reason.code().to_owned()
}

#[test]
fn mails_of_pkits_are_judged_as_nist_says() {
    let vectors = Vectors::find();
    let anchors = vectors.anchors();
    let mut tally = Tally::new(Ledger::read("mails"));
    for mail in vectors.mails() {
        let answer = opened(&mail, &anchors, Revocation::Hard);
        tally.count(&mail.name, vectors::expected(&mail.name), answer);
    }
    tally.finish("mails through open", (103, 121));
}

#[test]
fn what_is_only_not_known_passes_where_lists_are_not_required() {
    let vectors = Vectors::find();
    let anchors = vectors.anchors();
    let mut unknown = 0;
    for mail in vectors.mails() {
        let hard = opened(&mail, &anchors, Revocation::Hard);
        let soft = opened(&mail, &anchors, Revocation::Soft);
        let off = opened(&mail, &anchors, Revocation::Off);
        if hard.as_deref() == Some("revocation-unknown") {
            unknown += 1;
            assert_eq!((soft, off), (None, None), "{}", mail.name);
        } else {
            assert_eq!(soft, hard, "{}", mail.name);
            let without = hard.filter(|reason| reason != "revoked");
            assert_eq!(off, without, "{}", mail.name);
        }
    }
    assert!(unknown > 0);
}

#[test]
fn paths_of_pkits_are_judged_the_same_among_all_certificates_and_lists() {
    let vectors = Vectors::find();
    let anchors = vectors.anchors();
    let (pool, crls) = (vectors.authorities(), Crls::new(vectors.crls()));
    let mut tally = Tally::new(Ledger::read("paths"));
    for (name, leaf) in vectors.leaves() {
        let chain = validate(&query(&leaf, &pool, &anchors, &crls));
        let answer = (chain.verdict != ChainVerdict::Trusted).then(|| code(&chain));
        tally.count(&name, vectors::expected(&name), answer);
    }
    tally.finish("paths through validate", (102, 121));
}

fn query<'a>(
    leaf: &'a Certificate,
    pool: &'a [Certificate],
    anchors: &'a Anchors,
    crls: &'a Crls,
) -> Query<'a> {
    Query {
        leaf,
        pool,
        anchors,
        crls,
        at: AT,
        purpose: Purpose::Sign,
        legacy: Legacy::NONE,
        revocation: Revocation::Hard,
    }
}
