//! gpgsm, which KMail, mutt and Gpg4win use.

use std::os::unix::fs::PermissionsExt;

use super::common::foreign::{end_gpg_agent, gpgsm, text};
use super::common::lab::{Identity, lab, openssl};
use super::rows::{Envelope, Other, Signing};
use super::{Cell, Toolkit, table};

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

    /// gpgsm 2.2 now and then fails to decrypt a PKCS#12 file, and takes the next one.
    fn import(&self, who: &Identity) -> Result<(), String> {
        let mut result = self.import_once(who);
        for _ in 0..2 {
            match &result {
                Err(said) if said.contains("trying charset") => result = self.import_once(who),
                _ => break,
            }
        }
        result
    }

    fn import_once(&self, who: &Identity) -> Result<(), String> {
        // What gpgsm 2.2 imports.
        let line = format!(
            "pkcs12 -export -in {} -inkey {} -out one.p12 -passout pass:x -macalg sha1 \
             -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES",
            text(&who.certificate),
            text(&who.key)
        );
        openssl(self.home.path(), &line, b"");
        self.run(&["--passphrase-fd", "0", "--import", "one.p12"], b"x\n")
            .map(drop)
            .map_err(|said| format!("the key is not imported: {said}"))
    }
}

impl Drop for Gpgsm {
    fn drop(&mut self) {
        end_gpg_agent(self.home.path()).ok();
    }
}

impl Toolkit for Gpgsm {
    fn sign(&self, how: &Signing, content: &[u8], detached: bool) -> Cell {
        if how.pss || how.ski || how.countersigned {
            return None;
        }
        // It writes BER in pieces whatever it is told.
        let digest = how.digest.to_uppercase();
        let mut words = vec!["--digest-algo".to_owned(), digest];
        for name in [Some(how.who), how.second].into_iter().flatten() {
            let who = lab().identity(name);
            if let Err(text) = self.import(&who) {
                return Some(Err(text));
            }
            words.extend(["--local-user".to_owned(), format!("<{}>", who.address)]);
        }
        let form = if detached { "--detach-sign" } else { "--sign" };
        words.push(form.to_owned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Some(self.unlocked(&words, content))
    }

    fn encrypt(&self, how: &Envelope, content: &[u8]) -> Cell {
        let cipher = how.cipher.strip_suffix("-cbc")?;
        if how.oaep.is_some() || how.extra || how.ski {
            return None;
        }
        let cipher = cipher.replace('-', "").to_uppercase();
        let cipher = if cipher == "AES128" { "AES" } else { &cipher };
        let to = lab().identity(how.to);
        let home = Gpgsm::new();
        // The certificate alone: keys it cannot import may still be encrypted to.
        home.run(&["--import"], &std::fs::read(&to.certificate).unwrap())
            .unwrap();
        let to = format!("<{}>", to.address);
        let words = ["--cipher-algo", cipher, "--recipient", &to, "--encrypt"];
        Some(home.run(&words, content))
    }

    fn make(&self, _: Other, _: &[u8]) -> Cell {
        None
    }

    fn open(&self, der: &[u8], who: &Identity) -> Cell {
        let home = Gpgsm::new();
        let imported = home.import(who);
        Some(imported.and_then(|()| home.unlocked(&["--decrypt"], der)))
    }

    fn verify(&self, der: &[u8], content: &[u8], _: &Identity) -> Cell {
        let path = self.home.path().join("signature");
        std::fs::write(&path, der).unwrap();
        std::fs::write(self.home.path().join("in"), content).unwrap();
        let words = ["--verify", "signature", "in"];
        Some(self.run(&words, b""))
    }
}

#[test]
fn gpgsm_does_what_is_written() {
    table::assert_is_documented("gpgsm", &Gpgsm::new());
}
