//! One daemon per spool (contract R5).

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::error::SpoolError;
use super::layout::Layout;
use crate::disk;

/// The exclusive right to work on a spool, until dropped or until the process ends, however it
/// ends: the kernel lets go of it, so there is no stale lock to guess about.
#[derive(Debug)]
pub(super) struct Lock {
    _fd: OwnedFd,
}

impl Lock {
    /// Takes the lock, or gives up after half a second.
    ///
    /// A killed daemon's lock is free at once, but for a child that was just being started: between
    /// fork and exec it holds a copy.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Locked`] when another process has it.
    pub(super) fn take(layout: &Layout) -> Result<Self, SpoolError> {
        let place = layout.path().join(NAME);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = disk::open_at(layout.root(), NAME, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| SpoolError::io("open", &place, errno))?;
        for _ in 0..TRIES {
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _fd: fd }),
                Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                Err(errno) => return Err(SpoolError::io("lock", &place, errno)),
            }
        }
        Err(SpoolError::Locked(place))
    }
}

const NAME: &str = "lock";
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
