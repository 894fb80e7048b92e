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
fn x25519_recipients_are_opened_with_both_derivations_and_with_keying_material() {
    // openssl 3.0 cannot write these.
    for (kdf, ukm) in [("x963", ""), ("hkdf", ""), ("x963", "ukm"), ("hkdf", "ukm")] {
        let program = X25519.replace("@KDF@", kdf).replace("@UKM@", ukm);
        let name = format!("x-{kdf}-{ukm}");
        lab()
            .run("python3", &["-c", &program, &name], TEXT)
            .unwrap_or_else(|text| panic!("{text}"));
        let message = lab().read(&format!("{name}.eml"));
        let world = World::of(&[&name]);
        let report = world.report(&message);
        assert_eq!(report["decrypted"], true, "{kdf} {ukm}: {report}");
        assert_eq!(world.open(&message).innermost(&message), TEXT);
    }
}

/// Makes an X25519 certificate and a mail encrypted to it (RFC 8418).
const X25519: &str = r#"
import base64, datetime, os, struct, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as s, keywrap, padding
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
name, text = sys.argv[1], sys.stdin.buffer.read()
ukm = "@UKM@".encode()
def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    size = bytes([n]) if n < 128 else (lambda d: bytes([128 + len(d)]) + d)(n.to_bytes((n.bit_length() + 7) // 8, "big"))
    return bytes([tag]) + size + body
def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = bytes([first * 40 + second])
    for arc in rest:
        digits = [arc & 127]
        while arc := arc >> 7:
            digits.insert(0, 128 | arc & 127)
        out += bytes(digits)
    return tlv(6, out)
root = s.load_pem_private_key(open("root.key", "rb").read(), None)
key = x25519.X25519PrivateKey.generate()
now = datetime.datetime.now(datetime.timezone.utc)
issuer = x509.load_pem_x509_certificate(open("root.pem", "rb").read()).subject
cert = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer).public_key(key.public_key())
    .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9))
    .sign(root, hashes.SHA256()))
open(name + ".pem", "wb").write(cert.public_bytes(s.Encoding.PEM))
open(name + ".key", "wb").write(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
ephemeral = x25519.X25519PrivateKey.generate()
secret = ephemeral.exchange(key.public_key())
wrap = tlv(48, oid("2.16.840.1.101.3.4.1.45"))
info = tlv(48, wrap, tlv(0xa0, tlv(4, ukm)) if ukm else b"", tlv(0xa2, tlv(4, struct.pack(">I", 256))))
if "@KDF@" == "hkdf":
    scheme, kek = "1.2.840.113549.1.9.16.3.19", HKDF(hashes.SHA256(), 32, ukm or None, info).derive(secret)
else:
    scheme, kek = "1.3.132.1.11.1", X963KDF(hashes.SHA256(), 32, info).derive(secret)
cek, iv = os.urandom(32), os.urandom(16)
pad = padding.PKCS7(128).padder()
padded = pad.update(text) + pad.finalize()
aes = Cipher(algorithms.AES(cek), modes.CBC(iv)).encryptor()
point = ephemeral.public_key().public_bytes(s.Encoding.Raw, s.PublicFormat.Raw)
serial = cert.serial_number.to_bytes(20, "big").lstrip(b"\0")
serial = (b"\0" if serial[0] > 127 else b"") + serial
rid = tlv(48, issuer.public_bytes(), tlv(2, serial))
kari = tlv(0xa1, tlv(2, b"\3"),
    tlv(0xa0, tlv(0xa1, tlv(48, oid("1.3.101.110")), tlv(3, b"\0" + point))),
    tlv(0xa1, tlv(4, ukm)) if ukm else b"",
    tlv(48, oid(scheme), wrap), tlv(48, tlv(48, rid, tlv(4, keywrap.aes_key_wrap(kek, cek)))))
content = tlv(48, oid("1.2.840.113549.1.7.1"), tlv(48, oid("2.16.840.1.101.3.4.1.42"), tlv(4, iv)),
    tlv(0x80, aes.update(padded) + aes.finalize()))
cms = tlv(48, oid("1.2.840.113549.1.7.3"), tlv(0xa0, tlv(48, tlv(2, b"\2"), tlv(49, kari), content)))
open(name + ".eml", "wb").write(b"From: alice@example.org\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n"
    b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(cms))
"#;

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
    for text in [
        text.clone(),
        text.replace("application/pkcs7-mime", "application/x-pkcs7-mime"),
        text.replace("smime-type=enveloped-data;", ""),
        text.replace("smime-type=enveloped-data", "smime-type=signed-data"),
        text.replace("application/pkcs7-mime", "application/octet-stream"),
    ] {
        let opened = World::of(&["list"]).open(text.as_bytes());
        assert_eq!(opened.decrypted(), Some(true), "{}", &text[..300]);
    }
}
