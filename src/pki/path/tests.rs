//! Chains made by `openssl`; `openssl verify` has to agree.

use ::time::Duration;

use super::*;
use crate::pki::testing::{CA, LEAF, Pki};

const TRUSTED: (ChainVerdict, Option<Reason>) = (ChainVerdict::Trusted, None);

fn no(verdict: ChainVerdict, reason: Reason) -> (ChainVerdict, Option<Reason>) {
    (verdict, Some(reason))
}

#[test]
fn s29_each_rule_decides_as_openssl_does() {
    let pki = Pki::new();
    let ca_with = |more: &str| format!("{CA}\n{more}");
    for (name, extensions) in [
        ("mid", CA.to_owned()),
        (
            "short",
            "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=keyCertSign".to_owned(),
        ),
        (
            "noca",
            "basicConstraints=CA:false\nkeyUsage=digitalSignature".to_owned(),
        ),
        ("bare", String::new()),
        (
            "nosign",
            "basicConstraints=critical,CA:true\nkeyUsage=cRLSign".to_owned(),
        ),
        ("web", ca_with("extendedKeyUsage=serverAuth")),
        ("mailonly", ca_with("extendedKeyUsage=emailProtection")),
        (
            "org",
            ca_with("nameConstraints=critical,permitted;email:example.org"),
        ),
        (
            "sub",
            ca_with("nameConstraints=critical,permitted;email:.example.org"),
        ),
        (
            "notorg",
            ca_with("nameConstraints=critical,excluded;email:example.org"),
        ),
        (
            "box",
            ca_with("nameConstraints=critical,permitted;email:alice@example.org"),
        ),
        (
            "dns",
            ca_with("nameConstraints=critical,permitted;DNS:example.org"),
        ),
        ("odd", ca_with("1.2.3.4=critical,ASN1:NULL")),
        ("polite", ca_with("1.2.3.4=ASN1:NULL")),
        (
            "strict",
            ca_with(
                "policyConstraints=critical,requireExplicitPolicy:0\ncertificatePolicies=1.2.3.5",
            ),
        ),
    ] {
        pki.issue(name, "root", &extensions);
    }
    pki.issue(
        "dir",
        "root",
        &ca_with("nameConstraints=critical,permitted;dirName:dn\n[dn]\nCN=leaf"),
    );
    pki.issue("deep", "short", CA);
    use ChainVerdict::{BadUsage, Untrusted};
    for (issuers, extensions, expected) in [
        (&["root"][..], LEAF, TRUSTED),
        (&["mid"], LEAF, TRUSTED),
        (&["short"], LEAF, TRUSTED),
        (&["deep", "short"], LEAF, no(Untrusted, Reason::PathLength)),
        (&["noca"], LEAF, no(BadUsage, Reason::UsageIssuer)),
        (&["bare"], LEAF, no(BadUsage, Reason::UsageIssuer)),
        (&["nosign"], LEAF, no(BadUsage, Reason::UsageIssuer)),
        (&["web"], LEAF, no(BadUsage, Reason::UsageEmail)),
        (&["mailonly"], LEAF, TRUSTED),
        (&["org"], LEAF, TRUSTED),
        (&["sub"], LEAF, no(Untrusted, Reason::NameConstraint)),
        (&["notorg"], LEAF, no(Untrusted, Reason::NameConstraint)),
        (&["box"], LEAF, TRUSTED),
        (&["dns"], LEAF, TRUSTED),
        (&["dir"], LEAF, TRUSTED),
        (&["odd"], LEAF, no(Untrusted, Reason::UnknownCritical)),
        (&["polite"], LEAF, TRUSTED),
        (
            &["box"],
            "subjectAltName=email:bob@example.org",
            no(Untrusted, Reason::NameConstraint),
        ),
        (
            &["org"],
            "subjectAltName=email:alice@example.org,email:alice@evil.example",
            no(Untrusted, Reason::NameConstraint),
        ),
        (
            &["dns"],
            "subjectAltName=DNS:evil.example",
            no(Untrusted, Reason::NameConstraint),
        ),
        (
            &["root"],
            "keyUsage=keyAgreement",
            no(BadUsage, Reason::UsageSign),
        ),
        (
            &["root"],
            "extendedKeyUsage=serverAuth",
            no(BadUsage, Reason::UsageEmail),
        ),
        (&["root"], "nsCertType=email,server", TRUSTED),
        (&["root"], "nsCertType=client", TRUSTED),
        (
            &["root"],
            "nsCertType=server,objsign",
            no(BadUsage, Reason::UsageEmail),
        ),
        (
            &["root"],
            "1.2.3.4=critical,ASN1:NULL",
            no(Untrusted, Reason::UnknownCritical),
        ),
        (&["root"], "", TRUSTED),
    ] {
        pki.issue("leaf", issuers[0], extensions);
        let says = pki.ask("leaf", issuers).says();
        assert_eq!(says, expected, "{issuers:?} {extensions}");
        pki.openssl_agrees("leaf", issuers, expected == TRUSTED);
    }
    // `openssl verify` looks at policies only when told to.
    pki.issue("leaf", "strict", LEAF);
    let required = no(Untrusted, Reason::PolicyRequired);
    assert_eq!(pki.ask("leaf", &["strict"]).says(), required);
    pki.issue(
        "leaf",
        "strict",
        &format!("{LEAF}\ncertificatePolicies=1.2.3.5"),
    );
    assert_eq!(pki.ask("leaf", &["strict"]).says(), TRUSTED);
    pki.issue(
        "leaf",
        "strict",
        &format!("{LEAF}\ncertificatePolicies=1.2.3.6"),
    );
    assert_eq!(pki.ask("leaf", &["strict"]).says(), required);
}

