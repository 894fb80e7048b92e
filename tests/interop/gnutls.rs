//! GnuTLS `certtool`: signs and verifies, knows no encryption.

use super::common::foreign::text;
use super::common::lab::{Identity, lab, run};
use super::rows::{Envelope, Other, Signing};
use super::{Cell, Toolkit, table};

struct GnuTls;

fn certtool(words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in"), input).unwrap();
    let common = ["--infile", "in", "--outder", "--outfile", "out"];
    run(dir.path(), "certtool", &[words, &common].concat(), b"")?;
    Ok(std::fs::read(dir.path().join("out")).unwrap())
}

impl Toolkit for GnuTls {
    fn sign(&self, how: &Signing, content: &[u8], detached: bool) -> Cell {
        // It has words for RSA-PSS, and signs by PKCS#1 v1.5 all the same.
        if how.pss || how.ski || how.second.is_some() || how.countersigned || how.stream {
            return None;
        }
        let who = lab().identity(how.who);
        let digest = how.digest.to_uppercase();
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
            &digest,
            "--load-certificate",
            text(&who.certificate),
            "--load-privkey",
            text(&who.key),
        ];
        Some(certtool(&words, content))
    }

    fn encrypt(&self, _: &Envelope, _: &[u8]) -> Cell {
        None
    }

    fn make(&self, what: Other, _: &[u8]) -> Cell {
        let alice = lab().identity("alice");
        let words = [
            "--p7-generate",
            "--load-certificate",
            text(&alice.certificate),
        ];
        (what == Other::CertificatesAlone).then(|| certtool(&words, b""))
    }

    fn open(&self, _: &[u8], _: &Identity) -> Cell {
        None
    }

    fn verify(&self, der: &[u8], content: &[u8], _: &Identity) -> Cell {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let trusted = lab().trusted();
        let words = [
            "--p7-verify",
            "--inder",
            "--load-ca-certificate",
            text(&trusted),
            "--load-data",
            text(file.path()),
        ];
        Some(certtool(&words, der))
    }
}

#[test]
fn gnutls_does_what_is_written() {
    table::assert_is_documented("GnuTLS", &GnuTls);
}
