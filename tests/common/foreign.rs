//! The other side: `openssl`, `gpgsm` and Python's `cryptography` open and verify what came out.

use std::path::{Path, PathBuf};

use super::lab::{Identity, lab, openssl, run};

/// A sealed mail, opened by `openssl`.
#[derive(Debug)]
pub struct Opened {
    /// The entity inside, byte for byte.
    pub inside: Vec<u8>,
    /// Recipients that the object is encrypted to.
    pub recipients: usize,
    /// Content cipher as openssl calls it: `aes-256-cbc`.
    pub cipher: String,
    /// How the content key travels: `rsa`, `oaep` or `ecdh`.
    pub transport: &'static str,
}

/// A scratch directory for the files that the programs want.
pub struct Reader {
    dir: tempfile::TempDir,
}

impl Reader {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("rd").tempdir().unwrap();
        Self { dir }
    }

    /// Opens an encrypted mail with `openssl cms` and the key of `who`; the error says why not.
    pub fn open(&self, mail: &[u8], who: &Identity) -> Result<Opened, String> {
        let file = self.put("sealed.eml", mail);
        let out = self.path("inside");
        self.try_openssl(&[
            "cms",
            "-decrypt",
            "-binary",
            "-in",
            text(&file),
            "-recip",
            text(&who.certificate),
            "-inkey",
            text(&who.key),
            "-out",
            text(&out),
        ])?;
        let print =
            self.try_openssl(&["cms", "-cmsout", "-print", "-noout", "-in", text(&file)])?;
        let print = String::from_utf8_lossy(&print).into_owned();
        Ok(Opened {
            inside: std::fs::read(out).unwrap(),
            recipients: recipients(&print),
            cipher: cipher(&print),
            transport: transport(&print),
        })
    }

    /// Verifies a signed entity with `openssl cms`: the certificates chain to a trusted
    /// authority, and the signer is `who`. Returns what is signed.
    pub fn verify(&self, entity: &[u8], who: &Identity) -> Result<Vec<u8>, String> {
        let file = self.put("signed.eml", entity);
        let (out, signer) = (self.path("content"), self.path("signer.pem"));
        self.try_openssl(&[
            "cms",
            "-verify",
            "-in",
            text(&file),
            "-CAfile",
            text(&lab().trusted()),
            // Needed where the signature does not enclose its certificate.
            "-certfile",
            text(&who.certificate),
            "-signer",
            text(&signer),
            "-out",
            text(&out),
        ])?;
        if certificate(&signer) != certificate(&who.certificate) {
            return Err(format!("signed by somebody else than {}", who.name));
        }
        Ok(std::fs::read(out).unwrap())
    }

    /// Opens an encrypted mail with Python's `cryptography`.
    pub fn open_with_python(&self, mail: &[u8], who: &Identity) -> Result<Vec<u8>, String> {
        let python = std::env::var("LISTSEAL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/foreign.py");
        let file = self.put("sealed.eml", mail);
        let words = [&program, &file, &who.certificate, &who.key].map(|path| text(path));
        run(self.dir.path(), &python, &words, b"")
    }

    /// Opens an encrypted mail with `gpgsm`, in a home of its own that holds the key of `who`.
    pub fn open_with_gpgsm(&self, mail: &[u8], who: &Identity) -> Result<Vec<u8>, String> {
        let home = tempfile::Builder::new().prefix("g").tempdir().unwrap();
        let unlocked = |words: &[&str]| {
            let words = [&["--passphrase-fd", "0"], words].concat();
            gpgsm(self.dir.path(), home.path(), &words, b"x\n")
        };
        // What gpgsm 2.2 imports.
        openssl(
            self.dir.path(),
            &format!(
                "pkcs12 -export -in {} -inkey {} -out one.p12 -passout pass:x -macalg sha1 \
                 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES",
                text(&who.certificate),
                text(&who.key)
            ),
            b"",
        );
        let file = self.put("sealed.eml", mail);
        let der = self.try_openssl(&["cms", "-cmsout", "-outform", "DER", "-in", text(&file)])?;
        self.put("sealed.der", &der);
        let opened = unlocked(&["--import", "one.p12"]).and_then(|_| {
            unlocked(&["--output", "inside", "--decrypt", "sealed.der"])?;
            Ok(std::fs::read(self.path("inside")).unwrap())
        });
        end_gpg_agent(home.path())?;
        opened
    }

    fn try_openssl(&self, words: &[&str]) -> Result<Vec<u8>, String> {
        run(self.dir.path(), "openssl", words, b"")
            .map_err(|said| format!("openssl {}: {said}", words.join(" ")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// The DER of the one certificate in a file.
fn certificate(file: &Path) -> Vec<u8> {
    let line = format!("x509 -outform DER -in {}", text(file));
    openssl(Path::new("/"), &line, b"")
}

/// Every key for somebody stands after its own `encryptedKey:`, in whatever kind of RecipientInfo.
fn recipients(print: &str) -> usize {
    let is_one = |line: &&str| matches!(line.trim(), "encryptedKey:" | "d.ori:");
    print.lines().filter(is_one).count()
}

/// The algorithm named after `contentEncryptionAlgorithm:`.
fn cipher(print: &str) -> String {
    let mut lines = print
        .lines()
        .skip_while(|line| line.trim() != "contentEncryptionAlgorithm:");
    let line = lines.nth(1).unwrap_or_default();
    let name = line.trim().strip_prefix("algorithm:").unwrap_or_default();
    name.trim()
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

fn transport(print: &str) -> &'static str {
    if print.contains("d.kari:") {
        "ecdh"
    } else if print.contains("rsaesOaep") {
        "oaep"
    } else {
        "rsa"
    }
}

/// Runs gpgsm in `dir`, with a home of its own, so that no key of the person who runs the tests is
/// touched.
pub fn gpgsm(dir: &Path, home: &Path, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let common = [
        "--homedir",
        text(home),
        "--batch",
        "--yes",
        "--disable-crl-checks",
        "--disable-dirmngr",
        "--pinentry-mode",
        "loopback",
    ];
    run(dir, "gpgsm", &[&common[..], words].concat(), input)
}

/// Ends the agent that gpgsm leaves behind.
pub fn end_gpg_agent(home: &Path) -> Result<(), String> {
    let words = ["--homedir", text(home), "--kill", "all"];
    run(Path::new("/"), "gpgconf", &words, b"").map(drop)
}

/// Returns a path as a word of a command line.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
