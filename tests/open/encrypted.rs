//! Encrypted mail.

use listseal::model::Reason;
use listseal::model::list::Legacy;

use super::lab::{TEXT, World, lab, mail};

#[test]
fn every_cipher_and_framing_of_openssl_is_opened() {
    let world = World::of(&["list"]);
    for cipher in [
        "aes-128-cbc",
        "aes-192-cbc",
        "aes-256-cbc",
        "aes-128-gcm",
        "aes-192-gcm",
        "aes-256-gcm",
    ] {
        for options in ["", "-stream", "-keyid", "-stream -keyid", "-binary"] {
            let sealed = lab().encrypt("bob.pem list.pem", &format!("-{cipher} {options}"), TEXT);
            let message = mail("alice@example.org", &sealed);
            let opened = world.open(&message);
            assert_eq!(opened.decrypted(), Some(true), "{cipher} {options}");
            assert_eq!(opened.innermost(&message), TEXT, "{cipher} {options}");
            assert_eq!(opened.sealing_entity(), TEXT);
            assert_eq!(opened.content_keys().len(), 1);
            let report = world.report(&message);
            let layer = &report["layers"][0];
            let gcm = cipher.ends_with("gcm");
            assert_eq!(
                layer["kind"],
                if gcm { "auth-enveloped" } else { "enveloped" }
            );
            assert_eq!(layer["content_algorithm"], cipher);
            assert_eq!(layer["key_algorithm"], "rsaes-pkcs1-v1_5");
            assert_eq!(layer["recipients"], 2);
            assert_eq!(report["content_type"], "text/plain");
        }
    }
}

#[test]
fn s14_oaep_is_opened_with_every_digest() {
    for keyopt in [
        "",
        "-keyopt rsa_oaep_md:sha256",
        "-keyopt rsa_oaep_md:sha384",
        "-keyopt rsa_oaep_md:sha512",
        "-keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha1",
    ] {
        let sealed = lab().encrypt(
            "",
            &format!("-aes-256-cbc -recip list.pem -keyopt rsa_padding_mode:oaep {keyopt}"),
            TEXT,
        );
        let message = mail("alice@example.org", &sealed);
        let report = World::of(&["list"]).report(&message);
        assert_eq!(report["decrypted"], true, "{keyopt}: {report}");
        assert_eq!(report["layers"][0]["key_algorithm"], "rsaes-oaep");
    }
}

#[test]
fn elliptic_curve_recipients_are_opened() {
    for name in ["erin", "fred", "gina"] {
        for options in [
            "-aes-256-cbc",
            "-aes-128-cbc -keyopt ecdh_kdf_md:sha256",
            "-aes-256-gcm -keyopt ecdh_kdf_md:sha384",
            "-aes-192-cbc -keyopt ecdh_kdf_md:sha512",
            "-aes-256-cbc -keyopt ecdh_kdf_md:sha224 -stream",
            "-aes-256-cbc -keyopt ecdh_cofactor_mode:1",
        ] {
            let sealed = lab().encrypt("", &format!("-recip {name}.pem {options}"), TEXT);
            let message = mail("alice@example.org", &sealed);
            let world = World::of(&[name]);
            let report = world.report(&message);
            assert_eq!(report["decrypted"], true, "{name} {options}: {report}");
            assert_eq!(report["layers"][0]["key_algorithm"], "ecdh-es");
            assert_eq!(world.open(&message).innermost(&message), TEXT);
        }
    }
}

#[test]
fn python_envelopes_are_opened() {
    for (algorithm, encoding) in [("AES256", "SMIME"), ("AES128", "SMIME"), ("AES256", "DER")] {
        let program = format!(
            "import sys\nfrom cryptography import x509\nfrom cryptography.hazmat.primitives.serialization import pkcs7, Encoding\n\
             from cryptography.hazmat.primitives.ciphers import algorithms\n\
             cert = x509.load_pem_x509_certificate(open('list.pem', 'rb').read())\n\
             sys.stdout.buffer.write(pkcs7.PKCS7EnvelopeBuilder().set_data(sys.stdin.buffer.read()).add_recipient(cert)\
             .set_content_encryption_algorithm(algorithms.{algorithm}).encrypt(Encoding.{encoding}, [pkcs7.PKCS7Options.Binary]))"
        );
        let mut sealed = lab()
            .run("python3", &["-c", &program], TEXT)
            .unwrap_or_else(|text| panic!("{text}"));
        if encoding == "DER" {
            let head = b"Content-Type: application/octet-stream; name=smime.p7m\nContent-Transfer-Encoding: binary\n\n";
            sealed = [&head[..], &sealed, b"\n"].concat();
        }
        let message = mail("alice@example.org", &sealed);
        let world = World::of(&["list"]);
        assert_eq!(world.open(&message).decrypted(), Some(true), "{algorithm}");
        assert_eq!(world.open(&message).innermost(&message), TEXT);
    }
}

