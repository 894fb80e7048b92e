//! Refuses directories that others could tamper with and disks that promise too little
//! (contract E6, R17, R18).

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{fstat, fstatfs, fstatvfs};
use rustix::process::{getegid, geteuid};

use super::error::{MIN_INODES, SpoolError};
use super::layout::Shelf;

/// Checks that there is room for a message of `limit` bytes (contract R17).
///
/// # Errors
///
/// [`SpoolError::NoRoom`].
pub fn check_room(dir: BorrowedFd<'_>, path: &Path, limit: u64) -> Result<(), SpoolError> {
    let stat = fstatvfs(dir).map_err(|errno| SpoolError::io("measure", path, errno))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let whole = stat.f_blocks.saturating_mul(stat.f_frsize);
    let needed = limit.saturating_mul(2).max((whole / 20).min(GIB));
    // File systems that make inodes as they go report none at all.
    let inodes_short = stat.f_files > 0 && stat.f_favail < MIN_INODES;
    if free < needed || inodes_short {
        return Err(SpoolError::NoRoom {
            place: path.to_owned(),
            free,
            inodes: stat.f_favail,
            needed,
        });
    }
    Ok(())
}

/// A directory is ours, and nobody else writes to it but by the one way that README.md describes.
pub(super) fn check_dir(
    fd: &OwnedFd,
    place: &Path,
    shelf: Option<Shelf>,
) -> Result<(), SpoolError> {
    let stat = fstat(fd).map_err(|errno| SpoolError::io("look at", place, errno))?;
    let mode = stat.st_mode & 0o7777;
    let us = geteuid().as_raw();
    let wrong = |problem: String, remedy: String| {
        Err(SpoolError::Unsafe {
            place: place.to_owned(),
            problem,
            remedy,
        })
    };
    if stat.st_uid != us {
        return wrong(
            format!(
                "belongs to uid {} and this process is uid {us}",
                stat.st_uid
            ),
            format!("run listseal as the user with uid {}", stat.st_uid),
        );
    }
    let fine = match shelf {
        // Names of shelves are no secret; what is on them is.
        None => mode & 0o022 == 0,
        Some(shelf) if shelf.is_open_to_a_group() && mode & 0o020 != 0 => mode == GROUP_MODE,
        Some(_) => mode & 0o077 == 0,
    };
    if fine {
        return Ok(());
    }
    wrong(
        format!("has mode {mode:04o}, so that others can get in"),
        format!("chmod 0700 {}", place.display()),
    )
}

/// No directory above lets others move the spool away (contract E6).
pub(super) fn check_ancestors(path: &Path) -> Result<(), SpoolError> {
    let whole = path
        .canonicalize()
        .map_err(|error| SpoolError::std_io("resolve", path, error))?;
    let (us, our_group) = (geteuid().as_raw(), getegid().as_raw());
    for dir in whole.ancestors().skip(1) {
        let stat = rustix::fs::stat(dir).map_err(|errno| SpoolError::io("look at", dir, errno))?;
        let mode = stat.st_mode & 0o7777;
        let sticky = mode & 0o1000 != 0;
        let by_world = mode & 0o002 != 0 && !sticky;
        // A private group of our own is common on desktops and lets nobody else in.
        let by_group = mode & 0o020 != 0 && !sticky && stat.st_gid != our_group;
        let owned = [0, us, OVERFLOW_UID].contains(&stat.st_uid);
        if by_world || by_group || !owned {
            let what = if owned {
                format!("has mode {mode:04o}, so that others can replace the spool in it")
            } else {
                format!(
                    "belongs to uid {}, who can replace the spool in it",
                    stat.st_uid
                )
            };
            return Err(SpoolError::Unsafe {
                place: dir.to_owned(),
                problem: what,
                remedy: "chmod go-w it, or put the spool elsewhere".to_owned(),
            });
        }
    }
    Ok(())
}

/// fsync, flock and rename promise less over the network (contract R18). True where it is allowed
/// all the same: then there are no events to rely on.
pub(super) fn check_local(fd: &OwnedFd, place: &Path, allowed: bool) -> Result<bool, SpoolError> {
    let stat = fstatfs(fd).map_err(|errno| SpoolError::io("measure", place, errno))?;
    match network_kind(fs_magic(&stat)) {
        Some(kind) if !allowed => Err(SpoolError::Network {
            place: place.to_owned(),
            kind,
        }),
        kind => Ok(kind.is_some()),
    }
}

/// Returns the magic number of `stat(2)`; its type differs between platforms, its 32 bits do not.
fn fs_magic(stat: &rustix::fs::StatFs) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "magic numbers are 32 bits wide"
    )]
    let magic = stat.f_type as u32;
    magic
}

/// Names a network file system by the magic number of `statfs(2)`.
fn network_kind(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x517b => Some("SMB"),
        0x0102_1997 => Some("9p"),
        0x6573_5546 => Some("FUSE"),
        0x5346_414f => Some("AFS"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x00c3_6400 => Some("Ceph"),
        _ => None,
    }
}

/// Setgid, sticky, owner and group: see README.md, "Who may write".
const GROUP_MODE: u32 = 0o3770;
/// Who owns the root directory inside an unprivileged user namespace.
const OVERFLOW_UID: u32 = 65_534;
const GIB: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r18_network_file_systems_are_known_by_their_magic() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0xff53_4d42), Some("CIFS"));
        for local in [
            0xef53_u32,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
        ] {
            assert_eq!(network_kind(local), None);
        }
    }
}
