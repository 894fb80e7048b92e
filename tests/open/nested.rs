//! Layers in layers.

use listseal::model::Reason;
use listseal::open::Verdict;

use super::lab::{TEXT, World, lab, mail};

#[test]
fn signed_then_encrypted_mail_gives_the_signed_entity_for_sealing() {
    for form in ["", "-nodetach", "-nodetach -stream"] {
        for cipher in ["-aes-256-cbc -stream", "-aes-128-gcm"] {
            let signed = lab().sign("alice", form, TEXT);
            let sealed = lab().encrypt("list.pem", cipher, &signed);
            let message = mail("alice@example.org", &sealed);
            let world = World::of(&["list"]);
            let opened = world.open(&message);
            assert_eq!(
                opened.author().map(ToString::to_string).as_deref(),
                Some("alice@example.org")
            );
            assert!(opened.signature_covers_plaintext());
            assert!(opened.is_processable());
            assert_eq!(opened.innermost(&message), TEXT);
            // openssl still verifies what is sealed again.
            lab()
                .run(
                    "openssl",
                    &["cms", "-verify", "-CAfile", "root.pem"],
                    opened.sealing_entity(),
                )
                .unwrap_or_else(|text| panic!("{text}"));
            let report = world.report(&message);
            assert_eq!(report["layers"].as_array().unwrap().len(), 2);
            assert_eq!(report["content_type"], "text/plain");
            assert_eq!(report["decrypted"], true);
        }
    }
}

#[test]
fn triple_wrapped_mail_is_opened_and_its_inner_signature_speaks() {
    let inner = lab().sign("alice", "", TEXT);
    let sealed = lab().encrypt("list.pem", "-aes-256-cbc", &inner);
    let outer = lab().sign("bob", "", &sealed);
    let message = mail("alice@example.org", &outer);
    let opened = World::of(&["list"]).open(&message);
    assert_eq!(opened.layers().len(), 3);
    assert_eq!(opened.signature(), Verdict::Valid);
    assert_eq!(
        opened.author().map(ToString::to_string).as_deref(),
        Some("alice@example.org")
    );
    assert_eq!(opened.enclosed().len(), 2);
    lab()
        .run(
            "openssl",
            &["cms", "-verify", "-CAfile", "root.pem"],
            opened.sealing_entity(),
        )
        .unwrap_or_else(|text| panic!("{text}"));
}

#[test]
fn s16_signature_around_ciphertext_does_not_cover_the_plaintext() {
    let sealed = lab().encrypt("list.pem", "-aes-256-cbc", TEXT);
    let signed = lab().sign("alice", "", &sealed);
    let opened = World::of(&["list"]).open(&mail("alice@example.org", &signed));
    assert_eq!(opened.signature(), Verdict::Valid);
    assert_eq!(opened.decrypted(), Some(true));
    assert!(!opened.signature_covers_plaintext());
    assert_eq!(opened.sealing_entity(), TEXT);
}

#[test]
fn s18_protected_parts_below_a_multipart_count_as_nothing() {
    let sealed = lab().encrypt("list.pem", "-aes-256-cbc", TEXT);
    let signed = lab().sign("alice", "", TEXT);
    for part in [sealed, signed] {
        let entity = [
            b"Content-Type: multipart/mixed; boundary=outside\r\n\r\n--outside\r\n",
            &part[..],
            b"\r\n--outside\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--outside--\r\n",
        ]
        .concat();
        let message = mail("alice@example.org", &entity);
        let opened = World::of(&["list"]).open(&message);
        assert!(opened.layers().is_empty());
        assert!(!opened.encrypted());
        assert_eq!(opened.signature(), Verdict::None);
        assert_eq!(opened.author(), None);
        assert_eq!(opened.reason(), None);
        assert_eq!(opened.content_type(), Some("multipart/mixed"));
    }
}

#[test]
fn plain_mail_gives_its_content_without_the_mail_fields() {
    let message = b"From: alice@example.org\nSubject: secret\nContent-Type: text/plain;\n charset=utf-8\nX: y\ncontent-language: fr\n\nhi\nthere";
    let opened = World::of(&[]).open(message);
    assert_eq!(
        opened.sealing_entity(),
        b"Content-Type: text/plain;\r\n charset=utf-8\r\ncontent-language: fr\r\n\r\nhi\r\nthere"
    );
    assert_eq!(opened.innermost(message), message);
    assert_eq!(opened.fields().len(), 5);
    assert_eq!(opened.signature(), Verdict::None);
    assert_eq!(opened.message_id(), None);
}

#[test]
fn signed_mail_gives_the_signed_entity_for_sealing() {
    let signed = lab().sign("alice", "", TEXT);
    let text = String::from_utf8(mail("alice@example.org", &signed))
        .unwrap()
        .replace("\r\n", "\n");
    let opened = World::of(&[]).open(text.as_bytes());
    assert_eq!(opened.message_id(), Some("<1@example.org>"));
    let entity = opened.sealing_entity();
    assert!(entity.starts_with(b"Content-Type: multipart/signed"));
    lab()
        .run(
            "openssl",
            &["cms", "-verify", "-CAfile", "root.pem"],
            entity,
        )
        .unwrap_or_else(|text| panic!("{text}"));
}

