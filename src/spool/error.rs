//! What can go wrong with the spool, each naming the file and, where there is one, the remedy.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::disk;
use crate::model::SpoolId;

/// Trouble with the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file of the spool is damaged.
    #[error("{place}: {problem}", place = .place.display())]
    Corrupt {
        /// Which file.
        place: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// fsync failed: what was written may be gone after a power cut, whatever a second fsync says.
    #[error("{place}: fsync failed: {source}; nothing more is promised on this disk", place = .place.display())]
    Fsync {
        /// Which file or directory.
        place: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no such message.
    #[error("no message {0} in the spool")]
    Gone(SpoolId),
    /// A system call failed.
    #[error("{place}: cannot {action}: {source}", place = .place.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        place: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another daemon has the spool.
    #[error("{place}: another listseal works on this spool", place = .0.display())]
    Locked(PathBuf),
    /// The spool is on a network file system.
    #[error("{place}: is on a network file system ({kind}), where a crash can lose mail; move the spool to a local disk or set spool.allow_network_fs = true", place = .place.display())]
    Network {
        /// The spool directory.
        place: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// Too little room to take a message in.
    #[error("{place}: {free} bytes and {inodes} inodes free, {needed} bytes and {MIN_INODES} inodes needed", place = .place.display())]
    NoRoom {
        /// The spool directory.
        place: PathBuf,
        /// Free bytes.
        free: u64,
        /// Free inodes.
        inodes: u64,
        /// Free bytes that are needed.
        needed: u64,
    },
    /// A message is not over: an item of its plan is still to be sent.
    #[error("{0}: cannot be finished while an item is open or deferred")]
    Unfinished(SpoolId),
    /// What a receiver answered cannot be entered, on a disk that turned read-only say.
    #[error("{place}: cannot enter what was sent: {source}; nothing more is sent until that is mended", place = .place.display())]
    Unrecorded {
        /// The file that keeps account of it.
        place: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file or directory that others could have tampered with, or that is no plain file.
    #[error("{place}: {problem}; {remedy}", place = .place.display())]
    Unsafe {
        /// Which file or directory.
        place: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What mends it.
        remedy: String,
    },
}

/// Fewer free inodes than this and intake asks the MTA to wait (contract R17).
pub const MIN_INODES: u64 = 1000;

impl SpoolError {
    pub(crate) fn io(action: &'static str, place: &Path, errno: Errno) -> Self {
        Self::std_io(action, place, errno.into())
    }

    pub(crate) fn std_io(action: &'static str, place: &Path, source: io::Error) -> Self {
        let place = place.to_owned();
        if disk::is_unsynced(&source) {
            return Self::Fsync { place, source };
        }
        Self::Io {
            action,
            place,
            source,
        }
    }

    pub(super) fn corrupt(place: &Path, problem: impl Into<String>) -> Self {
        Self::Corrupt {
            place: place.to_owned(),
            problem: problem.into(),
        }
    }

    /// True where a name was not given because another file has it.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }

    /// True after a failed fsync, or where what was sent cannot be entered: the process must stop
    /// without promising or sending more (contract R7, E3).
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Fsync { .. } | Self::Unrecorded { .. })
    }

    /// Makes of a failed write one that leaves a delivery unrecorded.
    pub(super) fn unrecorded(self) -> Self {
        match self {
            Self::Io { place, source, .. } => Self::Unrecorded { place, source },
            other => other,
        }
    }

    /// True where waiting helps: the disk or the quota is full, or descriptors or memory ran out
    /// (contract E2, E3).
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        let Self::Io { source, .. } = self else {
            return matches!(self, Self::NoRoom { .. });
        };
        source.raw_os_error().is_some_and(|code| {
            [
                Errno::NOSPC,
                Errno::DQUOT,
                Errno::MFILE,
                Errno::NFILE,
                Errno::NOMEM,
            ]
            .iter()
            .any(|errno| errno.raw_os_error() == code)
        })
    }

    /// Returns the exit code of a program that stops for this: 78 where the administrator has to
    /// mend something first, else 75.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Network { .. } | Self::Unsafe { .. } => 78,
            _ => 75,
        }
    }
}
