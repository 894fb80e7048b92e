//! Authors whose address needs more than ASCII (RFC 6532, RFC 9598, RFC 5890).

use listseal::model::Reason;
use listseal::open::Verdict;

use super::lab::{TEXT, World, lab, mail};

/// Makes key and certificate `name` with these alternative names, in the syntax of openssl.
fn person(name: &str, names: &str) {
    lab().openssl(&format!(
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
    ));
    lab().write(
        &format!("{name}.ext"),
        format!(
            "keyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\n\
             subjectAltName=@san\n[san]\n{names}\n"
        ),
    );
    lab().openssl(&format!(
        "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -days 3000 -extfile {name}.ext -out {name}.pem"
    ));
}

/// An SmtpUTF8Mailbox.
fn utf8(address: &str) -> String {
    format!("otherName=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:{address}")
}

#[test]
fn author_is_proven_in_every_spelling_of_his_address_and_in_no_other() {
    person("olga", &utf8("\u{f6}lga@example.org"));
    person("idn", &utf8("\u{f6}lga@xn--bcher-kva.example"));
    person("old-idn", &utf8("\u{f6}lga@b\u{fc}cher.example"));
    person("a-label", "email=anna@xn--bcher-kva.example");
    person(
        "two",
        &format!("email=anna@example.org\n{}", utf8("\u{e5}nna@example.org")),
    );
    let mismatch = Some(Reason::FromMismatch);
    for (name, from, wrong) in [
        ("olga", "\u{d6}lga Ek <\u{f6}lga@example.org>", None),
        (
            "olga",
            "=?utf-8?q?=C3=96lga?= <\u{f6}lga@EXAMPLE.org>",
            None,
        ),
        ("olga", "olga@example.org", mismatch),
        ("olga", "\u{f3}lga@example.org", mismatch),
        ("olga", "\u{f6}lga <anna@example.org>", mismatch),
        // Decomposed it looks the same, and is not (RFC 6532 section 3.1, contract E18).
        (
            "olga",
            "o\u{308}lga@example.org",
            Some(Reason::FromMalformed),
        ),
        ("idn", "\u{f6}lga@b\u{fc}cher.example", None),
        ("idn", "\u{f6}lga@xn--bcher-kva.example", None),
        ("idn", "\u{f6}lga@bucher.example", mismatch),
        // RFC 8398 wrote the domain in U-labels.
        ("old-idn", "\u{f6}lga@b\u{fc}cher.example", None),
        ("old-idn", "\u{f6}lga@XN--BCHER-KVA.example", None),
        ("a-label", "Anna <anna@b\u{fc}cher.example>", None),
        ("a-label", "anna@B\u{dc}CHER.example", None),
        ("a-label", "anna@xn--bcher-kva.example", None),
        ("a-label", "\u{e5}nna@b\u{fc}cher.example", mismatch),
        ("a-label", "anna@xn--bcher-0ra.example", mismatch),
        ("two", "anna@example.org", None),
        ("two", "\u{e5}nna@example.org", None),
        ("two", "\u{e4}nna@example.org", mismatch),
    ] {
        for form in ["", "-nodetach"] {
            let message = mail(from, &lab().sign(name, form, TEXT));
            let opened = World::of(&[]).open(&message);
            assert_eq!(opened.signature(), Verdict::Valid, "{name} {from}");
            assert_eq!(opened.reason(), wrong, "{name} {from}");
            assert_eq!(opened.author().is_some(), wrong.is_none(), "{name} {from}");
        }
    }
}

#[test]
fn s30_protected_from_is_compared_in_every_spelling() {
    person("inner", "email=anna@xn--bcher-kva.example");
    for (protected, proven) in [
        ("\u{c5}nna <anna@b\u{fc}cher.example>", true),
        ("anna@xn--bcher-kva.example", true),
        ("\u{e5}nna@b\u{fc}cher.example", false),
    ] {
        let entity =
            format!("From: {protected}\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nhello\r\n");
        let signed = lab().sign("inner", "-binary", entity.as_bytes());
        let opened = World::of(&[]).open(&mail("anna@b\u{fc}cher.example", &signed));
        assert_eq!(opened.signature(), Verdict::Valid, "{protected}");
        assert_eq!(opened.author().is_some(), proven, "{protected}");
        let reason = (!proven).then_some(Reason::FromMismatch);
        assert_eq!(opened.reason(), reason, "{protected}");
    }
}
