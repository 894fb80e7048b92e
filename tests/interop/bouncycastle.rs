//! BouncyCastle for Java, which many gateways are made of: `Bouncy.java`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use super::common::foreign::text;
use super::common::lab::{Identity, lab, run};
use super::rows::{Envelope, Other, Signing};
use super::{Cell, ENTITY, Toolkit, inspect, mail, sealed_entity, table};

/// Debian's `libbcmail-java` and what it stands on.
const JARS: &str = "/usr/share/java/bcprov.jar:/usr/share/java/bcutil.jar:\
                    /usr/share/java/bcpkix.jar:/usr/share/java/bcmail.jar";

struct BouncyCastle;

/// One virtual machine for all jobs: starting it takes longer than most of them.
struct Machine {
    _child: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

fn machine() -> &'static Mutex<Machine> {
    static MACHINE: OnceLock<Mutex<Machine>> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let dir = lab().dir().join("bouncy");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/Bouncy.java");
        let words = ["-nowarn", "-cp", JARS, "-d", text(&dir), source];
        run(lab().dir(), "javac", &words, b"").unwrap_or_else(|text| panic!("{text}"));
        // It ends when its input does, with this process.
        let mut child = Command::new("java")
            .args(["-cp", &format!("{}:{JARS}", dir.display()), "Bouncy"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let jobs = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Mutex::new(Machine {
            _child: child,
            jobs,
            answers,
        })
    })
}

/// Does one job with these bytes as input, and returns the output.
fn bouncy(job: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("in"), input).unwrap();
    let mut machine = machine().lock().unwrap();
    let (from, to) = (path("in"), path("out"));
    writeln!(machine.jobs, "{job} in={} out={}", text(&from), text(&to)).unwrap();
    let mut answer = String::new();
    machine.answers.read_line(&mut answer).unwrap();
    match answer.trim_end() {
        "done" => Ok(std::fs::read(to).unwrap()),
        said => Err(said.to_owned()),
    }
}

fn pair(who: &Identity) -> String {
    format!("cert={} key={}", text(&who.certificate), text(&who.key))
}

impl Toolkit for BouncyCastle {
    fn sign(&self, how: &Signing, content: &[u8], detached: bool) -> Cell {
        let who = lab().identity(how.who);
        let digest = how.digest.to_uppercase();
        let algorithm = match how.who.split_once('-') {
            Some((_, "ed25519")) => "Ed25519".to_owned(),
            Some(_) => format!("{digest}withECDSA"),
            None if how.pss => format!("{digest}withRSAandMGF1"),
            None => format!("{digest}withRSA"),
        };
        let form = if detached { "detached" } else { "opaque" };
        let mut job = format!("sign {} form={form} algorithm={algorithm}", pair(&who));
        if let Some(name) = how.second {
            let second = lab().identity(name);
            let (certificate, key) = (text(&second.certificate), text(&second.key));
            job += &format!(" cert2={certificate} key2={key} algorithm2={digest}withRSA");
        }
        for (set, word) in [
            (how.ski, " ski=yes"),
            (how.countersigned, " countersign=yes"),
            (how.stream, " ber=yes"),
        ] {
            job += if set { word } else { "" };
        }
        Some(bouncy(&job, content))
    }

    fn encrypt(&self, how: &Envelope, content: &[u8]) -> Cell {
        let to = lab().identity(how.to);
        let cipher = how
            .cipher
            .to_uppercase()
            .replacen('-', "", 1)
            .replace('-', "_");
        let mut job = format!("encrypt to={} cipher={cipher}", text(&to.certificate));
        if let Some(digest) = how.oaep {
            job += &format!(" oaep={}", digest.to_uppercase().replace("SHA", "SHA-"));
        }
        if let Some(digest) = how.kdf {
            job += &format!(" agreement={}KDF", digest.to_uppercase());
        }
        for (set, word) in [
            (how.extra, " label=words ukm=words"),
            (how.ski, " ski=yes"),
            (how.stream, " ber=yes"),
        ] {
            job += if set { word } else { "" };
        }
        Some(bouncy(&job, content))
    }

    fn make(&self, what: Other, content: &[u8]) -> Cell {
        let alice = lab().identity("alice");
        Some(match what {
            Other::CertificatesAlone => bouncy(&format!("bag {}", pair(&alice)), b""),
            Other::Compressed => bouncy("compress", content),
        })
    }

    fn open(&self, der: &[u8], who: &Identity) -> Cell {
        Some(bouncy(&format!("open {}", pair(who)), der))
    }

    fn verify(&self, der: &[u8], content: &[u8], who: &Identity) -> Cell {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let job = format!("verify {} content={}", pair(who), text(file.path()));
        Some(bouncy(&job, der))
    }
}

#[test]
fn bouncycastle_does_what_is_written() {
    table::assert_is_documented("BouncyCastle", &BouncyCastle);
}

#[test]
fn odd_envelopes_of_bouncycastle_are_read() {
    let (list, ec) = (lab().identity("list"), lab().identity("list-ec"));
    let alice = lab().identity("alice");
    for (to, options) in [
        (&list, "cipher=AES256_GCM attrs=yes"),
        (&ec, "cipher=AES256_CBC agreement=SHA1KDF wrap=AES128_WRAP"),
        (
            &ec,
            "cipher=AES256_CBC agreement=SHA384KDF wrap=AES192_WRAP",
        ),
        (&ec, "cipher=AES256_GCM agreement=SHA512KDF ski=yes"),
    ] {
        let job = format!("encrypt to={} {options}", text(&to.certificate));
        let sealed = bouncy(&job, ENTITY).unwrap();
        let (report, content) = inspect(&mail(&alice, &sealed_entity(&sealed)), Some(to));
        assert_eq!(report["decrypted"], true, "{options}: {report}");
        assert_eq!(content, ENTITY, "{options}");
    }
    // Its tags in CCM mode have 12 bytes (contract S15).
    let ccm = format!("encrypt to={} cipher=AES256_CCM", text(&list.certificate));
    for (job, reason) in [
        ("password", "password-recipient"),
        ("kek", "password-recipient"),
        (&ccm, "bad-parameters"),
    ] {
        let sealed = bouncy(job, ENTITY).unwrap();
        let (report, _) = inspect(&mail(&alice, &sealed_entity(&sealed)), Some(&list));
        assert_eq!(report["reason"], reason, "{job}");
    }
}
