//! Signed mail.

use listseal::harvest::{Evidence, harvest};
use listseal::model::Reason;
use listseal::model::list::Legacy;
use listseal::open::Verdict;
use listseal::pki::path::ChainVerdict;

use super::lab::{TEXT, World, lab, mail};

#[test]
fn every_form_and_algorithm_of_openssl_is_verified() {
    let world = World::of(&[]);
    for (name, algorithm, options) in [
        ("alice", "rsassa-pkcs1-v1_5", ""),
        ("alice", "rsassa-pkcs1-v1_5", "-md sha384"),
        ("alice", "rsassa-pkcs1-v1_5", "-md sha512 -nosmimecap"),
        ("alice", "rsassa-pss", "-keyopt rsa_padding_mode:pss"),
        (
            "alice",
            "rsassa-pss",
            "-md sha512 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:64",
        ),
        ("alice", "rsassa-pkcs1-v1_5", "-keyid"),
        ("erin", "ecdsa", "-md sha256"),
        ("fred", "ecdsa", "-md sha384"),
        ("gina", "ecdsa", "-md sha512"),
    ] {
        for form in [
            "",
            "-nodetach",
            "-nodetach -stream",
            "-stream",
            "-nodetach -nocerts -certfile ALL",
        ] {
            let form = form.replace("ALL", &format!("{name}.pem"));
            // openssl 3.0 cannot stream PSS.
            if options.contains("pss") && form.contains("stream") {
                continue;
            }
            let signed = lab().sign(name, &format!("{options} {form}"), TEXT);
            let message = mail(&format!("{name}@example.org"), &signed);
            let opened = world.open(&message);
            assert_eq!(
                opened.signature(),
                Verdict::Valid,
                "{name} {options} {form}: {}",
                world.report(&message)
            );
            assert_eq!(opened.chain(), Some(ChainVerdict::Trusted));
            assert_eq!(
                opened.author().map(ToString::to_string),
                Some(format!("{name}@example.org"))
            );
            assert_eq!(opened.innermost(&message), TEXT);
            let report = world.report(&message);
            let signer = &report["layers"][0]["signers"][0];
            assert_eq!(signer["signature"], algorithm);
            assert_eq!(signer["verdict"], "valid");
            assert_eq!(report["encrypted"], false);
            assert!(report["decrypted"].is_null());
            assert_eq!(report["content_type"], "text/plain");
            let opaque = form.contains("-nodetach");
            assert_eq!(
                report["layers"][0]["form"],
                if opaque { "opaque" } else { "detached" }
            );
        }
    }
}

