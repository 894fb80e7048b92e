//! Posts that the list signs (`sign = true`).

use listseal::mime::Entity;
use listseal::model::Address;
use listseal::model::list::{ContentCipher, SubjectPolicy};
use listseal::seal::{Cover, Outer, Passed, Sealing, list_signed};

use super::lab::Lab;
use super::{AGREE, ENCRYPT, POST, bytes, policy, ready, rng};

#[test]
fn post_signed_by_the_list_keeps_the_signature_of_the_author_inside() {
    let lab = Lab::new();
    let (author, list, reader) = (
        lab.person("alice", "RSA:2048", ENCRYPT, "61"),
        lab.person("team", "RSA:2048", ENCRYPT, "71"),
        lab.person("dora", "RSA:2048", ENCRYPT, "63"),
    );
    let text = b"Content-Type: text/plain\r\n\r\nhello\r\n";
    let inner = lab.sign(text, &author);
    let post = Entity::parse(POST).unwrap();
    let mut policy = policy();
    policy.sign = true;
    let alice = Address::parse("alice@example.org").unwrap();
    let outer = Outer {
        fields: post.fields(),
        protected_subject: None,
        subject_is_hidden: false,
        policy: &policy,
        sequence: None,
        via: Some(&alice),
    };
    let cipher = ContentCipher::Aes256Cbc;
    let wrapped = |cover| list_signed(&inner, &outer, cover, &list.pair(), &mut rng()).unwrap();
    let sealing = Sealing::new(&wrapped(Cover::Sealed), &outer, &[cipher], &mut rng()).unwrap();
    let sealed = bytes(&sealing.copy_for(&ready(&reader), cipher).unwrap());
    let clear = Passed::signed(&wrapped(Cover::Clear), &outer).unwrap();
    let clear = clear.chunks().concat();
    for (mail, entity, hp) in [
        (&sealed, lab.decrypt(&sealed, &reader), "cipher"),
        (&clear, clear.clone(), "clear"),
    ] {
        let header = Entity::parse(mail).unwrap();
        assert_eq!(
            header.first("From").unwrap().value(),
            "Alice via team <team@example.org>"
        );
        assert_eq!(
            header.first("Reply-To").unwrap().value(),
            "alice@example.org"
        );
        assert_eq!(
            header.first("Author").unwrap().value(),
            "Alice <alice@example.org>"
        );
        assert_eq!(header.all("From").count(), 1);
        let mixed = lab.verify(&entity);
        let mixed = Entity::parse(&mixed).unwrap();
        assert_eq!(mixed.content_type().kind, "multipart/mixed");
        assert_eq!(mixed.content_type().parameter("hp"), Some(hp));
        let mut covered = Vec::new();
        for field in mixed.fields() {
            let name = field.name();
            if name == "HP-Outer" {
                covered.push(field.value());
            } else if !name.starts_with("Content-") {
                assert_eq!(field.value(), header.first(name).unwrap().value());
            }
        }
        let expected = [
            "From: Alice via team <team@example.org>",
            "Author: Alice <alice@example.org>",
            "Reply-To: alice@example.org",
            "To: team@example.org",
            "Subject: Lunch",
            "Date: Fri, 20 Nov 2026 10:00:00 +0000",
            "Message-ID: <1@example.org>",
        ];
        assert_eq!(covered, if hp == "cipher" { &expected[..] } else { &[] });
        let parts = mixed.parts().unwrap();
        assert_eq!(parts, [&inner[..]]);
        assert_eq!(lab.verify(parts[0]), text);
    }
}

