//! Keys and certificates made by `openssl` at run time, each at its first use and once only.
//!
//! A name says what is wanted: `alice` is a person with an RSA key and a certificate to sign and to
//! encrypt with for alice@example.org. Words after hyphens change that:
//!
//! | word | meaning |
//! | --- | --- |
//! | `ec` | the key is on the curve P-256 |
//! | `p384`, `p521` | the key is on that curve |
//! | `rsa3072`, `rsa4096` | the RSA key has that many bits |
//! | `ed25519` | the key is an Ed25519 one, and signs only |
//! | `x25519` | the key is an X25519 one, and encrypts only |
//! | `sign`, `enc` | the certificate is for one use only |
//! | `expired` | the certificate expired long ago |
//! | `second` | issued by the other one of the two authorities that sites trust |
//! | `middle` | issued by an authority below the first one, which signed mail encloses |
//! | `untrusted` | issued by an authority that nobody trusts |
//! | `elsewhere` | the certificate names alice@elsewhere.example |
//! | `utf8` | the certificate names öalice@example.org, as SmtpUTF8Mailbox (RFC 9598) |
//! | `chain` | the file holds the certificate of the issuer, too |
//! | `locked` | the private key is encrypted with [`PASSPHRASE`] |
//! | anything else | another generation: a key of its own, else like the rest says |

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

/// What keys called `locked` are encrypted with.
pub const PASSPHRASE: &str = "correct horse battery staple";
/// The domain of all people and lists unless a name says otherwise.
pub const DOMAIN: &str = "example.org";

/// A scratch directory with two authorities that sites trust and one that they do not.
pub struct Lab {
    dir: PathBuf,
    known: Mutex<HashMap<String, Arc<OnceLock<Identity>>>>,
}

/// A certificate and its private key, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    pub name: String,
    /// The address in the certificate.
    pub address: String,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The lab of this test run.
pub fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(Lab::new)
}

/// Runs `openssl` with the words of `line`.
///
/// # Panics
///
/// It fails: what it said is in the message.
pub fn openssl(dir: &Path, line: &str, input: &[u8]) -> Vec<u8> {
    let words: Vec<&str> = line.split_whitespace().collect();
    run(dir, "openssl", &words, input).unwrap_or_else(|text| panic!("openssl {line}: {text}"))
}

