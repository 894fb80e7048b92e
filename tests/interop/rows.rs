//! The rows of the matrix.

use listseal::mime::canon::crlf;

use super::attempts::{nested, opened, read_sealed, read_signed, verified};
use super::common::lab::lab;
use super::{Cell, ENTITY, Toolkit, inspect, mail, ours, sealed_entity, signed_entity};

/// How something is to be signed.
#[derive(Clone, Copy)]
pub struct Signing {
    pub who: &'static str,
    pub digest: &'static str,
    pub pss: bool,
    /// The signer is named by his key identifier.
    pub ski: bool,
    pub second: Option<&'static str>,
    pub countersigned: bool,
    /// BER in pieces.
    pub stream: bool,
}

/// RSA, SHA-256, nothing special.
pub const PLAIN: Signing = Signing {
    who: "alice",
    digest: "sha256",
    pss: false,
    ski: false,
    second: None,
    countersigned: false,
    stream: false,
};

/// How something is to be encrypted.
#[derive(Clone, Copy)]
pub struct Envelope {
    pub to: &'static str,
    pub cipher: &'static str,
    /// The digest of OAEP; none is PKCS#1 v1.5.
    pub oaep: Option<&'static str>,
    /// OAEP with a label, ECDH with user keying material.
    pub extra: bool,
    /// The digest of the key derivation, where it is not the usual one.
    pub kdf: Option<&'static str>,
    pub ski: bool,
    pub stream: bool,
}

/// RSA v1.5 and AES-256-CBC.
pub const ENVELOPE: Envelope = Envelope {
    to: "list",
    cipher: "aes-256-cbc",
    oaep: None,
    extra: false,
    kdf: None,
    ski: false,
    stream: false,
};

/// What is neither signed nor encrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Other {
    CertificatesAlone,
    Compressed,
}

/// How a row is tried with one toolkit.
type Attempt = dyn Fn(&dyn Toolkit) -> Cell;

/// One line of the matrix.
pub struct Row {
    pub label: String,
    pub try_it: Box<Attempt>,
}

fn row(label: impl Into<String>, try_it: impl Fn(&dyn Toolkit) -> Cell + 'static) -> Row {
    Row {
        label: label.into(),
        try_it: Box::new(try_it),
    }
}

/// What they make and Listseal reads.
pub fn read() -> Vec<Row> {
    let s = PLAIN;
    let e = ENVELOPE;
    let signed = [
        ("signed: RSA", s),
        (
            "signed: RSA, SHA-384",
            Signing {
                digest: "sha384",
                ..s
            },
        ),
        (
            "signed: RSA, SHA-512",
            Signing {
                digest: "sha512",
                ..s
            },
        ),
        ("signed: RSA-PSS", Signing { pss: true, ..s }),
        (
            "signed: ECDSA P-256",
            Signing {
                who: "erin-ec",
                ..s
            },
        ),
        (
            "signed: ECDSA P-384",
            Signing {
                who: "fred-p384",
                digest: "sha384",
                ..s
            },
        ),
        (
            "signed: ECDSA P-521",
            Signing {
                who: "gina-p521",
                digest: "sha512",
                ..s
            },
        ),
        (
            "signed: Ed25519",
            Signing {
                who: "heidi-ed25519",
                digest: "sha512",
                ..s
            },
        ),
        (
            "signed: signer by key identifier",
            Signing { ski: true, ..s },
        ),
        (
            "signed: two signers",
            Signing {
                second: Some("bob"),
                ..s
            },
        ),
        (
            "signed: countersigned",
            Signing {
                countersigned: true,
                ..s
            },
        ),
        ("signed: streamed", Signing { stream: true, ..s }),
    ];
    let sealed = [
        (
            "encrypted: AES-128-CBC",
            Envelope {
                cipher: "aes-128-cbc",
                ..e
            },
        ),
        (
            "encrypted: AES-192-CBC",
            Envelope {
                cipher: "aes-192-cbc",
                ..e
            },
        ),
        ("encrypted: AES-256-CBC", e),
        (
            "encrypted: AES-128-GCM",
            Envelope {
                cipher: "aes-128-gcm",
                ..e
            },
        ),
        (
            "encrypted: AES-192-GCM",
            Envelope {
                cipher: "aes-192-gcm",
                ..e
            },
        ),
        (
            "encrypted: AES-256-GCM",
            Envelope {
                cipher: "aes-256-gcm",
                ..e
            },
        ),
        (
            "encrypted: OAEP, SHA-1",
            Envelope {
                oaep: Some("sha1"),
                ..e
            },
        ),
        (
            "encrypted: OAEP, SHA-256",
            Envelope {
                oaep: Some("sha256"),
                ..e
            },
        ),
        (
            "encrypted: OAEP, SHA-512 and a label",
            Envelope {
                oaep: Some("sha512"),
                extra: true,
                ..e
            },
        ),
        ("encrypted: ECDH P-256", Envelope { to: "list-ec", ..e }),
        (
            "encrypted: ECDH P-384, SHA-384 KDF",
            Envelope {
                to: "list-p384",
                kdf: Some("sha384"),
                ..e
            },
        ),
        (
            "encrypted: ECDH P-521, SHA-512 KDF",
            Envelope {
                to: "list-p521",
                kdf: Some("sha512"),
                ..e
            },
        ),
        (
            "encrypted: ECDH P-256 and keying material",
            Envelope {
                to: "list-ec",
                extra: true,
                ..e
            },
        ),
        (
            "encrypted: ECDH P-256, AES-256-GCM",
            Envelope {
                to: "list-ec",
                cipher: "aes-256-gcm",
                ..e
            },
        ),
        (
            "encrypted: X25519",
            Envelope {
                to: "list-x25519",
                ..e
            },
        ),
        (
            "encrypted: RSA by key identifier",
            Envelope { ski: true, ..e },
        ),
        (
            "encrypted: ECDH by key identifier",
            Envelope {
                to: "list-ec",
                ski: true,
                ..e
            },
        ),
        ("encrypted: streamed", Envelope { stream: true, ..e }),
    ];
    let signed = signed
        .into_iter()
        .map(|(label, how)| row(label, move |t| read_signed(t, &how)));
    let sealed = sealed
        .into_iter()
        .map(|(label, how)| row(label, move |t| read_sealed(t, &how)));
    let mut rows: Vec<Row> = signed.chain(sealed).collect();
    rows.push(row("signed, then encrypted", |t| nested(t, false)));
    rows.push(row("signed, encrypted, signed", |t| nested(t, true)));
    rows.push(row("certificates alone", |t| {
        let der = t.make(Other::CertificatesAlone, b"")?;
        Some(der.inspect(|der| {
            let (report, _) = inspect(&mail(&lab().identity("alice"), &sealed_entity(der)), None);
            assert_eq!(report["layers"][0]["kind"], "certs-only", "{report}");
            assert_eq!(report["signature"], "none", "{report}");
        }))
    }));
    rows.push(row("compressed", |t| {
        let der = t.make(Other::Compressed, ENTITY)?;
        Some(der.inspect(|der| {
            let mail = mail(&lab().identity("alice"), &sealed_entity(der));
            let (report, content) = inspect(&mail, None);
            assert_eq!(report["layers"][0]["kind"], "compressed", "{report}");
            assert_eq!(content, ENTITY);
        }))
    }));
    rows
}

