//! Copies made by `seal` and `cms`, opened and verified by other implementations.
//!
//! # Invariants
//!
//! * Every output here is read by `openssl`, some by `gpgsm` and Python's `cryptography` too.
//! * Keys, certificates and mail are made at run time; a missing tool fails the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod lab;
mod list;
mod signed;
mod strict;

use std::collections::BTreeSet;
use std::process::Command;

use lab::{Lab, Person, run};
use listseal::mime::Entity;
use listseal::model::Address;
use listseal::model::list::{ContentCipher, ListPolicy};
use listseal::seal::{KeyTransport, Outer, Recipient, Sealed, Sealing, recipient};
use rand_core::UnwrapErr;
use time::OffsetDateTime;

const CIPHERS: [ContentCipher; 4] = [
    ContentCipher::Aes128Cbc,
    ContentCipher::Aes256Cbc,
    ContentCipher::Aes128Gcm,
    ContentCipher::Aes256Gcm,
];

const POST: &[u8] = b"Received: from mx by list; Fri, 20 Nov 2026 10:00:00 +0000\r\n\
DKIM-Signature: v=1; d=example.org\r\nFrom: Alice <alice@example.org>\r\nTo: team@example.org\r\n\
Bcc: secret@example.org\r\nSubject: Lunch\r\nMessage-ID: <1@example.org>\r\n\
Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nContent-Type: text/plain\r\n\r\nhello\r\n";

fn policy() -> ListPolicy {
    ListPolicy {
        title: "The team".to_owned(),
        ..ListPolicy::new(Address::parse("team@example.org").unwrap())
    }
}

fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

fn bytes(sealed: &Sealed) -> Vec<u8> {
    let mail = sealed.chunks().concat();
    assert_eq!(mail.len(), sealed.size());
    assert!(!sealed.needs_8bit());
    for line in mail.split_inclusive(|b| *b == b'\n') {
        assert!(line.ends_with(b"\r\n") && line.len() <= 80, "{line:?}");
    }
    mail
}

/// Bytes that are a MIME entity when long enough, and vary.
fn content(size: usize) -> Vec<u8> {
    let head =
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    head.iter()
        .copied()
        .chain((0_u32..).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8))
        .take(size)
        .collect()
}

fn seal_to(entity: &[u8], ciphers: &[ContentCipher]) -> Sealing {
    let post = Entity::parse(POST).unwrap();
    let policy = policy();
    let outer = Outer {
        fields: post.fields(),
        protected_subject: None,
        subject_is_hidden: false,
        policy: &policy,
        sequence: Some(7),
        via: None,
    };
    Sealing::new(entity, &outer, ciphers, &mut rng()).unwrap()
}

fn ready(person: &Person) -> Recipient {
    let now = OffsetDateTime::now_utc();
    recipient(&person.certificate, KeyTransport::default(), now).unwrap()
}

const ENCRYPT: &str = "digitalSignature,keyEncipherment";
const AGREE: &str = "digitalSignature,keyAgreement";

#[test]
fn every_size_and_cipher_is_opened_by_openssl_with_rsa_and_ec_keys() {
    let lab = Lab::new();
    let people = [
        lab.person("rsa", "RSA:2048", ENCRYPT, "11"),
        lab.person("p256", "EC:P-256", AGREE, "22"),
    ];
    for size in [0, 1, 15, 16, 17, 56, 57, 58, 4_096, 100_000] {
        let entity = content(size);
        let sealing = seal_to(&entity, &CIPHERS);
        for (person, cipher) in people.iter().flat_map(|p| CIPHERS.map(|c| (p, c))) {
            let copy = bytes(&sealing.copy_for(&ready(person), cipher).unwrap());
            assert_eq!(
                lab.decrypt(&copy, person),
                entity,
                "{size} bytes, {}",
                cipher.name()
            );
        }
    }
}

