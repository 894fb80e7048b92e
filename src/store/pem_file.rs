//! Certificate files, opened so that nothing but the file itself is read.
//!
//! # Trust
//!
//! The directory may be shared with other programs. A link, a FIFO or a device in the place of a
//! file is not opened, and what others could have written is not believed (contract E5).

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::config::Problem;
use crate::config::permission::{RelayUser, quoted};

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
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::symlink_metadata(path)
        .ok()
        .map(|metadata| Stamp::of(&metadata))
}

/// Reads a file whose owner and mode are those of a certificate directory (contract decision 8).
pub(super) fn read(path: &Path, user: RelayUser) -> Result<Option<(Stamp, Vec<u8>)>, Problem> {
    let Some((file, metadata)) = open(path)? else {
        return Ok(None);
    };
    let name = quoted(path);
    let owner = metadata.uid();
    if owner != user.uid() && owner != 0 {
        let uid = user.uid();
        return Err(Problem::error(
            path,
            format!("belongs to user {owner}, neither to the relay (user {uid}) nor to root"),
            format!("chown {uid} {name}"),
        ));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(Problem::error(
            path,
            format!("can be written by group or others (mode {mode:04o})"),
            format!("chmod go-w {name}"),
        ));
    }
    Ok(Some((Stamp::of(&metadata), contents(path, file)?)))
}

/// Opens a regular file that has no second name; `None` where there is nothing.
pub(super) fn open(path: &Path) -> Result<Option<(File, Metadata)>, Problem> {
    // NONBLOCK: a FIFO in the place of a certificate must not hang the relay.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unopened(path, &e)),
    };
    let metadata = file.metadata().map_err(|e| unopened(path, &e))?;
    let name = quoted(path);
    if !metadata.is_file() {
        let what = if metadata.is_dir() {
            "is a directory where a certificate file is expected"
        } else {
            "is not a regular file"
        };
        return Err(Problem::error(path, what, format!("mv {name} {name}.odd")));
    }
    if metadata.nlink() > 1 {
        return Err(Problem::error(
            path,
            "has a second name elsewhere (hard link)",
            format!("cp -p {name} {name}.new && mv {name}.new {name}"),
        ));
    }
    Ok(Some((file, metadata)))
}

/// Reads an opened file to its end.
pub(super) fn contents(path: &Path, file: File) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| unopened(path, &e))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(Problem::error(
            path,
            "is larger than 1 MiB",
            "put the certificate alone into it",
        ));
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
    match DirBuilder::new().mode(0o755).create(path) {
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
pub(super) fn sync_directory(path: &Path) -> Result<(), Problem> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|e| unwritten(path, &e))
}

pub(super) fn unwritten(path: &Path, e: &std::io::Error) -> Problem {
    let parent = path.parent().unwrap_or(path);
    Problem::error(
        path,
        format!("cannot be written: {e}"),
        format!(
            "look at the space and the mode of {}: df {0} && ls -ld {0}",
            quoted(parent)
        ),
    )
}
