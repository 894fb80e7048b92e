//! Codes of certificates: chains made by openssl, a mail signed below each, and what
//! `listseal inspect --json` says of it.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::Provoke;
use crate::common::lab::{lab, openssl};
use crate::inspected::{Question, ask, made};

/// Authorities and, last, the signer: each is issued by the one before it, the first by the root.
type Chain = &'static [&'static str];

/// Makes what is asked below a root.
type Below = fn(&Pki) -> Question;

const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign";
const LEAF: &str = "subjectAltName=email:alice@example.org";

pub fn cases() -> Vec<(&'static str, Provoke)> {
    let mut all: Vec<(&'static str, Provoke)> = CHAINS
        .iter()
        .map(|(code, chain)| {
            let run = |code: &str| ask(code, &Pki::new().signed(chain));
            (*code, Box::new(run) as Provoke)
        })
        .collect();
    for (code, question) in OTHERS {
        let run = |code: &str| {
            let pki = Pki::new();
            ask(code, &question(&pki))
        };
        all.push((code, Box::new(run)));
    }
    all
}

const CHAINS: &[(&str, Chain)] = &[
    (
        "usage-sign",
        &["keyUsage=critical,keyAgreement\nsubjectAltName=email:alice@example.org"],
    ),
    (
        "usage-email",
        &["extendedKeyUsage=serverAuth\nsubjectAltName=email:alice@example.org"],
    ),
    ("usage-issuer", &["basicConstraints=CA:FALSE", LEAF]),
    (
        "path-length",
        &[
            "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign",
            CA,
            LEAF,
        ],
    ),
    (
        "name-constraint",
        &[
            "basicConstraints=critical,CA:TRUE\nnameConstraints=critical,permitted;email:elsewhere.example",
            LEAF,
        ],
    ),
    (
        "unknown-critical",
        &["1.2.3.4=critical,ASN1:NULL\nsubjectAltName=email:alice@example.org"],
    ),
    (
        "policy-required",
        &[
            "basicConstraints=critical,CA:TRUE\ncertificatePolicies=1.2.3.5\n\
             policyConstraints=critical,requireExplicitPolicy:0",
            LEAF,
        ],
    ),
    // A key usage that is no bit string.
    (
        "certificate-malformed",
        &["2.5.29.15=critical,DER:04:01:80\nsubjectAltName=email:alice@example.org"],
    ),
];

const OTHERS: &[(&str, Below)] = &[
    ("unknown-issuer", |_| lab_question("alice-untrusted", "")),
    ("revoked", |pki| {
        let lists = pki.path("crls.pem");
        std::fs::write(&lists, lab().revocations(&["alice".to_owned()])).unwrap();
        lab_question("alice", &format!("--crls {}", lists.display()))
    }),
    ("revocation-unknown", |_| {
        lab_question("alice", "--revocation hard")
    }),
    ("expired", |pki| {
        pki.issue("signer", "root", LEAF, 3);
        pki.mail("signer", &[]).at(Duration::days(9))
    }),
    ("not-yet-valid", |pki| {
        pki.issue("signer", "root", LEAF, 3);
        pki.mail("signer", &[]).at(Duration::days(-9))
    }),
    ("issuer-expired", |pki| {
        pki.issue("mid", "root", CA, 3);
        pki.issue("signer", "mid", LEAF, 90);
        pki.mail("signer", &["mid"]).at(Duration::days(9))
    }),
    ("chain-signature", |pki| {
        // Another authority of the same name, and nothing that says so.
        pki.openssl("req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 9 -subj /CN=root");
        let bare = format!("{LEAF}\nauthorityKeyIdentifier=none");
        pki.issue("signer", "other", &bare, 9);
        pki.mail("signer", &[])
    }),
    ("path-budget", |pki| {
        // Authorities of one name that have all issued each other.
        let names: Vec<String> = (0..6).map(|n| format!("same{n}")).collect();
        for name in &names {
            pki.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
                 -out {name}.pem -days 9 -subj /CN=same -addext keyUsage=keyCertSign"
            ));
        }
        let mut crossed = Vec::new();
        for above in &names {
            for below in names.iter().filter(|below| *below != above) {
                let name = format!("{above}-{below}");
                std::fs::copy(
                    pki.path(&format!("{below}.key")),
                    pki.path(&format!("{name}.key")),
                )
                .unwrap();
                pki.issue_to("same", &name, above, CA, 9);
                crossed.push(name);
            }
        }
        pki.issue("signer", "same0", LEAF, 9);
        let crossed: Vec<&str> = crossed.iter().map(String::as_str).collect();
        pki.mail("signer", &crossed)
    }),
];

