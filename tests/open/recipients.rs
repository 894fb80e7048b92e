//! Ways to the content key that installed toolkits do not all write: `envelope.py` does.

use listseal::model::Reason;
use listseal::model::list::Legacy;
use listseal::open::Opened;

use super::lab::{TEXT, World, lab, mail};

/// What `envelope.py` makes of these words.
fn envelope(words: &str) -> Vec<u8> {
    let program = include_str!("envelope.py");
    let words: Vec<&str> = ["-c", program]
        .into_iter()
        .chain(words.split_whitespace())
        .collect();
    let sealed = lab()
        .run("python3", &words, TEXT)
        .unwrap_or_else(|text| panic!("{text}"));
    mail("alice@example.org", &sealed)
}

fn assert_opened(world: &World, words: &str) {
    let message = envelope(words);
    let opened = world.open(&message);
    assert_eq!(
        opened.decrypted(),
        Some(true),
        "{words}: {}",
        world.report(&message)
    );
    assert_eq!(opened.innermost(&message), TEXT, "{words}");
}

fn reason(opened: &Opened) -> Option<Reason> {
    assert_ne!(opened.decrypted(), Some(true));
    opened.reason()
}

#[test]
fn agreed_keys_are_derived_in_every_way_for_every_curve() {
    for (to, words) in [
        ("erin", "kdf=hkdf md=sha256"),
        ("erin", "md=sha1 wrap=128 ukm=words"),
        ("erin", "md=sha224 wrap=192 null=yes"),
        ("erin", "kdf=hkdf md=sha512 wrap=128 ukm=words rid=ski"),
        ("fred", "kdf=hkdf md=sha384 wrap=192"),
        ("fred", "md=sha384 rid=ski ukm=words null=yes"),
        ("fred", "md=sha256 cipher=aes-192-cbc"),
        ("gina", "md=sha512 wrap=256 cipher=aes-256-gcm"),
        ("gina", "kdf=hkdf md=sha512 rid=ski"),
        ("erin", "cofactor=yes md=sha1 wrap=128"),
        ("erin", "cofactor=yes md=sha256"),
        ("fred", "cofactor=yes md=sha384 wrap=192 ukm=words"),
        ("gina", "cofactor=yes md=sha512 rid=ski"),
        ("gina", "cofactor=yes md=sha224 wrap=128"),
    ] {
        assert_opened(&World::of(&[to]), &format!("to={to} {words}"));
    }
}

#[test]
fn static_keys_of_senders_are_agreed_with_where_their_certificate_is_at_hand() {
    for (to, from, how) in [
        ("erin", "static-p256", "issuer"),
        ("erin", "static-p256", "ski"),
        ("fred", "static-p384", "issuer"),
    ] {
        let words = format!("to={to} from={from} originator={how} ukm=words");
        let mut world = World::of(&[to]);
        let refused = world.open(&envelope(&words));
        assert_eq!(
            reason(&refused),
            Some(Reason::UnsupportedAlgorithm),
            "{how}"
        );
        world.known = vec![lab().certificate(from)];
        assert_opened(&world, &words);
    }
    assert_opened(
        &World::of(&["erin"]),
        "to=erin from=static-p256 originator=bag",
    );
    assert_opened(
        &World::of(&["erin"]),
        "to=erin from=static-p256 originator=key",
    );
}

#[test]
fn s14_oaep_is_opened_with_every_digest_generator_and_label() {
    let world = World::of(&["list"]);
    for md in ["sha1", "sha224", "sha256", "sha384", "sha512"] {
        for mgf in ["sha1", "sha256", "sha512"] {
            for label in ["", "some-label"] {
                assert_opened(&world, &format!("to=list label={label} md={md} mgf={mgf}"));
            }
        }
    }
}

#[test]
fn wrapped_keys_without_their_leading_zeros_are_unwrapped() {
    assert_opened(&World::of(&["list"]), "to=list short=yes");
    assert_opened(&World::of(&["list"]), "to=list short=yes label=");
}

