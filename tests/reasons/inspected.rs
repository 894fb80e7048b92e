//! Codes of reading, decrypting, signatures and identity, as `listseal inspect --json` tells them.

use std::process::Command;

use serde_json::Value;

use crate::Provoke;
use crate::common::lab::{lab, openssl};
use crate::common::mail::{Made, Parsed};

const TEXT: &str = "From: Alice <alice@example.org>\nTo: team@example.org\nSubject: Lunch\n\
Content-Type: text/plain\n\nAt noon, behind the old mill.\n";

/// A mail and the options that it is opened with; the key of team is one unless they say otherwise.
pub struct Question {
    pub mail: Vec<u8>,
    pub options: String,
}

/// Opened with the key of team and the authority of the lab.
fn plain(mail: impl Into<Vec<u8>>) -> Question {
    Question {
        mail: mail.into(),
        options: format!("{} {}", pair(), anchor()),
    }
}

fn pair() -> String {
    let team = lab().identity("team");
    format!(
        "--key {} --cert {}",
        team.key.display(),
        team.certificate.display()
    )
}

fn anchor() -> String {
    format!("--cafile {}", lab().authority().display())
}

/// Runs the program; the report says `code`.
pub fn ask(code: &str, question: &Question) -> Result<(), String> {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("mail");
    std::fs::write(&file, &question.mail).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_listseal"))
        .args(["inspect", "--json"])
        .args(question.options.split_whitespace())
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    let report: Value = serde_json::from_str(&said)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&ended.stderr)))?;
    if report["reason"] == code {
        Ok(())
    } else {
        Err(format!("{code} is not the reason of {said}"))
    }
}

pub fn cases() -> Vec<(&'static str, Provoke)> {
    CASES
        .iter()
        .map(|(code, question)| {
            let run = |code: &str| ask(code, &question());
            (*code, Box::new(run) as Provoke)
        })
        .collect()
}

