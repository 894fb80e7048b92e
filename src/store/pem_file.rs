//! Certificate files, opened so that nothing but the file itself is read.
//!
//! # Trust
//!
//! The directory may be shared with other programs. A link, a FIFO or a device in the place of a
//! file is not opened, and what others could have written is not believed (contract E5).

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::config::Problem;
use crate::config::permission::{RelayUser, quoted};
use crate::disk;
use crate::store::journal::fatal_if_unsynced;

/// Why a certificate file is of no use now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The file is wrong in itself: a matter between its owner and whoever mends it.
    File(Problem),
    /// What is there cannot be told: a trouble of ours, which says nothing about anybody's
    /// certificate.
    Trouble(Problem),
}

impl From<Unusable> for Problem {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::File(problem) | Unusable::Trouble(problem) => problem,
        }
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Returns the stamp of a name, without following links; `None` where there is nothing.
///
/// Only what does not exist is nothing: a directory that may not be searched, a file system that is
/// away and a process without free descriptors all fail here, and say nothing about the file.
pub(super) fn stamp(path: &Path) -> Result<Option<Stamp>, Unusable> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Unusable::Trouble(unreachable(path, &e))),
    }
}

/// The name itself could not be looked at: what stands above it is in the way.
fn unreachable(path: &Path, e: &std::io::Error) -> Problem {
    let parent = path.parent().unwrap_or(path);
    Problem::error(
        parent,
        format!("cannot be looked into: {e}"),
        format!(
            "let the user of listseal read it: ls -ld {}",
            quoted(parent)
        ),
    )
}

/// Reads a file whose owner and mode are those of a certificate directory (contract decision 8).
pub(super) fn read(path: &Path, user: RelayUser) -> Result<Option<(Stamp, Vec<u8>)>, Unusable> {
    let Some((file, metadata)) = open(path)? else {
        return Ok(None);
    };
    let name = quoted(path);
    let owner = metadata.uid();
    if owner != user.uid() && owner != 0 {
        let uid = user.uid();
        return Err(Unusable::File(Problem::error(
            path,
            format!("belongs to user {owner}, neither to the relay (user {uid}) nor to root"),
            format!("chown {uid} {name}"),
        )));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(Unusable::File(Problem::error(
            path,
            format!("can be written by group or others (mode {mode:04o})"),
            format!("chmod go-w {name}"),
        )));
    }
    Ok(Some((Stamp::of(&metadata), contents(path, file)?)))
}

/// Opens a regular file that has no second name; `None` where there is nothing.
pub(super) fn open(path: &Path) -> Result<Option<(File, Metadata)>, Unusable> {
    // To open a device can do something already.
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        let kind = metadata.file_type();
        if !kind.is_file() && !kind.is_symlink() {
            return Err(odd(path, kind.is_dir()));
        }
    }
    // NONBLOCK: a FIFO in the place of a certificate must not hang the relay.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(closed(path, &e)),
    };
    let metadata = file
        .metadata()
        .map_err(|e| Unusable::Trouble(unopened(path, &e)))?;
    if !metadata.is_file() {
        return Err(odd(path, metadata.is_dir()));
    }
    if metadata.nlink() > 1 {
        let name = quoted(path);
        return Err(Unusable::File(Problem::error(
            path,
            "has a second name elsewhere (hard link)",
            format!("cp -p {name} {name}.new && mv {name}.new {name}"),
        )));
    }
    Ok(Some((file, metadata)))
}

/// Tells why a file cannot be opened: because of what it is, or because we cannot at the moment.
fn closed(path: &Path, e: &std::io::Error) -> Unusable {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Unusable::Trouble(unreachable(path, e));
    };
    let kind = metadata.file_type();
    // Its mode keeps this one file from us; were it the directory's, looking would have failed.
    if kind.is_symlink() || e.kind() == ErrorKind::PermissionDenied {
        Unusable::File(unopened(path, e))
    } else if kind.is_file() {
        Unusable::Trouble(unopened(path, e))
    } else {
        odd(path, kind.is_dir())
    }
}

fn odd(path: &Path, is_directory: bool) -> Unusable {
    let name = quoted(path);
    let what = if is_directory {
        "is a directory where a certificate file is expected"
    } else {
        "is not a regular file"
    };
    Unusable::File(Problem::error(path, what, format!("mv {name} {name}.odd")))
}

/// Reads an opened file to its end.
pub(super) fn contents(path: &Path, file: File) -> Result<Vec<u8>, Unusable> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Unusable::Trouble(unopened(path, &e)))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(Unusable::File(Problem::error(
            path,
            "is larger than 1 MiB",
            "put the certificate alone into it",
        )));
    }
    Ok(bytes)
}

const LARGEST: u64 = 1024 * 1024;

pub(super) fn unopened(path: &Path, e: &std::io::Error) -> Problem {
    let name = quoted(path);
    if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return Problem::error(
            path,
            "is a symbolic link",
            format!(
                "put the file itself there: cp --remove-destination $(readlink -f {name}) {name}"
            ),
        );
    }
    match e.kind() {
        ErrorKind::PermissionDenied => Problem::error(
            path,
            "may not be read by this user",
            format!("chmod u+r {name}, and chown it to the user of listseal"),
        ),
        _ => Problem::error(path, format!("cannot be read: {e}"), "see the system's log"),
    }
}

/// Creates a directory that others may read, durably. A link in its place is followed only where the
/// operator named it himself.
pub(super) fn make_directory(path: &Path, named: bool) -> Result<(), Problem> {
    match disk::make_dir_at(rustix::fs::CWD, path, 0o755).map_err(std::io::Error::from) {
        Ok(()) => sync_directory(path.parent().unwrap_or(path)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let metadata = if named {
                std::fs::metadata(path)
            } else {
                std::fs::symlink_metadata(path)
            };
            if metadata.map_err(|e| unwritten(path, &e))?.is_dir() {
                return Ok(());
            }
            let name = quoted(path);
            Err(Problem::error(
                path,
                "is not a directory",
                format!("mv {name} {name}.odd"),
            ))
        }
        Err(e) => Err(unwritten(path, &e)),
    }
}

/// Makes what was created, renamed or removed in a directory durable.
#[track_caller]
pub(super) fn sync_directory(path: &Path) -> Result<(), Problem> {
    disk::sync_directory(path).map_err(|e| unwritten(path, &e))
}

pub(super) fn unwritten(path: &Path, e: &std::io::Error) -> Problem {
    let parent = path.parent().unwrap_or(path);
    let problem = Problem::error(
        path,
        format!("cannot be written: {e}"),
        format!(
            "look at the space and the mode of {}: df {0} && ls -ld {0}",
            quoted(parent)
        ),
    );
    fatal_if_unsynced(problem, e)
}
