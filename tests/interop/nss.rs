//! NSS `cmsutil`, the library of Thunderbird; version 3.87 encrypts to RSA keys alone.

use std::path::Path;
use std::sync::{Mutex, OnceLock};

use super::common::lab::{Identity, lab, openssl, run};
use super::{Cells, Toolkit, assert_interoperates};

/// A data base with the keys of everybody who was asked for.
struct Nss {
    dir: tempfile::TempDir,
    known: Mutex<Vec<String>>,
}

fn nss() -> &'static Nss {
    static NSS: OnceLock<Nss> = OnceLock::new();
    NSS.get_or_init(|| {
        let nss = Nss {
            dir: tempfile::tempdir().unwrap(),
            known: Mutex::default(),
        };
        nss.run("certutil", &["-N", "-d", ".", "--empty-password"], b"")
            .unwrap();
        let root = lab().authority();
        let words = [
            "-A",
            "-d",
            ".",
            "-n",
            "root",
            "-t",
            "C,C,C",
            "-i",
            text(&root),
        ];
        nss.run("certutil", &words, b"").unwrap();
        nss
    })
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Nss {
    fn run(&self, program: &str, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        run(self.dir.path(), program, words, input)
    }

    fn import(&self, who: &Identity) {
        let mut known = self.known.lock().unwrap();
        if known.contains(&who.name) {
            return;
        }
        let line = format!(
            "pkcs12 -export -in {} -inkey {} -name {} -out one.p12 -passout pass:x",
            text(&who.certificate),
            text(&who.key),
            who.name
        );
        openssl(self.dir.path(), &line, b"");
        let words = ["-i", "one.p12", "-d", ".", "-W", "x", "-n", &who.name];
        self.run("pk12util", &words, b"").unwrap();
        known.push(who.name.clone());
    }
}

impl Toolkit for &Nss {
    fn sign(&self, who: &Identity, content: &[u8], detached: bool) -> Vec<u8> {
        self.import(who);
        let words = ["-S", "-d", ".", "-N", &who.name, "-G", "-P"];
        let form: &[&str] = if detached { &["-T"] } else { &[] };
        self.run("cmsutil", &[&words, form].concat(), content)
            .unwrap()
    }

    fn encrypt(&self, to: &Identity, content: &[u8]) -> Option<Vec<u8>> {
        self.import(to);
        let words = ["-E", "-d", ".", "-r", &to.name];
        Some(self.run("cmsutil", &words, content).unwrap())
    }

    fn open(&self, der: &[u8], who: &Identity) -> Option<Vec<u8>> {
        self.import(who);
        Some(self.run("cmsutil", &["-D", "-d", "."], der).unwrap())
    }

    fn verify(&self, der: &[u8], content: &[u8], who: &Identity) -> Option<Result<(), String>> {
        self.import(who);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let words = ["-D", "-d", ".", "-c", text(file.path())];
        Some(self.run("cmsutil", &words, der).map(|_| ()))
    }
}

#[test]
fn nss_reads_and_is_read() {
    assert_interoperates(
        &nss(),
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
