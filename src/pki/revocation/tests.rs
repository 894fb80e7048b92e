//! Lists that OpenSSL made, judged by us and by OpenSSL.
#![allow(clippy::disallowed_methods)] // Lists are made now, and one test measures time.

use std::time::Instant;

use ::time::Duration;

use super::*;
use crate::model::Reason;
use crate::model::list::Revocation;
use crate::pki::path::ChainVerdict;
use crate::pki::testing::{CA, LEAF, Pki};

/// What we and OpenSSL say of `leaf`, where every certificate needs a list.
fn judged(pki: &Pki, leaf: &str, pool: &[&str], lists: &[Crl]) -> Option<Reason> {
    let mut question = pki.ask(leaf, pool);
    question.crls = Crls::new(lists.to_vec());
    question.revocation = Revocation::Hard;
    // thisUpdate is in this second.
    question.at += Duration::seconds(2);
    let (verdict, reason) = question.says();
    let scratch = &pki.0;
    let pem: String = lists
        .iter()
        .map(|list| pem::encode("X509 CRL", list.der()))
        .collect();
    scratch.write("lists.pem", pem);
    let untrusted: String = pool
        .iter()
        .map(|name| format!(" -untrusted {name}.pem"))
        .collect();
    let at = question.at.unix_timestamp();
    let accepted = scratch.openssl_succeeds(&format!(
        "verify -attime {at} -crl_check_all -extended_crl -use_deltas -CRLfile lists.pem \
         -CAfile root.pem{untrusted} -purpose smimesign {leaf}.pem"
    ));
    assert_eq!(
        accepted,
        verdict == ChainVerdict::Trusted,
        "openssl on {leaf}, where we say {reason:?}"
    );
    reason
}

/// A list with its number and, for a delta, that of the list it starts from.
fn numbered(pki: &Pki, revoked: &[&str], number: u8, base: Option<u8>) -> Crl {
    let mut lines = format!("2.5.29.20=ASN1:INTEGER:{number}");
    if let Some(base) = base {
        lines += &format!("\n2.5.29.27=critical,ASN1:INTEGER:{base}");
    }
    pki.crl("root", revoked, "", &lines)
}

const UNKNOWN: Option<Reason> = Some(Reason::RevocationUnknown);
const REVOKED: Option<Reason> = Some(Reason::Revoked);

#[test]
fn deltas_count_with_the_list_that_they_start_from() {
    let pki = Pki::new();
    pki.issue(
        "leaf",
        "root",
        &format!("{LEAF}\nfreshestCRL=URI:http://x.example/delta.crl"),
    );
    let list = |revoked: &[&str], number, base| numbered(&pki, revoked, number, base);
    let complete = list(&[], 2, None);
    assert_eq!(
        judged(&pki, "leaf", &[], std::slice::from_ref(&complete)),
        None
    );
    for (delta, expected) in [
        (list(&["leaf"], 3, Some(2)), REVOKED),
        (list(&["leaf"], 3, Some(1)), REVOKED),
        (list(&[], 3, Some(2)), None),
        // Older than the complete list, which says all that it said.
        (list(&["leaf"], 1, Some(1)), None),
    ] {
        let both = [complete.clone(), delta];
        assert_eq!(judged(&pki, "leaf", &[], &both), expected);
    }
    let alone = list(&[], 3, Some(2));
    assert_eq!(judged(&pki, "leaf", &[], &[alone]), UNKNOWN);
}