/// What Listseal makes and they read.
pub fn written() -> Vec<Row> {
    let keys: [(&str, &str, &[&str]); 6] = [
        (
            "RSA 2048",
            "list",
            &["aes-128-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm"],
        ),
        ("RSA 4096", "list-rsa4096", &["aes-256-cbc"]),
        (
            "P-256",
            "list-ec",
            &["aes-128-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm"],
        ),
        ("P-384", "list-p384", &["aes-256-cbc", "aes-256-gcm"]),
        ("P-521", "list-p521", &["aes-256-cbc", "aes-256-gcm"]),
        ("X25519", "list-x25519", &["aes-256-cbc", "aes-256-gcm"]),
    ];
    let mut rows = Vec::new();
    for (key, name, ciphers) in keys {
        for cipher in ciphers {
            let label = format!("sealed: {key}, {}", cipher.to_uppercase());
            rows.push(row(label, move |t| opened(t, name, cipher, false)));
        }
    }
    for cipher in ["aes-256-cbc", "aes-256-gcm"] {
        let label = format!("sealed: RSA 2048 by OAEP, {}", cipher.to_uppercase());
        rows.push(row(label, move |t| opened(t, "list", cipher, true)));
    }
    for (key, name) in [
        ("RSA 2048", "team"),
        ("RSA 3072", "team-rsa3072"),
        ("RSA 4096", "team-rsa4096"),
        ("P-256", "team-ec"),
        ("P-384", "team-p384"),
        ("P-521", "team-p521"),
        ("Ed25519", "team-ed25519"),
    ] {
        let label = format!("signed by a list: {key}");
        rows.push(row(label, move |t| {
            let list = lab().identity(name);
            verified(t, &ours::list_signed(ENTITY, &list, false), &list)
        }));
    }
    rows.push(row("signed by a list, then sealed", |t| {
        let (list, reader) = (lab().identity("team"), lab().identity("list"));
        let signed = ours::list_signed(ENTITY, &list, true);
        let copy = ours::sealed(&signed, &reader, "aes-256-cbc", false);
        let inside = match t.open(&copy, &reader)? {
            Ok(inside) => inside,
            Err(text) => return Some(Err(text)),
        };
        assert_eq!(inside, signed);
        verified(t, &inside, &list)
    }));
    rows.push(row("signed by a list around a signed part", |t| {
        let (list, alice) = (lab().identity("team-ec"), lab().identity("alice"));
        let der = t.sign(&PLAIN, ENTITY, true)?.unwrap();
        let author = signed_entity(&der, ENTITY, true);
        let signed = ours::list_signed(&author, &list, false);
        // The author's part is as it was, and his signature still holds.
        let (mixed, _) = ours::parts(&signed);
        assert_eq!(ours::parts_of_mixed(&mixed), [crlf(&author).into_owned()]);
        let (content, signature) = ours::parts(&author);
        match t.verify(&signature, &content, &alice)? {
            Ok(_) => verified(t, &signed, &list),
            Err(text) => Some(Err(text)),
        }
    }));
    rows
}