/// Runs a program; its complaints are the error.
///
/// # Panics
///
/// There is no such program.
pub fn run(dir: &Path, program: &str, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut child = Command::new(program)
        .args(words)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A program that stops reading early says so itself.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    });
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            dir: scratch(),
            known: Mutex::default(),
        };
        for authority in [FIRST, SECOND, UNTRUSTED] {
            lab.openssl(&format!(
                "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=Test-{authority} \
                 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
                 -keyout {authority}.key -out {authority}.pem"
            ));
        }
        lab.openssl(&format!(
            "req -new -newkey rsa:2048 -nodes -subj /CN=Test-{MIDDLE} -keyout {MIDDLE}.key -out {MIDDLE}.csr"
        ));
        let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
            subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
        std::fs::write(lab.dir.join("ca.ext"), extensions).unwrap();
        lab.openssl(&format!(
            "x509 -req -in {MIDDLE}.csr -CA {FIRST}.pem -CAkey {FIRST}.key -CAcreateserial \
             -CAserial {MIDDLE}.srl -days 3000 -extfile ca.ext -out {MIDDLE}.pem"
        ));
        let both = [FIRST, SECOND].map(|name| std::fs::read(lab.dir.join(format!("{name}.pem"))));
        std::fs::write(lab.trusted(), both.map(Result::unwrap).concat()).unwrap();
        lab
    }

    /// What a mail program encloses beside the certificate of `name`.
    pub fn above(&self, name: &str) -> Option<PathBuf> {
        let middle = authority_of(name) == MIDDLE;
        middle.then(|| self.dir.join(format!("{MIDDLE}.pem")))
    }

    /// Where the files lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The certificate of the authority that issues what no name says otherwise of.
    pub fn authority(&self) -> PathBuf {
        self.dir.join(format!("{FIRST}.pem"))
    }

    /// The certificates of the authorities that sites trust.
    pub fn trusted(&self) -> PathBuf {
        self.dir.join("trusted.pem")
    }

    /// Certificate and key of `name`, made now if they were not asked for before.
    pub fn identity(&self, name: &str) -> Identity {
        let cell = Arc::clone(
            self.known
                .lock()
                .unwrap()
                .entry(name.to_owned())
                .or_default(),
        );
        cell.get_or_init(|| self.make(name)).clone()
    }

    /// Runs `openssl` in the directory of the lab.
    pub fn openssl(&self, line: &str) -> Vec<u8> {
        openssl(&self.dir, line, b"")
    }

    /// Removes everything; for runners that know when the last test has ended.
    pub fn remove(&self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }

    fn make(&self, name: &str) -> Identity {
        let mut words = name.split('-');
        let person = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        let has = |word: &str| words.contains(&word);
        let domain = if has("elsewhere") {
            "elsewhere.example"
        } else {
            DOMAIN
        };
        let address = if has("utf8") {
            format!("ö{person}@{domain}")
        } else {
            format!("{person}@{domain}")
        };
        let mailbox = if has("utf8") {
            format!("@san\n[san]\notherName=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:{address}")
        } else {
            format!("email:{address}")
        };
        let curve = [("ec", "P-256"), ("p384", "P-384"), ("p521", "P-521")]
            .into_iter()
            .find(|(word, _)| has(word));
        let key = match curve {
            Some((_, curve)) => format!("ec -pkeyopt ec_paramgen_curve:{curve}"),
            None if has("ed25519") => "ed25519".to_owned(),
            None if has("rsa3072") => "rsa:3072".to_owned(),
            None if has("rsa4096") => "rsa:4096".to_owned(),
            // Of an X25519 key, which cannot make a request, another one makes it.
            None => "rsa:2048".to_owned(),
        };
        // A bare plus sign begins a second name.
        let subject = person.replace('+', "\\+");
        self.openssl(&format!(
            "req -new -newkey {key} -nodes -subj /CN={subject} -keyout {name}.key -out {name}.csr"
        ));
        let transport = if curve.is_some() || has("x25519") {
            "keyAgreement"
        } else {
            "keyEncipherment"
        };
        let usage = match (has("sign") || has("ed25519"), has("enc") || has("x25519")) {
            (true, _) => "digitalSignature".to_owned(),
            (_, true) => transport.to_owned(),
            _ => format!("digitalSignature,{transport}"),
        };
        let mut extensions = String::new();
        write!(
            extensions,
            "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n\
             keyUsage=critical,{usage}\nextendedKeyUsage=emailProtection\nsubjectAltName={mailbox}\n"
        )
        .unwrap();
        std::fs::write(self.dir.join(format!("{name}.ext")), extensions).unwrap();
        let authority = authority_of(name);
        if has("expired") {
            self.issue_in_the_past(name, authority);
        } else {
            let mut public = String::new();
            if has("x25519") {
                self.openssl(&format!("genpkey -algorithm X25519 -out {name}.key"));
                self.openssl(&format!("pkey -in {name}.key -pubout -out {name}.pub"));
                public = format!("-force_pubkey {name}.pub");
            }
            self.openssl(&format!(
                "x509 -req {public} -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial \
                 -CAserial {name}.srl -days 3000 -extfile {name}.ext -out {name}.pem"
            ));
        }
        if has("chain") {
            let file = |name: &str| self.dir.join(format!("{name}.pem"));
            let issuer = std::fs::read(file(authority)).unwrap();
            let own = std::fs::read(file(name)).unwrap();
            std::fs::write(file(name), [own, issuer].concat()).unwrap();
        }
        if has("locked") {
            let pass = self.dir.join("passphrase");
            std::fs::write(pass, PASSPHRASE).unwrap();
            self.openssl(&format!(
                "pkcs8 -topk8 -in {name}.key -passout file:passphrase -out {name}.locked"
            ));
            let file = |end: &str| self.dir.join(format!("{name}.{end}"));
            std::fs::rename(file("locked"), file("key")).unwrap();
        }
        Identity {
            name: name.to_owned(),
            address,
            certificate: self.dir.join(format!("{name}.pem")),
            key: self.dir.join(format!("{name}.key")),
        }
    }

    /// Revocation lists of the first authority and the one below it that hold these.
    pub fn revocations(&self, names: &[String]) -> Vec<u8> {
        let list = |authority| {
            let names = names.iter();
            let issued = names.filter(|name| authority_of(name) == authority);
            self.revocation_list(authority, &issued.collect::<Vec<_>>())
        };
        [list(FIRST), list(MIDDLE)].concat()
    }

    fn revocation_list(&self, authority: &str, names: &[&String]) -> Vec<u8> {
        // What `openssl ca` keeps of a certificate: state, end, revocation, serial, file, subject.
        let mut known = String::new();
        for name in names {
            let file = self.identity(name).certificate;
            let serial = self.openssl(&format!("x509 -noout -serial -in {}", file.display()));
            let serial = String::from_utf8(serial).unwrap();
            let serial = serial.trim().trim_start_matches("serial=");
            let line = format!("R\t350101000000Z\t250101000000Z\t{serial}\tunknown\t/CN={name}\n");
            known.push_str(&line);
        }
        let scratch = tempfile::tempdir_in(&self.dir).unwrap();
        let (database, config) = (scratch.path().join("db"), scratch.path().join("cnf"));
        std::fs::write(&database, known).unwrap();
        let text = format!(
            "[ca]\ndefault_ca = one\n[one]\ndatabase = {}\ndefault_md = sha256\ndefault_crl_days = 30\n",
            database.display()
        );
        std::fs::write(&config, text).unwrap();
        self.openssl(&format!(
            "ca -gencrl -config {} -cert {authority}.pem -keyfile {authority}.key",
            config.display()
        ))
    }

    /// `openssl x509` of Debian 12 knows no dates; `openssl ca` does, and wants a data base.
    fn issue_in_the_past(&self, name: &str, authority: &str) {
        let config = format!(
            "[ca]\ndefault_ca = one\n[one]\ndatabase = {name}.db\nnew_certs_dir = .\nrand_serial = yes\n\
             default_md = sha256\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n"
        );
        std::fs::write(self.dir.join(format!("{name}.cnf")), config).unwrap();
        std::fs::write(self.dir.join(format!("{name}.db")), "").unwrap();
        self.openssl(&format!(
            "ca -batch -notext -config {name}.cnf -in {name}.csr -cert {authority}.pem \
             -keyfile {authority}.key -startdate 20200101000000Z -enddate 20210101000000Z \
             -extfile {name}.ext -out {name}.pem"
        ));
    }
}

/// Who issues the certificate of this name.
fn authority_of(name: &str) -> &'static str {
    let issuers = [
        ("untrusted", UNTRUSTED),
        ("second", SECOND),
        ("middle", MIDDLE),
    ];
    let has = |(word, _): &(&str, &str)| name.split('-').skip(1).any(|one| one == *word);
    issuers
        .into_iter()
        .find(has)
        .map_or(FIRST, |(_, authority)| authority)
}

/// A directory below `target/` that is of this process alone. The standard harness never says that
/// the last test has ended, so those of earlier processes are removed here.
fn scratch() -> PathBuf {
    let labs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("labs");
    std::fs::create_dir_all(&labs).unwrap();
    for entry in std::fs::read_dir(&labs).unwrap().flatten() {
        if !Path::new("/proc").join(entry.file_name()).exists() {
            // Another process may be doing the same.
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
    let own = labs.join(std::process::id().to_string());
    std::fs::remove_dir_all(&own).ok();
    std::fs::create_dir(&own).unwrap();
    own
}

const FIRST: &str = "authority";
const SECOND: &str = "second";
const MIDDLE: &str = "middle";
const UNTRUSTED: &str = "stranger";
