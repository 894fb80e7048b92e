//! Who may read and write what: modes and owners of keys and directories.
//!
//! # Trust
//!
//! A file is believed only if nobody but root and the relay user could have put it there, and a
//! secret is used only if nobody else could have read it.
//!
//! # Invariants
//!
//! * Every problem's remedy is the command that mends it.
//!
//! # See also
//!
//! Contract S43, E5, E6 and decision 8 (the certificate directory may be readable, as Sympa has it).

#![allow(
    clippy::disallowed_methods,
    reason = "configuration is shell: it reads files"
)]

use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Problem, Settings};

/// The user the relay runs as. Root owns as well as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayUser {
    uid: u32,
}

impl RelayUser {
    /// Returns the user of this process.
    #[must_use]
    pub fn current() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Returns the user with this id.
    #[must_use]
    pub fn with_id(uid: u32) -> Self {
        Self { uid }
    }

    /// Returns the user of a site: of this process, but when root looks after a site, the user
    /// that the spool belongs to, so that `listseal check` says the same under `sudo`.
    #[must_use]
    pub fn of_site(settings: &Settings) -> Self {
        let current = Self::current();
        match std::fs::metadata(&settings.paths.spool) {
            Ok(spool) if current.uid == 0 => Self { uid: spool.uid() },
            _ => current,
        }
    }

    /// Returns the numeric user id.
    #[must_use]
    pub fn uid(self) -> u32 {
        self.uid
    }

    fn trusts(self, owner: u32) -> bool {
        owner == self.uid || owner == 0
    }
}

/// What a directory is for, and so who may look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Spool and state: for the relay user alone (mode & 077 = 0).
    Private,
    /// Configuration and certificates: others may read (contract decision 8).
    Readable,
}

/// Opens a file that holds a secret and reads it, if nobody else can (contract S43).
///
/// # Errors
///
/// It is missing, a link, no regular file, of another owner, or open to group or others; the
/// remedy is the command that mends it.
pub fn read_private(path: &Path, user: RelayUser) -> Result<Zeroizing<Vec<u8>>, Problem> {
    // Before it is opened: with a device that can do something already.
    if let Ok(metadata) = std::fs::symlink_metadata(path)
        && let Some(problem) = secret_problem(path, &metadata, user)
    {
        return Err(problem);
    }
    // NONBLOCK: a FIFO in the place of a key must not hang the relay (contract E5).
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|e| unopened(path, &e))?;
    // Of the open file, so that nothing can be swapped between the look and the read.
    let metadata = file.metadata().map_err(|e| unopened(path, &e))?;
    if let Some(problem) = secret_problem(path, &metadata, user) {
        return Err(problem);
    }
    let length = usize::try_from(metadata.len()).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    file.read_to_end(&mut bytes)
        .map_err(|e| unopened(path, &e))?;
    Ok(bytes)
}

/// Returns what is wrong with the mode or owner of a file that holds a secret (contract S43).
#[must_use]
pub fn private_file(path: &Path, user: RelayUser) -> Option<Problem> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => secret_problem(path, &metadata, user),
        Err(e) => Some(unopened(path, &e)),
    }
}

fn secret_problem(path: &Path, metadata: &Metadata, user: RelayUser) -> Option<Problem> {
    let name = quoted(path);
    if metadata.is_symlink() {
        return Some(linked(path));
    }
    if !metadata.is_file() {
        return Some(Problem::error(
            path,
            "is not a regular file",
            format!("move it away (mv {name} {name}.odd) and put the file itself there"),
        ));
    }
    if metadata.nlink() > 1 {
        return Some(Problem::error(
            path,
            "has a second name elsewhere (hard link)",
            format!("cp -p {name} {name}.new && mv {name}.new {name}"),
        ));
    }
    if !user.trusts(metadata.uid()) {
        return Some(foreign(path, metadata, user));
    }
    let mode = metadata.mode() & 0o7777;
    (mode & 0o077 != 0).then(|| {
        Problem::error(
            path,
            format!("is open to group or others (mode {mode:04o})"),
            format!("chmod 600 {name}"),
        )
    })
}

