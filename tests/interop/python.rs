//! Python's `cryptography`: no content outside AES-CBC, no keys but RSA to encrypt to, no verifying.

use super::common::lab::{Identity, lab, run};
use super::{Cells, Toolkit, assert_interoperates};

struct Python;

const HEAD: &str = "
import sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
certificate = x509.load_pem_x509_certificate(open(sys.argv[1], 'rb').read())
key = load_pem_private_key(open(sys.argv[2], 'rb').read(), None)
data = sys.stdin.buffer.read()
binary, detached = pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.DetachedSignature
write = sys.stdout.buffer.write
";

fn python(program: &str, who: &Identity, input: &[u8]) -> Vec<u8> {
    let python = std::env::var("LISTSEAL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = format!("{HEAD}{program}");
    let words = [
        "-c",
        &program,
        who.certificate.to_str().unwrap(),
        who.key.to_str().unwrap(),
    ];
    run(lab().dir(), &python, &words, input).unwrap_or_else(|text| panic!("{text}"))
}

impl Toolkit for Python {
    fn sign(&self, who: &Identity, content: &[u8], detached: bool) -> Vec<u8> {
        let options = if detached {
            "[binary, detached]"
        } else {
            "[binary]"
        };
        let program = format!(
            "write(pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(certificate, key, hashes.SHA256())\
             .sign(Encoding.DER, {options}))"
        );
        python(&program, who, content)
    }

    fn encrypt(&self, to: &Identity, content: &[u8]) -> Option<Vec<u8>> {
        let program = "write(pkcs7.PKCS7EnvelopeBuilder().set_data(data).add_recipient(certificate)\
                       .encrypt(Encoding.DER, [binary]))";
        Some(python(program, to, content))
    }

    fn open(&self, der: &[u8], who: &Identity) -> Option<Vec<u8>> {
        let program = "write(pkcs7.pkcs7_decrypt_der(data, certificate, key, []))";
        Some(python(program, who, der))
    }

    fn verify(&self, _: &[u8], _: &[u8], _: &Identity) -> Option<Result<(), String>> {
        None
    }
}

#[test]
fn python_reads_and_is_read() {
    assert_interoperates(
        &Python,
        &Cells {
            signers: &["alice", "erin-ec", "fred-p384", "gina-p521"],
            recipients: &["list"],
            copies: &[
                ("list", "aes-256-cbc", false),
                ("list", "aes-128-cbc", false),
            ],
        },
    );
}
