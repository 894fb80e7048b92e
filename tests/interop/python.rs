//! Python's `cryptography`: no content outside AES-CBC, no keys but RSA to encrypt to, no verifying.

use super::common::foreign::text;
use super::common::lab::{Identity, lab, run};
use super::rows::{Envelope, Other, Signing};
use super::{Cell, Toolkit, table};

struct Python;

/// Words are certificate and key, of everybody one after the other.
const HEAD: &str = "
import sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
read = lambda at: open(sys.argv[at], 'rb').read()
pairs = [(x509.load_pem_x509_certificate(read(at)), load_pem_private_key(read(at + 1), None))
         for at in range(1, len(sys.argv), 2)]
certificate, key = pairs[0]
data = sys.stdin.buffer.read()
binary, detached = pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.DetachedSignature
write = sys.stdout.buffer.write
";

fn python(program: &str, people: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let python = std::env::var("LISTSEAL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = format!("{HEAD}{program}");
    let people: Vec<Identity> = people.iter().map(|name| lab().identity(name)).collect();
    let mut words = vec!["-c", &program];
    for who in &people {
        words.extend([text(&who.certificate), text(&who.key)]);
    }
    run(lab().dir(), &python, &words, input)
}

impl Toolkit for Python {
    fn sign(&self, how: &Signing, content: &[u8], detached: bool) -> Cell {
        if how.ski || how.countersigned || how.stream {
            return None;
        }
        let options = if detached {
            "[binary, detached]"
        } else {
            "[binary]"
        };
        let digest = format!("hashes.{}()", how.digest.to_uppercase());
        let padding = if how.pss {
            format!("padding.PSS(padding.MGF1({digest}), padding.PSS.DIGEST_LENGTH)")
        } else {
            "None".to_owned()
        };
        let program = format!(
            "
builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
for one, its in pairs:
    builder = builder.add_signer(one, its, {digest}, rsa_padding={padding})
write(builder.sign(Encoding.DER, {options}))"
        );
        let people: Vec<&str> = [Some(how.who), how.second].into_iter().flatten().collect();
        Some(python(&program, &people, content))
    }

    fn encrypt(&self, how: &Envelope, content: &[u8]) -> Cell {
        let cipher = how
            .cipher
            .strip_suffix("-cbc")?
            .replace('-', "")
            .to_uppercase();
        if how.oaep.is_some() || how.extra || how.ski || how.stream {
            return None;
        }
        let program = format!(
            "write(pkcs7.PKCS7EnvelopeBuilder().set_data(data).add_recipient(certificate)\
             .set_content_encryption_algorithm(getattr(algorithms, '{cipher}', None))\
             .encrypt(Encoding.DER, [binary]))"
        );
        Some(python(&program, &[how.to], content))
    }

    fn make(&self, what: Other, _: &[u8]) -> Cell {
        let program = "write(pkcs7.serialize_certificates([certificate], Encoding.DER))";
        (what == Other::CertificatesAlone).then(|| python(program, &["alice"], b""))
    }

    fn open(&self, der: &[u8], who: &Identity) -> Cell {
        let program = "write(pkcs7.pkcs7_decrypt_der(data, certificate, key, []))";
        Some(python(program, &[&who.name], der))
    }

    fn verify(&self, _: &[u8], _: &[u8], _: &Identity) -> Cell {
        None
    }
}

#[test]
fn python_does_what_is_written() {
    table::assert_is_documented("Python", &Python);
}
