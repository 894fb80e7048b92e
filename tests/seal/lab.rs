//! Certificates made by `openssl` at run time, and `openssl`, `gpgsm` and Python to read with.

use std::path::{Path, PathBuf};
use std::process::Command;

use listseal::pki::{Certificate, KeyPair, PrivateKey, pem};
use tempfile::TempDir;

/// A scratch directory with a CA in it.
pub struct Lab {
    folder: TempDir,
}

/// A certificate and its key, in files and in memory.
pub struct Person {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    pub certificate: Certificate,
}

impl Person {
    /// The pair as a list holds it.
    pub fn pair(&self) -> KeyPair {
        let key = std::fs::read(&self.key_file).unwrap();
        KeyPair {
            certificate: self.certificate.clone(),
            chain: Vec::new(),
            key: PrivateKey::from_pem(&key, None).unwrap(),
            suffix: String::new(),
        }
    }
}

/// Runs a program; a missing one, or one that fails, fails the test.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{:?} cannot be run: {error}", command.get_program()));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

impl Lab {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("ls").tempdir().unwrap();
        let lab = Self { folder };
        lab.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=Test-CA \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
             -keyout ca.key -out ca.pem",
        );
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs `openssl` in the directory of the lab, with words separated by spaces.
    pub fn openssl(&self, words: &str) -> Vec<u8> {
        run(Command::new("openssl")
            .current_dir(self.folder.path())
            .args(words.split_whitespace()))
    }

    /// Makes a person with a key of `algorithm` (`RSA:2048`, `EC:P-256`, `X25519`), keyUsage
    /// `usage` and a serial number in hexadecimal.
    pub fn person(&self, name: &str, algorithm: &str, usage: &str, serial: &str) -> Person {
        let (kind, size) = algorithm.split_once(':').unwrap_or((algorithm, ""));
        let option = match kind {
            "RSA" => format!("-pkeyopt rsa_keygen_bits:{size}"),
            "EC" => format!("-pkeyopt ec_paramgen_curve:{size}"),
            _ => String::new(),
        };
        self.openssl(&format!(
            "genpkey -algorithm {kind} {option} -out {name}.key"
        ));
        self.openssl(&format!("pkey -in {name}.key -pubout -out {name}.pub"));
        self.write(
            &format!("{name}.ext"),
            format!(
                "keyUsage=critical,{usage}\nextendedKeyUsage=emailProtection\nsubjectAltName=email:{name}@example.org\n"
            )
            .as_bytes(),
        );
        // Keys that cannot sign cannot make a request: another key's request carries them.
        self.openssl(&format!(
            "req -new -newkey rsa:2048 -nodes -keyout any.key -subj /CN={name} -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -force_pubkey {name}.pub -CA ca.pem -CAkey ca.key -days 20 \
             -set_serial 0x{serial} -extfile {name}.ext -out {name}.pem"
        ));
        let text = std::fs::read(self.path(&format!("{name}.pem"))).unwrap();
        Person {
            cert_file: self.path(&format!("{name}.pem")),
            key_file: self.path(&format!("{name}.key")),
            certificate: pem::certificates(&text).unwrap().remove(0),
        }
    }

    /// Opens a mail with `openssl cms`.
    pub fn decrypt(&self, mail: &[u8], person: &Person) -> Vec<u8> {
        let file = self.write("sealed.eml", mail);
        let out = self.path("opened");
        run(Command::new("openssl")
            .args(["cms", "-decrypt", "-binary", "-in"])
            .arg(file)
            .arg("-recip")
            .arg(&person.cert_file)
            .arg("-inkey")
            .arg(&person.key_file)
            .arg("-out")
            .arg(&out));
        std::fs::read(out).unwrap()
    }

    /// Verifies a signed entity with `openssl cms` against the CA and returns the signed content.
    pub fn verify(&self, entity: &[u8]) -> Vec<u8> {
        let file = self.write("signed.eml", entity);
        let out = self.path("verified");
        run(Command::new("openssl")
            .args(["cms", "-verify", "-purpose", "any", "-in"])
            .arg(file)
            .arg("-CAfile")
            .arg(self.path("ca.pem"))
            .arg("-out")
            .arg(&out));
        std::fs::read(out).unwrap()
    }

    /// Signs an entity with `openssl cms` into a multipart/signed entity in CRLF.
    pub fn sign(&self, content: &[u8], person: &Person) -> Vec<u8> {
        let file = self.write("content", content);
        let signed = run(Command::new("openssl")
            .args(["cms", "-sign", "-crlfeol", "-in"])
            .arg(file)
            .arg("-signer")
            .arg(&person.cert_file)
            .arg("-inkey")
            .arg(&person.key_file));
        // The base64 of openssl keeps bare line feeds; SMTP would not.
        listseal::mime::canon::crlf(&signed).into_owned()
    }

    /// Runs a Python program with `cryptography` at hand.
    pub fn python(&self, program: &str, arguments: &[&Path]) -> Vec<u8> {
        let python = std::env::var("LISTSEAL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        run(Command::new(python).arg("-c").arg(program).args(arguments))
    }

    /// Writes the CMS object of a mail as DER and returns its file.
    pub fn der(&self, mail: &[u8]) -> PathBuf {
        let start = mail.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let text: Vec<u8> = mail[start..]
            .iter()
            .copied()
            .filter(|b| !b.is_ascii_whitespace())
            .collect();
        let der = base64_simd::STANDARD.decode_to_vec(text).unwrap();
        self.write("sealed.der", &der)
    }
}
