//! NSS `cmsutil`, the library of Thunderbird; version 3.87 encrypts to RSA keys alone.

use super::common::foreign::text;
use super::common::lab::{Identity, lab, openssl, run};
use super::rows::{Envelope, Other, Signing};
use super::{Cell, Toolkit, table};

struct Nss;

/// A data base for one job: names of certificates with one subject would be mixed up.
struct Base {
    dir: tempfile::TempDir,
}

impl Base {
    /// With the authority and the pair of `who`.
    fn of(who: &Identity) -> Result<Self, String> {
        let base = Self::new();
        let line = format!(
            "pkcs12 -export -in {} -inkey {} -name one -out one.p12 -passout pass:x",
            text(&who.certificate),
            text(&who.key),
        );
        openssl(base.dir.path(), &line, b"");
        let words = ["-i", "one.p12", "-d", ".", "-W", "x", "-n", "one"];
        base.run("pk12util", &words, b"")
            .map_err(|said| format!("the key is not imported: {said}"))?;
        Ok(base)
    }

    fn new() -> Self {
        let base = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let root = lab().authority();
        let empty = ["-N", "-d", ".", "--empty-password"];
        let add = [
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
        for words in [&empty[..], &add] {
            base.run("certutil", words, b"").unwrap();
        }
        base
    }

    fn run(&self, program: &str, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        run(self.dir.path(), program, words, input)
    }
}

/// Does one job with the pair of `who`.
fn cmsutil(who: &Identity, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    Base::of(who)?.run("cmsutil", &[words, &["-d", "."]].concat(), input)
}

impl Toolkit for Nss {
    fn sign(&self, how: &Signing, content: &[u8], detached: bool) -> Cell {
        if how.pss || how.ski || how.second.is_some() || how.countersigned || how.stream {
            return None;
        }
        let digest = how.digest.to_uppercase();
        let words = ["-S", "-N", "one", "-G", "-P", "-H", &digest];
        let form: &[&str] = if detached { &["-T"] } else { &[] };
        let who = lab().identity(how.who);
        Some(cmsutil(&who, &[&words, form].concat(), content))
    }

    fn encrypt(&self, how: &Envelope, content: &[u8]) -> Cell {
        // It chooses the cipher itself.
        let special = how.oaep.is_some() || how.extra || how.ski || how.kdf.is_some();
        if how.cipher != CIPHER && (how.to == "list" || how.cipher.ends_with("gcm"))
            || special
            || how.stream
        {
            return None;
        }
        Some(cmsutil(
            &lab().identity(how.to),
            &["-E", "-r", "one"],
            content,
        ))
    }

    fn make(&self, what: Other, _: &[u8]) -> Cell {
        let alice = lab().identity("alice");
        (what == Other::CertificatesAlone).then(|| cmsutil(&alice, &["-O", "-r", "one"], b""))
    }

    fn open(&self, der: &[u8], who: &Identity) -> Cell {
        Some(cmsutil(who, &["-D"], der))
    }

    fn verify(&self, der: &[u8], content: &[u8], _: &Identity) -> Cell {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let words = ["-D", "-d", ".", "-c", text(file.path())];
        Some(Base::new().run("cmsutil", &words, der))
    }
}

/// The cipher for everybody whose capabilities it does not know.
const CIPHER: &str = "aes-128-cbc";

#[test]
fn nss_does_what_is_written() {
    table::assert_is_documented("NSS", &Nss);
}
