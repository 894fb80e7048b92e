//! OpenSSL, streamed and not.

use super::common::lab::{Identity, lab, run};
use super::{Cells, Toolkit, assert_interoperates};

struct OpenSsl {
    /// Added when it writes: `-stream` gives BER in pieces.
    options: &'static [&'static str],
}

impl OpenSsl {
    fn cms(&self, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        run(lab().dir(), "openssl", &[&["cms"], words].concat(), input)
    }
}

impl Toolkit for OpenSsl {
    fn sign(&self, who: &Identity, content: &[u8], detached: bool) -> Vec<u8> {
        let form = if detached { "-binary" } else { "-nodetach" };
        let signer = [
            "-signer",
            who.certificate.to_str().unwrap(),
            "-inkey",
            who.key.to_str().unwrap(),
        ];
        let words = ["-sign", "-binary", "-outform", "DER", form];
        // Streamed to DER, it encloses the content whatever it is told.
        let options: &[&str] = if detached && self.options == ["-stream"] {
            &[]
        } else {
            self.options
        };
        self.cms(&[&words[..], &signer, options].concat(), content)
            .unwrap()
    }

    fn encrypt(&self, to: &Identity, content: &[u8]) -> Option<Vec<u8>> {
        let words = ["-encrypt", "-binary", "-outform", "DER", "-aes-256-cbc"];
        let to = [to.certificate.to_str().unwrap()];
        let sealed = self.cms(&[&words[..], self.options, &to].concat(), content);
        Some(sealed.unwrap())
    }

    fn open(&self, der: &[u8], who: &Identity) -> Option<Vec<u8>> {
        let words = [
            "-decrypt",
            "-binary",
            "-inform",
            "DER",
            "-recip",
            who.certificate.to_str().unwrap(),
            "-inkey",
            who.key.to_str().unwrap(),
        ];
        Some(self.cms(&words, der).unwrap())
    }

    fn verify(&self, der: &[u8], content: &[u8], _: &Identity) -> Option<Result<(), String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let words = [
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-content",
            file.path().to_str().unwrap(),
            "-CAfile",
            "trusted.pem",
        ];
        Some(self.cms(&words, der).map(|_| ()))
    }
}

#[test]
fn openssl_reads_and_is_read() {
    for options in [&[][..], &["-stream"], &["-keyid"]] {
        assert_interoperates(
            &OpenSsl { options },
            &Cells {
                signers: &["alice", "erin-ec", "fred-p384", "gina-p521"],
                recipients: &["list", "list-ec", "list-p384", "list-p521"],
                copies: &[
                    ("list", "aes-256-cbc", false),
                    ("list", "aes-128-cbc", true),
                    ("list", "aes-256-gcm", true),
                    ("list-ec", "aes-256-cbc", false),
                    ("list-p384", "aes-256-gcm", false),
                    ("list-p521", "aes-128-gcm", false),
                ],
            },
        );
    }
}
