//! Finds the vectors and says what NIST expects of each.

use std::path::{Path, PathBuf};

use listseal::pki::{Anchors, Certificate, Crl};

/// The directory `PKITS_data` of the package.
pub struct Vectors(PathBuf);

/// One signed mail.
pub struct Mail {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Vectors {
    /// Finds them, or fails with what to install.
    pub fn find() -> Self {
        let named = std::env::var_os("LISTSEAL_VECTORS").map(PathBuf::from);
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests/vectors");
        let package = named.unwrap_or(beside);
        let data = package.join("cryptography_vectors/x509/PKITS_data");
        assert!(
            data.is_dir(),
            "{} is missing: pip install --no-deps --target target/tests/vectors cryptography_vectors",
            data.display()
        );
        Self(data)
    }

    fn files(&self, directory: &str, suffix: &str) -> Vec<(String, Vec<u8>)> {
        let mut out: Vec<(String, Vec<u8>)> = std::fs::read_dir(self.0.join(directory))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?.strip_suffix(suffix)?;
                Some((name.to_owned(), std::fs::read(&path).unwrap()))
            })
            .collect();
        out.sort();
        out
    }

    fn certificates(&self) -> Vec<(String, Certificate)> {
        let read = |(name, der): (String, Vec<u8>)| {
            let certificate = Certificate::from_der(&der);
            (
                name.clone(),
                certificate.unwrap_or_else(|e| panic!("{name}: {e}")),
            )
        };
        self.files("certs", ".crt").into_iter().map(read).collect()
    }

    pub fn anchors(&self) -> Anchors {
        let all = self.certificates();
        let root = all
            .into_iter()
            .find(|(name, _)| name == "TrustAnchorRootCertificate");
        Anchors::new(vec![root.unwrap().1])
    }

    /// Everything but the certificates that paths end in.
    pub fn authorities(&self) -> Vec<Certificate> {
        let all = self.certificates().into_iter();
        all.filter(|(name, _)| !name.ends_with("EE"))
            .map(|(_, one)| one)
            .collect()
    }

    /// The certificates that paths end in, by the name of their test.
    pub fn leaves(&self) -> Vec<(String, Certificate)> {
        let all = self.certificates().into_iter();
        all.filter_map(|(name, one)| Some((name.strip_suffix("EE")?.to_owned(), one)))
            .collect()
    }

    pub fn crls(&self) -> Vec<Crl> {
        let files = self.files("crls", ".crl").into_iter();
        files
            .map(|(name, der)| Crl::from_der(&der).unwrap_or_else(|e| panic!("{name}: {e}")))
            .collect()
    }

    pub fn mails(&self) -> Vec<Mail> {
        let files = self.files("smime", ".eml").into_iter();
        files
            .map(|(name, bytes)| Mail {
                name: name.strip_prefix("Signed").unwrap().to_owned(),
                bytes,
            })
            .collect()
    }
}

/// True for a path that is valid where any policy is acceptable.
///
/// Most names say so. The others depend on the policies that a relying party asks for, and for
/// them this is what sections 4.8 and 4.12 of the PKITS document state for any policy.
pub fn expected(name: &str) -> bool {
    if name.starts_with("Valid") || name.starts_with("Invalid") {
        return name.starts_with("Valid");
    }
    let (what, number) = name.split_once("Test").unwrap();
    match what {
        // An issuer requires a policy, and none is common to the whole path.
        "DifferentPolicies" => number == "3",
        "MissingCRL" => false,
        _ => true,
    }
}

/// The reason codes that say what is wrong with the invalid path of a test; what is said of no
/// other subject is about revocation lists.
pub fn reasons(name: &str) -> &'static [&'static str] {
    let subject = SUBJECTS.iter().find(|(word, _)| name.contains(word));
    subject.map_or(&["revoked", "revocation-unknown"], |(_, codes)| codes)
}

const SUBJECTS: &[(&str, &[&str])] = &[
    ("DSASignature", &["unsupported-algorithm"]),
    ("CRLSignature", &["revocation-unknown"]),
    ("Signature", &["chain-signature"]),
    ("notBefore", &["not-yet-valid"]),
    ("CAnotAfter", &["issuer-expired"]),
    ("notAfter", &["expired"]),
    ("NameChaining", &["unknown-issuer"]),
    ("pathLen", &["path-length"]),
    ("nameConstraints", &["name-constraint"]),
    ("Policies", &["policy-required"]),
    ("Policy", &["policy-required"]),
    ("basicConstraints", &["usage-issuer"]),
    ("cAFalse", &["usage-issuer"]),
    ("keyCertSign", &["usage-issuer"]),
    ("CRLSigningKeyTest8", &["usage-issuer"]),
    ("CriticalCertificateExtension", &["unknown-critical"]),
    ("Revoked", &["revoked"]),
    ("MissingCRL", &["revocation-unknown"]),
    ("OldCRL", &["revocation-unknown"]),
    ("UnknownCRL", &["revocation-unknown"]),
];
