//! Takes one message from the MTA and makes it durable before the MTA is told so.
//!
//! # Place in the flow
//!
//! MTA → **intake** → spool; by the pipe, or by [`crate::lmtp`] for several recipients at once.
//!
//! # Trust
//!
//! Runs as the user of the MTA's pipe or alias, or in the daemon; touches no key, opens no network
//! and parses nothing but the envelope (contract S1). It needs the right to write `new/` and `tmp/` of the spool and
//! to see whether a list's directory is there.
//!
//! # Invariants
//!
//! * Success is returned after file and directory are synced, never before (R1, I7).
//! * Whatever goes wrong locally is 75: the MTA keeps the mail (R2).
//! * The bytes are kept as they came, NUL bytes and all, but for one leading mbox `From ` line of
//!   the pipe.
//! * A message is held in memory by pieces, however large it is and whoever it is for.
//!
//! # See also
//!
//! `spool/README.md` for the steps I1 to I7.

#![allow(
    clippy::disallowed_methods,
    reason = "intake is shell: it reads the clock, the environment and files"
)]

mod error;
mod inbox;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use rustix::process::{Resource, getrlimit};
use time::OffsetDateTime;

use crate::disk;
use crate::model::{Address, Envelope, SpoolId, micros};
use crate::spool::durable::{self, Draft};
use crate::spool::layout::{Shelf, random_u64};
use crate::spool::message::Writer;
use crate::spool::{SpoolError, check_room};
use crate::store::lists::Lists;
pub use error::IntakeError;
use inbox::Inbox;

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
    is_known(lists, &recipient)?;
    let door = Door::open(lists)?;
    disk::point("I0");
    let mut piece = vec![0; PIECE];
    let filled = fill(input, &mut piece)?;
    let top = Top::read(piece.get(..filled).unwrap_or_default());
    let sender = sender.or(top.sender.as_deref());
    let envelope = Envelope::new(sender.unwrap_or(Envelope::UNKNOWN), recipient);
    let start = piece.get(top.skipped..filled).unwrap_or_default();
    let mut taken = door.take(&[envelope], &mut start.chain(input));
    taken.pop().unwrap_or(Err(IntakeError::Empty))
}

/// Takes the message on `input` for each of `recipients`, which [`is_known`], and returns what became
/// of it for each: an id once its own copy is durable (I7).
///
/// The message is read once; what comes after the first recipient is copied from file to file.
pub fn accept_for_each(
    lists: &Lists,
    recipients: &[Address],
    sender: &str,
    input: &mut dyn Read,
) -> Vec<Result<SpoolId, IntakeError>> {
    let door = match Door::open(lists) {
        Ok(door) => door,
        Err(error) => return vec![Err(error); recipients.len()],
    };
    disk::point("I0");
    let envelopes = recipients.iter();
    let envelopes: Vec<Envelope> = envelopes
        .map(|recipient| Envelope::new(sender, recipient.clone()))
        .collect();
    door.take(&envelopes, input)
}

/// Makes sure that `recipient` is an address of ours.
///
/// # Errors
///
/// [`IntakeError::UnknownList`], or [`IntakeError::Local`] where it cannot be told.
pub fn is_known(lists: &Lists, recipient: &Address) -> Result<(), IntakeError> {
    // "Not there" and "cannot be seen" are not mixed up: the one is a bounce, the other is ours to
    // mend while the MTA waits.
    match lists.route(recipient) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(IntakeError::UnknownList(recipient.clone())),
        Err(problem) => Err(IntakeError::Local(problem.to_string())),
    }
}

/// Makes sure that the spool can take a message now (contract R17).
///
/// # Errors
///
/// [`IntakeError::NoRoom`] or [`IntakeError::Local`].
pub fn is_open(lists: &Lists) -> Result<(), IntakeError> {
    Door::open(lists).map(drop)
}

/// The spool, open for one message.
struct Door {
    inbox: Inbox,
    /// `new/`, for errors.
    place: PathBuf,
    limit: u64,
}

/// A message file that is whole and has no name yet.
struct Written<'d> {
    draft: Draft<'d>,
    id: SpoolId,
    /// Where in the file the message begins.
    begins_at: u64,
    length: u64,
}

/// The message in a file, to be copied from there.
struct Source {
    file: File,
    begins_at: u64,
    length: u64,
}

impl Door {
    fn open(lists: &Lists) -> Result<Self, IntakeError> {
        let spool = lists.settings().paths.spool.as_path();
        let limit = lists.settings().intake.max_size;
        let inbox = Inbox::open(spool)?;
        check_room(fd(&inbox.new), spool, limit)?; // R17
        Ok(Self {
            inbox,
            place: spool.join(Shelf::New.name()),
            limit,
        })
    }

