//! What Listseal keeps beside the certificates, where Sympa does not look: `.listseal/<name>/`.
//!
//! | file | holds |
//! | --- | --- |
//! | `<SHA-256>.pem`, `.damaged` | what once was in force |
//! | `<SHA-256>.issuers` | the authorities between the certificate of this fingerprint and its anchor |
//! | `capabilities.json` | what the mail client can read |
//!
//! # Trust
//!
//! Kept issuers are trusted in nothing: they only lead to an anchor, where there is one.
//!
//! # Invariants
//!
//! * Every file is written whole or not at all, under a name of its own first (contract S36).

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{ASIDE, CertificateStore, Stored, certificates, only_certificate};
use crate::config::Problem;
use crate::config::permission::RelayUser;
use crate::disk;
use crate::model::{Address, escape, hex};
use crate::pki::{Certificate, Digest, pem};
use crate::store::pem_file::{self, Unusable, make_directory, sync_directory, unwritten};

impl CertificateStore {
    /// Returns the user whose files are believed, besides root.
    pub(in crate::store) fn user(&self) -> RelayUser {
        self.user
    }

    /// Returns the directory of what is known of `address` beyond its certificate.
    pub(in crate::store) fn aside(&self, address: &Address) -> PathBuf {
        let name = escape::file_name(address.key());
        self.directory.join(ASIDE).join(name)
    }

    /// Writes one file there, whole or not at all.
    pub(in crate::store) fn put_aside(
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

    /// Returns the authorities at hand between a stored certificate and its anchor: those of its own
    /// file, and those that came with it when it was learned.
    ///
    /// # Errors
    ///
    /// They were kept and cannot be read.
    pub fn issuers(
        &self,
        address: &Address,
        stored: &Stored,
    ) -> Result<Vec<Certificate>, Unusable> {
        let path = self.issuers_path(address, &stored.certificate);
        let mut all = stored.authorities.clone();
        all.extend(
            self.certificates_of(&path, certificates)?
                .unwrap_or_default(),
        );
        Ok(all)
    }

    /// Keeps the authorities between `certificate` and its anchor, durably. Where there are none, or
    /// the same are known, nothing is written.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn keep_issuers(
        &self,
        address: &Address,
        certificate: &Certificate,
        issuers: &[Certificate],
    ) -> Result<(), Problem> {
        let path = self.issuers_path(address, certificate);
        let known = self.certificates_of(&path, certificates);
        if issuers.is_empty() || matches!(&known, Ok(Some(known)) if known == issuers) {
            return Ok(());
        }
        let text: String = issuers
            .iter()
            .map(|one| pem::encode("CERTIFICATE", one.der()))
            .collect();
        self.put_aside(address, &issuers_name(certificate), text.as_bytes())
    }

    fn issuers_path(&self, address: &Address, certificate: &Certificate) -> PathBuf {
        self.aside(address).join(issuers_name(certificate))
    }

    /// Copies what lies at `path` to `.listseal/<name>/`; false where there is nothing.
    pub(super) fn set_aside(&self, address: &Address, path: &Path) -> Result<bool, Problem> {
        let Some((file, _)) = pem_file::open(path)? else {
            return Ok(false);
        };
        let bytes = pem_file::contents(path, file)?;
        let found = only_certificate(path, &bytes).ok();
        let file_name = match found.as_deref().and_then(<[Certificate]>::first) {
            Some(certificate) => format!("{}.pem", certificate.sha256_hex()),
            None => format!("{}.damaged", hex(&Digest::Sha256.of(&bytes))),
        };
        if !matches!(
            pem_file::stamp(&self.aside(address).join(&file_name)),
            Ok(Some(_))
        ) {
            self.put_aside(address, &file_name, &bytes)?;
        }
        Ok(true)
    }

    /// Writes a file whole or not at all.
    pub(super) fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
        let failed = |e: &std::io::Error| unwritten(path, e);
        let unique = getrandom::u64().map_err(|_| {
            Problem::error(path, "cannot be written: no randomness", "try again later")
        })?;
        let temporary = self
            .directory
            .join(ASIDE)
            .join(format!("{TEMPORARY}{unique:016x}"));
        let written = disk::create_new(&temporary, 0o644)
            .and_then(|file| {
                disk::write_all(&file, bytes)?;
                disk::sync_file(&file)
            })
            .and_then(|()| {
                disk::point("C1");
                disk::rename(&temporary, path)
            });
        if let Err(e) = written {
            let _ = disk::unlink(&temporary);
            return Err(failed(&e));
        }
        disk::point("C2");
        sync_directory(path.parent().unwrap_or(&self.directory))
    }

    /// Removes what a process left behind that ended while it wrote, and returns how many files.
    /// Younger ones may be another's that still writes.
    pub fn sweep(&self, now: SystemTime) -> usize {
        let Ok(listing) = std::fs::read_dir(self.directory.join(ASIDE)) else {
            return 0;
        };
        let mut swept = 0_usize;
        for entry in listing.flatten() {
            let name = entry.file_name();
            let ours = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY));
            let ours = ours.is_some_and(|rest| {
                rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_hexdigit())
            });
            let age = entry.metadata().and_then(|metadata| metadata.modified());
            let age = age.ok().and_then(|at| now.duration_since(at).ok());
            if ours
                && age.is_some_and(|age| age > OLD)
                && std::fs::remove_file(entry.path()).is_ok()
            {
                swept = swept.saturating_add(1);
            }
        }
        swept
    }
}

fn issuers_name(certificate: &Certificate) -> String {
    format!("{}.issuers", certificate.sha256_hex())
}

/// How a file is called while it is written.
const TEMPORARY: &str = "tmp-";
const OLD: Duration = Duration::from_secs(24 * 60 * 60);
