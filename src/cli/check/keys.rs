//! Key pairs: readable, matching, able to decrypt, valid, and each used by one list alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use time::Duration;

use super::Examination;
use super::site::date;
use crate::cms::content_info::ContentInfo;
use crate::cms::enveloped::{Enveloped, PrivateOperations};
use crate::cms::write::{ContentKey, KeyTransport, Recipient, encrypt_content, prefix};
use crate::config::permission::{Use, directory, quoted};
use crate::config::{PassphraseSource, Problem, Severity};
use crate::model::list::{ContentCipher, Encrypt, Legacy};
use crate::model::route::SITE_NAME;
use crate::model::{Address, Reason};
use crate::pki::KeyPair;
use crate::store::keys::KeyRing;
use crate::store::lists::ListConfig;
use crate::store::passphrase;

impl Examination {
    /// Looks at the key pairs of a list; true where there is one to decrypt with.
    pub(super) fn list_keys(&mut self, config: &ListConfig) -> bool {
        let list = &config.directory;
        let ring = self.ring(&list.path, config.passphrase.as_ref(), Some(&list.address));
        let none = ring.pairs().is_empty() && !has_pair(&list.path);
        let mut found: Vec<Problem> = ring.problems().to_vec();
        if none && config.policy.encrypt == Encrypt::Never {
            // A list that takes no encrypted mail needs no key.
            found.clear();
        }
        for pair in ring.pairs() {
            found.extend(self.pair(pair, &list.path, &list.address));
        }
        if let Some(pair) = ring.encryption() {
            found.extend(encrypts(pair, &list.path));
        }
        if let Some(pair) = ring.signing().filter(|_| config.policy.sign) {
            found.extend(signs(pair, &list.path));
        }
        let found = found.into_iter().map(|problem| problem.of(&list.address));
        self.found.extend(found);
        !ring.pairs().is_empty()
    }

    /// Looks at the pair of `listseal@domain`.
    pub(super) fn site_keys(&mut self, domain: &str, source: Option<&PassphraseSource>) {
        let path = self.lists.site_directory(domain);
        let Ok(address) = Address::parse(&format!("{SITE_NAME}@{domain}")) else {
            return;
        };
        if !has_pair(&path) {
            self.found.push(Problem::warning(
                &path,
                format!(
                    "holds no key pair of {address}: encrypted mail to it cannot be read, its \
                     answers are not signed"
                ),
                new_pair(&path, &address),
            ));
            return;
        }
        let mut found = directory(&path, Use::Readable, self.user);
        let ring = self.ring(&path, source, None);
        found.extend(ring.problems().iter().cloned());
        for pair in ring.pairs() {
            found.extend(self.pair(pair, &path, &address));
        }
        self.found.extend(found);
    }

    fn ring(
        &mut self,
        path: &Path,
        source: Option<&PassphraseSource>,
        list: Option<&Address>,
    ) -> Arc<KeyRing> {
        let passphrase = match passphrase::read(source, self.user) {
            Ok(passphrase) => passphrase,
            Err(problem) => {
                self.found.push(match list {
                    Some(list) => problem.of(list),
                    None => problem,
                });
                None
            }
        };
        let ring = KeyRing::load(path, passphrase.as_ref(), self.user);
        // One key for two lists lets a member of one read the other's mail (contract S22).
        self.claims
            .own(Arc::new(ring), &self.lists, self.user, path, list)
    }

    fn pair(&mut self, pair: &KeyPair, path: &Path, address: &Address) -> Vec<Problem> {
        let file = certificate_file(path, pair);
        let mut found = Vec::new();
        let certificate = &pair.certificate;
        if is_announced(pair) {
            found.extend(self.validity(pair, &file));
            if !certificate.names(address) {
                let names: Vec<_> = certificate
                    .addresses()
                    .iter()
                    .map(Address::to_string)
                    .collect();
                let names = if names.is_empty() {
                    "no address".to_owned()
                } else {
                    names.join(", ")
                };
                found.push(Problem::warning(
                    &file,
                    format!("is for {names}, not for {address}: mail programs may not find it"),
                    format!("get a certificate for {address}"),
                ));
            }
        }
        if let Err(problem) = opens(pair) {
            found.push(Problem::error(
                path.join(format!("private_key{}", pair.suffix)),
                format!(
                    "does not open what is encrypted to cert.pem{}: {problem}",
                    pair.suffix
                ),
                "put the two files of one pair there",
            ));
        }
        found
    }