#[test]
fn s42_subject_that_the_author_hid_stands_inside_alone() {
    let lab = Lab::new();
    let list = lab.person("team", "EC:P-256", AGREE, "71");
    let reader = lab.person("dora", "RSA:2048", ENCRYPT, "63");
    let inner = Entity::parse(b"Subject: Lay\r\n offs\rX: y\r\n\r\n").unwrap();
    let policy = policy();
    let alice = Address::parse("alice@example.org").unwrap();
    let text = b"Content-Type: text/plain\r\n\r\nhello\r\n";
    let cipher = ContentCipher::Aes256Cbc;
    for post in [
        // The HP-Outer of the author did not tell the truth: his Subject stood outside.
        &b"From: alice@example.org\r\nSubject: Layoffs\r\n\r\n"[..],
        b"From: alice@example.org\r\n\r\n",
    ] {
        let post = Entity::parse(post).unwrap();
        let outer = Outer {
            fields: post.fields(),
            protected_subject: inner.first("Subject").copied(),
            subject_is_hidden: true,
            policy: &policy,
            sequence: None,
            via: Some(&alice),
        };
        let signed = list_signed(text, &outer, Cover::Sealed, &list.pair(), &mut rng()).unwrap();
        for entity in [&text[..], &signed] {
            let sealing = Sealing::new(entity, &outer, &[cipher], &mut rng()).unwrap();
            let copy = bytes(&sealing.copy_for(&ready(&reader), cipher).unwrap());
            let shown = Entity::parse(&copy).unwrap();
            let shown: Vec<String> = shown.all("Subject").map(|field| field.value()).collect();
            let any = post.first("Subject").is_some();
            assert_eq!(shown, if any { &["[...]"][..] } else { &[] });
        }
        // The list's own layer tells it to its readers; a bare CR starts no field of its own.
        let mixed = lab.verify(&signed);
        let mixed = Entity::parse(&mixed).unwrap();
        assert_eq!(mixed.first("Subject").unwrap().value(), "Lay offs X: y");
        assert!(mixed.first("X").is_none());
        let noted: Vec<String> = mixed.all("HP-Outer").map(|field| field.value()).collect();
        assert!(
            !noted.iter().any(|noted| noted.contains("Lay")),
            "{noted:?}"
        );
        // In clear the list repeats what it shows.
        let clear = list_signed(text, &outer, Cover::Clear, &list.pair(), &mut rng()).unwrap();
        let mixed = lab.verify(&clear);
        let mixed = Entity::parse(&mixed).unwrap();
        let repeated = mixed.first("Subject").map(|field| field.value());
        let shown = post.first("Subject").map(|field| field.value());
        assert_eq!(repeated, shown);
    }
}

#[test]
fn s42_list_signs_the_true_subject_where_the_outer_one_is_hidden() {
    let lab = Lab::new();
    let list = lab.person("team", "EC:P-256", AGREE, "71");
    let reader = lab.person("dora", "RSA:2048", ENCRYPT, "63");
    let post = Entity::parse(POST).unwrap();
    let mut policy = policy();
    policy.subject = SubjectPolicy::Hide;
    let alice = Address::parse("alice@example.org").unwrap();
    let outer = Outer {
        fields: post.fields(),
        protected_subject: None,
        subject_is_hidden: false,
        policy: &policy,
        sequence: None,
        via: Some(&alice),
    };
    let text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncaf\xc3\xa9\r\n";
    let signed = list_signed(text, &outer, Cover::Sealed, &list.pair(), &mut rng()).unwrap();
    let cipher = ContentCipher::Aes256Cbc;
    let sealing = Sealing::new(&signed, &outer, &[cipher], &mut rng()).unwrap();
    let copy = bytes(&sealing.copy_for(&ready(&reader), cipher).unwrap());
    assert!(!String::from_utf8_lossy(&copy).contains("Lunch"));
    let inside = lab.decrypt(&copy, &reader);
    let whole = Entity::parse(&inside).unwrap();
    // It stands where the signature covers it, and nowhere else.
    assert!(whole.first("Subject").is_none());
    let mixed = lab.verify(&inside);
    let mixed = Entity::parse(&mixed).unwrap();
    assert_eq!(mixed.first("Subject").unwrap().value(), "Lunch");
    let noted: Vec<String> = mixed.all("HP-Outer").map(|field| field.value()).collect();
    assert!(noted.contains(&"Subject: [...]".to_owned()), "{noted:?}");
    assert_eq!(mixed.parts().unwrap(), [&text[..]]);
    for part in [&whole, &mixed] {
        let encoding = part.first("Content-Transfer-Encoding").unwrap();
        assert_eq!(encoding.value(), "8bit");
    }
}
