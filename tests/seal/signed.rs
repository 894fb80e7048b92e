//! What the list signs, what leaves unaltered, what stands outside, and who cannot be sealed to.

use std::collections::BTreeSet;
use std::process::Command;

use listseal::cms::sign::certs_only;
use listseal::mime::canon::crlf;
use listseal::mime::write::Header;
use listseal::mime::{ContentType, Entity};
use listseal::model::Reason;
use listseal::model::list::{ContentCipher, SubjectPolicy};
use listseal::seal::{
    KeyTransport, Outer, Passed, Sealing, multipart_signed, recipient, seal_entity,
};
use time::OffsetDateTime;

use super::lab::{Lab, Person};
use super::{AGREE, CIPHERS, ENCRYPT, POST, bytes, policy, ready, rng, seal_to};

#[test]
fn signature_of_the_author_holds_inside_every_copy() {
    let lab = Lab::new();
    let (author, reader) = (
        lab.person("alice", "RSA:2048", ENCRYPT, "61"),
        lab.person("carl", "RSA:2048", ENCRYPT, "62"),
    );
    let text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncaf\xc3\xa9  \r\n\r\n";
    let signed = lab.sign(text, &author);
    let lf: Vec<u8> = signed.iter().copied().filter(|b| *b != b'\r').collect();
    for entity in [&signed, &lf] {
        for cipher in CIPHERS {
            let copy = bytes(
                &seal_to(entity, &[cipher])
                    .copy_for(&ready(&reader), cipher)
                    .unwrap(),
            );
            let opened = lab.decrypt(&copy, &reader);
            assert_eq!(opened, &*crlf(entity), "changed inside");
            assert_eq!(lab.verify(&opened), text);
        }
    }
}

#[test]
fn clear_signed_post_passes_with_its_signature_and_its_bytes() {
    let lab = Lab::new();
    let author = lab.person("alice", "RSA:2048", ENCRYPT, "61");
    let text = b"Content-Type: text/plain\r\n\r\n-- \r\nhello  \r\n";
    let mut mail =
        b"Return-Path: <x@y.org>\nFrom: alice@example.org\nSender: alice@example.org\nSubject: x\n"
            .to_vec();
    mail.extend(lab.sign(text, &author).iter().filter(|b| **b != b'\r'));
    let entity = Entity::parse(&mail).unwrap();
    let policy = policy();
    let outer = Outer {
        fields: entity.fields(),
        protected_subject: None,
        subject_is_hidden: false,
        policy: &policy,
        sequence: Some(1),
        via: None,
    };
    let passed = Passed::new(&entity, &outer).unwrap();
    let copy = passed.chunks().concat();
    assert_eq!(passed.size(), copy.len());
    assert_eq!(lab.verify(&copy), text);
    let read = Entity::parse(&copy).unwrap();
    assert_eq!(read.body(), &*crlf(entity.body()));
    assert_eq!(read.first("Sender").unwrap().value(), "team@example.org");
    assert!(read.first("Return-Path").is_none());
    assert!(!passed.needs_8bit());
}

