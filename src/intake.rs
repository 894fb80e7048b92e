//! Takes one message from the MTA and makes it durable before the MTA is told so.
//!
//! # Place in the flow
//!
//! MTA → **intake** → spool.
//!
//! # Trust
//!
//! Runs as the user of the MTA's pipe or alias, touches no key, opens no network and parses nothing
//! but the envelope (contract S1). It needs the right to write `new/` and `tmp/` of the spool and
//! to see whether a list's directory is there.
//!
//! # Invariants
//!
//! * Success is returned after file and directory are synced, never before (R1, I7).
//! * Whatever goes wrong locally is 75: the MTA keeps the mail (R2).
//! * The bytes are kept as they came, NUL bytes and all, but for one leading mbox `From ` line.
//!
//! # See also
//!
//! `spool/README.md` for the steps I1 to I7; pipe(8) of Postfix for exit codes and output.

#![allow(
    clippy::disallowed_methods,
    reason = "intake is shell: it reads the clock, the environment and files"
)]

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, openat};
use rustix::io::Errno;
use time::OffsetDateTime;

use crate::config::permission::exposed;
use crate::disk;
use crate::model::{Address, Envelope, SpoolId, micros};
use crate::spool::durable::{self, Draft};
use crate::spool::layout::Shelf;
use crate::spool::message::Writer;
use crate::spool::{SpoolError, check_room};
use crate::store::lists::Lists;

/// Why a message was not taken, in words that the MTA may pass on.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The recipient is no address.
    #[error("5.1.3 {address:?} {problem}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There was nothing to take.
    #[error("5.6.0 the message is empty")]
    Empty,
    /// Something here does not work; the MTA is to try again.
    #[error("4.3.0 {0}")]
    Local(String),
    /// Larger than is taken.
    #[error("5.3.4 the message is larger than the {0} bytes that are accepted here")]
    TooLarge(u64),
    /// No list has this address.
    #[error("5.1.1 there is no list with the address {0}")]
    UnknownList(Address),
}

impl IntakeError {
    /// Returns the exit code that tells the MTA what to do.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Address { .. } => EX_USAGE,
            Self::Empty | Self::TooLarge(_) => EX_DATAERR,
            Self::Local(_) => EX_TEMPFAIL,
            Self::UnknownList(_) => EX_NOUSER,
        }
    }
}

impl From<SpoolError> for IntakeError {
    fn from(error: SpoolError) -> Self {
        Self::Local(error.to_string())
    }
}

/// Takes the message on `input` for `address` and returns its id once it is durable (I7).
///
/// `sender` is the envelope sender as the MTA gave it; where it is `None` the `Return-Path` on top
/// of the message or its mbox `From ` line tell it, and without either it is
/// [`Envelope::UNKNOWN`].
///
/// # Errors
///
/// [`IntakeError`]; nothing visible is left in the spool then.
pub fn accept(
    lists: &Lists,
    address: &str,
    sender: Option<&str>,
    input: &mut dyn Read,
) -> Result<SpoolId, IntakeError> {
    let recipient = Address::parse(address).map_err(|error| IntakeError::Address {
        address: address.to_owned(),
        problem: error.to_string(),
    })?;
    // "Not there" and "cannot be seen" are not mixed up: the one is a bounce, the other is ours to
    // mend while the MTA waits.
    let route = lists.route(&recipient);
    if route
        .map_err(|problem| IntakeError::Local(problem.to_string()))?
        .is_none()
    {
        return Err(IntakeError::UnknownList(recipient));
    }
    let spool = lists.settings().paths.spool.as_path();
    let limit = lists.settings().intake.max_size;
    let inbox = Inbox::open(spool)?;
    check_room(fd(&inbox.new), spool, limit)?; // R17
    disk::point("I0");

    let mut piece = vec![0; PIECE];
    let filled = fill(input, &mut piece)?;
    let start = piece.get(..filled).unwrap_or_default();
    let top = Top::read(start);
    let envelope = Envelope::new(
        sender
            .or(top.sender.as_deref())
            .unwrap_or(Envelope::UNKNOWN),
        recipient,
    );
    let start = start.get(top.skipped..).unwrap_or_default();
    if start.is_empty() {
        return Err(IntakeError::Empty);
    }

    let random = crate::spool::layout::random_u64()?;
    let micros = micros(OffsetDateTime::now_utc());
    let draft_name = format!("{micros:016x}{random:016x}");
    let place = spool.join(Shelf::New.name());
    let draft = inbox.draft(&draft_name, &place)?;
    disk::point("I1");
    let failed = |error| SpoolError::std_io("write the message", &place, error);
    let mut writer = Writer::begin(disk::Out(&draft.file), &envelope).map_err(failed)?;
    writer.add(start).map_err(failed)?;
    disk::point("I2");
    loop {
        if writer.length() > limit {
            return Err(too_large(input, &mut piece, limit));
        }
        let filled = fill(input, &mut piece)?;
        if filled == 0 {
            break;
        }
        writer
            .add(piece.get(..filled).unwrap_or_default())
            .map_err(failed)?;
    }
    let (_, digest) = writer.end().map_err(failed)?;
    disk::point("I3");
    let id = SpoolId::new(micros, random, digest);
    draft.publish(fd(&inbox.new), &format!("{id}.msg"), &place)?;
    durable::sync(&inbox.new, &place)?;
    disk::point("I6");
    disk::point("I7");
    Ok(id)
}

