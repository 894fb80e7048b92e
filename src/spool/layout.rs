//! The directories of a spool, opened once and checked to be ours alone.
//!
//! # Trust
//!
//! Nothing is believed of what others could have made: names are single components of our own
//! making, links are never followed, and every file is looked at through its open descriptor
//! (contract E5). Directories are refused while others can write to them or above them (E6).

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, fchmod, fstat, openat, statat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::durable::{self, Draft};
use super::error::SpoolError;
use super::guard::{check_ancestors, check_dir, check_local};
use crate::config::permission::quoted;
use crate::disk;

/// One directory of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// What cannot or must not be processed.
    Bad,
    /// What moderators decide on.
    Hold,
    /// What was accepted.
    New,
    /// What is being written.
    Tmp,
    /// Plans, slots and decisions.
    Work,
}

impl Shelf {
    /// Every shelf.
    pub const ALL: [Self; 5] = [Self::Bad, Self::Hold, Self::New, Self::Tmp, Self::Work];

    /// Returns the directory's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Hold => "hold",
            Self::New => "new",
            Self::Tmp => "tmp",
            Self::Work => "work",
        }
    }

    pub(super) fn is_open_to_a_group(self) -> bool {
        matches!(self, Self::New | Self::Tmp)
    }
}

/// An open spool directory with its shelves.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    root: OwnedFd,
    bad: OwnedFd,
    hold: OwnedFd,
    new: OwnedFd,
    tmp: OwnedFd,
    work: OwnedFd,
    /// The group that may hand in, where `new/` is open to one.
    group: Option<u32>,
    pub(super) is_network: bool,
}

impl Layout {
    /// Opens the spool at `path`, making what is missing.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Unsafe`] naming the directory that others can write to or that is not ours,
    /// [`SpoolError::Network`] unless `allow_network_fs`.
    pub fn create(path: &Path, allow_network_fs: bool) -> Result<Self, SpoolError> {
        if !path.exists() {
            disk::make_directories(path, 0o777)
                .map_err(|error| SpoolError::std_io("create the directory", path, error))?;
            let root = open_dir(path)?;
            fchmod(&root, Mode::from_raw_mode(0o700))
                .map_err(|errno| SpoolError::io("set the mode", path, errno))?;
        }
        let root = open_dir(path)?;
        // Another user's spool gets no directories of ours.
        check_dir(&root, path, None)?;
        for shelf in Shelf::ALL {
            match disk::make_dir_at(&root, shelf.name(), 0o700) {
                Ok(()) => durable::sync(&root, path)?,
                Err(Errno::EXIST) => {}
                Err(errno) => {
                    return Err(SpoolError::io("create", &path.join(shelf.name()), errno));
                }
            }
        }
        Self::assemble(path, root, allow_network_fs)
    }

    /// Opens a spool that exists, making nothing.
    ///
    /// # Errors
    ///
    /// As [`Layout::create`], and when a directory is missing.
    pub fn visit(path: &Path) -> Result<Self, SpoolError> {
        Self::assemble(path, open_dir(path)?, true)
    }

