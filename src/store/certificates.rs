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
//! * What was replaced is kept in `.listseal/<name>/`, where Sympa does not look.
//!
//! # See also
//!
//! [`crate::model::escape`] for the names.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::config::Problem;
use crate::config::permission::{RelayUser, quoted};
use crate::model::{Address, escape, hex};
use crate::pki::{Certificate, Digest, Slot, pem};
use crate::store::pem_file::{self, Stamp, make_directory, sync_directory, unwritten};

/// One certificate of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The certificate.
    pub certificate: Certificate,
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
    known: Mutex<HashMap<PathBuf, (Stamp, Certificate)>>,
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

    /// Returns the user whose files are believed, besides root.
    pub(super) fn user(&self) -> RelayUser {
        self.user
    }

    /// Returns the directory of what is known of `address` beyond its certificate.
    pub(super) fn aside(&self, address: &Address) -> PathBuf {
        let name = escape::file_name(address.key());
        self.directory.join(ASIDE).join(name)
    }

    /// Writes one file there, whole or not at all.
    pub(super) fn put_aside(
        &self,
        address: &Address,
        file_name: &str,
        bytes: &[u8],
    ) -> Result<(), Problem> {
        let aside = self.aside(address);
        make_directory(&self.directory, true)?;
        make_directory(&self.directory.join(ASIDE), false)?;
        make_directory(&aside, false)?;
        self.put(&aside.join(file_name), bytes)
    }

    /// Returns the certificate to encrypt with for `address`: `@enc`, then the plain name, never
    /// `@sign`; names of the present scheme before those of older Sympas.
    ///
    /// # Errors
    ///
    /// The file that would be used cannot be: the problem names it and the remedy.
    pub fn encryption(&self, address: &Address) -> Result<Option<Stored>, Problem> {
        self.first(address, &[Slot::Encrypt, Slot::Both])
    }

    /// Returns every certificate at hand that may verify signatures of `address`, and what is wrong
    /// with the others.
    #[must_use]
    pub fn verification(&self, address: &Address) -> (Vec<Certificate>, Vec<Problem>) {
        let mut found: Vec<Certificate> = Vec::new();
        let mut problems = Vec::new();
        for (name, slot) in candidates(address, &[Slot::Sign, Slot::Both, Slot::Encrypt]) {
            match self.read(&name, slot, address) {
                Ok(Some(stored)) if !found.contains(&stored.certificate) => {
                    found.push(stored.certificate);
                }
                Ok(_) => {}
                Err(problem) => problems.push(problem),
            }
        }
        (found, problems)
    }

    /// Returns the certificate that one learned for `slot` would replace.
    ///
    /// # Errors
    ///
    /// As [`CertificateStore::encryption`].
    pub fn in_force(&self, address: &Address, slot: Slot) -> Result<Option<Stored>, Problem> {
        match slot {
            Slot::Both | Slot::Encrypt => self.encryption(address),
            Slot::Sign => self.first(address, &[Slot::Sign]),
        }
    }

    fn first(&self, address: &Address, slots: &[Slot]) -> Result<Option<Stored>, Problem> {
        for (name, slot) in candidates(address, slots) {
            if let Some(stored) = self.read(&name, slot, address)? {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    fn read(&self, name: &str, slot: Slot, address: &Address) -> Result<Option<Stored>, Problem> {
        let path = self.directory.join(format!("{name}{}", slot.suffix()));
        let Some(stamp) = pem_file::stamp(&path) else {
            self.forget(&path);
            return Ok(None);
        };
        let certificate = match self.remembered(&path, stamp) {
            Some(certificate) => certificate,
            None => match self.read_file(&path)? {
                Some(certificate) => certificate,
                None => return Ok(None),
            },
        };
        if is_anothers(name, address, &certificate) {
            return Ok(None);
        }
        Ok(Some(Stored {
            certificate,
            slot,
            path,
        }))
    }

    fn read_file(&self, path: &Path) -> Result<Option<Certificate>, Problem> {
        self.forget(path);
        let Some((stamp, bytes)) = pem_file::read(path, self.user)? else {
            return Ok(None);
        };
        let certificate = only_certificate(path, &bytes)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned(), (stamp, certificate.clone()));
        Ok(Some(certificate))
    }

    fn remembered(&self, path: &Path, stamp: Stamp) -> Option<Certificate> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, certificate) = known.get(path)?;
        (*seen == stamp).then(|| certificate.clone())
    }

    fn forget(&self, path: &Path) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(path);
    }

    /// Puts `certificate` into force for `address`, durably, and keeps what it replaces.
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
    ) -> Result<PathBuf, Problem> {
        let name = escape::file_name(address.key());
        let path = self.directory.join(format!("{name}{}", slot.suffix()));
        make_directory(&self.directory, true)?;
        make_directory(&self.directory.join(ASIDE), false)?;
        self.set_aside(address, &path)?;
        let text = pem::encode("CERTIFICATE", certificate.der());
        self.put(&path, text.as_bytes())?;
        if slot == Slot::Both {
            // An older certificate for encryption alone would otherwise go before this one.
            let other = self
                .directory
                .join(format!("{name}{}", Slot::Encrypt.suffix()));
            if self.set_aside(address, &other)? {
                std::fs::remove_file(&other).map_err(|e| unwritten(&other, &e))?;
                sync_directory(&self.directory)?;
            }
        }
        Ok(path)
    }

    /// Copies what lies at `path` to `.listseal/<name>/`; false where there is nothing.
    fn set_aside(&self, address: &Address, path: &Path) -> Result<bool, Problem> {
        let Some((file, _)) = pem_file::open(path)? else {
            return Ok(false);
        };
        let bytes = pem_file::contents(path, file)?;
        let file_name = match only_certificate(path, &bytes) {
            Ok(certificate) => format!("{}.pem", certificate.sha256_hex()),
            Err(_) => format!("{}.damaged", hex(&Digest::Sha256.of(&bytes))),
        };
        if pem_file::stamp(&self.aside(address).join(&file_name)).is_none() {
            self.put_aside(address, &file_name, &bytes)?;
        }
        Ok(true)
    }

    /// Writes a file whole or not at all.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
        let failed = |e: &std::io::Error| unwritten(path, e);
        let unique = getrandom::u64().map_err(|_| {
            Problem::error(path, "cannot be written: no randomness", "try again later")
        })?;
        let temporary = self
            .directory
            .join(ASIDE)
            .join(format!("tmp-{unique:016x}"));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&temporary, path));
        if let Err(e) = written {
            let _ = std::fs::remove_file(&temporary);
            return Err(failed(&e));
        }
        sync_directory(path.parent().unwrap_or(&self.directory))
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
            self.read_file(&path).transpose().map(|result| {
                result.map(|certificate| Stored {
                    certificate,
                    slot,
                    path: path.clone(),
                })
            })
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

/// A certificate file holds one certificate; authorities above it may follow.
fn only_certificate(path: &Path, bytes: &[u8]) -> Result<Certificate, Problem> {
    let mut all = pem::certificates(bytes)
        .map_err(|error| Problem::error(path, error.to_string(), error.remedy()))?
        .into_iter();
    let first = all.next();
    let is_authority = |one: &Certificate| {
        let constraints = one.basic_constraints().ok().flatten();
        constraints.is_some_and(|c| c.ca)
    };
    match first {
        Some(first) if all.all(|one| is_authority(&one)) => Ok(first),
        _ => Err(Problem::error(
            path,
            "holds more than one certificate",
            "leave the one that is to be used in it",
        )),
    }
}

/// Where Listseal keeps what Sympa must not see.
const ASIDE: &str = ".listseal";

#[cfg(test)]
mod tests;
