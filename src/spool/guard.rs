//! Refuses directories that others could tamper with and disks that promise too little
//! (contract E6, R17, R18).

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{fstat, fstatfs, fstatvfs};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::error::{MIN_INODES, SpoolError};
use super::layout::Shelf;
use crate::config::permission::quoted;
use crate::disk;

/// Checks that there is room for a message of `limit` bytes (contract R17).
///
/// # Errors
///
/// [`SpoolError::NoRoom`].
pub fn check_room(dir: BorrowedFd<'_>, path: &Path, limit: u64) -> Result<(), SpoolError> {
    if disk::asked("ROOM") == Some(0) {
        return Ok(());
    }
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
    let mut above: Vec<PathBuf> = whole.ancestors().skip(1).map(Path::to_owned).collect();
    let failed = |error| SpoolError::std_io("resolve", path, error);
    for link in links(path).map_err(failed)? {
        let owner = link.symlink_metadata().map_err(failed)?.uid();
        if ![0, us, OVERFLOW_UID].contains(&owner) {
            return Err(SpoolError::Unsafe {
                problem: format!("is a link of uid {owner}, who can lead the spool elsewhere"),
                remedy: "name the directory itself as paths.spool".to_owned(),
                place: link,
            });
        }
        let holder = link.parent().unwrap_or(Path::new("/")).canonicalize();
        above.extend(holder.map_err(failed)?.ancestors().map(Path::to_owned));
    }
    for dir in &above {
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
            let mend = if owned { "chmod go-w" } else { "chown 0" };
            return Err(SpoolError::Unsafe {
                place: dir.to_owned(),
                problem: what,
                remedy: format!("{mend} {}, or put the spool elsewhere", quoted(dir)),
            });
        }
    }
    Ok(())
}

/// Returns the symbolic links on the way to `path`, which exists: whoever can exchange one of them
/// leads the spool elsewhere.
fn links(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut way = std::path::absolute(path)?;
    loop {
        let steps: Vec<&Path> = way.ancestors().collect();
        let Some(link) = steps.into_iter().rev().find(|step| step.is_symlink()) else {
            return Ok(found);
        };
        let rest = way.strip_prefix(link).unwrap_or(Path::new(""));
        let to = link.parent().unwrap_or(link).join(link.read_link()?);
        let next = to.join(rest);
        found.push(link.to_owned());
        if found.len() > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        way = next;
    }
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

/// Names a file system that other machines write to, too, or that a program answers for, by the
/// magic number of `statfs(2)`.
fn network_kind(magic: u32) -> Option<&'static str> {
    let found = NETWORK.iter().find(|(number, _)| *number == magic);
    found.map(|(_, name)| *name)
}

/// Above the line from `linux/magic.h`, below it from the headers that are named.
const NETWORK: [(u32, &str); 23] = [
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0xff53_4d42, "CIFS"),
    (0x7375_7245, "Coda"),
    (0x6573_5546, "FUSE"),
    (0x00c0_ffee, "hostfs"),
    (0x564c, "NCP"),
    (0x6969, "NFS"),
    (0x7461_636f, "OCFS2"),
    (0x517b, "SMB"),
    (0xfe53_4d42, "SMB2"),
    // ----
    (0x6163_6673, "ACFS"),     // Oracle ACFS; coreutils, src/stat.c
    (0x1983_0326, "BeeGFS"),   // beegfs client, BEEGFS_MAGIC
    (0x0116_1970, "GFS2"),     // linux/gfs2_ondisk.h, GFS2_MAGIC
    (0x4750_4653, "GPFS"),     // IBM Storage Scale, gpfs.h
    (0x0bd0_0bd0, "Lustre"),   // lustre_idl.h, LL_SUPER_MAGIC
    (0x2003_0528, "OrangeFS"), // linux, fs/orangefs/orangefs-kernel.h
    (0xaad7_aaea, "PanFS"),    // Panasas; coreutils, src/stat.c
    (0x7c7c_6673, "prl_fs"),   // Parallels shared folders; coreutils, src/stat.c
    (0x786f_4256, "vboxsf"),   // linux, fs/vboxsf/super.c, VBOXSF_SUPER_MAGIC
    (0xbacb_acbc, "vmhgfs"),   // VMware shared folders, open-vm-tools, HGFS_SUPER_MAGIC
];

/// Setgid, sticky, owner and group: see README.md, "Who may write".
const GROUP_MODE: u32 = 0o3770;
/// Who owns the root directory inside an unprivileged user namespace.
const OVERFLOW_UID: u32 = 65_534;
/// As many as the kernel follows.
const MOST_LINKS: usize = 40;
const GIB: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r18_network_file_systems_are_known_by_their_magic() {
        // The kernel's own header, where it is installed; its names, so that no number is copied twice.
        let header = std::fs::read_to_string("/usr/include/linux/magic.h").unwrap_or_default();
        let number = |name: &str| {
            let line = header.lines().find(|line| {
                line.strip_prefix("#define")
                    .and_then(|rest| rest.split_whitespace().next())
                    == Some(name)
            })?;
            let word = line.split_whitespace().nth(2)?;
            u32::from_str_radix(word.trim_start_matches("0x"), 16).ok()
        };
        for (name, kind) in [
            ("AFS_SUPER_MAGIC", "AFS"),
            ("AFS_FS_MAGIC", "AFS"),
            ("V9FS_MAGIC", "9p"),
            ("CEPH_SUPER_MAGIC", "Ceph"),
            ("CIFS_SUPER_MAGIC", "CIFS"),
            ("CODA_SUPER_MAGIC", "Coda"),
            ("FUSE_SUPER_MAGIC", "FUSE"),
            ("HOSTFS_SUPER_MAGIC", "hostfs"),
            ("NCP_SUPER_MAGIC", "NCP"),
            ("NFS_SUPER_MAGIC", "NFS"),
            ("OCFS2_SUPER_MAGIC", "OCFS2"),
            ("SMB_SUPER_MAGIC", "SMB"),
            ("SMB2_SUPER_MAGIC", "SMB2"),
        ] {
            let magic = number(name);
            assert!(magic.is_some() || header.is_empty(), "{name} is not there");
            if let Some(magic) = magic {
                assert_eq!(network_kind(magic), Some(kind), "{name}");
            }
        }
        for (magic, kind) in [
            (0x0116_1970, "GFS2"),
            (0x4750_4653, "GPFS"),
            (0x1983_0326, "BeeGFS"),
            (0x0bd0_0bd0, "Lustre"),
        ] {
            assert_eq!(network_kind(magic), Some(kind));
        }
        for name in [
            "EXT4_SUPER_MAGIC",
            "XFS_SUPER_MAGIC",
            "BTRFS_SUPER_MAGIC",
            "F2FS_SUPER_MAGIC",
            "TMPFS_MAGIC",
            "OVERLAYFS_SUPER_MAGIC",
        ] {
            assert_eq!(number(name).and_then(network_kind), None, "{name}");
        }
        // ZFS and bcachefs, which are not in that header.
        assert_eq!([0x2fc1_2fc1, 0xca45_1a4e].map(network_kind), [None, None]);
    }
}