/// Returns what is wrong with the mode or owner of an existing directory, or of one above it
/// (contract E6). A missing directory is not wrong here.
#[must_use]
pub fn directory(path: &Path, purpose: Use, user: RelayUser) -> Vec<Problem> {
    let Ok(metadata) = std::fs::metadata(path) else {
        return Vec::new();
    };
    let name = quoted(path);
    if !metadata.is_dir() {
        return vec![Problem::error(
            path,
            "is not a directory",
            format!("move it away: mv {name} {name}.odd && mkdir {name}"),
        )];
    }
    let mut found = Vec::new();
    if !user.trusts(metadata.uid()) {
        found.push(foreign(path, &metadata, user));
    }
    let mode = metadata.mode() & 0o7777;
    let (forbidden, what, mend) = match purpose {
        Use::Private => (0o077, "is open to", "700"),
        Use::Readable => (0o022, "can be written by", "go-w"),
    };
    if mode & forbidden != 0 {
        found.push(Problem::error(
            path,
            format!("{what} group or others (mode {mode:04o})"),
            format!("chmod {mend} {name}"),
        ));
    }
    found.extend(above(path));
    found
}

/// Returns what is wrong with the mode or owner of a file of the configuration that holds no secret:
/// whoever can write it decides for the list. Group members may be meant to; others never are.
#[must_use]
pub fn edited_file(path: &Path, user: RelayUser) -> Vec<Problem> {
    let Ok(metadata) = std::fs::metadata(path) else {
        return Vec::new();
    };
    let (name, mode) = (quoted(path), metadata.mode() & 0o7777);
    let mut found = Vec::new();
    if !user.trusts(metadata.uid()) {
        let problem = foreign(path, &metadata, user);
        found.push(Problem::warning(path, problem.problem, problem.remedy));
    }
    if mode & 0o002 != 0 {
        found.push(Problem::error(
            path,
            format!("can be written by everybody (mode {mode:04o})"),
            format!("chmod o-w {name}"),
        ));
    } else if mode & 0o020 != 0 {
        found.push(Problem::warning(
            path,
            format!("can be written by its group (mode {mode:04o})"),
            format!("chmod g-w {name}, unless the group is meant to"),
        ));
    }
    found
}

/// Returns what lets everybody on this machine write `path`, or exchange it (contract E6, S43): what
/// lies there could be anybody's. A missing file is not exposed.
#[must_use]
pub fn exposed(path: &Path) -> Option<Problem> {
    let metadata = std::fs::metadata(path).ok()?;
    writable_by_all(path, &metadata).or_else(|| above(path).into_iter().next())
}

/// As [`exposed`], of the file or directory alone that this is the metadata of.
pub(crate) fn writable_by_all(path: &Path, metadata: &Metadata) -> Option<Problem> {
    let mode = metadata.mode() & 0o7777;
    let open = mode & 0o002 != 0 && !(metadata.is_dir() && mode & 0o1000 != 0);
    open.then(|| {
        Problem::error(
            path,
            format!("can be written by everybody (mode {mode:04o})"),
            format!("chmod o-w {}", quoted(path)),
        )
    })
}

/// Whoever can write a directory above can exchange everything below it.
fn above(path: &Path) -> Vec<Problem> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut found = Vec::new();
    for ancestor in real.ancestors().skip(1) {
        let Ok(metadata) = std::fs::metadata(ancestor) else {
            continue;
        };
        let mode = metadata.mode() & 0o7777;
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            found.push(Problem::error(
                ancestor,
                format!("can be written by everybody (mode {mode:04o}), and with it all below"),
                format!("chmod o-w {}", quoted(ancestor)),
            ));
        }
    }
    found
}