#[test]
fn every_kind_of_key_is_served() {
    let lab = Lab::new();
    let entity = content(1_000);
    let sealing = seal_to(&entity, &CIPHERS);
    for (name, kind, usage) in [
        ("r3", "RSA:3072", ENCRYPT),
        ("r4", "RSA:4096", ENCRYPT),
        ("p3", "EC:P-384", AGREE),
        ("p5", "EC:P-521", AGREE),
    ] {
        let person = lab.person(name, kind, usage, "0f00dd");
        for cipher in CIPHERS {
            let copy = bytes(&sealing.copy_for(&ready(&person), cipher).unwrap());
            assert_eq!(
                lab.decrypt(&copy, &person),
                entity,
                "{kind} {}",
                cipher.name()
            );
        }
    }
}

#[test]
fn oaep_is_opened_by_openssl() {
    let lab = Lab::new();
    let person = lab.person("oaep", "RSA:2048", ENCRYPT, "11");
    let entity = content(500);
    let to = Recipient::new(&person.certificate, KeyTransport::Oaep).unwrap();
    for cipher in CIPHERS {
        let copy = bytes(&seal_to(&entity, &[cipher]).copy_for(&to, cipher).unwrap());
        assert_eq!(lab.decrypt(&copy, &person), entity);
        let shown = lab.openssl(&format!(
            "cms -cmsout -print -inform DER -in {}",
            lab.der(&copy).display()
        ));
        assert!(String::from_utf8_lossy(&shown).contains("rsaesOaep"));
    }
}

#[test]
fn all_three_base64_alignments_occur_and_share_their_bytes() {
    let lab = Lab::new();
    let entity = content(5_000);
    let sealing = seal_to(&entity, &CIPHERS);
    // Serial numbers of one, two and three bytes move the ciphertext by one byte each.
    let people: Vec<Person> = ["7f", "7f7f", "7f7f7f"]
        .iter()
        .enumerate()
        .map(|(index, serial)| lab.person(&format!("s{index}x"), "RSA:2048", ENCRYPT, serial))
        .collect();
    for cipher in CIPHERS {
        let mut tails = BTreeSet::new();
        for person in &people {
            let one = sealing.copy_for(&ready(person), cipher).unwrap();
            let two = sealing.copy_for(&ready(person), cipher).unwrap();
            assert_eq!(one.chunks()[1].as_ptr(), two.chunks()[1].as_ptr(), "copied");
            assert_ne!(one.chunks()[0], two.chunks()[0], "same padding twice");
            tails.insert(one.chunks()[1].to_vec());
            assert_eq!(lab.decrypt(&bytes(&one), person), entity);
        }
        assert_eq!(tails.len(), 3, "{}", cipher.name());
    }
}

#[test]
fn s41_a_copy_has_one_recipient_and_no_trace_of_others() {
    let lab = Lab::new();
    let (anna, bert) = (
        lab.person("anna", "RSA:2048", ENCRYPT, "0a"),
        lab.person("bert", "EC:P-256", AGREE, "0b"),
    );
    let sealing = seal_to(&content(300), &[ContentCipher::Aes256Cbc]);
    for (person, kind) in [(&anna, "d.ktri"), (&bert, "d.kari")] {
        let copy = sealing
            .copy_for(&ready(person), ContentCipher::Aes256Cbc)
            .unwrap();
        let shown = lab.openssl(&format!(
            "cms -cmsout -print -inform DER -in {}",
            lab.der(&bytes(&copy)).display()
        ));
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let recipients = shown.matches("d.ktri").count() + shown.matches("d.kari").count();
        assert_eq!((recipients, shown.matches(kind).count()), (1, 1), "{shown}");
        assert_eq!(shown.matches("serialNumber").count(), 1);
    }
}