    fn validity(&self, pair: &KeyPair, file: &Path) -> Option<Problem> {
        let (begin, end) = (pair.certificate.not_before(), pair.certificate.not_after());
        let remedy = "renew it, and tell the members its new fingerprint";
        if self.now < begin {
            let text = format!("is not valid before {}", date(begin));
            Some(Problem::error(file, text, "wait, or set the clock right"))
        } else if self.now > end {
            let text = format!("expired on {}: members cannot encrypt to it", date(end));
            Some(Problem::error(file, text, remedy))
        } else if end - self.now < SOON {
            let text = format!("expires on {}", date(end));
            Some(Problem::warning(file, text, remedy))
        } else {
            None
        }
    }
}

/// The pairs that members see; old ones only decrypt, and may be as old as they like.
fn is_announced(pair: &KeyPair) -> bool {
    matches!(pair.suffix.as_str(), "" | ".enc" | ".sign")
}

fn encrypts(pair: &KeyPair, path: &Path) -> Option<Problem> {
    let file = certificate_file(path, pair);
    if !pair.certificate.usage().encrypt {
        return Some(Problem::error(
            &file,
            "may not be used to encrypt (keyUsage, extendedKeyUsage)",
            "get a certificate for S/MIME with keyEncipherment (RSA) or keyAgreement (EC)",
        ));
    }
    Recipient::new(&pair.certificate, KeyTransport::default())
        .err()
        .map(|reason| {
            let severity = match reason {
                Reason::BelowFloor | Reason::WeakKey => Severity::Warning,
                _ => Severity::Error,
            };
            Problem {
                severity,
                ..Problem::error(
                    &file,
                    format!("cannot be encrypted to: {reason}"),
                    "make a new key pair: RSA with 3072 bits, or P-256",
                )
            }
        })
}

fn signs(pair: &KeyPair, path: &Path) -> Option<Problem> {
    (!pair.certificate.usage().sign).then(|| {
        Problem::error(
            certificate_file(path, pair),
            "may not be used to sign, but sign = true",
            "get a certificate with digitalSignature, as cert.pem.sign beside an encrypting one",
        )
    })
}

/// Encrypts a few bytes to the certificate and opens them with the key (contract S43).
fn opens(pair: &KeyPair) -> Result<(), String> {
    let rng = &mut UnwrapErr(SysRng);
    // What only signs, or is too old to be encrypted to, was matched to its certificate when it
    // was read; there is nothing to try.
    let usable = pair.certificate.usage().encrypt;
    let Some(recipient) = usable
        .then(|| Recipient::new(&pair.certificate, KeyTransport::default()).ok())
        .flatten()
    else {
        return Ok(());
    };
    let key = ContentKey::generate(ContentCipher::Aes256Gcm, rng);
    let content = encrypt_content(&key, PROBE, rng).map_err(|e| e.to_string())?;
    let info = recipient.info(&key).map_err(|e| e.to_string())?;
    let der = [prefix(&info, &content).as_slice(), content.shared()].concat();
    let parsed = ContentInfo::parse(&der).map_err(|e| e.to_string())?;
    let sealed = Enveloped::parse(parsed.content, parsed.kind).map_err(|e| e.to_string())?;
    let opened = sealed
        .open(
            std::slice::from_ref(pair),
            &[],
            Legacy::NONE,
            &mut PrivateOperations::default(),
            rng,
        )
        .map_err(|reason| reason.to_string())?;
    if opened.plaintext.as_slice() == PROBE {
        Ok(())
    } else {
        Err("the content came out changed".to_owned())
    }
}

fn certificate_file(path: &Path, pair: &KeyPair) -> PathBuf {
    path.join(format!("cert.pem{}", pair.suffix))
}

/// True where any file of a pair is there, usable or not.
fn has_pair(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            name.starts_with(b"cert.pem") || name.starts_with(b"private_key")
        })
    })
}

fn new_pair(path: &Path, address: &Address) -> String {
    format!(
        "(umask 077; mkdir -p -m 755 {place} && openssl req -x509 -newkey rsa:3072 -nodes \
         -days 1825 -subj /CN={address} -addext subjectAltName=email:{address} \
         -addext keyUsage=critical,digitalSignature,keyEncipherment -keyout {key} -out {cert})",
        place = quoted(path),
        key = quoted(&path.join("private_key")),
        cert = quoted(&path.join("cert.pem")),
    )
}

/// Members should have time to notice.
const SOON: Duration = Duration::days(30);
const PROBE: &[u8] = b"Content-Type: text/plain\r\n\r\nlistseal check\r\n";
