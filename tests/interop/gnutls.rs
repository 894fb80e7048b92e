//! GnuTLS `certtool`: signs and verifies, knows no encryption.

use super::common::lab::{Identity, lab, run};
use super::{Cells, Toolkit, assert_interoperates};

struct GnuTls;

fn certtool(words: &[&str], input: &[u8]) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in"), input).unwrap();
    let common = ["--infile", "in", "--inder", "--outder", "--outfile", "out"];
    run(dir.path(), "certtool", &[words, &common].concat(), b"").map(|_| ())
}

impl Toolkit for GnuTls {
    fn sign(&self, who: &Identity, content: &[u8], detached: bool) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("in"), content).unwrap();
        let words = [
            if detached {
                "--p7-detached-sign"
            } else {
                "--p7-sign"
            },
            // Without a time it writes no signed attributes, which nobody should accept (S25).
            "--p7-time",
            "--p7-include-cert",
            "--hash",
            "SHA256",
            "--load-certificate",
            who.certificate.to_str().unwrap(),
            "--load-privkey",
            who.key.to_str().unwrap(),
            "--infile",
            "in",
            "--outder",
            "--outfile",
            "out",
        ];
        run(dir.path(), "certtool", &words, b"").unwrap();
        std::fs::read(dir.path().join("out")).unwrap()
    }

    fn encrypt(&self, _: &Identity, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn open(&self, _: &[u8], _: &Identity) -> Option<Vec<u8>> {
        None
    }

    fn verify(&self, der: &[u8], content: &[u8], _: &Identity) -> Option<Result<(), String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let trusted = lab().trusted();
        let words = [
            "--p7-verify",
            "--load-ca-certificate",
            trusted.to_str().unwrap(),
            "--load-data",
            file.path().to_str().unwrap(),
        ];
        Some(certtool(&words, der))
    }
}

#[test]
fn gnutls_verifies_and_is_verified() {
    assert_interoperates(
        &GnuTls,
        &Cells {
            signers: &["alice", "erin-ec", "fred-p384", "gina-p521"],
            recipients: &[],
            copies: &[],
        },
    );
}