#[test]
fn name_constraints_reach_the_address_in_the_subject() {
    let pki = Pki::new();
    pki.issue(
        "org",
        "root",
        &format!("{CA}\nnameConstraints=critical,permitted;email:example.org"),
    );
    for (subject, expected) in [
        ("/CN=leaf/emailAddress=alice@example.org", TRUSTED),
        (
            "/CN=leaf/emailAddress=alice@evil.example",
            no(ChainVerdict::Untrusted, Reason::NameConstraint),
        ),
    ] {
        pki.issue_as("leaf", subject, "org", "", "-days 30");
        assert_eq!(pki.ask("leaf", &["org"]).says(), expected, "{subject}");
        pki.openssl_agrees("leaf", &["org"], expected == TRUSTED);
    }
}

#[test]
fn validity_counts_at_the_moment_asked_for() {
    let pki = Pki::new();
    pki.issue_as("mid", "/CN=mid", "root", CA, "-days 20");
    pki.issue_as("leaf", "/CN=leaf", "mid", LEAF, "-days 10");
    pki.issue_as("long", "/CN=long", "mid", LEAF, "-days 100");
    let ask = |leaf: &str, days: i64| {
        let mut question = pki.ask(leaf, &["mid"]);
        question.at += Duration::days(days);
        question.says()
    };
    assert_eq!(ask("leaf", 0), TRUSTED);
    assert_eq!(ask("leaf", 9), TRUSTED);
    assert_eq!(ask("leaf", 11), no(ChainVerdict::Expired, Reason::Expired));
    assert_eq!(
        ask("long", 21),
        no(ChainVerdict::Expired, Reason::IssuerExpired)
    );
    assert_eq!(ask("leaf", 400), no(ChainVerdict::Expired, Reason::Expired));
    assert_eq!(
        ask("leaf", -1),
        no(ChainVerdict::NotYetValid, Reason::NotYetValid)
    );
}

#[test]
fn expired_is_said_only_where_nothing_graver_is_wrong() {
    let pki = Pki::new();
    pki.issue_as(
        "leaf",
        "/CN=leaf",
        "root",
        "extendedKeyUsage=serverAuth",
        "-days 1",
    );
    let mut question = pki.ask("leaf", &[]);
    question.at += Duration::days(2);
    assert_eq!(
        question.says(),
        no(ChainVerdict::BadUsage, Reason::UsageEmail)
    );
}

#[test]
fn purpose_asks_for_the_fitting_key_usage() {
    let pki = Pki::new();
    pki.issue("sign", "root", "keyUsage=digitalSignature");
    pki.issue("enc", "root", "keyUsage=keyAgreement");
    for (leaf, purpose, expected) in [
        ("sign", Purpose::Sign, TRUSTED),
        (
            "sign",
            Purpose::Encrypt,
            no(ChainVerdict::BadUsage, Reason::UsageEncrypt),
        ),
        (
            "enc",
            Purpose::Sign,
            no(ChainVerdict::BadUsage, Reason::UsageSign),
        ),
        ("enc", Purpose::Encrypt, TRUSTED),
    ] {
        let mut question = pki.ask(leaf, &[]);
        question.purpose = purpose;
        assert_eq!(question.says(), expected, "{leaf} {purpose:?}");
    }
}

#[test]
fn any_certificate_may_be_an_anchor_but_a_leaf_still_issues_nothing() {
    let pki = Pki::new();
    pki.issue("mid", "root", CA);
    pki.issue("leaf", "mid", LEAF);
    pki.issue("forged", "leaf", LEAF);
    let ask = |leaf: &str, anchor: &str, pool: &[&str]| {
        let mut question = pki.ask(leaf, pool);
        question.anchors = Anchors::new(pki.all(&[anchor]));
        question.answer()
    };
    assert_eq!(ask("leaf", "leaf", &[]).verdict, ChainVerdict::Trusted);
    assert_eq!(ask("leaf", "mid", &[]).path, pki.all(&["leaf", "mid"]));
    let whole = ask("leaf", "root", &["mid", "leaf", "root"]);
    assert_eq!(whole.path, pki.all(&["leaf", "mid", "root"]));
    // Johnny C4: a user's certificate as issuer.
    for anchor in ["leaf", "mid", "root"] {
        let chain = ask("forged", anchor, &["leaf", "mid", "root"]);
        assert_eq!(chain.reason, Some(Reason::UsageIssuer), "{anchor}");
    }
    let nobody = ask("leaf", "forged", &["mid", "root"]);
    assert_eq!(
        (nobody.verdict, nobody.reason),
        no(ChainVerdict::Untrusted, Reason::UnknownIssuer)
    );
    assert_eq!(nobody.path, pki.all(&["leaf"]));
}

