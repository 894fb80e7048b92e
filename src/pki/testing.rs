//! The other side of the crypto tests: the `openssl` and `python3` programs in a scratch directory.
//!
//! Keys and certificates are made while the test runs. A missing program fails the test.
#![allow(clippy::disallowed_methods)] // Tests of the core read what foreign programs wrote.

use std::path::PathBuf;
use std::process::{Command, Output};

use time::OffsetDateTime;

use crate::model::Reason;
use crate::model::list::{Legacy, Revocation};
use crate::pki::path::{Chain, ChainVerdict, Purpose, Query, Work, validate_within};
use crate::pki::{Anchors, Certificate, Crl, Crls, PrivateKey, pem};

/// A scratch directory in which foreign programs work.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `openssl` with the words of `line`; single quotes keep words together.
    pub fn openssl(&self, line: &str) -> String {
        self.run("openssl", &words(line))
    }

    /// Runs `openssl` and returns whether it says yes.
    pub fn openssl_succeeds(&self, line: &str) -> bool {
        self.output("openssl", &words(line)).status.success()
    }

    /// Runs a Python program and returns what it prints.
    pub fn python(&self, program: &str) -> String {
        self.run("python3", &["-c".to_owned(), program.to_owned()])
    }

    fn run(&self, program: &str, arguments: &[String]) -> String {
        let output = self.output(program, arguments);
        assert!(
            output.status.success(),
            "{program} {arguments:?}:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8 from a program")
    }

    fn output(&self, program: &str, arguments: &[String]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap_or_else(|e| panic!("{program} is needed for this test: {e}"))
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).expect("a writable scratch file");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn key(&self, name: &str) -> PrivateKey {
        PrivateKey::from_pem(&self.read(name), None).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn certificate(&self, name: &str) -> Certificate {
        let all = pem::certificates(&self.read(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        all.first().expect("a certificate").clone()
    }
}

fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (at, piece) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            out.push(piece.to_owned());
        } else {
            out.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    out
}

/// A scratch PKI: every certificate is `<name>.pem` with `<name>.key`.
pub struct Pki(pub Scratch);

pub const CA: &str = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign";
pub const LEAF: &str = "basicConstraints=CA:false\nkeyUsage=digitalSignature,keyAgreement\nextendedKeyUsage=emailProtection\nsubjectAltName=email:alice@example.org";

impl Pki {
    pub fn new() -> Self {
        let pki = Self(Scratch::new());
        pki.issue("root", "", CA);
        pki
    }

    /// Issues `name` by `issuer` (itself where empty) with extension lines.
    pub fn issue(&self, name: &str, issuer: &str, extensions: &str) {
        self.issue_as(
            name,
            &format!("/CN={name}"),
            issuer,
            extensions,
            "-days 365",
        );
    }

    pub fn issue_as(
        &self,
        name: &str,
        subject: &str,
        issuer: &str,
        extensions: &str,
        options: &str,
    ) {
        let scratch = &self.0;
        if !scratch.path(&format!("{name}.key")).exists() {
            scratch.openssl(&format!(
                "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"
            ));
        }
        scratch.write("ext", format!("subjectKeyIdentifier=hash\n{extensions}\n"));
        scratch.openssl(&format!(
            "req -new -key {name}.key -subj '{subject}' -out csr"
        ));
        let signer = if issuer.is_empty() {
            format!("-signkey {name}.key")
        } else {
            format!("-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial")
        };
        scratch.openssl(&format!(
            "x509 -req -in csr {signer} -extfile ext -sha256 {options} -out {name}.pem"
        ));
    }

    pub fn get(&self, name: &str) -> Certificate {
        self.0.certificate(&format!("{name}.pem"))
    }

    pub fn all(&self, names: &[&str]) -> Vec<Certificate> {
        names.iter().map(|name| self.get(name)).collect()
    }

    pub fn ask(&self, leaf: &str, pool: &[&str]) -> Question {
        Question {
            leaf: self.get(leaf),
            pool: self.all(pool),
            anchors: Anchors::new(vec![self.get("root")]),
            crls: Crls::default(),
            at: OffsetDateTime::now_utc(),
            purpose: Purpose::Sign,
            legacy: Legacy::NONE,
            revocation: Revocation::Soft,
        }
    }

    /// Makes `<ca>.crl` with the named certificates revoked.
    pub fn crl(&self, ca: &str, revoked: &[&str], options: &str, extensions: &str) -> Crl {
        let scratch = &self.0;
        let index = format!("{ca}.index");
        scratch.write(&index, "");
        scratch.write(&format!("{index}.attr"), "unique_subject = no\n");
        scratch.write("number", "01\n");
        scratch.write(
            "ca.cnf",
            format!("[ca]\ndefault_ca=x\n[x]\ndatabase={index}\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=7\n[e]\n{extensions}\n"),
        );
        let base = format!("ca -config ca.cnf -cert {ca}.pem -keyfile {ca}.key");
        for name in revoked {
            scratch.openssl(&format!("{base} -revoke {name}.pem"));
        }
        let section = if extensions.is_empty() {
            ""
        } else {
            "-crlexts e"
        };
        scratch.openssl(&format!("{base} -gencrl {options} {section} -out {ca}.crl"));
        Crl::from_file(&scratch.read(&format!("{ca}.crl")))
            .unwrap()
            .remove(0)
    }

    /// Asserts that `openssl verify` accepts or refuses as we do.
    pub fn openssl_agrees(&self, leaf: &str, pool: &[&str], accepted: bool) {
        let untrusted: String = pool
            .iter()
            .map(|n| format!(" -untrusted {n}.pem"))
            .collect();
        let line = format!("verify -CAfile root.pem{untrusted} -purpose smimesign {leaf}.pem");
        let verdict = self.0.openssl_succeeds(&line);
        assert_eq!(verdict, accepted, "openssl on {leaf} over {pool:?}");
    }
}

pub struct Question {
    pub leaf: Certificate,
    pub pool: Vec<Certificate>,
    pub anchors: Anchors,
    pub crls: Crls,
    pub at: OffsetDateTime,
    pub purpose: Purpose,
    pub legacy: Legacy,
    pub revocation: Revocation,
}

impl Question {
    pub fn answer(&self) -> Chain {
        self.answer_within(&mut Work::default())
    }

    /// The answer within the work that is left.
    pub fn answer_within(&self, work: &mut Work) -> Chain {
        let query = Query {
            leaf: &self.leaf,
            pool: &self.pool,
            anchors: &self.anchors,
            crls: &self.crls,
            at: self.at,
            purpose: self.purpose,
            legacy: self.legacy,
            revocation: self.revocation,
        };
        validate_within(&query, work)
    }

    pub fn says(&self) -> (ChainVerdict, Option<Reason>) {
        let chain = self.answer();
        (chain.verdict, chain.reason)
    }
}
