//! A small PKI made at run time, and the programs that play the other side.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use listseal::asn1::writer::{self, element, sequence};
use listseal::asn1::{Tlv, oid};
use listseal::cms::content_info::ContentInfo;
use listseal::model::list::{Legacy, Revocation};
use listseal::open::{Context, Opened, open, report};
use listseal::pki::anchors::Anchors;
use listseal::pki::certificate::Certificate;
use listseal::pki::key::{KeyPair, PrivateKey};
use listseal::pki::pem;
use listseal::pki::revocation::Crls;
use serde_json::Value;

use crate::common;

/// Keys and certificates in a scratch directory, made once per test run.
pub struct Lab {
    dir: tempfile::TempDir,
}

const COMPRESS: &str = r#"
import base64, sys, zlib
from der import oid, tlv
content = tlv(48, oid("1.2.840.113549.1.7.1"), tlv(0xa0, tlv(4, zlib.compress(sys.stdin.buffer.read(), 9))))
algorithm = tlv(48, oid("1.2.840.113549.1.9.16.3.8"))
der = tlv(48, oid("1.2.840.113549.1.9.16.1.9"), tlv(0xa0, tlv(48, tlv(2, b"\0"), algorithm, content)))
sys.stdout.buffer.write(b"Content-Type: application/pkcs7-mime; smime-type=compressed-data; name=smime.p7z\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(der))
"#;

/// Who has a key: name, how it is made, certificate extensions.
const PEOPLE: &[(&str, &str, &str)] = &[
    ("alice", "rsa:2048", BOTH),
    ("bob", "rsa:2048", BOTH),
    ("list", "rsa:2048", BOTH),
    ("old", "rsa:2048", BOTH),
    ("tiny", "rsa:1024", BOTH),
    ("erin", "P-256", BOTH_EC),
    ("fred", "P-384", BOTH_EC),
    ("gina", "P-521", BOTH_EC),
    ("static-p256", "P-256", BOTH_EC),
    ("static-p384", "P-384", BOTH_EC),
    ("sam-sign", "rsa:2048", "keyUsage=critical,digitalSignature"),
    ("sam-enc", "rsa:2048", "keyUsage=critical,keyEncipherment"),
];
const BOTH: &str = "keyUsage=critical,digitalSignature,keyEncipherment";
const BOTH_EC: &str = "keyUsage=critical,digitalSignature,keyAgreement";

pub fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(Lab::new)
}

pub fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        lab.write("der.py", include_str!("der.py"));
        for root in ["root", "other-root"] {
            lab.openssl(&format!(
                "req -x509 -newkey rsa:2048 -nodes -keyout {root}.key -out {root}.pem -days 3650 \
                 -subj /CN={root} -addext keyUsage=critical,keyCertSign,cRLSign"
            ));
        }
        for (name, key, usage) in PEOPLE {
            lab.person(name, key, usage, "root");
        }
        lab.person("mallory", "rsa:2048", BOTH, "other-root");
        lab
    }

    /// Makes key and certificate of `name`; `sam-sign` and `sam-enc` both are sam.
    fn person(&self, name: &str, key: &str, usage: &str, root: &str) {
        let new = if key.starts_with("rsa") {
            format!("-newkey {key}")
        } else {
            format!("-newkey ec -pkeyopt ec_paramgen_curve:{key}")
        };
        let mailbox = name.split('-').next().unwrap();
        self.openssl(&format!(
            "req -new {new} -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.write(
            &format!("{name}.ext"),
            format!(
                "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n{usage}\n\
                 extendedKeyUsage=emailProtection\nsubjectAltName=email:{mailbox}@example.org\n"
            ),
        );
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {root}.pem -CAkey {root}.key -days 3000 -extfile {name}.ext -out {name}.pem"
        ));
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn openssl(&self, line: &str) -> Vec<u8> {
        self.feed(line, b"")
    }

    /// Runs `openssl` with the words of `line` and `input` on standard input.
    pub fn feed(&self, line: &str, input: &[u8]) -> Vec<u8> {
        common::lab::openssl(self.dir(), line, input)
    }

    /// Runs a program; its complaints are the error.
    pub fn run(&self, program: &str, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        common::lab::run(self.dir(), program, words, input)
    }

    pub fn certificate(&self, name: &str) -> Certificate {
        let all = pem::certificates(&self.read(&format!("{name}.pem"))).unwrap();
        all.first().unwrap().clone()
    }

    pub fn pair(&self, name: &str) -> KeyPair {
        KeyPair {
            certificate: self.certificate(name),
            chain: Vec::new(),
            key: PrivateKey::from_pem(&self.read(&format!("{name}.key")), None).unwrap(),
            suffix: String::new(),
        }
    }

    /// Signs `entity` with openssl as `name`; `options` are added.
    pub fn sign(&self, name: &str, options: &str, entity: &[u8]) -> Vec<u8> {
        self.feed(
            &format!("cms -sign -signer {name}.pem -inkey {name}.key {options}"),
            entity,
        )
    }

    /// Compresses `entity` (RFC 3274), which no installed toolkit does.
    pub fn compress(&self, entity: &[u8]) -> Vec<u8> {
        self.run("python3", &["-c", COMPRESS], entity)
            .unwrap_or_else(|text| panic!("{text}"))
    }

    /// Encrypts `entity` with openssl to `recipients`; `options` are added.
    pub fn encrypt(&self, recipients: &str, options: &str, entity: &[u8]) -> Vec<u8> {
        self.feed(&format!("cms -encrypt {options} {recipients}"), entity)
    }
}