#[test]
fn lists_may_be_signed_by_another_certificate_of_the_issuer() {
    let pki = Pki::new();
    pki.issue("leaf", "root", LEAF);
    // The same name, another key, under the same anchor.
    let signer = "keyUsage=critical,cRLSign";
    pki.issue_as("signer", "/CN=root", "root", signer, "-days 30");
    let own = pki.crl("root", &[], "", "");
    let theirs =
        |name: &str, revoked: &[&str]| pki.crl(name, revoked, "", "authorityKeyIdentifier=keyid");
    let list = theirs("signer", &["leaf"]);
    let good = [own.clone(), theirs("signer", &[])];
    assert_eq!(judged(&pki, "leaf", &["signer"], &good), None);
    // OpenSSL asks one list of a name alone, its best.
    let mut question = pki.ask("leaf", &["signer"]);
    question.crls = Crls::new(vec![own, list.clone()]);
    question.revocation = Revocation::Hard;
    question.at += Duration::seconds(2);
    assert_eq!(question.says().1, REVOKED);
    // Who does not have its certificate cannot tell.
    let mut question = pki.ask("leaf", &[]);
    question.crls = Crls::new(vec![list]);
    question.at += Duration::seconds(2);
    assert_eq!(question.says(), (ChainVerdict::Trusted, None));
    question.revocation = Revocation::Hard;
    assert_eq!(question.says().1, UNKNOWN);
    // Not every certificate of that name may, and none under another anchor.
    for (name, issuer, usage) in [
        ("writer", "root", "keyUsage=critical,digitalSignature"),
        ("silent", "root", "basicConstraints=CA:false"),
        ("stranger", "", signer),
    ] {
        pki.issue_as(name, "/CN=root", issuer, usage, "-days 30");
        let mut question = pki.ask("leaf", &[name]);
        question.crls = Crls::new(vec![theirs(name, &["leaf"])]);
        question.revocation = Revocation::Hard;
        question.at += Duration::seconds(2);
        assert_eq!(question.says().1, UNKNOWN, "{name}");
    }
}

#[test]
fn every_certificate_of_the_path_needs_its_list_but_the_anchor() {
    let pki = Pki::new();
    pki.issue("mid", "root", CA);
    pki.issue("leaf", "mid", LEAF);
    let (root, mid) = (pki.crl("root", &[], "", ""), pki.crl("mid", &[], "", ""));
    for (lists, expected) in [
        (vec![root.clone(), mid.clone()], None),
        (vec![root.clone()], UNKNOWN),
        (vec![mid.clone()], UNKNOWN),
        (vec![root, pki.crl("mid", &["leaf"], "", "")], REVOKED),
        (vec![pki.crl("root", &["mid"], "", ""), mid], REVOKED),
    ] {
        assert_eq!(judged(&pki, "leaf", &["mid"], &lists), expected);
    }
}

#[test]
fn of_lists_with_one_scope_the_newest_counts_and_others_stand_beside_it() {
    let pki = Pki::new();
    pki.issue("leaf", "root", LEAF);
    let date = |at: OffsetDateTime| {
        let (date, time) = (at.date(), at.time());
        let (hour, minute, second) = time.as_hms();
        let month = u8::from(date.month());
        format!(
            "{:04}{month:02}{:02}{hour:02}{minute:02}{second:02}Z",
            date.year(),
            date.day()
        )
    };
    let now = OffsetDateTime::now_utc();
    let made = |revoked: &[&str], days: i64, extensions: &str| {
        let (last, next) = (now - Duration::days(days), now + Duration::days(7));
        let options = format!(
            "-crl_lastupdate {} -crl_nextupdate {}",
            date(last),
            date(next)
        );
        pki.crl("root", revoked, &options, extensions)
    };
    let ask = |lists: Vec<Crl>| {
        let mut question = pki.ask("leaf", &[]);
        question.crls = Crls::new(lists);
        question.revocation = Revocation::Hard;
        question.says().1
    };
    // It was on hold, and no longer is.
    assert_eq!(ask(vec![made(&["leaf"], 3, ""), made(&[], 1, "")]), None);
    assert_eq!(ask(vec![made(&[], 3, ""), made(&["leaf"], 1, "")]), REVOKED);
    // Lists of two keys of one name each speak for what that key issued.
    let by_key = "authorityKeyIdentifier=keyid";
    assert_eq!(
        ask(vec![made(&["leaf"], 3, by_key), made(&[], 1, "")]),
        REVOKED
    );
    // One that will come to be is none yet.
    assert_eq!(ask(vec![made(&[], 3, ""), made(&["leaf"], -1, "")]), None);
}

const TRUSTED: (ChainVerdict, Option<Reason>) = (ChainVerdict::Trusted, None);

