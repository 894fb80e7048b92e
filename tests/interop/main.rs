//! One matrix for every toolkit at hand: what it signs and encrypts is read with `listseal inspect`,
//! and it opens what Listseal seals and verifies what a list signs.
//!
//! # Invariants
//!
//! * A toolkit is one file with one type; cells that it cannot do are left out there, with a reason.
//! * Keys, certificates and mail are made at run time; a missing tool fails the test.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

mod bouncycastle;
#[path = "../common/mod.rs"]
mod common;
mod forge;
mod gnupg;
mod gnutls;
mod nss;
mod openssl;
mod ours;
mod python;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use common::lab::{Identity, lab};

/// Another implementation; CMS objects are in DER, contents are bytes.
trait Toolkit {
    /// Signs `content`; the SignedData encloses it unless `detached`.
    fn sign(&self, who: &Identity, content: &[u8], detached: bool) -> Vec<u8>;

    /// Encrypts `content`; none where the toolkit cannot encrypt.
    fn encrypt(&self, to: &Identity, content: &[u8]) -> Option<Vec<u8>>;

    /// Opens an encrypted object; none where the toolkit cannot.
    fn open(&self, der: &[u8], who: &Identity) -> Option<Vec<u8>>;

    /// Verifies a detached signature; none where the toolkit cannot.
    fn verify(&self, der: &[u8], content: &[u8], who: &Identity) -> Option<Result<(), String>>;
}

/// What a toolkit is asked for.
struct Cells {
    /// Whose signatures it makes and verifies.
    signers: &'static [&'static str],
    /// To whom it encrypts.
    recipients: &'static [&'static str],
    /// Whose copies it opens, in which cipher, and whether the key travels by OAEP.
    copies: &'static [(&'static str, &'static str, bool)],
}

const ENTITY: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe,\r\n\r\n-- \r\n  Alice  \r\n";

/// Both directions, all cells.
fn assert_interoperates(toolkit: &dyn Toolkit, cells: &Cells) {
    for name in cells.signers {
        let who = lab().identity(name);
        for detached in [false, true] {
            let der = toolkit.sign(&who, ENTITY, detached);
            let entity = signed_entity(&der, detached);
            let read = inspect(&mail(&who, &entity), None);
            assert_read(&read, &who, &format!("{name}, detached {detached}"), 1);
            // Who signed makes no difference to how it is encrypted.
            let nested = Some(name) == cells.signers.first();
            for to in cells.recipients.iter().filter(|_| nested) {
                let to = lab().identity(to);
                let sealed = toolkit.encrypt(&to, &entity).unwrap();
                let sealed = sealed_entity(&sealed);
                let read = inspect(&mail(&who, &sealed), Some(&to));
                assert_read(&read, &who, &format!("{name} to {}", to.name), 2);
                assert_eq!(read.0["decrypted"], true);
            }
        }
    }
    for (name, cipher, oaep) in cells.copies {
        let who = lab().identity(name);
        let copy = ours::sealed(ENTITY, &who, cipher, *oaep);
        let opened = toolkit.open(&copy, &who);
        assert_eq!(opened.as_deref(), Some(ENTITY), "{name} {cipher} {oaep}");
    }
    for name in cells.signers {
        let list = lab().identity(name);
        let (content, signature) = ours::list_signed(ENTITY, &list);
        if let Some(verdict) = toolkit.verify(&signature, &content, &list) {
            assert_eq!(verdict, Ok(()), "{name}");
            let changed = [&content[..], b"more"].concat();
            let verdict = toolkit.verify(&signature, &changed, &list);
            assert!(verdict.unwrap().is_err(), "{name}");
        }
    }
}

fn assert_read((report, content): &(Value, Vec<u8>), who: &Identity, case: &str, layers: usize) {
    assert_eq!(report["signature"], "valid", "{case}: {report}");
    assert_eq!(report["chain"], "trusted", "{case}: {report}");
    assert_eq!(report["author"], who.address, "{case}: {report}");
    assert_eq!(report["reason"], Value::Null, "{case}: {report}");
    assert_eq!(report["layers"].as_array().unwrap().len(), layers, "{case}");
    assert_eq!(content, ENTITY, "{case}");
}

/// What `listseal inspect` says of a mail, and the innermost content.
fn inspect(mail: &[u8], key: Option<&Identity>) -> (Value, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("mail"), mail).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_listseal"));
    command.args(["inspect", "--json", "--cafile"]);
    command.arg(lab().trusted());
    if let Some(key) = key {
        command.arg("--key").arg(&key.key);
        command.arg("--cert").arg(&key.certificate);
    }
    command.arg("--plaintext").arg(path("content"));
    let output = command.arg(path("mail")).output().unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let content = std::fs::read(path("content")).unwrap_or_default();
    (report, content)
}

fn mail(from: &Identity, entity: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: {}\r\nTo: team@example.org\r\nSubject: x\r\n",
        from.address
    );
    [head.as_bytes(), entity].concat()
}

fn base64(der: &[u8]) -> String {
    let text = common::lab::openssl(Path::new("/"), "base64", der);
    String::from_utf8(text).unwrap()
}

fn sealed_entity(der: &[u8]) -> Vec<u8> {
    let head = "Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    format!("{head}{}", base64(der)).into_bytes()
}

fn signed_entity(der: &[u8], detached: bool) -> Vec<u8> {
    if !detached {
        return sealed_entity(der);
    }
    let head = "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=cut\r\n\r\n--cut\r\n";
    let middle = "\r\n--cut\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let tail = format!("{}\r\n--cut--\r\n", base64(der));
    [head.as_bytes(), ENTITY, middle.as_bytes(), tail.as_bytes()].concat()
}