/// `new/` and `tmp/`, as far as one who only hands in may see them.
struct Inbox {
    new: OwnedFd,
    tmp: OwnedFd,
    stat: Stat,
}

impl Inbox {
    fn open(spool: &Path) -> Result<Self, SpoolError> {
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
    fn draft(&self, name: &str, place: &Path) -> Result<Draft<'_>, SpoolError> {
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

/// What the first bytes tell.
#[derive(Debug, PartialEq, Eq)]
struct Top {
    sender: Option<String>,
    /// Length of a leading mbox line, which is no part of the message.
    skipped: usize,
}

impl Top {
    fn read(start: &[u8]) -> Self {
        let mut skipped = 0;
        let mut sender = None;
        if start.starts_with(b"From ")
            && let Some(end) = start.iter().position(|b| *b == b'\n')
        {
            skipped = end + 1;
            let line = String::from_utf8_lossy(start.get(..end).unwrap_or_default());
            sender = line.split_ascii_whitespace().nth(1).map(str::to_owned);
        }
        let rest = start.get(skipped..).unwrap_or_default();
        let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
        if let Some((name, value)) = line.split_at_checked(RETURN_PATH.len())
            && name.eq_ignore_ascii_case(RETURN_PATH)
        {
            sender = Some(String::from_utf8_lossy(value).trim().to_owned());
        }
        Self { sender, skipped }
    }
}

/// Reads on to the end, so that the MTA sees our answer and not a broken pipe.
fn too_large(input: &mut dyn Read, piece: &mut [u8], limit: u64) -> IntakeError {
    loop {
        match fill(input, piece) {
            Ok(0) => return IntakeError::TooLarge(limit),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Reads until `piece` is full or the input ends.
fn fill(input: &mut dyn Read, piece: &mut [u8]) -> Result<usize, IntakeError> {
    let mut filled = 0;
    while let Some(free) = piece.get_mut(filled..).filter(|free| !free.is_empty()) {
        match input.read(free) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(IntakeError::Local(format!(
                    "cannot read the message: {error}"
                )));
            }
        }
    }
    Ok(filled)
}

fn fd(owned: &OwnedFd) -> std::os::fd::BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(owned)
}

// sysexits.h; any other code for local trouble would make Postfix bounce the mail (pipe(8)).
const EX_USAGE: u8 = 64;
const EX_DATAERR: u8 = 65;
const EX_NOUSER: u8 = 67;
const EX_TEMPFAIL: u8 = 75;
const RETURN_PATH: &[u8] = b"Return-Path:";
/// What is held in memory of a message of any size.
const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod durability;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;
    use crate::spool::{Layout, Received, Spool, SpoolSettings};

    struct Site {
        dir: tempfile::TempDir,
        lists: Lists,
    }

    fn site() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let lists = durability::lists(dir.path(), &dir.path().join("spool"), 100_000);
        Site { dir, lists }
    }

    impl Site {
        fn take(&self, sender: Option<&str>, mut data: &[u8]) -> Result<SpoolId, IntakeError> {
            accept(&self.lists, "team@example.org", sender, &mut data)
        }

        fn spool(&self) -> &Path {
            &self.lists.settings().paths.spool
        }

        fn files(&self, shelf: &str) -> usize {
            std::fs::read_dir(self.spool().join(shelf)).map_or(0, Iterator::count)
        }