#[test]
fn one_key_is_tried_for_an_identifier_that_no_certificate_carries() {
    let made_up = "00112233445566778899aabbccddeeff00112233";
    assert_opened(
        &World::of(&["list"]),
        &format!("to=list rid={made_up} cipher=aes-128-gcm"),
    );
    assert_opened(
        &World::of(&["list"]),
        &format!("to=list rid={made_up} label= md=sha256 mgf=sha256"),
    );
    assert_opened(&World::of(&["erin"]), &format!("to=erin rid={made_up}"));
    // Somebody else's: no verdict about decryption, because none was due.
    for words in ["to=bob rid=ski", "to=fred rid=ski"] {
        let world = World::of(&["list", "erin"]);
        for _ in 0..20 {
            let opened = world.open(&envelope(words));
            assert_eq!(reason(&opened), Some(Reason::NoRecipient), "{words}");
        }
    }
}

#[test]
fn recipients_of_other_kinds_and_other_keys_stand_in_nobodys_way() {
    let world = World::of(&["list"]);
    for also in [
        "bob",
        "pwri",
        "kekri",
        "other",
        "pwri,kekri,bob,other",
        "twin",
    ] {
        for how in ["", "label= md=sha256 mgf=sha256"] {
            assert_opened(&world, &format!("to=list also={also} {how}"));
        }
    }
    // The first of two for the same key is noise; the cipher tells for sure.
    assert_opened(&world, "to=list also=dead cipher=aes-128-gcm");
    let many = World::of(&["erin"]);
    for words in [
        "keys=1",
        "keys=40 rid=ski",
        "keys=3 also=kekri,pwri",
        "also=twin",
    ] {
        assert_opened(&many, &format!("to=erin {words}"));
    }
    // Two of ours in one envelope: whichever comes first.
    assert_opened(&World::of(&["list", "bob"]), "to=list also=bob");
    assert_opened(&World::of(&["bob"]), "to=list also=bob");
    // Nobody of ours, but a password: told as such.
    for also in ["pwri", "kekri", "pwri,kekri"] {
        let opened = world.open(&envelope(&format!("to=bob also={also}")));
        assert_eq!(reason(&opened), Some(Reason::PasswordRecipient), "{also}");
    }
    let opened = world.open(&envelope("to=bob also=other"));
    assert_eq!(reason(&opened), Some(Reason::NoRecipient));
}

#[test]
fn decision_10_keys_under_triple_des_are_unwrapped_only_where_it_is_admitted() {
    let words = "to=erin wrap=3des md=sha1 cipher=des-ede3-cbc";
    let admitted = World::of(&["erin"]).legacy(Legacy::TRIPLE_DES);
    assert_opened(&admitted, words);
    assert_opened(&admitted, &format!("{words} ukm=words rid=ski"));
    let opened = World::of(&["erin"]).open(&envelope(words));
    assert_eq!(reason(&opened), Some(Reason::WeakCipher));
    // OpenSSL's own, whose choice of wrap follows the content.
    let sealed = lab().encrypt("erin.pem", "-des3", TEXT);
    let opened = admitted.open(&mail("alice@example.org", &sealed));
    assert_eq!(opened.decrypted(), Some(true));
}

#[test]
fn authenticated_attributes_count_in_der_whatever_form_they_come_in() {
    let world = World::of(&["list"]);
    for form in ["unsorted", "ber"] {
        for cipher in ["aes-256-gcm", "chacha20-poly1305"] {
            assert_opened(&world, &format!("to=list cipher={cipher} attrs={form}"));
        }
    }
}