/// Mail that somebody in the lab has signed.
fn lab_question(who: &str, options: &str) -> Question {
    let anchor = lab().authority();
    Question {
        mail: made(&[&format!("sign {who}")]),
        options: format!("--cafile {} {options}", anchor.display()),
    }
}

impl Question {
    /// Asked some time from now.
    fn at(mut self, away: Duration) -> Self {
        let then = (OffsetDateTime::now_utc() + away).format(&Rfc3339).unwrap();
        self.options += &format!(" --at {then}");
        self
    }
}

/// Certificates and keys in a directory, below `root.pem`.
struct Pki(tempfile::TempDir);

impl Pki {
    fn new() -> Self {
        let pki = Self(tempfile::tempdir_in(lab().dir()).unwrap());
        pki.openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 365 -subj /CN=root \
             -addext keyUsage=critical,keyCertSign,cRLSign",
        );
        pki
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, line: &str) -> Vec<u8> {
        openssl(self.0.path(), line, b"")
    }

    /// Issues a certificate with lines of extensions to a name of its own.
    fn issue(&self, name: &str, issuer: &str, extensions: &str, days: u32) {
        self.issue_to(name, name, issuer, extensions, days);
    }

    /// As `issue`, for a subject; a key that is there is used.
    fn issue_to(&self, subject: &str, name: &str, issuer: &str, extensions: &str, days: u32) {
        let key = self.path(&format!("{name}.key"));
        if !key.exists() {
            self.openssl(&format!(
                "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"
            ));
        }
        std::fs::write(self.path("ext"), extensions).unwrap();
        self.openssl(&format!(
            "req -new -key {name}.key -subj /CN={subject} -out csr"
        ));
        self.openssl(&format!(
            "x509 -req -in csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days {days} \
             -extfile ext -out {name}.pem"
        ));
    }

    /// A mail signed by `name` that encloses others.
    fn mail(&self, name: &str, enclosed: &[&str]) -> Question {
        let bag: Vec<Vec<u8>> = enclosed
            .iter()
            .map(|one| std::fs::read(self.path(&format!("{one}.pem"))).unwrap())
            .collect();
        let bag = bag.concat();
        let mut line = format!("cms -sign -signer {name}.pem -inkey {name}.key");
        if !bag.is_empty() {
            std::fs::write(self.path("bag"), &bag).unwrap();
            line += " -certfile bag";
        }
        let entity = b"Content-Type: text/plain\n\nAt noon.\n";
        let signed = openssl(self.0.path(), &line, entity);
        // The directory goes before the question is asked.
        let root = tempfile::NamedTempFile::new_in(lab().dir()).unwrap();
        let (_, root) = root.keep().unwrap();
        std::fs::copy(self.path("root.pem"), &root).unwrap();
        Question {
            mail: [b"From: alice@example.org\n", &signed[..]].concat(),
            options: format!("--cafile {}", root.display()),
        }
    }

    /// Issues a chain; its last one signs and encloses the others.
    fn signed(&self, chain: Chain) -> Question {
        let names: Vec<String> = (0..chain.len()).map(|n| format!("c{n}")).collect();
        let mut issuer = "root";
        for (name, extensions) in names.iter().zip(chain) {
            self.issue(name, issuer, extensions, 9);
            issuer = name;
        }
        let (signer, above) = names.split_last().unwrap();
        let above: Vec<&str> = above.iter().map(String::as_str).collect();
        self.mail(signer, &above)
    }
}
