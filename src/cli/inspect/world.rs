//! The keys, anchors and revocation lists that `inspect` works with.

use std::fs;
use std::path::Path;

use zeroize::Zeroizing;

use super::Args;
use crate::model::list::{Legacy, Revocation};
use crate::pki::certificate::Certificate;
use crate::pki::key::{KeyPair, Passphrase, PrivateKey};
use crate::pki::pem;
use crate::pki::revocation::Crl;

/// What a message is opened with; empty by default.
#[derive(Default)]
pub struct World {
    /// Key pairs to decrypt with.
    pub keys: Vec<KeyPair>,
    /// Whom to trust.
    pub anchors: Vec<Certificate>,
    /// Revocation lists at hand.
    pub crls: Vec<Crl>,
    /// Certificates known for signers who enclose none.
    pub known: Vec<Certificate>,
    /// Old algorithms that are admitted.
    pub legacy: Legacy,
    /// What a certificate is worth that no valid CRL covers.
    pub revocation: Revocation,
}

impl World {
    /// Adds what the options name; the error is a sentence that names the file.
    pub(super) fn add(&mut self, args: &Args) -> Result<(), String> {
        if let (Some(key), Some(cert)) = (&args.key, &args.cert) {
            self.keys
                .push(pair(key, cert, args.key_passwd_file.as_deref())?);
        }
        if let Some(file) = &args.cafile {
            self.anchors.extend(certificates(file)?);
        }
        if let Some(directory) = &args.capath {
            self.anchors.extend(anchor_directory(directory)?);
        }
        if let Some(path) = &args.crls {
            self.crls.extend(revocation_lists(path)?);
        }
        Ok(())
    }
}

/// Returns the certificates of a PEM or DER file.
pub(super) fn certificates(file: &Path) -> Result<Vec<Certificate>, String> {
    pem::certificates(&bytes(file)?).map_err(|error| format!("{}: {error}", file.display()))
}

fn pair(key: &Path, cert: &Path, passwd: Option<&Path>) -> Result<KeyPair, String> {
    let passphrase = passwd.map(passphrase).transpose()?;
    let text = Zeroizing::new(bytes(key)?);
    let private = PrivateKey::from_pem(&text, passphrase.as_ref())
        .map_err(|error| format!("{}: {error}", key.display()))?;
    let all = certificates(cert)?;
    let Some(certificate) = all.iter().find(|c| private.matches(c)) else {
        return Err(format!(
            "{}: holds no certificate for the key in {}",
            cert.display(),
            key.display()
        ));
    };
    Ok(KeyPair {
        certificate: certificate.clone(),
        chain: all.iter().filter(|c| *c != certificate).cloned().collect(),
        key: private,
        suffix: String::new(),
    })
}

fn passphrase(file: &Path) -> Result<Passphrase, String> {
    let text = Zeroizing::new(bytes(file)?);
    let line = text
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    Ok(Passphrase::new(Zeroizing::new(line.to_vec())))
}

/// Returns every certificate in a directory, once each; files of other kinds are passed over.
fn anchor_directory(directory: &Path) -> Result<Vec<Certificate>, String> {
    let mut found: Vec<Certificate> = Vec::new();
    for content in files(directory)? {
        for certificate in pem::certificates(&content).unwrap_or_default() {
            if !found.contains(&certificate) {
                found.push(certificate);
            }
        }
    }
    Ok(found)
}

fn revocation_lists(path: &Path) -> Result<Vec<Crl>, String> {
    if path.is_dir() {
        let lists = files(path)?;
        return Ok(lists
            .iter()
            .flat_map(|content| Crl::from_file(content).unwrap_or_default())
            .collect());
    }
    Crl::from_file(&bytes(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

/// Returns the contents of the files in a directory, in the order of their names.
fn files(directory: &Path) -> Result<Vec<Vec<u8>>, String> {
    let unreadable = |error| format!("{}: cannot be read: {error}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    paths
        .iter()
        .filter(|path| path.is_file())
        .map(|path| bytes(path))
        .collect()
}

fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: cannot be read: {error}", file.display()))
}