#[test]
fn e10_sixth_layer_is_not_opened() {
    let mut entity = TEXT.to_vec();
    for _ in 0..5 {
        entity = lab().sign("alice", "-nodetach -binary", &entity);
    }
    let five = mail("alice@example.org", &entity);
    assert_eq!(World::of(&[]).open(&five).reason(), None);
    let six = mail(
        "alice@example.org",
        &lab().sign("alice", "-nodetach", &entity),
    );
    let opened = World::of(&[]).open(&six);
    assert_eq!(opened.layers().len(), 5);
    assert_eq!(opened.reason(), Some(Reason::TooManyLayers));
    assert!(!opened.is_processable());
}

#[test]
fn e10_hundred_layers_are_refused_fast_after_two_private_operations() {
    let mut entity = TEXT.to_vec();
    for _ in 0..100 {
        let der = lab().encrypt("list.pem", "-aes-128-cbc -binary -outform DER", &entity);
        let head =
            b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n";
        entity = [&head[..], &der].concat();
    }
    let message = mail("alice@example.org", &entity);
    let world = World::of(&["list"]);
    let start = std::time::Instant::now();
    let opened = world.open(&message);
    let took = start.elapsed();
    assert_eq!(opened.content_keys().len(), 2);
    assert_eq!(opened.layers().len(), 3);
    assert_eq!(opened.reason(), Some(Reason::LimitExceeded));
    assert_eq!(opened.decrypted(), Some(false));
    assert!(took.as_secs() < 10, "{took:?}");
}

#[test]
fn compressed_mail_is_inflated_and_bombs_are_not() {
    let compress = |entity: &[u8]| lab().compress(entity);
    let signed = lab().sign("alice", "", TEXT);
    let message = mail("alice@example.org", &compress(&signed));
    let world = World::of(&[]);
    assert!(world.open(&message).author().is_some());
    assert_eq!(world.open(&message).innermost(&message), TEXT);
    assert_eq!(world.report(&message)["layers"][0]["kind"], "compressed");

    // E11: ratio, size, one layer.
    let mut zeros = b"Content-Type: text/plain\r\n\r\n".to_vec();
    zeros.resize(20 << 20, b' ');
    let bomb = mail("alice@example.org", &compress(&zeros));
    assert_eq!(world.open(&bomb).reason(), Some(Reason::LimitExceeded));
    let mut small = World::of(&[]);
    small.max_inflated = 100;
    assert_eq!(small.open(&message).reason(), Some(Reason::LimitExceeded));
    let twice = mail("alice@example.org", &compress(&compress(TEXT)));
    let opened = world.open(&twice);
    assert_eq!(opened.layers().len(), 2);
    assert_eq!(opened.reason(), Some(Reason::LimitExceeded));
}

#[test]
fn s42_hidden_fields_are_those_that_the_author_says_he_did_not_show() {
    let entity = |hp: &str| {
        format!(
            "From: alice@example.org\r\nTo: list@example.org\r\nSubject: secret\r\n\
             HP-Outer: From: alice@example.org\r\nHP-Outer: To: list@example.org\r\n\
             HP-Outer: Subject: [...]\r\nContent-Type: text/plain{hp}\r\n\r\nx\r\n"
        )
    };
    let hidden = |entity: &[u8]| {
        let opened = World::of(&["list"]).open(&mail("alice@example.org", entity));
        assert_eq!(opened.reason(), None);
        let fields = opened.hidden_fields();
        fields.iter().map(|field| field.value()).collect::<Vec<_>>()
    };
    let sealed = |entity: &[u8]| lab().encrypt("list.pem", "-aes-256-cbc", entity);
    let cipher = entity("; hp=\"cipher\"");
    for form in ["", "-nodetach"] {
        let signed = lab().sign("alice", form, cipher.as_bytes());
        assert_eq!(hidden(&sealed(&signed)), ["secret"]);
        // What was not encrypted hides nothing, whatever it says.
        assert!(hidden(&signed).is_empty());
    }
    assert_eq!(hidden(&sealed(cipher.as_bytes())), ["secret"]);
    for hp in ["; hp=\"clear\"", "; protected-headers=\"v1\"", ""] {
        assert!(hidden(&sealed(entity(hp).as_bytes())).is_empty(), "{hp}");
    }
}

#[test]
fn compression_alone_protects_no_header() {
    let entity = b"From: bob@example.org\r\nSubject: inner\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n";
    let subject = |entity: &[u8]| {
        let opened = World::of(&["list"]).open(&mail("alice@example.org", entity));
        assert_eq!(opened.reason().filter(|r| *r != Reason::FromMismatch), None);
        let fields = opened.protected_fields()?;
        let subject = fields.iter().find(|field| field.is("Subject"));
        subject.map(|field| field.value())
    };
    let compressed = lab().compress(entity);
    assert_eq!(subject(&compressed), None);
    for protected in [
        lab().sign("bob", "", &compressed),
        lab().encrypt("list.pem", "-aes-256-cbc", &compressed),
        lab().compress(&lab().sign("bob", "-nodetach", entity)),
    ] {
        assert_eq!(subject(&protected).as_deref(), Some("inner"));
    }
}
