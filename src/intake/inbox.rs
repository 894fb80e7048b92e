//! `new/` and `tmp/` of the spool, opened by who may only hand in.
//!
//! # See also
//!
//! `spool/README.md`, "Who may write".

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, openat};
use rustix::io::Errno;

use super::fd;
use crate::config::permission::exposed;
use crate::disk;
use crate::spool::SpoolError;
use crate::spool::durable::{self, Draft};
use crate::spool::layout::Shelf;

/// `new/` and `tmp/`, as far as one who only hands in may see them.
pub(super) struct Inbox {
    pub(super) new: OwnedFd,
    pub(super) tmp: OwnedFd,
    stat: Stat,
}

impl Inbox {
    pub(super) fn open(spool: &Path) -> Result<Self, SpoolError> {
        if !spool.exists() {
            disk::make_directories(spool, 0o700)
                .map_err(|error| SpoolError::std_io("create", spool, error))?;
        }
        // A group that may only hand in can pass through the spool but not read its names: README.md.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(spool, flags, Mode::empty())
            .map_err(|errno| SpoolError::io("open", spool, errno))?;
        // E6: the daemon would refuse this spool, and the mail would wait unseen.
        if let Some(problem) = exposed(spool) {
            return Err(SpoolError::Unsafe {
                place: problem.file,
                problem: problem.problem,
                remedy: problem.remedy,
            });
        }
        let new = open_shelf(&root, spool, Shelf::New)?;
        let stat = fstat(&new).map_err(|errno| SpoolError::io("look at", spool, errno))?;
        Ok(Self {
            tmp: open_shelf(&root, spool, Shelf::Tmp)?,
            new,
            stat,
        })
    }

    /// Opens a file that the daemon will be able to read, whoever we are.
    pub(super) fn draft(&self, name: &str, place: &Path) -> Result<Draft<'_>, SpoolError> {
        let by_group = self.stat.st_mode & 0o020 != 0;
        let mode = Mode::from_raw_mode(if by_group { 0o640 } else { 0o600 });
        let draft = Draft::open(fd(&self.new), fd(&self.tmp), name, mode, place)?;
        // The umask of an MTA is not ours to trust.
        fchmod(&draft.file, mode).map_err(|errno| SpoolError::io("set the mode", place, errno))?;
        if rustix::process::geteuid().is_root() && self.stat.st_uid != 0 {
            give(&draft.file, &self.stat, place)?;
        }
        Ok(draft)
    }
}

/// Opens `new/` or `tmp/`, made where it is missing and we may.
fn open_shelf(root: &OwnedFd, spool: &Path, shelf: Shelf) -> Result<OwnedFd, SpoolError> {
    let place = spool.join(shelf.name());
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let open = || openat(root, shelf.name(), flags, Mode::empty());
    match open() {
        Err(Errno::NOENT) => {}
        other => return other.map_err(|errno| SpoolError::io("open", &place, errno)),
    }
    match disk::make_dir_at(root, shelf.name(), 0o700) {
        Ok(()) => {
            let readable = openat(
                root,
                ".",
                OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(|errno| SpoolError::io("open", spool, errno))?;
            durable::sync(readable, spool)?;
        }
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(SpoolError::io("create", &place, errno)),
    }
    let made = open().map_err(|errno| SpoolError::io("open", &place, errno))?;
    let owner = fstat(root).map_err(|errno| SpoolError::io("look at", spool, errno))?;
    if rustix::process::geteuid().is_root() && owner.st_uid != 0 {
        give(&made, &owner, &place)?;
    }
    Ok(made)
}

/// Root hands what it made to the spool's user, who could not read it otherwise.
fn give(file: impl std::os::fd::AsFd, to: &Stat, place: &Path) -> Result<(), SpoolError> {
    let (uid, gid) = (Uid::from_raw(to.st_uid), Gid::from_raw(to.st_gid));
    fchown(file, Some(uid), Some(gid))
        .map_err(|errno| SpoolError::io("hand over to the spool's user", place, errno))
}
