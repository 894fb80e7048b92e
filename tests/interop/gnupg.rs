//! gpgsm, which KMail, mutt and Gpg4win use.

use std::os::unix::fs::PermissionsExt;

use super::common::foreign::{end_gpg_agent, gpgsm, text};
use super::common::lab::{Identity, lab, openssl};
use super::{Cells, Toolkit, assert_interoperates};

/// A home of its own, so that no key of the person who runs the tests is touched.
struct Gpgsm {
    home: tempfile::TempDir,
}

impl Gpgsm {
    fn new() -> Self {
        // Sockets lie in it, whose paths must be short.
        let home = tempfile::Builder::new().prefix("g").tempdir().unwrap();
        std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let root = lab().authority();
        let line = format!("x509 -noout -fingerprint -sha1 -in {}", text(&root));
        let print = String::from_utf8(openssl(home.path(), &line, b"")).unwrap();
        let print = print.trim().rsplit('=').next().unwrap();
        std::fs::write(
            home.path().join("trustlist.txt"),
            format!("{print} S relax\n"),
        )
        .unwrap();
        let gpgsm = Self { home };
        gpgsm
            .run(&["--import"], &std::fs::read(root).unwrap())
            .unwrap();
        gpgsm
    }

    fn run(&self, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        gpgsm(self.home.path(), self.home.path(), words, input)
    }

    /// With the key unlocked; the passphrase takes standard input, so content comes from a file.
    fn unlocked(&self, words: &[&str], content: &[u8]) -> Result<Vec<u8>, String> {
        std::fs::write(self.home.path().join("in"), content).unwrap();
        let words = [&["--passphrase-fd", "0"], words, &["in"]].concat();
        self.run(&words, b"x\n")
    }

    fn import(&self, who: &Identity) {
        // What gpgsm 2.2 imports.
        let line = format!(
            "pkcs12 -export -in {} -inkey {} -out one.p12 -passout pass:x -macalg sha1 \
             -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES",
            text(&who.certificate),
            text(&who.key)
        );
        openssl(self.home.path(), &line, b"");
        self.run(&["--passphrase-fd", "0", "--import", "one.p12"], b"x\n")
            .unwrap();
    }
}

impl Drop for Gpgsm {
    fn drop(&mut self) {
        end_gpg_agent(self.home.path()).ok();
    }
}

impl Toolkit for Gpgsm {
    fn sign(&self, who: &Identity, content: &[u8], detached: bool) -> Vec<u8> {
        self.import(who);
        let form = if detached { "--detach-sign" } else { "--sign" };
        let who = format!("<{}>", who.address);
        self.unlocked(&["--local-user", &who, form], content)
            .unwrap()
    }

    fn encrypt(&self, to: &Identity, content: &[u8]) -> Option<Vec<u8>> {
        self.import(to);
        let to = format!("<{}>", to.address);
        let words = ["--cipher-algo", "AES256", "--recipient", &to, "--encrypt"];
        Some(self.run(&words, content).unwrap())
    }

    fn open(&self, der: &[u8], who: &Identity) -> Option<Vec<u8>> {
        self.import(who);
        Some(self.unlocked(&["--decrypt"], der).unwrap())
    }

    fn verify(&self, der: &[u8], content: &[u8], _: &Identity) -> Option<Result<(), String>> {
        let path = self.home.path().join("signature");
        std::fs::write(&path, der).unwrap();
        std::fs::write(self.home.path().join("in"), content).unwrap();
        let words = ["--verify", "signature", "in"];
        Some(self.run(&words, b"").map(|_| ()))
    }
}

#[test]
fn gpgsm_reads_and_is_read() {
    assert_interoperates(
        &Gpgsm::new(),
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