#[test]
fn old_roots_of_version_1_are_anchors_but_never_intermediates() {
    let pki = Pki::new();
    pki.0
        .openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out v1.key");
    pki.0
        .openssl("req -new -key v1.key -subj /CN=v1 -out v1.csr");
    pki.0
        .openssl("x509 -req -in v1.csr -signkey v1.key -days 9 -out v1.pem");
    pki.issue("leaf", "v1", LEAF);
    let mut question = pki.ask("leaf", &[]);
    question.anchors = Anchors::new(pki.all(&["v1"]));
    assert_eq!(question.leaf.version(), 2);
    assert_eq!(question.says(), TRUSTED);
    pki.0.openssl(
        "x509 -req -in v1.csr -CA root.pem -CAkey root.key -CAcreateserial -days 9 -out v1.pem",
    );
    assert_eq!(pki.get("v1").version(), 0);
    let says = pki.ask("leaf", &["v1"]).says();
    assert_eq!(says, no(ChainVerdict::BadUsage, Reason::UsageIssuer));
}

#[test]
fn forged_chains_are_broken_and_strangers_unknown() {
    let pki = Pki::new();
    // Same name and key identifier as the real CA, other key.
    pki.issue_as("evil", "/CN=root", "", CA, "-days 9");
    pki.issue_as(
        "leaf",
        "/CN=leaf",
        "evil",
        &format!("{LEAF}\nauthorityKeyIdentifier=none"),
        "-days 9",
    );
    let says = pki.ask("leaf", &["evil"]).says();
    assert_eq!(says, no(ChainVerdict::Broken, Reason::ChainSignature));
    pki.openssl_agrees("leaf", &["evil"], false);
    // The identifier says that another key of that name signed.
    pki.issue_as(
        "leaf",
        "/CN=leaf",
        "evil",
        &format!("{LEAF}\nauthorityKeyIdentifier=keyid"),
        "-days 9",
    );
    let says = pki.ask("leaf", &["evil"]).says();
    assert_eq!(says, no(ChainVerdict::Untrusted, Reason::UnknownIssuer));
}

#[test]
fn weak_links_need_permission() {
    let pki = Pki::new();
    pki.issue_as("mid", "/CN=mid", "root", CA, "-days 9 -sha1");
    pki.issue("leaf", "mid", LEAF);
    let mut question = pki.ask("leaf", &["mid"]);
    assert_eq!(
        question.says(),
        no(ChainVerdict::Untrusted, Reason::WeakDigest)
    );
    question.legacy = Legacy::SHA1;
    assert_eq!(question.says(), TRUSTED);
    pki.0
        .openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small.key");
    pki.issue("small", "root", LEAF);
    let mut question = pki.ask("small", &[]);
    assert_eq!(
        question.says(),
        no(ChainVerdict::Untrusted, Reason::WeakKey)
    );
    question.legacy = Legacy::RSA1024;
    assert_eq!(question.says(), TRUSTED);
}

#[test]
fn a_better_path_wins_over_a_worse_one() {
    let pki = Pki::new();
    // The same CA key with two certificates: one expires soon, one is good.
    pki.issue_as("mid", "/CN=mid", "root", CA, "-days 1");
    pki.issue("leaf", "mid", LEAF);
    let short = pki.get("mid");
    pki.issue_as("mid", "/CN=mid", "root", CA, "-days 300");
    let mut question = pki.ask("leaf", &["mid"]);
    question.pool.insert(0, short);
    question.at += Duration::days(30);
    assert_eq!(question.says(), TRUSTED);
}

#[test]
fn no_single_bit_of_a_trusted_certificate_can_be_changed() {
    let pki = Pki::new();
    pki.issue("leaf", "root", LEAF);
    let mut question = pki.ask("leaf", &[]);
    assert_eq!(question.says(), TRUSTED);
    let good = question.leaf.der().to_vec();
    for place in 0..good.len() * 8 {
        let mut bent = good.clone();
        bent[place / 8] ^= 1 << (place % 8);
        // Reading it and every question about it must end, and never in trust.
        let Ok(leaf) = Certificate::from_der(&bent) else {
            continue;
        };
        let _ = (
            leaf.subject(),
            leaf.addresses(),
            leaf.usage(),
            leaf.public_key(),
        );
        question.leaf = leaf;
        assert_ne!(question.says(), TRUSTED, "bit {place}");
    }
}
