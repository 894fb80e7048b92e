//! The certificate directory, under Sympa's names.
//!
//! # Place in the flow
//!
//! open asks for cached signers, expand for whom mail can be sealed, harvest's findings are kept.
//!
//! # Trust
//!
//! For a file placed by hand the name is the claim, whatever address the certificate itself names
//! (contract decision 8). What others could have written is not believed (contract E5).
//!
//! # Invariants
//!
//! * Writing is temporary file, fsync, rename, fsync of the directory: after a power cut the old or
//!   the new certificate is there, never none (contract S36, points C1 and C2).
//! * A certificate that only signs never takes the place of one that encrypts (contract S32).
//! * What was replaced is kept in `.listseal/<name>/`, where Sympa does not look, and so is the way
//!   from a learned certificate to its anchor.
//! * A file that is wrong is one thing, a directory that cannot be read another ([`Unusable`]): only
//!   what does not exist counts as no certificate.
//!
//! # See also
//!
//! [`crate::model::escape`] for the names.

mod aside;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::config::Problem;
use crate::config::permission::{RelayUser, quoted};
use crate::disk;
use crate::model::{Address, escape};
use crate::pki::{Certificate, Slot, pem};
use crate::store::pem_file::{self, Stamp, make_directory, sync_directory, unwritten};

pub use crate::store::pem_file::Unusable;

/// One certificate of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The certificate.
    pub certificate: Certificate,
    /// The authorities that follow it in its file.
    pub authorities: Vec<Certificate>,
    /// What its file name says it is for.
    pub slot: Slot,
    /// Its file.
    pub path: PathBuf,
}

/// The certificate directory. Files are read when they are asked for; what did not change since is
/// not parsed again.
#[derive(Debug)]
pub struct CertificateStore {
    directory: PathBuf,
    user: RelayUser,
    known: Mutex<HashMap<PathBuf, (Stamp, Vec<Certificate>)>>,
}

impl CertificateStore {
    /// Returns the store in `directory`, which need not exist yet.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, user: RelayUser) -> Self {
        Self {
            directory: directory.into(),
            user,
            known: Mutex::default(),
        }
    }

    /// Returns the directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the certificate to encrypt with for `address`: `@enc`, then the plain name, never
    /// `@sign`; names of the present scheme before those of older Sympas.
    ///
    /// # Errors
    ///
    /// The file that would be used cannot be, or what is there cannot be told: the problem names it
    /// and the remedy.
    pub fn encryption(&self, address: &Address) -> Result<Option<Stored>, Unusable> {
        self.first(address, &[Slot::Encrypt, Slot::Both])
    }

    /// Returns every certificate at hand that may verify signatures of `address`, and what is wrong
    /// with the others.
    ///
    /// # Errors
    ///
    /// What is there cannot be told: a signer who seems unknown might be known.
    pub fn verification(
        &self,
        address: &Address,
    ) -> Result<(Vec<Certificate>, Vec<Problem>), Problem> {
        let mut found: Vec<Certificate> = Vec::new();
        let mut problems = Vec::new();
        for (name, slot) in candidates(address, &[Slot::Sign, Slot::Both, Slot::Encrypt]) {
            match self.read(&name, slot, address) {
                Ok(Some(stored)) if !found.contains(&stored.certificate) => {
                    found.push(stored.certificate);
                }
                Ok(_) => {}
                Err(Unusable::File(problem)) => problems.push(problem),
                Err(Unusable::Trouble(problem)) => return Err(problem),
            }
        }
        Ok((found, problems))
    }

    /// Returns the certificate that one learned for `slot` would replace.
    ///
    /// # Errors
    ///
    /// As [`CertificateStore::encryption`].
    pub fn in_force(&self, address: &Address, slot: Slot) -> Result<Option<Stored>, Unusable> {
        match slot {
            Slot::Both | Slot::Encrypt => self.encryption(address),
            Slot::Sign => self.first(address, &[Slot::Sign]),
        }
    }

    /// Returns what keeps every certificate out of reach, and so the mail for all subscribers.
    #[must_use]
    pub fn trouble(&self) -> Option<Problem> {
        let place = self.directory.join(ASIDE);
        pem_file::stamp(&place).err().map(Problem::from)
    }

    fn first(&self, address: &Address, slots: &[Slot]) -> Result<Option<Stored>, Unusable> {
        for (name, slot) in candidates(address, slots) {
            if let Some(stored) = self.read(&name, slot, address)? {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    fn read(&self, name: &str, slot: Slot, address: &Address) -> Result<Option<Stored>, Unusable> {
        let path = self.directory.join(format!("{name}{}", slot.suffix()));
        let Some(all) = self.certificates_of(&path, only_certificate)? else {
            return Ok(None);
        };
        let stored = stored(all, slot, path);
        Ok(stored.filter(|stored| !is_anothers(name, address, &stored.certificate)))
    }

    /// Returns what a file holds, read anew only where it has changed.
    fn certificates_of(
        &self,
        path: &Path,
        parse: impl FnOnce(&Path, &[u8]) -> Result<Vec<Certificate>, Problem>,
    ) -> Result<Option<Vec<Certificate>>, Unusable> {
        let Some(stamp) = pem_file::stamp(path)? else {
            self.forget(path);
            return Ok(None);
        };
        if let Some(all) = self.remembered(path, stamp) {
            return Ok(Some(all));
        }
        self.forget(path);
        let Some((stamp, bytes)) = pem_file::read(path, self.user)? else {
            return Ok(None);
        };
        let all = parse(path, &bytes).map_err(Unusable::File)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(path.to_owned(), (stamp, all.clone()));
        Ok(Some(all))
    }

    fn remembered(&self, path: &Path, stamp: Stamp) -> Option<Vec<Certificate>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, all) = known.get(path)?;
        (*seen == stamp).then(|| all.clone())
    }

    fn forget(&self, path: &Path) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(path);
    }

    /// Puts `certificate` into force for `address`, durably, and keeps what it replaces. `issuers`
    /// are kept beside it, see [`CertificateStore::issuers`].
    ///
    /// Whether it may replace what is in force is the caller's question, see
    /// [`CertificateStore::in_force`].
    ///
    /// # Errors
    ///
    /// Nothing was changed, or the new certificate is in force but the old one still lies beside
    /// it; the problem says which file could not be written.
    pub fn keep(
        &self,
        address: &Address,
        slot: Slot,
        certificate: &Certificate,
        issuers: &[Certificate],
    ) -> Result<PathBuf, Problem> {
        let name = escape::file_name(address.key());
        let path = self.directory.join(format!("{name}{}", slot.suffix()));
        make_directory(&self.directory, true)?;
        make_directory(&self.directory.join(ASIDE), false)?;
        self.set_aside(address, &path)?;
        // First: a certificate in force without its way to the anchor could not be told revoked.
        self.keep_issuers(address, certificate, issuers)?;
        let text = pem::encode("CERTIFICATE", certificate.der());
        self.put(&path, text.as_bytes())?;
        if slot == Slot::Both {
            // An older certificate for encryption alone would otherwise go before this one.
            let other = self
                .directory
                .join(format!("{name}{}", Slot::Encrypt.suffix()));
            if self.set_aside(address, &other)? {
                disk::unlink(&other).map_err(|e| unwritten(&other, &e))?;
                sync_directory(&self.directory)?;
            }
        }
        Ok(path)
    }

    /// Returns every certificate file of the directory with its name, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// The directory cannot be listed.
    pub fn entries(&self) -> Result<Vec<Result<Stored, Problem>>, Problem> {
        let unread = |e: std::io::Error| {
            let remedy = format!("ls -ld {}", quoted(&self.directory));
            Problem::error(&self.directory, format!("cannot be listed: {e}"), remedy)
        };
        let listing = match std::fs::read_dir(&self.directory) {
            Ok(listing) => listing,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(unread(e)),
        };
        let mut names = Vec::new();
        for entry in listing {
            let name = entry.map_err(unread)?.file_name();
            names.extend(name.into_string().ok().filter(|n| !n.starts_with('.')));
        }
        names.sort_unstable();
        let read = |name: &String| {
            let path = self.directory.join(name);
            let slot = [Slot::Encrypt, Slot::Sign]
                .into_iter()
                .find(|slot| name.ends_with(slot.suffix()))
                .unwrap_or(Slot::Both);
            let read = self.certificates_of(&path, only_certificate).transpose()?;
            match read {
                Ok(all) => stored(all, slot, path).map(Ok),
                Err(unusable) => Some(Err(unusable.into())),
            }
        };
        Ok(names.iter().filter_map(read).collect())
    }
}