#[test]
fn report_has_the_fields_of_the_interface_in_their_order() {
    let signed = lab().sign("alice", "", TEXT);
    let report = World::of(&[]).report(&mail("Alice <alice@example.org>", &signed));
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(
        keys(&report),
        [
            "layers",
            "encrypted",
            "decrypted",
            "signature",
            "chain",
            "author",
            "reason",
            "content_type"
        ]
    );
    let layer = &report["layers"][0];
    assert_eq!(keys(layer), ["kind", "form", "signers"]);
    let signer = &layer["signers"][0];
    assert_eq!(
        keys(signer),
        [
            "verdict",
            "reason",
            "digest",
            "signature",
            "signing_time",
            "chain",
            "chain_reason",
            "certificate"
        ]
    );
    assert_eq!(
        keys(&signer["certificate"]),
        [
            "subject",
            "issuer",
            "serial",
            "sha256",
            "addresses",
            "not_before",
            "not_after",
            "usage"
        ]
    );
    assert_eq!(signer["digest"], "sha256");
    assert_eq!(signer["chain"], "trusted");
    assert_eq!(signer["certificate"]["subject"], "CN=alice");
    assert_eq!(signer["certificate"]["addresses"][0], "alice@example.org");
    assert_eq!(
        signer["certificate"]["usage"],
        serde_json::json!(["sign", "encrypt"])
    );
    let time = signer["signing_time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() == 20, "{time}");
    assert_eq!(report["author"], "alice@example.org");
    assert!(report["reason"].is_null());
}

#[test]
fn signer_who_is_not_enclosed_is_found_among_the_known_and_the_untrusted() {
    for options in ["-nocerts", "-nocerts -keyid", "-nocerts -nodetach"] {
        let message = mail("alice@example.org", &lab().sign("alice", options, TEXT));
        let mut world = World::of(&[]);
        assert_eq!(world.open(&message).reason(), Some(Reason::SignerUnknown));
        world.known = vec![lab().certificate("bob"), lab().certificate("alice")];
        assert_eq!(
            world.open(&message).signature(),
            Verdict::Valid,
            "{options}"
        );
        assert!(world.open(&message).author().is_some());
        world.untrusted = std::mem::take(&mut world.known);
        assert!(world.open(&message).author().is_some(), "{options}");
    }
}

#[test]
fn changed_content_and_changed_signatures_are_invalid() {
    let signed = lab().sign("alice", "", TEXT);
    let text = String::from_utf8(mail("alice@example.org", &signed)).unwrap();
    let changed = text.replace("world", "w0rld");
    assert_ne!(text, changed);
    let opened = World::of(&[]).open(changed.as_bytes());
    assert_eq!(opened.signature(), Verdict::Invalid);
    assert_eq!(opened.reason(), Some(Reason::DigestMismatch));
    assert_eq!(opened.author(), None);
    // Line ends are no change, white space is.
    let bare = text.replace("\r\n", "\n");
    assert_eq!(
        World::of(&[]).open(bare.as_bytes()).signature(),
        Verdict::Valid
    );
    let trimmed = text.replace("  world  ", "  world");
    assert_eq!(
        World::of(&[]).open(trimmed.as_bytes()).signature(),
        Verdict::Invalid
    );
}

#[test]
fn s25_signatures_without_attributes_need_permission() {
    for form in ["", "-nodetach"] {
        let signed = lab().sign("alice", &format!("-noattr {form}"), TEXT);
        let message = mail("alice@example.org", &signed);
        assert_eq!(
            World::of(&[]).open(&message).reason(),
            Some(Reason::NoSignedAttributes)
        );
        let admitted = World::of(&[]).legacy(Legacy::NO_SIGNED_ATTRIBUTES);
        assert_eq!(admitted.open(&message).signature(), Verdict::Valid);
    }
}

#[test]
fn s27_weak_digests_and_keys_need_permission() {
    let sha1 = mail("alice@example.org", &lab().sign("alice", "-md sha1", TEXT));
    assert_eq!(
        World::of(&[]).open(&sha1).reason(),
        Some(Reason::WeakDigest)
    );
    assert_eq!(
        World::of(&[]).legacy(Legacy::SHA1).open(&sha1).signature(),
        Verdict::Valid
    );
    assert_eq!(
        World::of(&[]).legacy(Legacy::MD5).open(&sha1).signature(),
        Verdict::Invalid
    );
    let tiny = mail("tiny@example.org", &lab().sign("tiny", "", TEXT));
    assert_eq!(World::of(&[]).open(&tiny).reason(), Some(Reason::WeakKey));
    assert_eq!(
        World::of(&[])
            .legacy(Legacy::RSA1024)
            .open(&tiny)
            .signature(),
        Verdict::Valid
    );
}

#[test]
fn s24_every_signer_must_be_valid_and_the_one_named_in_from_speaks() {
    let both = lab().feed(
        "cms -sign -signer bob.pem -inkey bob.key -signer alice.pem -inkey alice.key",
        TEXT,
    );
    let message = mail("alice@example.org", &both);
    let opened = World::of(&[]).open(&message);
    assert_eq!(opened.signature(), Verdict::Valid);
    assert_eq!(
        opened.author().map(ToString::to_string).as_deref(),
        Some("alice@example.org")
    );
    let from_bob = mail("bob@example.org", &both);
    assert!(World::of(&[]).open(&from_bob).author().is_some());
    let one_weak = lab().feed(
        "cms -sign -signer alice.pem -inkey alice.key -signer tiny.pem -inkey tiny.key",
        TEXT,
    );
    let message = mail("alice@example.org", &one_weak);
    let opened = World::of(&[]).open(&message);
    assert_eq!(opened.signature(), Verdict::Invalid);
    assert_eq!(opened.author(), None);
}

#[test]
fn s28_signature_of_somebody_else_proves_no_author() {
    let signed = lab().sign("bob", "", TEXT);
    let opened = World::of(&[]).open(&mail("alice@example.org", &signed));
    assert_eq!(opened.signature(), Verdict::Valid);
    assert_eq!(opened.author(), None);
    assert_eq!(opened.reason(), Some(Reason::FromMismatch));
    let two = mail("alice@example.org, bob@example.org", &signed);
    assert_eq!(
        World::of(&[]).open(&two).reason(),
        Some(Reason::FromAmbiguous)
    );
    let untrusted = mail("mallory@example.org", &lab().sign("mallory", "", TEXT));
    let opened = World::of(&[]).open(&untrusted);
    assert_eq!(opened.signature(), Verdict::Valid);
    assert_eq!(opened.chain(), Some(ChainVerdict::Untrusted));
    assert_eq!(opened.author(), None);
    assert_eq!(opened.reason(), Some(Reason::UnknownIssuer));
}

#[test]
fn s30_from_inside_the_signature_must_be_the_outer_one() {
    let inner = |from: &str| {
        format!(
            "From: {from}\r\nSubject: x\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nhi\r\n"
        )
    };
    let wrapped = |from: &str, more: &str| {
        format!(
            "Content-Type: message/rfc822{more}\r\n\r\nFrom: {from}\r\nSubject: x\r\n\r\nhi\r\n"
        )
    };
    let global = |from: &str| wrapped(from, "").replace("message/rfc822", "message/global");
    for (entity, proven) in [
        (inner("Alice <alice@example.org>"), true),
        (inner("bob@example.org"), false),
        (inner("alice@example.org, bob@example.org"), false),
        (wrapped("alice@example.org", "; forwarded=no"), true),
        (wrapped("bob@example.org", "; forwarded=no"), false),
        (wrapped("bob@example.org", ""), false),
        (wrapped("bob@example.org", "; forwarded=yes"), true),
        (wrapped("bob@example.org", "; hp=\"clear\""), false),
        (wrapped("bob@example.org", "; protected-headers=v1"), false),
        (wrapped("alice@example.org", "; hp=\"clear\""), true),
        (global("bob@example.org"), false),
        (global("alice@example.org"), true),
    ] {
        for form in ["", "-nodetach"] {
            let signed = lab().sign("alice", form, entity.as_bytes());
            let opened = World::of(&[]).open(&mail("alice@example.org", &signed));
            assert_eq!(opened.signature(), Verdict::Valid);
            assert_eq!(opened.author().is_some(), proven, "{entity}");
            let reason = (!proven).then_some(Reason::FromMismatch);
            assert_eq!(opened.reason(), reason, "{entity}");
        }
    }
}

#[test]
fn certificates_without_a_signature_are_not_signed() {
    lab().openssl("crl2pkcs7 -nocrl -certfile alice.pem -outform DER -out alice.p7c");
    let der = lab().read("alice.p7c");
    let head = b"Content-Type: application/pkcs7-mime; smime-type=certs-only; name=smime.p7c\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let message = mail("alice@example.org", &[&head[..], &der].concat());
    let world = World::of(&[]);
    let opened = world.open(&message);
    assert_eq!(opened.signature(), Verdict::None);
    assert_eq!(opened.enclosed().len(), 1);
    assert_eq!(opened.reason(), None);
    let report = world.report(&message);
    assert_eq!(report["layers"][0]["kind"], "certs-only");
    assert_eq!(
        report["layers"][0]["certificates"][0]["addresses"][0],
        "alice@example.org"
    );
}

#[test]
fn s33_encryption_certificate_beside_the_signers_own_is_learned() {
    let learned = |options: &str| {
        let signed = lab().sign("sam-sign", options, TEXT);
        let opened = World::of(&[]).open(&mail("sam@example.org", &signed));
        let evidence = &opened.signer().unwrap().evidence;
        let evidence = Evidence {
            author: opened.author().unwrap(),
            signer: evidence.certificate.as_ref().unwrap(),
            enclosed: opened.enclosed(),
            preferred: evidence.encryption_certificate.as_ref(),
        };
        let learned = harvest(&evidence, |_, _| Some(Vec::new())).into_iter();
        learned.map(|one| one.certificate).collect::<Vec<_>>()
    };
    let (own, other) = (lab().certificate("sam-sign"), lab().certificate("sam-enc"));
    assert_eq!(learned("-certfile sam-enc.pem"), [own.clone(), other]);
    // Somebody else's certificate in the bag is nobody's business.
    assert_eq!(learned("-certfile bob.pem"), [own]);
}

#[test]
fn python_signatures_are_verified() {
    for (options, encoding) in [
        ("pkcs7.PKCS7Options.DetachedSignature", "SMIME"),
        (
            "pkcs7.PKCS7Options.Text, pkcs7.PKCS7Options.DetachedSignature",
            "SMIME",
        ),
        ("pkcs7.PKCS7Options.Binary", "DER"),
        (
            "pkcs7.PKCS7Options.NoCapabilities, pkcs7.PKCS7Options.Binary",
            "DER",
        ),
    ] {
        let program = format!(
            "import sys\nfrom cryptography import x509\nfrom cryptography.hazmat.primitives import hashes\n\
             from cryptography.hazmat.primitives.serialization import pkcs7, Encoding, load_pem_private_key\n\
             cert = x509.load_pem_x509_certificate(open('alice.pem', 'rb').read())\n\
             key = load_pem_private_key(open('alice.key', 'rb').read(), None)\n\
             sys.stdout.buffer.write(pkcs7.PKCS7SignatureBuilder().set_data(sys.stdin.buffer.read())\
             .add_signer(cert, key, hashes.SHA256()).sign(Encoding.{encoding}, [{options}]))"
        );
        let text = if options.contains("Text") {
            &b"Hello\r\n"[..]
        } else {
            TEXT
        };
        let mut signed = lab()
            .run("python3", &["-c", &program], text)
            .unwrap_or_else(|text| panic!("{text}"));
        if encoding == "DER" {
            let head = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n";
            signed = [&head[..], &signed].concat();
        }
        let message = mail("alice@example.org", &signed);
        let world = World::of(&[]);
        assert!(
            world.open(&message).author().is_some(),
            "{options}: {}",
            world.report(&message)
        );
    }
}