    /// Takes one message for each of these envelopes.
    fn take(
        &self,
        envelopes: &[Envelope],
        input: &mut dyn Read,
    ) -> Vec<Result<SpoolId, IntakeError>> {
        let all = |error: IntakeError| vec![Err(error); envelopes.len()];
        let Some((first, others)) = envelopes.split_first() else {
            return Vec::new();
        };
        let (source, id) = match self.take_first(first, input) {
            Ok(begun) => begun,
            Err(error) => return all(error),
        };
        let mut taken = vec![Ok(id)];
        for envelope in others {
            let copied = self.copy(envelope, &source);
            let is_fatal = copied.as_ref().is_err_and(SpoolError::is_fatal);
            taken.push(copied.map_err(IntakeError::from));
            if is_fatal {
                // After a failed sync nothing more is tried (R7).
                break;
            }
        }
        if let Some(Err(error)) = taken.last().cloned() {
            taken.resize(envelopes.len(), Err(error));
        }
        if let Err(error) = durable::sync(&self.inbox.new, &self.place) {
            return all(error.into());
        }
        disk::point("I6");
        disk::point("I7");
        taken
    }

    fn take_first(
        &self,
        envelope: &Envelope,
        input: &mut dyn Read,
    ) -> Result<(Source, SpoolId), IntakeError> {
        let written = self.write(envelope, input)?;
        let file = written.draft.file.try_clone();
        let source = Source {
            file: file.map_err(|error| SpoolError::std_io("open", &self.place, error))?,
            begins_at: written.begins_at,
            length: written.length,
        };
        Ok((source, self.name(written)?))
    }

    /// Writes what comes in.
    fn write(&self, envelope: &Envelope, input: &mut dyn Read) -> Result<Written<'_>, IntakeError> {
        let mut piece = vec![0; PIECE];
        let mut filled = fill(input, &mut piece)?;
        if filled == 0 {
            return Err(IntakeError::Empty);
        }
        fits(0, filled)?;
        let (draft, micros, random) = self.draft()?;
        disk::point("I1");
        let failed = |error| SpoolError::std_io("write the message", &self.place, error);
        let mut writer = Writer::begin(disk::Out(&draft.file), envelope).map_err(failed)?;
        while filled > 0 {
            let part = piece.get(..filled).unwrap_or_default();
            writer.add(part).map_err(failed)?;
            disk::point("I2");
            // E7: before the disk has all of it.
            if writer.length() > self.limit {
                return Err(too_large(input, &mut piece, self.limit));
            }
            filled = fill(input, &mut piece)?;
            fits(writer.length(), filled)?;
        }
        let (begins_at, length) = (writer.begins_at(), writer.length());
        let (_, digest) = writer.end().map_err(failed)?;
        disk::point("I3");
        Ok(Written {
            draft,
            id: SpoolId::new(micros, random, digest),
            begins_at,
            length,
        })
    }

    /// Writes a message that has come in once more, for another recipient.
    fn copy(&self, envelope: &Envelope, source: &Source) -> Result<SpoolId, SpoolError> {
        let (draft, micros, random) = self.draft()?;
        let failed = |error| SpoolError::std_io("copy the message", &self.place, error);
        let mut writer = Writer::begin(disk::Out(&draft.file), envelope).map_err(failed)?;
        let mut piece = vec![0; PIECE];
        while writer.length() < source.length {
            let left = source.length - writer.length();
            let wanted = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let part = piece.get_mut(..wanted).unwrap_or_default();
            let at = source.begins_at + writer.length();
            source.file.read_exact_at(part, at).map_err(failed)?;
            writer.add(part).map_err(failed)?;
        }
        let (begins_at, length) = (writer.begins_at(), writer.length());
        let (_, digest) = writer.end().map_err(failed)?;
        self.name(Written {
            draft,
            id: SpoolId::new(micros, random, digest),
            begins_at,
            length,
        })
    }

    /// Opens a file with what its name will begin with.
    fn draft(&self) -> Result<(Draft<'_>, u64, u64), SpoolError> {
        let random = random_u64()?;
        let micros = micros(OffsetDateTime::now_utc());
        let name = format!("{micros:016x}{random:016x}");
        Ok((self.inbox.draft(&name, &self.place)?, micros, random))
    }

    /// Syncs a file and gives it its name; the directory is left to be synced.
    fn name(&self, written: Written<'_>) -> Result<SpoolId, SpoolError> {
        let name = format!("{}.msg", written.id);
        written.draft.sync(&self.place)?;
        disk::point("I4");
        let new = fd(&self.inbox.new);
        written.draft.name(new, &name, &self.place)?;
        disk::point("I5");
        Ok(written.id)
    }
}

/// Beyond the limit on the size of files, which local(8) of Postfix sets for what it runs, a write
/// would end the process, and some MTAs take a signal for a bounce (R2).
fn fits(written: u64, more: usize) -> Result<(), IntakeError> {
    let Some(most) = getrlimit(Resource::Fsize).current else {
        return Ok(());
    };
    if written.saturating_add(more as u64).saturating_add(FRAME) <= most {
        return Ok(());
    }
    Err(IntakeError::Local(format!(
        "this process may not write a file of more than {most} bytes (ulimit -f; mailbox_size_limit of Postfix)"
    )))
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

const RETURN_PATH: &[u8] = b"Return-Path:";
/// More than a message file has beside the message.
const FRAME: u64 = 12 * 1024;
/// What is held in memory of a message of any size.
const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod durability;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::Path;

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