    fn assemble(path: &Path, root: OwnedFd, allow_network_fs: bool) -> Result<Self, SpoolError> {
        check_ancestors(path)?;
        check_dir(&root, path, None)?;
        let is_network = check_local(&root, path, allow_network_fs)?;
        let open = |shelf: Shelf| -> Result<OwnedFd, SpoolError> {
            let place = path.join(shelf.name());
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let fd = match openat(&root, shelf.name(), flags, Mode::empty()) {
                // What O_DIRECTORY and O_NOFOLLOW say of a link, too.
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let name = quoted(&place);
                    return Err(SpoolError::Unsafe {
                        problem: "is no directory of its own".to_owned(),
                        remedy: format!("mv {name} {name}.odd"),
                        place,
                    });
                }
                fd => fd.map_err(|errno| SpoolError::io("open", &place, errno))?,
            };
            check_dir(&fd, &place, Some(shelf))?;
            Ok(fd)
        };
        let new = open(Shelf::New)?;
        let stat = fstat(&new).map_err(|e| SpoolError::io("look at", path, e))?;
        let group = (stat.st_mode & 0o020 != 0).then_some(stat.st_gid);
        Ok(Self {
            bad: open(Shelf::Bad)?,
            hold: open(Shelf::Hold)?,
            tmp: open(Shelf::Tmp)?,
            work: open(Shelf::Work)?,
            path: path.to_owned(),
            root,
            new,
            group,
            is_network,
        })
    }

    /// True when the spool is on a network file system (contract R18).
    #[must_use]
    pub fn is_on_network(&self) -> bool {
        self.is_network
    }

    /// Returns the path of the spool.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a file, for messages to people.
    #[must_use]
    pub fn place(&self, shelf: Shelf, name: &str) -> PathBuf {
        self.path.join(shelf.name()).join(name)
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(super) fn dir(&self, shelf: Shelf) -> BorrowedFd<'_> {
        match shelf {
            Shelf::Bad => self.bad.as_fd(),
            Shelf::Hold => self.hold.as_fd(),
            Shelf::New => self.new.as_fd(),
            Shelf::Tmp => self.tmp.as_fd(),
            Shelf::Work => self.work.as_fd(),
        }
    }

    /// Opens a file, or returns `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Unsafe`] for a link, a pipe, a device, a file with a second name, of a foreign
    /// owner or open to others (contract E5); such a file is not read.
    pub(super) fn open(
        &self,
        shelf: Shelf,
        name: &str,
        write: bool,
    ) -> Result<Option<File>, SpoolError> {
        let place = self.place(shelf, name);
        if is_odd(self.dir(shelf), name) {
            return Err(odd(&place, "is not a plain file"));
        }
        // The name is one component, so with O_NOFOLLOW nothing beneath can lead elsewhere;
        // O_NONBLOCK keeps a planted pipe from hanging us.
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match openat(self.dir(shelf), name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(odd(&place, "is a symbolic link")),
            Err(Errno::NXIO) => return Err(odd(&place, "is not a plain file")),
            Err(errno) => return Err(SpoolError::io("open", &place, errno)),
        };
        let stat = fstat(&fd).map_err(|errno| SpoolError::io("look at", &place, errno))?;
        self.check_file(&stat, &place)?;
        Ok(Some(fd.into()))
    }

    fn check_file(&self, stat: &Stat, place: &Path) -> Result<(), SpoolError> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(odd(place, "is not a plain file"));
        }
        if stat.st_nlink != 1 {
            return Err(odd(place, "has a second name (hard link)"));
        }
        let ours = stat.st_uid == geteuid().as_raw();
        let by_group = self.group == Some(stat.st_gid);
        if !ours && !by_group {
            return Err(odd(place, &format!("belongs to uid {}", stat.st_uid)));
        }
        let allowed = if by_group { 0o640 } else { 0o600 };
        if stat.st_mode & 0o777 & !allowed != 0 {
            return Err(odd(
                place,
                &format!("has mode {:04o}", stat.st_mode & 0o7777),
            ));
        }
        Ok(())
    }

    pub(super) fn exists(&self, shelf: Shelf, name: &str) -> Result<bool, SpoolError> {
        match statat(self.dir(shelf), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(SpoolError::io("look at", &self.place(shelf, name), errno)),
        }
    }

    /// Calls `each` with every name on `shelf`, in the order of the directory.
    pub(super) fn names(&self, shelf: Shelf, mut each: impl FnMut(&str)) -> Result<(), SpoolError> {
        let place = self.path.join(shelf.name());
        let failed = |errno| SpoolError::io("list", &place, errno);
        for entry in rustix::fs::Dir::read_from(self.dir(shelf)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            each(&lossy(entry.file_name()));
        }
        Ok(())
    }

    /// Removes a file; one that is gone already is fine. The directory is not synced.
    pub(super) fn remove(&self, shelf: Shelf, name: &str) -> Result<(), SpoolError> {
        match disk::unlink_at(self.dir(shelf), name) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(SpoolError::io("remove", &self.place(shelf, name), errno)),
        }
    }

    /// Moves a file to another shelf and syncs both; false where there was none.
    ///
    /// # Errors
    ///
    /// A file of that name is there already: it is never overwritten.
    #[track_caller]
    pub(super) fn shift(&self, name: &str, from: Shelf, to: Shelf) -> Result<bool, SpoolError> {
        let flags = RenameFlags::NOREPLACE;
        match disk::rename_at(self.dir(from), name, self.dir(to), name, flags) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(SpoolError::io("move", &self.place(from, name), errno)),
        }
        self.sync(to)?;
        self.sync(from)?;
        Ok(true)
    }

    /// Syncs the entries of a directory.
    #[track_caller]
    pub(super) fn sync(&self, shelf: Shelf) -> Result<(), SpoolError> {
        durable::sync(self.dir(shelf), &self.path.join(shelf.name()))
    }

    /// Writes a small file, durable under its name when this returns; an older one is replaced.
    #[track_caller]
    pub(super) fn store(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), SpoolError> {
        self.store_unsynced(shelf, name, bytes)?;
        self.sync(shelf)
    }

    /// As [`Layout::store`], leaving the directory to be synced by the caller.
    #[track_caller]
    pub(super) fn store_unsynced(
        &self,
        shelf: Shelf,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), SpoolError> {
        let place = self.place(shelf, name);
        let mut draft = self.draft(name, &place)?;
        draft.write(bytes, &place)?;
        draft.replace(self.dir(shelf), name, &place)
    }

    pub(super) fn draft(&self, name: &str, place: &Path) -> Result<Draft<'_>, SpoolError> {
        let mode = Mode::from_raw_mode(0o600);
        let tmp_name = format!("{name}.{:08x}", random_u64()?);
        Draft::open_named(self.dir(Shelf::Tmp), &tmp_name, mode, place)
    }

    /// Reads a small file, or `None` where there is none.
    pub(super) fn load(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, SpoolError> {
        use std::io::Read as _;
        let Some(mut file) = self.open(shelf, name, false)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| SpoolError::std_io("read", &self.place(shelf, name), error))?;
        Ok(Some(bytes))
    }

    /// Tries out on this disk what intake and the daemon rely on: write, sync, name without
    /// overwriting, sync the directory, remove.
    pub(super) fn probe(&self) -> Result<(), SpoolError> {
        let name = format!("probe.{:016x}", random_u64()?);
        let place = self.place(Shelf::Tmp, &name);
        let mode = Mode::from_raw_mode(0o600);
        let named = format!("{name}.draft");
        let tmp = self.dir(Shelf::Tmp);
        let mut draft = Draft::open(tmp, tmp, &named, mode, &place)?;
        draft.write(b"probe", &place)?;
        draft.publish(tmp, &name, &place)?;
        let mut second = Draft::open_named(tmp, &named, mode, &place)?;
        second.write(b"probe", &place)?;
        let overwrites = match second.publish(tmp, &name, &place) {
            Ok(()) => true,
            Err(error) if error.is_taken() => false,
            Err(error) => return Err(error),
        };
        self.sync(Shelf::Tmp)?;
        self.remove(Shelf::Tmp, &name)?;
        if overwrites {
            return Err(SpoolError::Unsafe {
                place: self.path.clone(),
                problem: "the file system cannot rename without overwriting".to_owned(),
                remedy: "use ext4, xfs, btrfs or tmpfs".to_owned(),
            });
        }
        Ok(())
    }
}