#[test]
fn old_pair_opens_what_was_encrypted_to_it() {
    let sealed = lab().encrypt("old.pem", "-aes-256-cbc", TEXT);
    let message = mail("alice@example.org", &sealed);
    assert_eq!(
        World::of(&["list", "old"]).open(&message).decrypted(),
        Some(true)
    );
}

#[test]
fn what_is_not_for_us_says_so() {
    let sealed = lab().encrypt("bob.pem", "-aes-256-cbc", TEXT);
    let message = mail("alice@example.org", &sealed);
    let reason = |world: World| world.open(&message).reason();
    assert_eq!(reason(World::of(&["list"])), Some(Reason::NoRecipient));
    assert_eq!(reason(World::of(&[])), Some(Reason::NoKey));
    let password = lab().feed("cms -encrypt -aes-256-cbc -pwri_password secret", TEXT);
    let message = mail("alice@example.org", &password);
    let opened = World::of(&["list"]).open(&message);
    assert_eq!(opened.reason(), Some(Reason::PasswordRecipient));
    assert_eq!(opened.decrypted(), Some(false));
    let reason = |message: &[u8]| World::of(&[]).open(message).reason();
    assert_eq!(reason(&message), Some(Reason::PasswordRecipient));
    let both = lab().feed(
        "cms -encrypt -aes-256-cbc -pwri_password secret bob.pem",
        TEXT,
    );
    let message = mail("alice@example.org", &both);
    assert_eq!(reason(&message), Some(Reason::NoKey));
}

#[test]
fn decision_10_old_ciphers_are_read_only_where_they_are_admitted() {
    for (option, name, legacy, other) in [
        ("-des3", "des-ede3-cbc", Legacy::TRIPLE_DES, Legacy::RC2),
        ("-des", "des-cbc", Legacy::DES, Legacy::TRIPLE_DES),
        ("-rc2", "rc2-cbc", Legacy::RC2, Legacy::DES),
        ("-rc2-40", "rc2-cbc", Legacy::RC2, Legacy::DES),
        ("-rc2-64", "rc2-cbc", Legacy::RC2, Legacy::DES),
        (
            "-camellia128",
            "camellia-128-cbc",
            Legacy::CAMELLIA,
            Legacy::RC2,
        ),
        (
            "-camellia192",
            "camellia-192-cbc",
            Legacy::CAMELLIA,
            Legacy::RC2,
        ),
        (
            "-camellia256",
            "camellia-256-cbc",
            Legacy::CAMELLIA,
            Legacy::RC2,
        ),
    ] {
        let providers = "-provider default -provider legacy";
        let sealed = lab().encrypt("list.pem", &format!("{option} {providers}"), TEXT);
        let message = mail("alice@example.org", &sealed);
        for refusing in [Legacy::NONE, other] {
            let refused = World::of(&["list"]).legacy(refusing).report(&message);
            assert_eq!(refused["reason"], "weak-cipher", "{name}");
            assert_eq!(refused["layers"][0]["content_algorithm"], name);
        }
        let admitted = World::of(&["list"]).legacy(legacy);
        assert_eq!(admitted.open(&message).innermost(&message), TEXT, "{name}");
    }
}

#[test]
fn decrypted_content_that_is_no_mime_entity_counts_as_decrypted() {
    let sealed = lab().encrypt("list.pem", "-aes-256-cbc", b"just words\r\n");
    let message = mail("alice@example.org", &sealed);
    let opened = World::of(&["list"]).open(&message);
    assert_eq!(opened.decrypted(), Some(true));
    assert_eq!(opened.reason(), Some(Reason::NotMime));
    assert!(!opened.is_processable());
    assert_eq!(opened.innermost(&message), b"just words\r\n");
}

#[test]
fn line_feeds_alone_and_other_names_for_the_type_are_read() {
    let sealed = lab().encrypt("list.pem", "-aes-256-cbc", TEXT);
    let text = String::from_utf8(mail("alice@example.org", &sealed))
        .unwrap()
        .replace("\r\n", "\n");
    let variants = [
        text.clone(),
        text.replace("application/pkcs7-mime", "application/x-pkcs7-mime"),
        text.replace("smime-type=enveloped-data;", ""),
        text.replace("smime-type=enveloped-data", "smime-type=signed-data"),
        text.replace("application/pkcs7-mime", "application/octet-stream"),
    ];
    for (index, text) in variants.iter().enumerate() {
        let opened = World::of(&["list"]).open(text.as_bytes());
        assert_eq!(opened.decrypted(), Some(true), "{}", &text[..300]);
        assert!(
            !variants[..index].contains(text),
            "no variant: {}",
            &text[..300]
        );
    }
}