/// A code, and what makes a mail that deserves it.
type Asked = (&'static str, fn() -> Question);

const CASES: &[Asked] = &[
    ("malformed", || {
        let opaque = made(&["sign alice opaque"]);
        plain(&opaque[..opaque.len() * 2 / 3])
    }),
    ("mime-malformed", || {
        plain(TEXT.replace(
            "Content-Type: text/plain",
            "Content-Type: text/plain\nContent-Type: text/html",
        ))
    }),
    ("limit-exceeded", || plain("X: y\n".repeat(1_001) + TEXT)),
    ("too-many-layers", || plain(made(&["sign alice opaque"; 6]))),
    ("unsupported-content", || {
        plain(smime(&openssl(
            lab().dir(),
            "cms -digest_create -outform DER",
            b"text",
        )))
    }),
    ("no-recipient", || plain(made(&["encrypt bob"]))),
    ("no-key", || Question {
        mail: made(&["encrypt team"]),
        options: anchor(),
    }),
    ("password-recipient", || {
        let line = "cms -encrypt -aes256 -pwri_password secret -outform DER";
        plain(smime(&openssl(lab().dir(), line, b"text")))
    }),
    ("decrypt-failed", || {
        // The tag stands last.
        let mut der = object(&["encrypt team cipher aes-256-gcm"]);
        *der.last_mut().unwrap() ^= 1;
        plain(smime(&der))
    }),
    ("weak-cipher", || plain(made(&["encrypt team cipher des3"]))),
    ("unsupported-algorithm", || {
        plain(made(&["encrypt team cipher aria-256-cbc"]))
    }),
    ("bad-parameters", || {
        // AES in CBC mode with an initial value of 15 bytes.
        let der = object(&["encrypt team cipher aes-256-cbc"]);
        let at = position(&der, AES_256_CBC) + AES_256_CBC.len();
        assert_eq!(der[at..at + 2], [4, 16]);
        plain(smime(&[&der[..at], &[5, 16], &der[at + 2..]].concat()))
    }),
    ("not-mime", || {
        let team = lab().identity("team");
        let line = format!(
            "cms -encrypt -binary -aes256 -outform DER {}",
            team.certificate.display()
        );
        plain(smime(&openssl(
            lab().dir(),
            &line,
            b"no field and no empty line",
        )))
    }),
    ("no-signer", || {
        // SignedData with content, and an empty set of signers at its end.
        let der = object(&["sign alice opaque bare"]);
        let content = position(&der, DATA);
        let content = &der[content - 2..];
        let content = &content[..2 + usize::from(content[1])];
        let inner = tlv(0x30, &[&[2, 1, 1, 0x31, 0], content, &[0x31, 0]].concat());
        plain(smime(&tlv(
            0x30,
            &[SIGNED_DATA, &tlv(0xa0, &inner)].concat(),
        )))
    }),
    ("signer-unknown", || plain(made(&["sign alice bare"]))),
    ("digest-mismatch", || {
        plain(made(&["sign alice", "replace noon midnight"]))
    }),
    ("signature-mismatch", || {
        // The value of the signature stands last.
        let mut der = object(&["sign alice opaque"]);
        *der.last_mut().unwrap() ^= 1;
        plain(smime(&der))
    }),
    ("no-signed-attributes", || signed("-nodetach -noattr")),
    ("bad-signed-attributes", || {
        let der = object(&["sign alice opaque"]);
        // messageDigest gets the name of something else.
        plain(smime(&exchanged(&der, MESSAGE_DIGEST, 0x63, true)))
    }),
    ("content-type-mismatch", || {
        let der = object(&["sign alice opaque"]);
        // The last one is the attribute.
        plain(smime(&exchanged(&der, DATA, 5, true)))
    }),
    ("digest-not-listed", || {
        let der = object(&["sign alice opaque"]);
        plain(smime(&exchanged(&der, SHA256, 3, false)))
    }),
    ("weak-digest", || plain(made(&["sign alice digest sha1"]))),
    ("weak-key", || {
        let dir = tempfile::tempdir().unwrap();
        let line = "req -x509 -newkey rsa:1024 -nodes -keyout key -out pem -subj /CN=short \
                    -addext subjectAltName=email:alice@example.org";
        openssl(dir.path(), line, b"");
        let mail = openssl(dir.path(), "cms -sign -signer pem -inkey key", b"text");
        plain([b"From: alice@example.org\n", &mail[..]].concat())
    }),
    ("both-contents", || {
        let der = object(&["sign alice opaque"]);
        let base64 = String::from_utf8(openssl(lab().dir(), "base64 -e", &der)).unwrap();
        plain(format!(
            "From: alice@example.org\nContent-Type: multipart/signed; boundary=b; \
             protocol=\"application/pkcs7-signature\"\n\n--b\nContent-Type: text/plain\n\n\
             At noon.\n--b\nContent-Type: application/pkcs7-signature\n\
             Content-Transfer-Encoding: base64\n\n{base64}\n--b--\n"
        ))
    }),
    ("signed-structure", || {
        let text = String::from_utf8(made(&["sign alice"])).unwrap();
        let at = text.trim_end().rfind("\n--").unwrap();
        let boundary = text[at..].trim().trim_end_matches("--").to_owned();
        plain(format!(
            "{}\n{boundary}\n\na third part\n{}",
            &text[..at],
            &text[at..]
        ))
    }),
    ("from-missing", || from("X-From: alice@example.org\n")),
    ("from-ambiguous", || {
        from("From: alice@example.org, bob@example.org\n")
    }),
    ("from-malformed", || from("From: <<alice\n")),
    ("from-mismatch", || from("From: bob@example.org\n")),
];

/// Mail signed by alice under this field.
fn from(field: &str) -> Question {
    let text = String::from_utf8(made(&["sign alice"])).unwrap();
    plain(text.replacen("From: Alice <alice@example.org>\n", field, 1))
}

fn signed(options: &str) -> Question {
    let alice = lab().identity("alice");
    let line = format!(
        "cms -sign -signer {} -inkey {} -outform DER {options}",
        alice.certificate.display(),
        alice.key.display()
    );
    plain(smime(&openssl(
        lab().dir(),
        &line,
        b"Content-Type: text/plain\n\nAt noon.\n",
    )))
}

/// A mail by steps of `tests/flow/README.md`.
pub fn made(steps: &[&str]) -> Vec<u8> {
    let steps: String = steps.iter().map(|step| format!("! {step}\n")).collect();
    Made::from_text((steps + TEXT).as_bytes(), &|name| panic!("no mail {name}")).bytes
}

/// The object in the body of such a mail.
fn object(steps: &[&str]) -> Vec<u8> {
    openssl(lab().dir(), "base64 -d", Parsed::of(&made(steps)).body)
}

/// A mail with this object.
fn smime(der: &[u8]) -> Vec<u8> {
    let head = "From: alice@example.org\nContent-Type: application/pkcs7-mime\n\
                Content-Transfer-Encoding: binary\n\n";
    [head.as_bytes(), der].concat()
}

/// The object with another last octet in the first or last place where this identifier stands.
fn exchanged(der: &[u8], oid: &[u8], octet: u8, last: bool) -> Vec<u8> {
    let mut places = der.windows(oid.len());
    let is = |window: &[u8]| window == oid;
    let at = if last {
        places.rposition(is)
    } else {
        places.position(is)
    };
    let mut out = der.to_vec();
    out[at.unwrap() + oid.len() - 1] = octet;
    out
}

fn position(der: &[u8], oid: &[u8]) -> usize {
    der.windows(oid.len())
        .position(|window| window == oid)
        .unwrap()
}

/// An element whose length takes two octets at most.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

const AES_256_CBC: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];
const DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const MESSAGE_DIGEST: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
const SHA256: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const SIGNED_DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