/// What a message is opened with in a test.
pub struct World {
    pub keys: Vec<KeyPair>,
    pub known: Vec<Certificate>,
    pub untrusted: Vec<Certificate>,
    pub legacy: Legacy,
    pub revocation: Revocation,
    pub max_inflated: usize,
}

impl World {
    /// The keys of these people, nothing old admitted.
    pub fn of(names: &[&str]) -> Self {
        Self {
            keys: names.iter().map(|name| lab().pair(name)).collect(),
            known: Vec::new(),
            untrusted: Vec::new(),
            legacy: Legacy::NONE,
            revocation: Revocation::Soft,
            max_inflated: 50 << 20,
        }
    }

    pub fn legacy(mut self, legacy: Legacy) -> Self {
        self.legacy = legacy;
        self
    }

    pub fn open(&self, message: &[u8]) -> Opened {
        let anchors = Anchors::new(vec![lab().certificate("root")]);
        let crls = Crls::new(Vec::new());
        let context = Context {
            now: time::OffsetDateTime::now_utc(),
            keys: &self.keys,
            known: &self.known,
            untrusted: &self.untrusted,
            anchors: &anchors,
            crls: &crls,
            legacy: self.legacy,
            revocation: self.revocation,
            max_inflated: self.max_inflated,
        };
        open(message, &context, &mut rng())
    }

    pub fn report(&self, message: &[u8]) -> Value {
        report(&self.open(message))
    }
}

/// Puts the fields of a mail in front of an entity that has its own Content fields.
pub fn mail(from: &str, entity: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "From: {from}\r\nTo: list@example.org\r\nSubject: outer\r\nMessage-ID: <1@example.org>\r\n"
    )
    .into_bytes();
    message.extend_from_slice(entity);
    message
}

pub const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nHello,\r\n\r\n  world  \r\n";

/// Wraps a DER object as a binary mail.
pub fn binary(smime_type: &str, der: &[u8]) -> Vec<u8> {
    let head = format!(
        "Content-Type: application/pkcs7-mime; smime-type={smime_type}\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    );
    mail("alice@example.org", &[head.as_bytes(), der].concat())
}

/// The parts of the content of a ContentInfo.
pub fn parts(der: &[u8]) -> Vec<Tlv<'_>> {
    let info = ContentInfo::parse(der).unwrap();
    let mut reader = info.content.children();
    std::iter::from_fn(|| (!reader.is_empty()).then(|| reader.read().unwrap())).collect()
}

/// A ContentInfo of this type with these parts.
pub fn object(kind: &oid::Oid, parts: &[&[u8]]) -> Vec<u8> {
    sequence(&[&writer::oid(kind), &element(0xa0, &[&sequence(parts)])])
}