pub(crate) fn random_u64() -> Result<u64, SpoolError> {
    getrandom::u64().map_err(|error| {
        SpoolError::std_io(
            "draw randomness",
            Path::new("/dev/urandom"),
            std::io::Error::other(error),
        )
    })
}

fn lossy(name: &CStr) -> String {
    String::from_utf8_lossy(name.to_bytes()).into_owned()
}

fn open_dir(path: &Path) -> Result<OwnedFd, SpoolError> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| SpoolError::io("open the directory", path, errno))
}

/// True where something lies there that is neither a plain file nor a link: a device is not even
/// opened, since that can do something already (contract E5).
pub(super) fn is_odd(dir: BorrowedFd<'_>, name: &str) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        !kind.is_file() && !kind.is_symlink()
    })
}

pub(super) fn odd(place: &Path, problem: &str) -> SpoolError {
    SpoolError::Unsafe {
        place: place.to_owned(),
        problem: problem.to_owned(),
        remedy: "it is not touched; see who put it there and remove it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::guard::check_room;
    use super::*;

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn empty_directory_becomes_a_spool_of_mode_0700() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/spool");
        Layout::create(&path, false).unwrap().probe().unwrap();
        for shelf in Shelf::ALL {
            let mode = std::fs::metadata(path.join(shelf.name()))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o7777, 0o700, "{}", shelf.name());
            assert_eq!(
                std::fs::read_dir(path.join(shelf.name())).unwrap().count(),
                0
            );
        }
    }

    #[test]
    fn e6_directories_open_to_others_are_refused_by_name() {
        for (which, mode, fine) in [
            ("", 0o755, true),
            ("", 0o710, true),
            ("", 0o775, false),
            ("", 0o1777, false),
            ("new", 0o3770, true),
            ("new", 0o2770, false),
            ("new", 0o770, false),
            ("new", 0o3777, false),
            ("tmp", 0o3770, true),
            ("work", 0o3770, false),
            ("hold", 0o750, false),
            ("bad", 0o701, false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("spool");
            Layout::create(&path, false).unwrap();
            chmod(&path.join(which), mode);
            match Layout::create(&path, false) {
                Ok(_) => assert!(fine, "{which} {mode:o} was accepted"),
                Err(error) => {
                    assert!(!fine, "{which} {mode:o}: {error}");
                    assert!(error.to_string().contains("chmod"), "{error}");
                    assert_eq!(error.exit_code(), 78);
                }
            }
        }
    }

    #[test]
    fn e6_ancestor_writable_by_all_is_refused_unless_sticky() {
        let dir = tempfile::tempdir().unwrap();
        let above = dir.path().join("above");
        std::fs::create_dir(&above).unwrap();
        let path = above.join("spool");
        chmod(&above, 0o1777);
        Layout::create(&path, false).unwrap();
        chmod(&above, 0o777);
        let error = Layout::create(&path, false).unwrap_err().to_string();
        assert!(
            error.starts_with(above.canonicalize().unwrap().to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn e5_links_pipes_and_open_modes_are_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path(), false).unwrap();
        let new = dir.path().join("new");
        std::fs::write(new.join("plain"), b"x").unwrap();
        chmod(&new.join("plain"), 0o600);
        assert!(layout.open(Shelf::New, "plain", false).unwrap().is_some());
        assert!(layout.open(Shelf::New, "absent", false).unwrap().is_none());
        std::os::unix::fs::symlink("plain", new.join("link")).unwrap();
        std::fs::write(new.join("loose"), b"x").unwrap();
        chmod(&new.join("loose"), 0o644);
        std::fs::create_dir(new.join("dir")).unwrap();
        rustix::fs::mkfifoat(layout.dir(Shelf::New), "pipe", Mode::from_raw_mode(0o600)).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(new.join("socket")).unwrap();
        for name in ["link", "loose", "dir", "pipe", "socket"] {
            let result = layout.open(Shelf::New, name, false);
            assert!(
                matches!(result, Err(SpoolError::Unsafe { .. })),
                "{name}: {result:?}"
            );
        }
        std::fs::hard_link(new.join("plain"), new.join("second")).unwrap();
        assert!(layout.open(Shelf::New, "plain", false).is_err());
    }

    #[test]
    fn r17_too_little_room_is_refused_with_figures() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path(), false).unwrap();
        check_room(layout.root(), dir.path(), 1).unwrap();
        let error = check_room(layout.root(), dir.path(), u64::MAX / 2).unwrap_err();
        assert!(matches!(error, SpoolError::NoRoom { .. }) && error.exit_code() == 75);
    }
}
