//! The directory of the demo: new or empty, and every file in it with the mode it needs.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::complaint;
use crate::cli::console::Complaint;
use crate::cli::exit;
use crate::config::Transport;
use crate::config::permission::quoted;

/// What only the user may see: keys, spool, state.
pub(super) const PRIVATE: u32 = 0o700;
/// What others may read.
pub(super) const OPEN: u32 = 0o755;

/// An absolute directory that is the demo's alone.
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Makes sure of a directory without anything in it: `wanted`, or a new one for temporary files.
    pub(super) fn prepare(wanted: Option<&Path>) -> Result<Self, Complaint> {
        let Some(wanted) = wanted else {
            return fresh(&std::env::temp_dir());
        };
        let path = std::path::absolute(wanted).map_err(|e| unusable(wanted, &e))?;
        nameable(&path)?;
        match std::fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => return Ok(Self(path)),
            Ok(false) => return Err(unusable(&path, &"it is not empty")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(unusable(&path, &e)),
        }
        let made = match path.parent() {
            Some(parent) => std::fs::create_dir_all(parent),
            None => Ok(()),
        };
        made.and_then(|()| make(&path, PRIVATE))
            .map_err(|e| unusable(&path, &e))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns a path in the directory as it is seen from there.
    pub(super) fn relative(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.0).unwrap_or(path);
        inside.display().to_string()
    }

    /// Returns the command that removes it all.
    pub(super) fn removal(&self) -> String {
        format!("rm -r {}", quoted(&self.0))
    }

    /// Makes directories below, each with `mode` whatever the umask.
    pub(super) fn make(&self, name: &str, mode: u32) -> Result<(), Complaint> {
        let mut path = self.0.clone();
        for part in Path::new(name) {
            path.push(part);
            if !path.is_dir() {
                make(&path, mode).map_err(|e| unwritten(&path, &e))?;
            }
        }
        Ok(())
    }

    /// Writes a file that others may read.
    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), Complaint> {
        self.put(name, bytes.as_ref(), 0o644)
    }

    /// Writes a file that is for the user alone, from its first moment on (contract S43).
    pub(super) fn write_private(
        &self,
        name: &str,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), Complaint> {
        self.put(name, bytes.as_ref(), 0o600)
    }

    fn put(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), Complaint> {
        let path = self.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let written = options.open(&path).and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(bytes)
        });
        written.map_err(|e| unwritten(&path, &e))
    }
}

fn fresh(parent: &Path) -> Result<Directory, Complaint> {
    let parent = std::path::absolute(parent).map_err(|e| unusable(parent, &e))?;
    nameable(&parent)?;
    loop {
        let unique = getrandom::u32().map_err(|e| unusable(&parent, &e))?;
        let path = parent.join(format!("listseal-demo-{unique:08x}"));
        match make(&path, PRIVATE) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(unusable(&parent, &e)),
            Ok(()) => return Ok(Directory(path)),
        }
    }
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The path becomes a URL and a line of the configuration.
fn nameable(path: &Path) -> Result<(), Complaint> {
    let text = path
        .to_str()
        .filter(|text| !text.contains(char::is_control));
    let fits = text.is_some_and(|text| Transport::parse(&format!("dir://{text}")).is_ok());
    if fits {
        return Ok(());
    }
    Err(unusable(
        path,
        &"its name cannot stand in a configuration; choose one without ?, # and line breaks",
    ))
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Complaint {
    complaint(
        exit::CANNOT_CREATE,
        format!(
            "{} cannot be used: {why}; name an empty directory with --dir, or one that does not \
             exist",
            path.display()
        ),
    )
}

fn unwritten(path: &Path, e: &io::Error) -> Complaint {
    complaint(
        exit::CANNOT_CREATE,
        format!("{} cannot be written: {e}", path.display()),
    )
}