/// Returns the names to look under, in order, without the suffix of the slot.
fn candidates(address: &Address, slots: &[Slot]) -> Vec<(String, Slot)> {
    let mut names = vec![escape::file_name(address.key())];
    names.extend(escape::older_names(address.key()));
    names
        .into_iter()
        .flat_map(|name| slots.iter().map(move |slot| (name.clone(), *slot)))
        .collect()
}

/// True where `name`, an older spelling of `address`, is the present spelling of another address
/// and the certificate is that one's: `a_5fb@x` once was the file of `a_5fb@x` and now is that of
/// `a_b@x`.
fn is_anothers(name: &str, address: &Address, certificate: &Certificate) -> bool {
    if name == escape::file_name(address.key()) || certificate.names(address) {
        return false;
    }
    certificate
        .addresses()
        .iter()
        .any(|other| escape::file_name(other.key()) == name)
}

fn stored(all: Vec<Certificate>, slot: Slot, path: PathBuf) -> Option<Stored> {
    let mut all = all.into_iter();
    Some(Stored {
        certificate: all.next()?,
        authorities: all.collect(),
        slot,
        path,
    })
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<Certificate>, Problem> {
    pem::certificates(bytes)
        .map_err(|error| Problem::error(path, error.to_string(), error.remedy()))
}

/// A certificate file holds one certificate; authorities above it may follow.
fn only_certificate(path: &Path, bytes: &[u8]) -> Result<Vec<Certificate>, Problem> {
    let all = certificates(path, bytes)?;
    let is_authority = |one: &Certificate| {
        let constraints = one.basic_constraints().ok().flatten();
        constraints.is_some_and(|c| c.ca)
    };
    match all.split_first() {
        Some((_, above)) if above.iter().all(is_authority) => Ok(all),
        _ => Err(Problem::error(
            path,
            "holds more than one certificate",
            "leave the one that is to be used in it",
        )),
    }
}

/// Files whose certificates are remembered, some 30 MB of them: memory stays flat however many
/// members a list has (contract E16).
const MOST_KNOWN: usize = 10_000;
/// Where Listseal keeps what Sympa must not see.
const ASIDE: &str = ".listseal";

#[cfg(test)]
mod tests;
