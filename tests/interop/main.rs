//! One matrix for every toolkit at hand: what it signs and encrypts is read with `listseal inspect`,
//! and it opens what Listseal seals and verifies what a list signs.
//!
//! # Invariants
//!
//! * A toolkit is one file with one type. What it has no words for is `None` there; all else is
//!   tried, and the tool's own complaint is the result.
//! * `docs/interop.md` is compared with what ran, cell by cell: a cell that begins to work, or stops
//!   to, fails the test.
//! * Keys, certificates and mail are made at run time; a missing tool fails the test.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

mod attempts;
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
mod rows;
mod table;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use common::lab::{Identity, lab};
use rows::{Envelope, Other, Signing};

/// What came of one attempt: none where the toolkit has no words for it, else the result or its
/// complaint.
type Cell = Option<Result<Vec<u8>, String>>;

/// Another implementation; CMS objects are in DER, contents are bytes.
trait Toolkit {
    /// Signs `content`; the SignedData encloses it unless `detached`.
    fn sign(&self, how: &Signing, content: &[u8], detached: bool) -> Cell;

    /// Encrypts `content`.
    fn encrypt(&self, how: &Envelope, content: &[u8]) -> Cell;

    /// Makes an object that is neither signed nor encrypted.
    fn make(&self, what: Other, content: &[u8]) -> Cell;

    /// Opens an encrypted object.
    fn open(&self, der: &[u8], who: &Identity) -> Cell;

    /// Verifies a detached signature of `who`.
    fn verify(&self, der: &[u8], content: &[u8], who: &Identity) -> Cell;
}

const ENTITY: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe,\r\n\r\n-- \r\n  Alice  \r\n";

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

/// An entity that is signed; `content` stands in front of a detached signature.
fn signed_entity(der: &[u8], content: &[u8], detached: bool) -> Vec<u8> {
    if !detached {
        return sealed_entity(der);
    }
    let head = "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=cut\r\n\r\n--cut\r\n";
    let middle = "\r\n--cut\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let tail = format!("{}\r\n--cut--\r\n", base64(der));
    [head.as_bytes(), content, middle.as_bytes(), tail.as_bytes()].concat()
}
