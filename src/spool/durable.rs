//! The few system calls that make a file and its name survive a power cut.
//!
//! # Invariants
//!
//! * File content is synced before the name appears, the directory after it (contract R1). Either
//!   alone was measured to lose the file or its content.
//! * A failed fsync is reported once and never tried again on the same descriptor (R7).
//!
//! # See also
//!
//! `spool/README.md`, "Steps, and a crash at each".

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::error::SpoolError;
use crate::disk;

/// Syncs content and metadata of a file, or the entries of a directory.
#[track_caller]
pub(crate) fn sync(fd: impl AsFd, place: &Path) -> Result<(), SpoolError> {
    disk::sync(fd).map_err(|errno| SpoolError::Fsync {
        place: place.to_owned(),
        source: errno.into(),
    })
}

/// Syncs the content of a file whose size does not change.
#[track_caller]
pub(crate) fn sync_data(fd: impl AsFd, place: &Path) -> Result<(), SpoolError> {
    disk::sync_data(fd).map_err(|errno| SpoolError::Fsync {
        place: place.to_owned(),
        source: errno.into(),
    })
}

/// A file that is being written and has no name that counts yet.
///
/// Dropped before [`Draft::publish`], it leaves nothing behind.
pub(crate) struct Draft<'a> {
    /// The open file, for writing.
    pub(crate) file: File,
    tmp: BorrowedFd<'a>,
    tmp_name: Option<String>,
}

impl<'a> Draft<'a> {
    /// Opens a nameless file in `target`, or where that is not possible one named `name` in `tmp`
    /// (I1).
    ///
    /// # Errors
    ///
    /// Neither can be made.
    pub(crate) fn open(
        target: BorrowedFd<'_>,
        tmp: BorrowedFd<'a>,
        name: &str,
        mode: Mode,
        place: &Path,
    ) -> Result<Self, SpoolError> {
        // A nameless file gets its name through /proc, which a chroot may lack.
        if !Path::new("/proc/self/fd").exists() {
            return Self::open_named(tmp, name, mode, place);
        }
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match disk::open_at(target, ".", flags | OFlags::TMPFILE, mode) {
            Ok(fd) => {
                return Ok(Self {
                    file: fd.into(),
                    tmp,
                    tmp_name: None,
                });
            }
            // Old kernels answer EISDIR, file systems without the feature EOPNOTSUPP or EINVAL.
            Err(Errno::ISDIR | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(SpoolError::io("create a file", place, errno)),
        }
        Self::open_named(tmp, name, mode, place)
    }

    /// Opens a file named `name` in `tmp`, never an existing one.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub(crate) fn open_named(
        tmp: BorrowedFd<'a>,
        name: &str,
        mode: Mode,
        place: &Path,
    ) -> Result<Self, SpoolError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let fd = disk::open_at(tmp, name, flags, mode)
            .map_err(|errno| SpoolError::io("create a file", place, errno))?;
        Ok(Self {
            file: fd.into(),
            tmp,
            tmp_name: Some(name.to_owned()),
        })
    }

    /// Syncs the file and gives it its name in `target`; the directory is left to be synced by the
    /// caller. An existing file of that name is an error, never overwritten (contract 2.3).
    ///
    /// # Errors
    ///
    /// The sync fails, the name is taken, or the directory cannot be written.
    #[track_caller]
    pub(crate) fn publish(
        self,
        target: BorrowedFd<'_>,
        name: &str,
        place: &Path,
    ) -> Result<(), SpoolError> {
        self.sync(place)?;
        self.name(target, name, place)
    }

    /// Syncs the file: the first half of [`Draft::publish`].
    ///
    /// # Errors
    ///
    /// The sync fails.
    #[track_caller]
    pub(crate) fn sync(&self, place: &Path) -> Result<(), SpoolError> {
        sync(&self.file, place)
    }

    /// Gives a synced file its name: the second half of [`Draft::publish`].
    ///
    /// # Errors
    ///
    /// The name is taken, or the directory cannot be written.
    #[track_caller]
    pub(crate) fn name(
        mut self,
        target: BorrowedFd<'_>,
        name: &str,
        place: &Path,
    ) -> Result<(), SpoolError> {
        let named = match &self.tmp_name {
            None => disk::link_nameless(&self.file, target, name),
            Some(tmp_name) => {
                disk::rename_at(self.tmp, tmp_name, target, name, RenameFlags::NOREPLACE)
            }
        };
        named.map_err(|errno| SpoolError::io("name the finished file", place, errno))?;
        self.tmp_name = None;
        Ok(())
    }

    /// As [`Draft::publish`], but takes the place of an existing file of that name.
    ///
    /// # Errors
    ///
    /// As [`Draft::publish`]; a nameless draft cannot replace.
    #[track_caller]
    pub(crate) fn replace(
        mut self,
        target: BorrowedFd<'_>,
        name: &str,
        place: &Path,
    ) -> Result<(), SpoolError> {
        sync(&self.file, place)?;
        if let Some(tmp_name) = &self.tmp_name {
            disk::rename_at(self.tmp, tmp_name, target, name, RenameFlags::empty())
                .map_err(|errno| SpoolError::io("name the finished file", place, errno))?;
        }
        self.tmp_name = None;
        Ok(())
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// The disk is full or failing.
    pub(crate) fn write(&mut self, bytes: &[u8], place: &Path) -> Result<(), SpoolError> {
        disk::write_all(&self.file, bytes)
            .map_err(|error| SpoolError::std_io("write", place, error))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.tmp_name {
            // R2: an unfinished file goes; if even that fails, the sweep of tmp/ takes it.
            let _ = disk::unlink_at(self.tmp, name);
        }
    }
}