#[test]
fn list_signatures_are_verified_by_openssl_and_have_no_signing_time_unless_asked() {
    let lab = Lab::new();
    let entity = b"Content-Type: text/plain\n\nhello\n";
    lab.openssl(
        "req -new -newkey rsa:2048 -nodes -subj /CN=Test-middle -keyout middle.key -out middle.csr",
    );
    lab.write("middle.ext", b"basicConstraints=critical,CA:TRUE\n");
    lab.openssl(
        "x509 -req -in middle.csr -CA ca.pem -CAkey ca.key -set_serial 9 -days 20 \
         -extfile middle.ext -out middle.pem",
    );
    let chain = [pem_of(&lab, "middle.pem"), pem_of(&lab, "ca.pem")].concat();
    for (name, kind, micalg) in [
        ("list", "RSA:2048", "sha-256"),
        ("el", "EC:P-256", "sha-256"),
        ("em", "EC:P-384", "sha-384"),
        ("en", "EC:P-521", "sha-512"),
    ] {
        let usage = if kind.starts_with("RSA") {
            ENCRYPT
        } else {
            AGREE
        };
        let list = lab.person(name, kind, usage, "71");
        let mut pair = list.pair();
        pair.chain = chain.clone();
        for time in [None, Some(OffsetDateTime::now_utc())] {
            let signed = multipart_signed(entity, &pair, &[], time, &mut rng()).unwrap();
            assert_eq!(lab.verify(&signed), &*crlf(entity));
            let read = Entity::parse(&signed).unwrap();
            assert_eq!(read.content_type().parameter("micalg"), Some(micalg));
            let (_, signature) = read.signed_parts().unwrap();
            lab.write("list.p7s", &signature.decoded_body().unwrap());
            let shown = lab.openssl("cms -cmsout -print -inform DER -in list.p7s");
            let shown = String::from_utf8_lossy(&shown).into_owned();
            assert_eq!(shown.contains("signingTime"), time.is_some(), "{shown}");
            assert!(shown.contains("aes-256-gcm") && shown.contains("S/MIME Capabilities"));
            assert!(shown.contains("id-smime-aa-encrypKeyPref"), "{shown}");
            assert!(
                shown.contains("id-smime-aa-signingCertificateV2"),
                "{shown}"
            );
            assert_eq!(
                shown.contains("rsaesOaep"),
                kind.starts_with("RSA"),
                "{shown}"
            );
            let subjects = shown.lines().map(str::trim);
            let subjects: Vec<&str> = subjects
                .filter(|line| line.starts_with("subject:"))
                .collect();
            assert!(
                subjects.contains(&"subject: CN=Test-middle"),
                "chain is not enclosed"
            );
            assert_eq!(subjects.len(), 2, "the root is: {subjects:?}");
            // RFC 5035, judged by OpenSSL.
            lab.write("signed.eml", &signed);
            lab.openssl(
                "cms -verify -cades -purpose any -in signed.eml -CAfile ca.pem -out verified",
            );
        }
    }
}

fn pem_of(lab: &Lab, name: &str) -> Vec<listseal::pki::Certificate> {
    listseal::pki::pem::certificates(&std::fs::read(lab.path(name)).unwrap()).unwrap()
}

