//! node-forge: RSA and AES-CBC alone, no verifying.

use super::common::lab::{Identity, lab, run};
use super::{Cells, Toolkit, assert_interoperates};

struct Forge;

fn forge(what: &str, who: &Identity, input: &[u8]) -> Vec<u8> {
    let root = env!("CARGO_MANIFEST_DIR");
    let modules = std::env::var("NODE_PATH")
        .unwrap_or_else(|_| format!("{root}/target/tests/node/node_modules"));
    let program = format!("{root}/tests/interop/forge.js");
    let words = [
        &format!("NODE_PATH={modules}"),
        "node",
        &program,
        what,
        who.certificate.to_str().unwrap(),
        who.key.to_str().unwrap(),
    ];
    run(lab().dir(), "env", &words, input).unwrap_or_else(|text| panic!("{text}"))
}

impl Toolkit for Forge {
    fn sign(&self, who: &Identity, content: &[u8], detached: bool) -> Vec<u8> {
        forge(if detached { "detached" } else { "sign" }, who, content)
    }

    fn encrypt(&self, to: &Identity, content: &[u8]) -> Option<Vec<u8>> {
        Some(forge("encrypt", to, content))
    }

    fn open(&self, der: &[u8], who: &Identity) -> Option<Vec<u8>> {
        Some(forge("open", who, der))
    }

    fn verify(&self, _: &[u8], _: &[u8], _: &Identity) -> Option<Result<(), String>> {
        None
    }
}

#[test]
fn node_forge_reads_and_is_read() {
    assert_interoperates(
        &Forge,
        &Cells {
            signers: &["alice"],
            recipients: &["list"],
            copies: &[
                ("list", "aes-256-cbc", false),
                ("list", "aes-128-cbc", false),
            ],
        },
    );
}