        fn read(&self, id: SpoolId) -> crate::spool::Message {
            let settings = SpoolSettings {
                path: self.spool().to_owned(),
                allow_network_fs: false,
            };
            let (spool, _) = Spool::open(&settings).unwrap();
            match spool.receive(id, OffsetDateTime::now_utc(), false).unwrap() {
                Received::Ready(arrival) => arrival.message,
                other @ Received::Quarantined(_) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn message_is_in_the_spool_byte_for_byte() {
        let site = site();
        let data: Vec<u8> = b"Subject: \0\r\n\n"
            .iter()
            .copied()
            .cycle()
            .take(99_999)
            .collect();
        let id = site.take(Some("a@x.org"), &data).unwrap();
        let message = site.read(id);
        assert_eq!(message.data, data);
        assert_eq!(message.envelope.sender_text(), "a@x.org");
        assert_eq!(message.envelope.recipient().key(), "team@example.org");
        assert_eq!(site.files("tmp"), 0);
    }

    #[test]
    fn sender_is_the_argument_else_return_path_else_mbox_line() {
        let mail = b"From m@x.org Sat Jan  1 00:00:00 2026\nReturn-Path: <r@x.org>\nSubject: x\n\n";
        let top = Top::read(mail);
        assert_eq!(top.sender.as_deref(), Some("<r@x.org>"));
        assert_eq!(top.skipped, 38);
        let only_mbox = Top::read(b"From m@x.org Sat\nSubject: x\n\n");
        assert_eq!(only_mbox.sender.as_deref(), Some("m@x.org"));
        let none = Top::read(b"Subject: From \nReturn-Path: <late@x.org>\n");
        assert_eq!(
            none,
            Top {
                sender: None,
                skipped: 0
            }
        );

        let site = site();
        let message = site.read(site.take(None, mail).unwrap());
        assert_eq!(message.envelope.sender_text(), "r@x.org");
        assert_eq!(message.data, &mail[38..]);
        let message = site.read(site.take(Some(""), mail).unwrap());
        assert!(message.envelope.is_null_sender());
    }

    #[test]
    fn r2_oversize_is_65_with_5_3_4_and_leaves_nothing() {
        let site = site();
        let fits = vec![b'x'; 100_000];
        site.take(None, &fits).unwrap();
        let error = site.take(None, &[&fits[..], b"y"].concat()).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().starts_with("5.3.4 "), "{error}");
        assert_eq!((site.files("new"), site.files("tmp")), (1, 0));
    }

    #[test]
    fn unknown_lists_are_67_and_unreadable_ones_75() {
        let site = site();
        for (address, code) in [
            ("nobody@example.org", 67),
            ("team@other.org", 67),
            ("_site@example.org", 67),
            ("x/../team@example.org", 64),
            ("no address", 64),
        ] {
            let error = accept(&site.lists, address, None, &mut &b"x"[..]).unwrap_err();
            assert_eq!(error.exit_code(), code, "{address}: {error}");
        }
        for address in [
            "team-request@example.org",
            "listseal@example.org",
            "TEAM@Example.org",
        ] {
            accept(&site.lists, address, None, &mut &b"Subject: x\n\n"[..]).unwrap();
        }
        std::fs::remove_dir_all(site.dir.path().join("lists")).unwrap();
        assert_eq!(site.take(None, b"x").unwrap_err().exit_code(), 75);
    }

    #[test]
    fn empty_input_is_65() {
        assert_eq!(site().take(None, b"").unwrap_err().exit_code(), 65);
        assert_eq!(
            site()
                .take(None, b"From a@x.org\n")
                .unwrap_err()
                .exit_code(),
            65
        );
    }

    #[test]
    fn r2_broken_input_is_75_and_leaves_nothing() {
        struct Breaks(usize);
        impl Read for Breaks {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                self.0 = self
                    .0
                    .checked_sub(1)
                    .ok_or(std::io::ErrorKind::ConnectionReset)?;
                buf.fill(b'x');
                Ok(buf.len())
            }
        }
        let site = site();
        let error = accept(&site.lists, "team@example.org", None, &mut Breaks(1)).unwrap_err();
        assert_eq!(error.exit_code(), 75);
        assert!(error.to_string().starts_with("4.3.0 "), "{error}");
        assert_eq!((site.files("new"), site.files("tmp")), (0, 0));
    }

    #[test]
    fn e1_spool_that_cannot_be_written_is_75() {
        let site = site();
        std::fs::write(site.spool(), b"a file").unwrap();
        assert_eq!(
            site.take(None, b"Subject: x\n\n").unwrap_err().exit_code(),
            75
        );
    }

    #[test]
    fn group_spool_gets_files_that_the_daemon_can_read() {
        let site = site();
        Layout::create(site.spool(), false).unwrap();
        let new = site.spool().join("new");
        for shelf in ["new", "tmp"] {
            let mode = std::fs::Permissions::from_mode(0o3770);
            std::fs::set_permissions(site.spool().join(shelf), mode).unwrap();
        }
        let id = site.take(None, b"Subject: x\n\n").unwrap();
        let file = std::fs::metadata(new.join(format!("{id}.msg"))).unwrap();
        assert_eq!(file.mode() & 0o7777, 0o640);
        assert_eq!(file.gid(), std::fs::metadata(&new).unwrap().gid());
        assert_eq!(site.read(id).data, b"Subject: x\n\n");
    }
}