#[test]
fn changed_content_breaks_the_signature_of_the_list() {
    let lab = Lab::new();
    let list = lab.person("list", "RSA:2048", ENCRYPT, "71");
    let entity = b"Content-Type: text/plain\r\n\r\nhello\r\n";
    let signed = multipart_signed(entity, &list.pair(), &[], None, &mut rng()).unwrap();
    let text = String::from_utf8(signed.to_vec())
        .unwrap()
        .replace("hello", "hallo");
    lab.write("changed.eml", text.as_bytes());
    let output = Command::new("openssl")
        .args(["cms", "-verify", "-noverify", "-in"])
        .arg(lab.path("changed.eml"))
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn bag_of_certificates_names_each_once_and_is_read_by_openssl() {
    let lab = Lab::new();
    let list = lab.person("team", "RSA:2048", ENCRYPT, "71");
    let all = [
        list.certificate.clone(),
        pem_of(&lab, "ca.pem").remove(0),
        list.certificate,
    ];
    lab.write("list.p7c", &certs_only(&all).unwrap());
    let shown = lab.openssl("pkcs7 -inform DER -in list.p7c -print_certs -noout");
    let shown = String::from_utf8_lossy(&shown).into_owned();
    let subjects: BTreeSet<&str> = shown
        .lines()
        .filter(|line| line.starts_with("subject"))
        .collect();
    assert_eq!(shown.matches("subject").count(), 2, "{shown}");
    assert_eq!(subjects.len(), 2, "{shown}");
}

#[test]
fn outside_of_a_copy_shows_the_list_and_hides_what_it_must() {
    let lab = Lab::new();
    let reader = lab.person("rick", "RSA:2048", ENCRYPT, "64");
    let mail = String::from_utf8(POST.to_vec())
        .unwrap()
        .replace("Subject: Lunch", "Subject: =?utf-8?q?Lunch_caf=C3=A9?=\r\n =?utf-8?q?_canary?=\r\nX-Loop: other@example.org\r\nList-Id: <old.example>\r\nX-Secret: canary");
    let post = Entity::parse(mail.as_bytes()).unwrap();
    let mut policy = policy();
    policy.subject = SubjectPolicy::Hide;
    let outer = Outer {
        fields: post.fields(),
        protected_subject: None,
        subject_is_hidden: false,
        policy: &policy,
        sequence: Some(7),
        via: None,
    };
    let cipher = ContentCipher::Aes256Cbc;
    let entity = b"Content-Type: text/plain\r\n\r\nhello\r\n";
    let sealing = Sealing::new(entity, &outer, &[cipher], &mut rng()).unwrap();
    let copy = bytes(&sealing.copy_for(&ready(&reader), cipher).unwrap());
    let read = Entity::parse(&copy).unwrap();
    let one = |name: &str| {
        assert_eq!(read.all(name).count(), 1, "{name}");
        read.first(name).unwrap().value()
    };
    assert_eq!(one("Subject"), "[...]");
    assert_eq!(one("From"), "Alice <alice@example.org>");
    assert_eq!(one("Message-ID"), "<1@example.org>");
    assert_eq!(one("List-Id"), "The team <team.example.org>");
    assert_eq!(one("List-Post"), "<mailto:team@example.org>");
    assert_eq!(
        one("List-Unsubscribe"),
        "<mailto:team-request@example.org?subject=unsubscribe>"
    );
    assert_eq!(one("List-Owner"), "<mailto:team-owner@example.org>");
    assert_eq!(one("Sender"), "team@example.org");
    assert_eq!(one("Errors-To"), "team-owner@example.org");
    assert_eq!(one("Precedence"), "list");
    assert_eq!(one("X-Sequence"), "7");
    assert_eq!(
        one("Received"),
        "from mx by list; Fri, 20 Nov 2026 10:00:00 +0000"
    );
    let loops: Vec<String> = read.all("X-Loop").map(|f| f.value()).collect();
    assert_eq!(loops, ["team@example.org", "other@example.org"]);
    for gone in ["DKIM-Signature", "Bcc", "X-Secret"] {
        assert!(read.first(gone).is_none(), "{gone}");
    }
    assert!(!String::from_utf8_lossy(read.header_bytes()).contains("canary"));
    assert_eq!(
        read.content_type(),
        &ContentType::parse("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m")
    );
    let inside = lab.decrypt(&copy, &reader);
    let inside = Entity::parse(&inside).unwrap();
    assert_eq!(
        inside.first("Subject").unwrap().text(),
        "Lunch caf\u{e9} canary"
    );
    assert_eq!(inside.body(), b"hello\r\n");
}

#[test]
fn notice_is_sealed_to_one_certificate() {
    let lab = Lab::new();
    let reader = lab.person("nina", "EC:P-256", AGREE, "65");
    let mut header = Header::new();
    header
        .push("Subject", "Your certificate is registered")
        .unwrap();
    let entity = b"Content-Type: text/plain\r\n\r\nwelcome\r\n";
    for cipher in CIPHERS {
        let sealed = seal_entity(entity, &header, &ready(&reader), cipher, &mut rng()).unwrap();
        let mail = bytes(&sealed);
        assert!(
            mail.starts_with(b"Subject: Your certificate is registered\r\nMIME-Version: 1.0\r\n")
        );
        let kind = Entity::parse(&mail).unwrap().content_type().clone();
        let expected = if cipher.is_authenticated() {
            "authEnveloped-data"
        } else {
            "enveloped-data"
        };
        assert_eq!(kind.parameter("smime-type"), Some(expected));
        assert_eq!(lab.decrypt(&mail, &reader), entity);
    }
}

#[test]
fn s23_s35_certificates_that_may_not_be_sealed_to_say_why() {
    let lab = Lab::new();
    // Certificates made below begin after this line.
    let now = OffsetDateTime::now_utc() + time::Duration::minutes(5);
    let why = |person: &Person, at| {
        recipient(&person.certificate, KeyTransport::default(), at)
            .map(|_| ())
            .unwrap_err()
    };
    let good = lab.person("good", "RSA:2048", ENCRYPT, "01");
    assert!(recipient(&good.certificate, KeyTransport::default(), now).is_ok());
    assert_eq!(why(&good, now + time::Duration::days(60)), Reason::Expired);
    assert_eq!(
        why(&good, now - time::Duration::days(60)),
        Reason::NotYetValid
    );
    for (name, kind, usage, reason) in [
        ("weak", "RSA:1024", ENCRYPT, Reason::BelowFloor),
        (
            "signs",
            "RSA:2048",
            "digitalSignature",
            Reason::UsageEncrypt,
        ),
        (
            "ecsign",
            "EC:P-256",
            "digitalSignature",
            Reason::UsageEncrypt,
        ),
        ("ed", "ED25519", "digitalSignature", Reason::UsageEncrypt),
        ("odd", "EC:secp256k1", AGREE, Reason::UnsupportedAlgorithm),
    ] {
        let person = lab.person(name, kind, usage, "02");
        assert_eq!(why(&person, now), reason, "{name}");
    }
}