fn no(verdict: ChainVerdict, reason: Reason) -> (ChainVerdict, Option<Reason>) {
    (verdict, Some(reason))
}

#[test]
fn crls_revoke_and_hard_mode_needs_one() {
    let pki = Pki::new();
    pki.issue("mid", "root", CA);
    pki.issue("leaf", "mid", LEAF);
    pki.issue("other", "mid", LEAF);
    pki.issue_as("impostor", "/CN=mid", "", CA, "-days 9");
    let revoked = no(ChainVerdict::Revoked, Reason::Revoked);
    let unknown = no(ChainVerdict::Untrusted, Reason::RevocationUnknown);
    let ask = |leaf: &str, lists: Vec<Crl>, revocation, days: i64| {
        let mut question = pki.ask(leaf, &["mid"]);
        question.crls = Crls::new(lists);
        question.revocation = revocation;
        question.at += Duration::days(days) + Duration::seconds(2);
        question.says()
    };
    let mid = pki.crl("mid", &["leaf"], "", "");
    let root = pki.crl("root", &[], "", "");
    use Revocation::{Hard, Off, Soft};
    let both = || vec![mid.clone(), root.clone()];
    assert_eq!(ask("leaf", both(), Soft, 0), revoked);
    assert_eq!(ask("leaf", both(), Hard, 0), revoked);
    assert_eq!(ask("leaf", both(), Off, 0), TRUSTED);
    assert_eq!(ask("other", both(), Hard, 0), TRUSTED);
    assert_eq!(ask("other", vec![mid.clone()], Hard, 0), unknown);
    assert_eq!(ask("other", vec![], Hard, 0), unknown);
    assert_eq!(ask("other", vec![], Soft, 0), TRUSTED);
    // Stale: proves nobody good, but who is on it stays revoked.
    assert_eq!(ask("other", both(), Hard, 8), unknown);
    assert_eq!(ask("other", both(), Soft, 8), TRUSTED);
    assert_eq!(ask("leaf", both(), Soft, 8), revoked);
    // Not yet there at the moment asked for.
    assert_eq!(
        ask("other", both(), Hard, -1).1,
        Some(Reason::RevocationUnknown)
    );
    // Signed by another key under the CA's name.
    let forged = pki.crl("impostor", &["leaf"], "", "");
    assert_eq!(ask("leaf", vec![forged], Soft, 0), TRUSTED);
    // The intermediate is revoked.
    let root = pki.crl("root", &["mid"], "", "");
    assert_eq!(ask("other", vec![root], Soft, 0), revoked);
}

#[test]
fn crls_that_speak_of_other_things_are_not_believed() {
    let pki = Pki::new();
    pki.issue(
        "leaf",
        "root",
        &format!("{LEAF}\ncrlDistributionPoints=URI:http://x.example/1.crl"),
    );
    let ask = |list: Crl| {
        let mut question = pki.ask("leaf", &[]);
        question.crls = Crls::new(vec![list]);
        question.revocation = Revocation::Hard;
        question.at += Duration::seconds(2);
        question.says().1
    };
    let unknown = Some(Reason::RevocationUnknown);
    let point = |lines: &str| format!("issuingDistributionPoint=critical,@p\n[p]\n{lines}");
    for (extensions, expected) in [
        (
            "crlNumber=1"
                .to_owned()
                .replace("crlNumber=1", "authorityKeyIdentifier=keyid"),
            None,
        ),
        ("1.2.3.4=critical,ASN1:NULL".to_owned(), unknown),
        ("1.2.3.4=ASN1:NULL".to_owned(), None),
        // A delta without the list that it starts from.
        ("2.5.29.27=critical,ASN1:INTEGER:1".to_owned(), unknown),
        (point("fullname=URI:http://x.example/1.crl"), None),
        (point("fullname=URI:http://x.example/2.crl"), unknown),
        (point("onlyuser=TRUE"), None),
        (point("onlyCA=TRUE"), unknown),
        (point("indirectCRL=TRUE"), None),
        (point("onlyAA=TRUE"), unknown),
        (point("onlysomereasons=keyCompromise"), unknown),
    ] {
        let list = pki.crl("root", &[], "", &extensions);
        assert_eq!(ask(list), expected, "{extensions}");
        // What such a list revokes is not believed either, if it is not merely a part.
        let list = pki.crl("root", &["leaf"], "", &extensions);
        let is_part = ["2.5.29.27", "somereasons"]
            .iter()
            .any(|word| extensions.contains(word));
        let expected = if expected.is_none() || is_part {
            Some(Reason::Revoked)
        } else {
            expected
        };
        assert_eq!(ask(list), expected, "{extensions}");
    }
}

