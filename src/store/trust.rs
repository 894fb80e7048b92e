//! The directories of anchors that `listseal trust` keeps: one file a certificate, named by its
//! SHA-256.
//!
//! # Invariants
//!
//! * Writing is temporary file, fsync, rename, fsync of the directory: after a power cut an anchor
//!   is there whole or not at all.
//! * Only certificates are written, whatever stood beside them in the file that they came from.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::Problem;
use crate::disk;
use crate::pki::{Certificate, pem};
use crate::store::pem_file::{make_directory, sync_directory, unwritten};

/// Adds an anchor to `directory`; false where it stands there already.
///
/// # Errors
///
/// The file that could not be written.
pub fn add(directory: &Path, anchor: &Certificate) -> Result<bool, Problem> {
    make_directory(directory, false)?;
    let path = file(directory, anchor);
    if std::fs::symlink_metadata(&path).is_ok() {
        return Ok(false);
    }
    let unique = getrandom::u64().map_err(|_| {
        Problem::error(&path, "cannot be written: no randomness", "try again later")
    })?;
    // Hidden: nobody reads it before it is whole.
    let temporary = directory.join(format!(".tmp-{unique:016x}"));
    let written = disk::create_new(&temporary, 0o644)
        .and_then(|out| {
            // The umask of root may be closed, and the daemon is another user.
            out.set_permissions(Permissions::from_mode(0o644))?;
            let text = pem::encode("CERTIFICATE", anchor.der());
            let text = format!("subject={}\n{text}", anchor.subject());
            disk::write_all(&out, text.as_bytes())?;
            disk::sync_file(&out)
        })
        .and_then(|()| disk::rename(&temporary, &path));
    if let Err(e) = written {
        let _ = disk::unlink(&temporary);
        return Err(unwritten(&path, &e));
    }
    sync_directory(directory)?;
    Ok(true)
}

/// Takes an anchor out of `directory`; false where it does not stand there.
///
/// # Errors
///
/// The file that could not be removed.
pub fn remove(directory: &Path, anchor: &Certificate) -> Result<bool, Problem> {
    let path = file(directory, anchor);
    match disk::unlink(&path) {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(unwritten(&path, &e)),
    }
}

/// Returns the file of an anchor in `directory`.
#[must_use]
pub fn file(directory: &Path, anchor: &Certificate) -> PathBuf {
    directory.join(format!("{}.pem", anchor.sha256_hex()))
}