#[test]
fn gpgsm_and_python_open_what_openssl_opens() {
    let lab = Lab::new();
    let person = lab.person("gina", "RSA:2048", ENCRYPT, "51");
    let entity = content(2_000);
    let sealing = seal_to(
        &entity,
        &[ContentCipher::Aes128Cbc, ContentCipher::Aes256Cbc],
    );
    let home = tempfile::Builder::new().prefix("g").tempdir().unwrap();
    let gpgsm = |arguments: &[&str]| {
        run(Command::new("gpgsm")
            .arg("--homedir")
            .arg(home.path())
            .args(["--batch", "--yes", "--disable-crl-checks"])
            .args(["--pinentry-mode", "loopback", "--passphrase-fd", "0"])
            .args(arguments)
            .current_dir(lab.path("."))
            .stdin(std::fs::File::open(lab.path("pass")).unwrap()))
    };
    lab.write("pass", b"x");
    lab.openssl(
        "pkcs12 -export -in gina.pem -inkey gina.key -passout file:pass -out gina.p12 \
         -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
    );
    gpgsm(&["--import", "gina.p12"]);
    for cipher in [ContentCipher::Aes128Cbc, ContentCipher::Aes256Cbc] {
        let copy = bytes(&sealing.copy_for(&ready(&person), cipher).unwrap());
        let der = lab.der(&copy);
        gpgsm(&["--output", "by-gpgsm", "--decrypt", "sealed.der"]);
        assert_eq!(std::fs::read(lab.path("by-gpgsm")).unwrap(), entity);
        let python = lab.python(
            "import sys\n\
             from cryptography import x509\n\
             from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs7\n\
             der, cert, key = (open(a, 'rb').read() for a in sys.argv[1:])\n\
             sys.stdout.buffer.write(pkcs7.pkcs7_decrypt_der(der, x509.load_pem_x509_certificate(cert), load_pem_private_key(key, None), []))\n",
            &[&der, &person.cert_file, &person.key_file],
        );
        assert_eq!(python, entity);
    }
    run(Command::new("gpgconf")
        .arg("--homedir")
        .arg(home.path())
        .args(["--kill", "all"]));
}

#[test]
fn x25519_copy_is_opened_by_python() {
    let lab = Lab::new();
    let person = lab.person("xena", "X25519", "keyAgreement", "52");
    let entity = content(1_000);
    for cipher in [ContentCipher::Aes256Cbc, ContentCipher::Aes128Cbc] {
        let copy = bytes(
            &seal_to(&entity, &[cipher])
                .copy_for(&ready(&person), cipher)
                .unwrap(),
        );
        let opened = lab.python(X25519_READER, &[&lab.der(&copy), &person.key_file]);
        assert_eq!(opened, entity);
    }
}

/// RFC 8418 by hand: no command line tool of Debian 12 reads X25519 in CMS.
const X25519_READER: &str = r#"
import sys
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from cryptography.hazmat.primitives.serialization import load_pem_private_key

def element(data):
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7f
        length = int.from_bytes(data[2:start], 'big')
    return data[0], data[:start + length], data[start:start + length], data[start + length:]

def children(data):
    out = []
    while data:
        tag, raw, content, data = element(data)
        out.append((tag, raw, content))
    return out

der, key = (open(a, 'rb').read() for a in sys.argv[1:])
key = load_pem_private_key(key, None)
(_, _, kind), (_, _, explicit) = children(element(der)[2])
version, recipients, encrypted = children(children(explicit)[0][2])
assert version[2] == b'\x02', version
(tag, _, kari), = children(recipients[2])
assert tag == 0xa1
three, originator, algorithm, keys = children(kari)
assert three[2] == b'\x03'
public = children(children(originator[2])[0][2])
assert children(public[0][2])[0][2] == bytes([0x2b, 0x65, 0x6e])
point = public[1][2][1:]
scheme, wrap = children(algorithm[2])
assert scheme[2].hex() == '2a864886f70d0109100313', scheme[2].hex()
(_, _, one), = children(keys[2])
wrapped = children(one)[1][2]
size = len(wrapped) - 8
info = wrap[1] + bytes([0xa2, 6, 4, 4]) + (size * 8).to_bytes(4, 'big')
info = bytes([0x30, len(info)]) + info
shared = key.exchange(X25519PublicKey.from_public_bytes(point))
kek = HKDF(hashes.SHA256(), size, None, info).derive(shared)
cek = aes_key_unwrap(kek, wrapped)
_, parameters, content = children(encrypted[2])
iv = children(parameters[2])[1][2]
decryptor = Cipher(algorithms.AES(cek), modes.CBC(iv)).decryptor()
unpadder = padding.PKCS7(128).unpadder()
plain = unpadder.update(decryptor.update(content[2]) + decryptor.finalize()) + unpadder.finalize()
sys.stdout.buffer.write(plain)
"#;