#[test]
fn identifiers_that_senders_encode_in_their_own_way_are_recognised() {
    // The recipient's certificate carries no key identifier, the sender's copy of it does.
    let key_id = lab().certificate("list").public_key().unwrap().key_id();
    let hex: String = key_id.iter().map(|byte| format!("{byte:02x}")).collect();
    lab().openssl(
        "x509 -req -in list.csr -CA root.pem -CAkey root.key -set_serial 0x9999 -days 9 -out bare.pem",
    );
    lab().write("bare.key", lab().read("list.key"));
    assert_eq!(lab().certificate("bare").subject_key_id(), None);
    assert_opened(&World::of(&["bare"]), &format!("to=list rid={hex}"));

    // The issuer's name in other string types than in the certificate.
    for (name, mask) in [("printable", "default"), ("utf8", "utf8only")] {
        lab().write(
            &format!("{name}.cnf"),
            format!("[req]\nstring_mask={mask}\ndistinguished_name=dn\nprompt=no\n[dn]\nO=Some  Office\nCN=Re Encoded\n"),
        );
        lab().openssl(&format!(
            "req -x509 -new -key root.key -config {name}.cnf -set_serial 7 -out {name}-root.pem"
        ));
        lab().openssl(&format!(
            "x509 -req -in list.csr -CA {name}-root.pem -CAkey root.key -set_serial 0xF001 -days 9 -out {name}.pem"
        ));
        lab().write(&format!("{name}.key"), lab().read("list.key"));
    }
    let [printable, utf8] = ["printable", "utf8"].map(|name| lab().certificate(name));
    assert_ne!(printable.issuer_der(), utf8.issuer_der());
    assert_opened(&World::of(&["utf8"]), "to=printable");
    assert_opened(&World::of(&["printable"]), "to=utf8");
}

#[test]
fn s15_authenticated_ciphers_are_opened_and_short_tags_and_changes_are_not() {
    let world = World::of(&["list"]);
    for cipher in [
        "chacha20-poly1305",
        "aes-128-gcm",
        "aes-256-gcm",
        "aes-128-ccm",
        "aes-192-ccm",
        "aes-256-ccm",
    ] {
        for attrs in ["", "attrs=yes"] {
            let words = format!("to=list cipher={cipher} {attrs}");
            assert_opened(&world, &words);
            let report = world.report(&envelope(&words));
            assert_eq!(report["layers"][0]["content_algorithm"], cipher);
            assert_eq!(report["layers"][0]["kind"], "auth-enveloped");
            // Inside the tag, which stands last.
            let mut changed = envelope(&words);
            let at = changed.len() - 10;
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(world.open(&changed).decrypted(), Some(false), "{words}");
        }
    }
    for cipher in ["aes-256-gcm", "aes-256-ccm"] {
        let short = world.open(&envelope(&format!("to=list cipher={cipher} tag=12")));
        assert_eq!(reason(&short), Some(Reason::BadParameters), "{cipher}");
    }
}

#[test]
fn x25519_recipients_are_opened_with_both_derivations_and_with_keying_material() {
    // openssl 3.0 cannot write these (RFC 8418).
    lab()
        .run("python3", &["-c", X25519], b"")
        .unwrap_or_else(|text| panic!("{text}"));
    let world = World::of(&["x25519"]);
    for words in [
        "kdf=x963",
        "kdf=hkdf",
        "kdf=x963 ukm=ukm",
        "kdf=hkdf ukm=ukm",
    ] {
        assert_opened(&world, &format!("to=x25519 {words}"));
    }
}

/// Makes an X25519 key and a certificate for it.
const X25519: &str = r#"
import datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as s
from cryptography.hazmat.primitives.asymmetric import x25519
root = s.load_pem_private_key(open("root.key", "rb").read(), None)
key = x25519.X25519PrivateKey.generate()
now = datetime.datetime.now(datetime.timezone.utc)
issuer = x509.load_pem_x509_certificate(open("root.pem", "rb").read()).subject
cert = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer).public_key(key.public_key())
    .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9))
    .sign(root, hashes.SHA256()))
open("x25519.pem", "wb").write(cert.public_bytes(s.Encoding.PEM))
open("x25519.key", "wb").write(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
"#;
