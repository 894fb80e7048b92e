//! The system calls that put something on the disk, each under one name.
//!
//! # Place in the flow
//!
//! Intake, spool and the stores that must survive a power cut write through these functions; what
//! they read, they read by themselves.
//!
//! # Invariants
//!
//! * In ordinary builds each function is the call behind it and nothing else, and `point` is
//!   nothing at all.
//! * With the feature `faults` the same functions record what they are asked, fail on demand, and
//!   pretend to have synced; `point` ends the process. `tests/crash` builds the program so.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the shell's hand on the disk"
)]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
#[cfg(not(feature = "faults"))]
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

#[cfg(feature = "faults")]
mod call;
#[cfg(feature = "faults")]
pub mod faults;

/// A row of the table of crash points (contract section 3). Nothing, but in builds with `faults`.
#[inline]
pub(crate) fn point(row: &str) {
    #[cfg(feature = "faults")]
    faults::point(row);
    #[cfg(not(feature = "faults"))]
    let _ = row;
}

/// A number that a test asks for in the environment: `ROOM=0` takes intake's guard over free space
/// away, `RESCAN` is how many milliseconds lie between two looks without a hint. `None` in ordinary
/// builds, whatever the environment says.
#[inline]
pub(crate) fn asked(name: &str) -> Option<u64> {
    #[cfg(feature = "faults")]
    let number = faults::asked(name);
    #[cfg(not(feature = "faults"))]
    let number = {
        let _ = name;
        None
    };
    number
}

/// Opens a file below `dir`, or makes it where `flags` say so.
#[track_caller]
pub(crate) fn open_at(
    dir: impl AsFd,
    name: impl AsRef<Path>,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let name = name.as_ref();
    #[cfg(feature = "faults")]
    let told = faults::opening(dir.as_fd(), name, flags)?;
    let file = rustix::fs::openat(dir, name, flags, mode)?;
    #[cfg(feature = "faults")]
    told.opened(file.as_fd());
    Ok(file)
}

/// Opens or makes a file of mode `mode` by its path; what is there is not cut.
#[track_caller]
pub(crate) fn open(path: &Path, flags: OFlags, mode: u32) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC;
    Ok(open_at(CWD, path, flags, Mode::from_raw_mode(mode))?.into())
}

/// Makes a new file of mode `mode` for writing.
#[track_caller]
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    open(
        path,
        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW,
        mode,
    )
}

/// A file whose writes go through this room.
pub(crate) struct Out<'a>(pub(crate) &'a File);

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.0;
        #[cfg(feature = "faults")]
        let bytes = faults::writing(bytes)?;
        let written = file.write(bytes)?;
        #[cfg(feature = "faults")]
        faults::wrote(file, None, bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Out<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut file = self.0;
        file.read(bytes)
    }
}

impl Seek for Out<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut file = self.0;
        file.seek(to)
    }
}

/// Writes all of `bytes` where the file stands, or at its end if it was opened so.
pub(crate) fn write_all(file: &File, bytes: &[u8]) -> io::Result<()> {
    Out(file).write_all(bytes)
}

/// Writes all of `bytes` at `offset`.
#[cfg(not(feature = "faults"))]
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

#[cfg(feature = "faults")]
pub(crate) use faults::write_all_at;

/// Cuts a file, or lengthens it by zeros.
#[track_caller]
pub(crate) fn set_len(file: &File, length: u64) -> io::Result<()> {
    #[cfg(feature = "faults")]
    faults::before()?;
    file.set_len(length)?;
    #[cfg(feature = "faults")]
    faults::cut(file, length);
    Ok(())
}

/// Syncs content and metadata of a file, or the entries of a directory.
#[track_caller]
pub(crate) fn sync(fd: impl AsFd) -> Result<(), Errno> {
    #[cfg(feature = "faults")]
    if faults::is_skipped()? {
        return Ok(());
    }
    rustix::fs::fsync(&fd)?;
    #[cfg(feature = "faults")]
    faults::synced(fd.as_fd());
    Ok(())
}

/// Syncs the content of a file, and what is needed to read it again.
#[track_caller]
pub(crate) fn sync_data(fd: impl AsFd) -> Result<(), Errno> {
    #[cfg(feature = "faults")]
    if faults::is_skipped()? {
        return Ok(());
    }
    rustix::fs::fdatasync(&fd)?;
    #[cfg(feature = "faults")]
    faults::synced(fd.as_fd());
    Ok(())
}

