//! node-forge: RSA and AES-CBC alone, no verifying.

use super::common::foreign::text;
use super::common::lab::{Identity, lab, run};
use super::rows::{Envelope, Other, Signing};
use super::{Cell, Toolkit, table};

struct Forge;

fn forge(what: &str, option: &str, who: &Identity, input: &[u8]) -> Result<Vec<u8>, String> {
    let root = env!("CARGO_MANIFEST_DIR");
    let modules = std::env::var("NODE_PATH")
        .unwrap_or_else(|_| format!("{root}/target/tests/node/node_modules"));
    let program = format!("{root}/tests/interop/forge.js");
    let words = [
        &format!("NODE_PATH={modules}"),
        "node",
        &program,
        what,
        text(&who.certificate),
        text(&who.key),
        option,
    ];
    run(lab().dir(), "env", &words, input)
}

impl Toolkit for Forge {
    fn sign(&self, how: &Signing, content: &[u8], detached: bool) -> Cell {
        if how.pss || how.ski || how.second.is_some() || how.countersigned || how.stream {
            return None;
        }
        let what = if detached { "detached" } else { "sign" };
        Some(forge(what, how.digest, &lab().identity(how.who), content))
    }

    fn encrypt(&self, how: &Envelope, content: &[u8]) -> Cell {
        if !how.cipher.ends_with("-cbc") || how.oaep.is_some() || how.extra || how.ski || how.stream
        {
            return None;
        }
        let cipher = how.cipher.to_uppercase().replace("AES-", "aes");
        Some(forge("encrypt", &cipher, &lab().identity(how.to), content))
    }

    fn make(&self, what: Other, _: &[u8]) -> Cell {
        let alice = lab().identity("alice");
        (what == Other::CertificatesAlone).then(|| forge("bag", "", &alice, b""))
    }

    fn open(&self, der: &[u8], who: &Identity) -> Cell {
        Some(forge("open", "", who, der))
    }

    fn verify(&self, der: &[u8], content: &[u8], who: &Identity) -> Cell {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Some(forge("verify", text(file.path()), who, der))
    }
}

#[test]
fn node_forge_does_what_is_written() {
    table::assert_is_documented("node-forge", &Forge);
}