#[test]
fn broken_crls_are_errors() {
    let pki = Pki::new();
    let good = pki.crl("root", &[], "", "");
    for end in 0..good.der().len() {
        assert!(Crl::from_der(&good.der()[..end]).is_err(), "{end}");
    }
    assert_eq!(Crl::from_file(good.der()).unwrap().len(), 1);
    assert!(Crl::from_file(&pki.0.read("root.pem")).is_err());
    assert!(Crl::from_file(b"").is_err());
}

#[test]
fn e14_many_lists_cost_no_more_than_the_budget() {
    let pki = Pki::new();
    pki.issue("leaf", "root", LEAF);
    let good = pki.crl("root", &[], "", "");
    // Another signature each: every one would have to be verified.
    let bent = |number: usize| {
        let mut der = good.der().to_vec();
        let end = der.len();
        for (place, octet) in number.to_be_bytes().iter().enumerate() {
            der[end - 8 + place] ^= octet;
        }
        Crl::from_der(&der).unwrap()
    };
    for (count, expected) in [(50, None), (300, Some(Reason::PathBudget))] {
        let mut question = pki.ask("leaf", &[]);
        question.crls = Crls::new((1..=count).map(bent).collect());
        question.at += Duration::seconds(2);
        let start = Instant::now();
        assert_eq!(question.says().1, expected, "{count}");
        let spent = start.elapsed();
        assert!(spent.as_millis() < 500, "{count}: {spent:?}");
    }
}

#[test]
fn whoever_is_revoked_hears_of_it_whatever_else_is_wrong() {
    let pki = Pki::new();
    let odd = [
        (
            "web",
            LEAF.replace("emailProtection", "serverAuth"),
            Reason::UsageEmail,
        ),
        (
            "seal",
            LEAF.replace("digitalSignature,", ""),
            Reason::UsageSign,
        ),
        (
            "critical",
            format!("{LEAF}\n1.2.3.4=critical,ASN1:NULL"),
            Reason::UnknownCritical,
        ),
    ];
    for (name, extensions, _) in &odd {
        pki.issue(name, "root", extensions);
    }
    let list = pki.crl("root", &["web", "critical"], "", "");
    let all = pki.crl("root", &["web", "seal", "critical"], "", "");
    for (name, _, fault) in odd {
        for (lists, revocation, expected) in [
            (vec![], Revocation::Soft, fault),
            (vec![all.clone()], Revocation::Off, fault),
            (vec![all.clone()], Revocation::Soft, Reason::Revoked),
            (vec![all.clone()], Revocation::Hard, Reason::Revoked),
        ] {
            let mut question = pki.ask(name, &[]);
            question.crls = Crls::new(lists);
            question.revocation = revocation;
            question.at += Duration::seconds(2);
            let (verdict, reason) = question.says();
            assert_eq!(reason, Some(expected), "{name} {revocation:?}");
            assert_ne!(verdict, ChainVerdict::Trusted);
            assert_eq!(
                verdict == ChainVerdict::Revoked,
                expected == Reason::Revoked
            );
        }
    }
    // A list that does not name it changes nothing.
    let mut question = pki.ask("seal", &[]);
    question.crls = Crls::new(vec![list]);
    question.at += Duration::seconds(2);
    assert_eq!(question.says().1, Some(Reason::UsageSign));
    // Nor does one of somebody else in the issuer's name.
    pki.issue_as("other", "/CN=root", "", CA, "-days 9");
    let forged = pki.crl("other", &["seal"], "", "");
    question.crls = Crls::new(vec![forged]);
    assert_eq!(question.says().1, Some(Reason::UsageSign));
}