/// A sync failed: what was written may be gone after a power cut, whatever a second one says (R7).
#[derive(Debug, thiserror::Error)]
#[error("fsync failed: {0}")]
struct Unsynced(io::Error);

/// True for the error of [`sync_file`] and of what it is part of: nothing more may be promised then.
pub(crate) fn is_unsynced(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unsynced>())
}

/// As [`sync`], with an error that is known again among others.
#[track_caller]
pub(crate) fn sync_file(fd: impl AsFd) -> io::Result<()> {
    sync(fd).map_err(|errno| io::Error::other(Unsynced(errno.into())))
}

/// Syncs everything on the file system of `fd`.
#[track_caller]
pub(crate) fn sync_all(fd: impl AsFd) -> Result<(), Errno> {
    #[cfg(feature = "faults")]
    if faults::is_skipped()? {
        return Ok(());
    }
    rustix::fs::syncfs(&fd)?;
    #[cfg(feature = "faults")]
    faults::synced_all();
    Ok(())
}

/// Syncs the entries of the directory at `path`.
#[track_caller]
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    // A path of one name lies where we are.
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    sync_file(File::open(path)?)
}

/// Gives a nameless file its name in `dir`, where nothing may have it.
#[track_caller]
pub(crate) fn link_nameless(file: &File, dir: impl AsFd, name: &str) -> Result<(), Errno> {
    #[cfg(feature = "faults")]
    faults::before()?;
    // Through /proc, which needs no privilege (open(2)).
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, source, &dir, name, AtFlags::SYMLINK_FOLLOW)?;
    #[cfg(feature = "faults")]
    faults::linked(file, dir.as_fd(), name);
    Ok(())
}

/// Renames a file; whether it may take the place of another is in `flags`.
#[track_caller]
pub(crate) fn rename_at(
    from: impl AsFd,
    old: impl AsRef<Path>,
    to: impl AsFd,
    new: impl AsRef<Path>,
    flags: RenameFlags,
) -> Result<(), Errno> {
    let (old, new) = (old.as_ref(), new.as_ref());
    #[cfg(feature = "faults")]
    faults::before()?;
    if flags.is_empty() {
        rustix::fs::renameat(&from, old, &to, new)?;
    } else {
        rustix::fs::renameat_with(&from, old, &to, new, flags)?;
    }
    #[cfg(feature = "faults")]
    faults::renamed(from.as_fd(), old, to.as_fd(), new);
    Ok(())
}

/// Renames a file by its path; it takes the place of another.
#[track_caller]
pub(crate) fn rename(old: &Path, new: &Path) -> io::Result<()> {
    Ok(rename_at(CWD, old, CWD, new, RenameFlags::empty())?)
}

/// Removes a name.
#[track_caller]
pub(crate) fn unlink_at(dir: impl AsFd, name: impl AsRef<Path>) -> Result<(), Errno> {
    let name = name.as_ref();
    #[cfg(feature = "faults")]
    faults::before()?;
    rustix::fs::unlinkat(&dir, name, AtFlags::empty())?;
    #[cfg(feature = "faults")]
    faults::unlinked(dir.as_fd(), name);
    Ok(())
}

/// Removes a name by its path.
#[track_caller]
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    Ok(unlink_at(CWD, path)?)
}

/// Makes a directory.
#[track_caller]
pub(crate) fn make_dir_at(dir: impl AsFd, name: impl AsRef<Path>, mode: u32) -> Result<(), Errno> {
    let name = name.as_ref();
    #[cfg(feature = "faults")]
    faults::before()?;
    rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(mode))?;
    #[cfg(feature = "faults")]
    faults::made(dir.as_fd(), name);
    Ok(())
}

/// Makes a directory and those above it, where they are missing, each durable in the one above: what
/// is synced inside is of no use while the way to it can vanish.
#[track_caller]
pub(crate) fn make_directories(path: &Path, mode: u32) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let above = path.parent().unwrap_or(Path::new("."));
    make_directories(above, mode)?;
    match make_dir_at(CWD, path, mode) {
        Ok(()) => sync_directory(above),
        // Made by another at the same time.
        Err(Errno::EXIST) if path.is_dir() => sync_directory(above),
        Err(errno) => Err(errno.into()),
    }
}