/// Returns what keeps `user` from writing into a directory, or from creating it.
#[must_use]
pub fn writable(path: &Path, user: RelayUser) -> Option<Problem> {
    let nearest = path
        .ancestors()
        .find(|candidate| std::fs::symlink_metadata(candidate).is_ok())?;
    let metadata = match std::fs::metadata(nearest) {
        Ok(metadata) => metadata,
        Err(e) => return Some(unopened(nearest, &e)),
    };
    let uid = user.uid;
    if !metadata.is_dir() {
        return Some(Problem::error(
            nearest,
            "is not a directory",
            format!("mv {0} {0}.odd", quoted(nearest)),
        ));
    }
    if may_write(nearest, &metadata, user) {
        return None;
    }
    Some(if nearest == path {
        Problem::error(
            path,
            format!("cannot be written by user {uid}"),
            format!("chown {uid} {0} && chmod u+rwx {0}", quoted(path)),
        )
    } else {
        Problem::error(
            path,
            format!("does not exist and cannot be created by user {uid}"),
            format!("install -d -m 700 -o {uid} {}", quoted(path)),
        )
    })
}

fn may_write(path: &Path, metadata: &Metadata, user: RelayUser) -> bool {
    if user == RelayUser::current() {
        let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        let flags = rustix::fs::AtFlags::EACCESS;
        return rustix::fs::accessat(rustix::fs::CWD, path, wanted, flags).is_ok();
    }
    // Root looks on behalf of another: its groups are not known, so its own bits decide.
    let bits = if metadata.uid() == user.uid {
        0o300
    } else {
        0o003
    };
    user.uid == 0 || metadata.mode() & bits == bits
}

/// Returns `path` as it can be pasted into a shell.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@=:,%".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn foreign(path: &Path, metadata: &Metadata, user: RelayUser) -> Problem {
    let (owner, uid) = (metadata.uid(), user.uid);
    Problem::error(
        path,
        format!("belongs to user {owner}, neither to the relay (user {uid}) nor to root"),
        format!("chown {uid} {}", quoted(path)),
    )
}

fn linked(path: &Path) -> Problem {
    let name = quoted(path);
    let target: PathBuf = std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from("TARGET"));
    Problem::error(
        path,
        "is a symbolic link",
        format!(
            "put the file itself there: rm {name} && install -m 600 {} {name}",
            quoted(&target)
        ),
    )
}

