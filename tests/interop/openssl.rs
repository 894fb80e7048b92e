//! OpenSSL, streamed and not.

use super::common::foreign::text;
use super::common::lab::{Identity, lab, run};
use super::rows::{Envelope, Other, Signing};
use super::{Cell, Toolkit, table};

struct OpenSsl;

fn openssl(words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    run(lab().dir(), "openssl", words, input)
}

impl Toolkit for OpenSsl {
    fn sign(&self, how: &Signing, content: &[u8], detached: bool) -> Cell {
        if how.countersigned {
            return None;
        }
        let mut words = vec![
            "cms", "-sign", "-binary", "-outform", "DER", "-md", how.digest,
        ];
        for (set, word) in [
            (!detached, "-nodetach"),
            (how.ski, "-keyid"),
            (how.stream, "-stream"),
        ] {
            words.extend(set.then_some(word));
        }
        let signers = [Some(how.who), how.second].into_iter().flatten();
        let signers: Vec<Identity> = signers.map(|name| lab().identity(name)).collect();
        for who in &signers {
            words.extend(["-signer", text(&who.certificate), "-inkey", text(&who.key)]);
        }
        if how.pss {
            words.extend(["-keyopt", "rsa_padding_mode:pss"]);
        }
        Some(openssl(&words, content))
    }

    fn encrypt(&self, how: &Envelope, content: &[u8]) -> Cell {
        let ecdh = how.to != "list";
        if how.extra && ecdh {
            return None;
        }
        let to = lab().identity(how.to);
        let cipher = format!("-{}", how.cipher);
        let mut words = vec!["cms", "-encrypt", "-binary", "-outform", "DER", &cipher];
        words.extend(how.ski.then_some("-keyid"));
        words.extend(how.stream.then_some("-stream"));
        words.extend(["-recip", text(&to.certificate)]);
        let mut options = Vec::new();
        if let Some(digest) = how.oaep {
            options.push("rsa_padding_mode:oaep".to_owned());
            options.push(format!("rsa_oaep_md:{digest}"));
        }
        if how.extra {
            options.push("rsa_oaep_label:6c6162656c".to_owned());
        }
        options.extend(how.kdf.map(|digest| format!("ecdh_kdf_md:{digest}")));
        for option in &options {
            words.extend(["-keyopt", option]);
        }
        Some(openssl(&words, content))
    }

    fn make(&self, what: Other, content: &[u8]) -> Cell {
        let alice = lab().identity("alice");
        let words: &[&str] = match what {
            Other::CertificatesAlone => &[
                "crl2pkcs7",
                "-nocrl",
                "-outform",
                "DER",
                "-certfile",
                text(&alice.certificate),
            ],
            Other::Compressed => &["cms", "-compress", "-binary", "-outform", "DER"],
        };
        Some(openssl(words, content))
    }

    fn open(&self, der: &[u8], who: &Identity) -> Cell {
        let words = ["cms", "-decrypt", "-binary", "-inform", "DER"];
        let key = ["-recip", text(&who.certificate), "-inkey", text(&who.key)];
        Some(openssl(&[&words[..], &key].concat(), der))
    }

    fn verify(&self, der: &[u8], content: &[u8], _: &Identity) -> Cell {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let words = ["cms", "-verify", "-binary", "-inform", "DER"];
        let with = ["-content", text(file.path()), "-CAfile", "trusted.pem"];
        Some(openssl(&[&words[..], &with].concat(), der))
    }
}

#[test]
fn openssl_does_what_is_written() {
    table::assert_is_documented("OpenSSL", &OpenSsl);
}
