//! BouncyCastle for Java, which many gateways are made of: `Bouncy.java`.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::common::lab::{Identity, lab, run};
use super::{
    Cells, ENTITY, Toolkit, assert_interoperates, assert_read, inspect, mail, sealed_entity,
    signed_entity,
};

/// Debian's `libbcmail-java` and what it stands on.
const JARS: &str = "/usr/share/java/bcprov.jar:/usr/share/java/bcutil.jar:\
                    /usr/share/java/bcpkix.jar:/usr/share/java/bcmail.jar";

#[derive(Default)]
struct BouncyCastle {
    /// Added to what it is told when it signs.
    signing: &'static str,
    /// Added when it encrypts.
    encrypting: &'static str,
}

/// Where the compiled program lies.
fn classes() -> &'static PathBuf {
    static CLASSES: OnceLock<PathBuf> = OnceLock::new();
    CLASSES.get_or_init(|| {
        let dir = lab().dir().join("bouncy");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/Bouncy.java");
        let words = ["-nowarn", "-cp", JARS, "-d", dir.to_str().unwrap(), source];
        run(lab().dir(), "javac", &words, b"").unwrap_or_else(|text| panic!("{text}"));
        dir
    })
}

/// Does one job with these bytes as input, and returns the output.
fn bouncy(job: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in"), input).unwrap();
    std::fs::write(dir.path().join("jobs"), format!("{job} in=in out=out\n")).unwrap();
    let path = format!("{}:{JARS}", classes().display());
    run(dir.path(), "java", &["-cp", &path, "Bouncy", "jobs"], b"")?;
    Ok(std::fs::read(dir.path().join("out")).unwrap())
}

fn pair(who: &Identity) -> String {
    format!(
        "cert={} key={}",
        who.certificate.display(),
        who.key.display()
    )
}

impl Toolkit for BouncyCastle {
    fn sign(&self, who: &Identity, content: &[u8], detached: bool) -> Vec<u8> {
        let algorithm = match who.name.split('-').next_back() {
            Some("ec") => "SHA256withECDSA",
            Some("p384") => "SHA384withECDSA",
            Some("p521") => "SHA512withECDSA",
            Some("ed25519") => "Ed25519",
            _ => "SHA256withRSA",
        };
        let form = if detached { "detached" } else { "opaque" };
        let own = pair(who);
        let job = format!(
            "sign {own} form={form} algorithm={algorithm} {}",
            self.signing
        );
        bouncy(&job, content).unwrap_or_else(|text| panic!("{job}: {text}"))
    }

    fn encrypt(&self, to: &Identity, content: &[u8]) -> Option<Vec<u8>> {
        let to = to.certificate.display();
        let job = format!("encrypt to={to} {}", self.encrypting);
        Some(bouncy(&job, content).unwrap_or_else(|text| panic!("{job}: {text}")))
    }

    fn open(&self, der: &[u8], who: &Identity) -> Option<Vec<u8>> {
        let job = format!("open {}", pair(who));
        Some(bouncy(&job, der).unwrap_or_else(|text| panic!("{job}: {text}")))
    }

    fn verify(&self, der: &[u8], content: &[u8], who: &Identity) -> Option<Result<(), String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let job = format!("verify {} content={}", pair(who), file.path().display());
        Some(bouncy(&job, der).map(|_| ()))
    }
}

#[test]
fn bouncycastle_reads_and_is_read() {
    assert_interoperates(
        &BouncyCastle::default(),
        &Cells {
            signers: &[
                "alice",
                "erin-ec",
                "fred-p384",
                "gina-p521",
                "heidi-ed25519",
            ],
            recipients: &["list", "list-p384"],
            copies: &[
                ("list", "aes-256-cbc", false),
                ("list", "aes-256-gcm", false),
                ("list", "aes-128-gcm", true),
                ("list-ec", "aes-256-cbc", false),
                ("list-p384", "aes-256-gcm", false),
                ("list-p521", "aes-256-cbc", false),
            ],
        },
    );
}

#[test]
fn every_algorithm_of_bouncycastle_is_read() {
    let list = lab().identity("list");
    let ec = lab().identity("list-ec");
    let alice = lab().identity("alice");
    for (to, encrypting) in [
        (&list, "cipher=AES192_CBC ski=yes"),
        (&list, "cipher=AES128_GCM"),
        (&list, "cipher=AES256_GCM attrs=yes"),
        (&list, "transport=oaep"),
        (&list, "transport=oaep256 ski=yes"),
        (&list, "ber=yes"),
        (&ec, "agreement=SHA1KDF wrap=AES128_WRAP"),
        (&ec, "agreement=SHA384KDF wrap=AES192_WRAP ukm=words"),
        (&ec, "agreement=SHA512KDF ski=yes cipher=AES256_GCM"),
    ] {
        let toolkit = BouncyCastle {
            signing: "",
            encrypting,
        };
        let sealed = toolkit.encrypt(to, ENTITY).unwrap();
        let (report, content) = inspect(&mail(&alice, &sealed_entity(&sealed)), Some(to));
        assert_eq!(report["decrypted"], true, "{encrypting}: {report}");
        assert_eq!(content, ENTITY, "{encrypting}");
    }
    for signing in [
        "algorithm=SHA384withRSA ski=yes",
        "algorithm=SHA512withRSAandMGF1",
        "algorithm=SHA256withRSAandMGF1",
    ] {
        let toolkit = BouncyCastle {
            signing,
            encrypting: "",
        };
        for detached in [false, true] {
            let signed = toolkit.sign(&alice, ENTITY, detached);
            let entity = signed_entity(&signed, detached);
            assert_read(&inspect(&mail(&alice, &entity), None), &alice, signing, 1);
        }
    }
    for (job, code) in [
        ("password", "password-recipient"),
        ("kek", "password-recipient"),
    ] {
        let sealed = bouncy(job, ENTITY).unwrap();
        let (report, _) = inspect(&mail(&alice, &sealed_entity(&sealed)), Some(&list));
        assert_eq!(report["reason"], code);
    }
    let small = bouncy("compress", ENTITY).unwrap();
    let (report, content) = inspect(&mail(&alice, &sealed_entity(&small)), None);
    assert_eq!(report["layers"][0]["kind"], "compressed");
    assert_eq!(content, ENTITY);
}