fn unopened(path: &Path, e: &std::io::Error) -> Problem {
    let name = quoted(path);
    match e.kind() {
        std::io::ErrorKind::NotFound => {
            Problem::error(path, "does not exist", "create it, or correct the path")
        }
        std::io::ErrorKind::PermissionDenied => Problem::error(
            path,
            "may not be read by this user",
            format!("chmod u+r {name}, and chown it to the user of listseal"),
        ),
        // What opening a link with NOFOLLOW says.
        _ if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => linked(path),
        _ => Problem::error(path, format!("cannot be read: {e}"), "mend the file system"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("private_key");
        std::fs::write(&path, "secret").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn s43_secret_is_read_only_when_nobody_else_can() {
        for mode in [0o600, 0o400, 0o700] {
            let (_dir, path) = file(mode);
            let bytes = read_private(&path, RelayUser::current()).unwrap();
            assert_eq!(bytes.as_slice(), b"secret");
            assert_eq!(private_file(&path, RelayUser::current()), None);
        }
        for mode in [0o640, 0o604, 0o620, 0o660, 0o601] {
            let (_dir, path) = file(mode);
            let problem = read_private(&path, RelayUser::current()).unwrap_err();
            assert_eq!(problem.remedy, format!("chmod 600 {}", path.display()));
            assert_eq!(private_file(&path, RelayUser::current()), Some(problem));
        }
    }

    #[test]
    fn s43_suggested_commands_mend_the_file() {
        let (dir, path) = file(0o666);
        let link = dir.path().join("a link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let hard = dir.path().join("hard");
        for (name, prepare) in [(&path, false), (&link, false), (&hard, true)] {
            if prepare {
                std::fs::hard_link(&path, &hard).unwrap();
            }
            let problem = private_file(name, RelayUser::current()).expect("a problem");
            let command = problem.remedy.replace("put the file itself there: ", "");
            let status = std::process::Command::new("sh")
                .args(["-c", &command])
                .status()
                .unwrap();
            assert!(status.success(), "{command}");
            assert_eq!(private_file(name, RelayUser::current()), None, "{command}");
        }
    }

    #[test]
    fn s43_links_fifos_and_foreign_files_are_not_read() {
        let (dir, path) = file(0o600);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let problem = read_private(&link, RelayUser::current()).unwrap_err();
        assert_eq!(problem.problem, "is a symbolic link");
        let fifo = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let problem = read_private(&fifo, RelayUser::current()).unwrap_err();
        assert_eq!(problem.problem, "is not a regular file");
        let owner = std::fs::metadata(&path).unwrap().uid();
        let stranger = RelayUser::with_id(owner.wrapping_add(1));
        if owner == 0 {
            assert!(read_private(&path, stranger).is_ok(), "root owns as well");
        } else {
            let problem = read_private(&path, stranger).unwrap_err();
            assert!(problem.remedy.starts_with("chown "), "{problem}");
        }
    }

    #[test]
    fn e6_directory_that_others_can_write_is_named_with_its_chmod() {
        let dir = tempfile::tempdir().unwrap();
        let above = dir.path().join("above");
        let spool = above.join("spool");
        std::fs::create_dir_all(&spool).unwrap();
        let chmod = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let me = RelayUser::current();
        for (upper, own, purpose, fine) in [
            (0o755, 0o700, Use::Private, true),
            (0o755, 0o750, Use::Private, false),
            (0o755, 0o755, Use::Private, false),
            (0o755, 0o755, Use::Readable, true),
            (0o755, 0o775, Use::Readable, false),
            (0o755, 0o757, Use::Readable, false),
            (0o777, 0o700, Use::Private, false),
            (0o1777, 0o700, Use::Private, true),
            (0o775, 0o700, Use::Private, true),
            (0o777, 0o755, Use::Readable, false),
        ] {
            chmod(&above, upper);
            chmod(&spool, own);
            let found = directory(&spool, purpose, me);
            assert_eq!(found.is_empty(), fine, "{upper:o} {own:o} {found:?}");
            assert!(found.iter().all(|p| p.remedy.starts_with("chmod ")));
        }
    }

    #[test]
    fn file_of_the_configuration_is_not_for_everybody_to_write() {
        for (mode, errors, warnings) in [
            (0o644, 0, 0),
            (0o600, 0, 0),
            (0o664, 0, 1),
            (0o646, 1, 0),
            (0o666, 1, 0),
        ] {
            let (_dir, path) = file(mode);
            let found = edited_file(&path, RelayUser::current());
            let bad = found.iter().filter(|p| p.is_error()).count();
            assert_eq!((bad, found.len() - bad), (errors, warnings), "{mode:o}");
        }
    }

    #[test]
    fn missing_directory_is_writable_where_its_parent_is() {
        let dir = tempfile::tempdir().unwrap();
        let me = RelayUser::current();
        assert_eq!(writable(&dir.path().join("a/b"), me), None);
        std::fs::write(dir.path().join("file"), "").unwrap();
        let problem = writable(&dir.path().join("file/b"), me).expect("a problem");
        assert_eq!(problem.problem, "is not a directory");
        let stranger = RelayUser::with_id(me.uid().wrapping_add(4_242));
        let problem = writable(&dir.path().join("a"), stranger).expect("a problem");
        assert!(problem.remedy.starts_with("install -d "), "{problem}");
    }

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("/a/b@c")), "/a/b@c");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
