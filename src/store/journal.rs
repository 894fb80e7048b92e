//! An append-only file of records of one size, that survives crashes and torn writes.
//!
//! ```text
//! header    16 bytes name and version, zeros to the size of a record
//! record    payload, CRC-32C of the payload, big-endian
//! ```
//!
//! # Invariants
//!
//! * [`Journal::append`] returns after the records are on the disk (contract R1, D4).
//! * A failed write leaves nothing behind, and the next one is tried anew: a full disk passes.
//! * After a failed sync the journal is not written again by this process, and the problem is
//!   [`Problem::is_fatal`]: what is on the disk is no longer known (contract R7).
//! * What a power cut leaves behind the last whole record is cut off when the journal is opened;
//!   a damaged record in the middle is counted and passed over, it takes no other with it.
//! * One process has a journal open: a lock on the file `lock` beside it, never deleted (R5).

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::config::Problem;
use crate::config::permission::{RelayUser, private_file, quoted};
use crate::disk;

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    name: [u8; NAME],
    /// Payload bytes of a record.
    payload: usize,
    /// Records, damaged ones too.
    count: u64,
    broken: bool,
    _lock: File,
}

/// What was found when a journal was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Records in the middle that cannot be read.
    pub records: u64,
    /// Bytes cut off at the end.
    pub cut: u64,
}

/// Length of the name in the header.
const NAME: usize = 16;
/// Length of the checksum of a record.
const CRC: usize = 4;

impl Journal {
    /// Opens or creates the journal at `path` and hands every good record to `each` with its number.
    ///
    /// # Errors
    ///
    /// It is locked, of another kind or version, or cannot be read, written or created.
    pub(super) fn open(
        path: &Path,
        name: [u8; NAME],
        payload: usize,
        mut each: impl FnMut(u64, &[u8]),
    ) -> Result<(Self, Damage), Problem> {
        let directory = path.parent().unwrap_or(Path::new("."));
        make_directory(directory)?;
        let lock = lock(directory)?;
        let file = open_file(path)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            name,
            payload,
            count: 0,
            broken: false,
            _lock: lock,
        };
        let damage = journal.recover(&mut each)?;
        Ok((journal, damage))
    }

    /// Appends records and returns the number of the first, when all are on the disk.
    ///
    /// # Errors
    ///
    /// The file system refused; fatal where a sync failed, now or before.
    pub(super) fn append(&mut self, payloads: &[Vec<u8>]) -> Result<u64, Problem> {
        if self.broken {
            return Err(self.stopped("an earlier sync failed"));
        }
        let first = self.count;
        if payloads.is_empty() {
            return Ok(first);
        }
        let bytes: Vec<u8> = payloads.iter().flat_map(|one| self.record(one)).collect();
        let end = self.offset(first);
        if let Err(e) = disk::write_all_at(&self.file, &bytes, end) {
            // Whole records of what was refused would be read at the next start. Where even this
            // fails, the next append overwrites them.
            let _ = disk::set_len(&self.file, end);
            return Err(trouble(&self.path, "cannot be written", &e));
        }
        if let Err(e) = disk::sync_data(&self.file) {
            self.broken = true;
            return Err(self.stopped(&std::io::Error::from(e).to_string()));
        }
        self.count = first.saturating_add(payloads.len() as u64);
        Ok(first)
    }

    /// Returns the payload of a record, `None` where there is none or it is damaged.
    ///
    /// # Errors
    ///
    /// The file system refused.
    pub(super) fn read(&self, number: u64) -> Result<Option<Vec<u8>>, Problem> {
        if number >= self.count {
            return Ok(None);
        }
        let mut record = vec![0; self.size()];
        self.file
            .read_exact_at(&mut record, self.offset(number))
            .map_err(|e| trouble(&self.path, "cannot be read", &e))?;
        Ok(self.checked(&record).map(<[u8]>::to_vec))
    }

    /// Returns the number of records.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Replaces all records at once; a crash leaves the old file or the new one.
    ///
    /// # Errors
    ///
    /// The file system refused; the old records stay in force. Fatal where a sync failed, now or
    /// before.
    pub(super) fn replace(&mut self, payloads: &[Vec<u8>]) -> Result<(), Problem> {
        if self.broken {
            return Err(self.stopped("an earlier sync failed"));
        }
        let new = self.path.with_extension("new");
        let failed = |e: std::io::Error| trouble(&new, "cannot be written", &e);
        match disk::unlink(&new) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let file = open_file(&new)?;
        let mut bytes = self.header();
        bytes.extend(payloads.iter().flat_map(|one| self.record(one)));
        if let Err(e) = disk::write_all_at(&file, &bytes, 0) {
            // Half a copy would keep the full disk full.
            let _ = disk::unlink(&new);
            return Err(failed(e));
        }
        if let Err(e) = disk::sync(&file) {
            self.broken = true;
            return Err(self.stopped(&std::io::Error::from(e).to_string()));
        }
        disk::rename(&new, &self.path).map_err(failed)?;
        self.file = file;
        self.count = payloads.len() as u64;
        sync_directory(&self.path).map_err(|problem| {
            self.broken = true;
            problem.fatal()
        })
    }

    fn recover(&mut self, each: &mut impl FnMut(u64, &[u8])) -> Result<Damage, Problem> {
        let unreadable = |e: std::io::Error| trouble(&self.path, "cannot be read", &e);
        let length = self.file.metadata().map_err(unreadable)?.len();
        let mut reader = BufReader::with_capacity(1 << 16, &self.file);
        let mut header = vec![
            0;
            self.size()
                .min(usize::try_from(length).unwrap_or(usize::MAX))
        ];
        reader.read_exact(&mut header).map_err(unreadable)?;
        if header != self.header() {
            return self.begin(&header);
        }
        let mut record = vec![0; self.size()];
        let (mut bad, mut trailing) = (0_u64, 0_u64);
        let whole = (length / self.size() as u64).saturating_sub(1);
        for number in 0..whole {
            reader.read_exact(&mut record).map_err(unreadable)?;
            match self.checked(&record) {
                Some(payload) => {
                    each(number, payload);
                    bad = bad.saturating_add(trailing);
                    trailing = 0;
                }
                None => trailing = trailing.saturating_add(1),
            }
        }
        self.count = whole.saturating_sub(trailing);
        let end = self.offset(self.count);
        let cut = length.saturating_sub(end);
        if cut > 0 {
            disk::set_len(&self.file, end)
                .and_then(|()| disk::sync_file(&self.file))
                .map_err(|e| trouble(&self.path, "cannot be written", &e))?;
        }
        // What a crashed predecessor wrote may be in memory alone (R10).
        disk::sync_file(&self.file).map_err(|e| trouble(&self.path, "cannot be synced", &e))?;
        Ok(Damage { records: bad, cut })
    }

    /// Writes the header of an empty or torn new file; anything else is not ours.
    fn begin(&mut self, found: &[u8]) -> Result<Damage, Problem> {
        let header = self.header();
        // A power cut can leave a new file with its length and without its bytes.
        let torn = header.starts_with(found) || found.iter().all(|b| *b == 0);
        let only_header = self
            .file
            .metadata()
            .is_ok_and(|m| m.len() <= header.len() as u64);
        if !(torn && only_header) {
            return Err(Problem::error(
                &self.path,
                "is no file of this version of Listseal",
                format!(
                    "move it away: mv {} {}, then what it remembers is lost",
                    quoted(&self.path),
                    quoted(&self.path.with_extension("old"))
                ),
            ));
        }
        disk::write_all_at(&self.file, &header, 0)
            .and_then(|()| disk::sync_file(&self.file))
            .map_err(|e| trouble(&self.path, "cannot be written", &e))?;
        sync_directory(&self.path)?;
        Ok(Damage::default())
    }

    fn header(&self) -> Vec<u8> {
        let mut header = self.name.to_vec();
        header.resize(self.size(), 0);
        header
    }

    /// Returns the record of a payload, which is cut or filled to its size.
    fn record(&self, payload: &[u8]) -> Vec<u8> {
        let mut record = payload.to_vec();
        record.resize(self.payload, 0);
        let crc = crc32c::crc32c(&record);
        record.extend_from_slice(&crc.to_be_bytes());
        record
    }

    fn checked<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        let (payload, crc) = record.split_at_checked(self.payload)?;
        (crc == crc32c::crc32c(payload).to_be_bytes()).then_some(payload)
    }

    fn size(&self) -> usize {
        self.payload.saturating_add(CRC).max(NAME)
    }

    fn offset(&self, number: u64) -> u64 {
        number.saturating_add(1).saturating_mul(self.size() as u64)
    }

    fn stopped(&self, why: &str) -> Problem {
        Problem::error(
            &self.path,
            format!("cannot be synced: {why}"),
            "mend the file system, then restart listseal",
        )
        .fatal()
    }
}

fn make_directory(path: &Path) -> Result<(), Problem> {
    disk::make_directories(path, 0o700).map_err(|e| trouble(path, "cannot be created", &e))
}

fn open_file(path: &Path) -> Result<File, Problem> {
    // E5: what others can write, or have under another name, is no memory of ours; a device is not
    // even opened.
    if path.symlink_metadata().is_ok()
        && let Some(problem) = private_file(path, RelayUser::current())
    {
        return Err(problem);
    }
    // Neither a link nor a FIFO laid in the way is followed or waited for.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = disk::open(path, flags, 0o600).map_err(|e| trouble(path, "cannot be opened", &e))?;
    if file.metadata().is_ok_and(|m| m.is_file()) {
        Ok(file)
    } else {
        Err(Problem::error(
            path,
            "is no regular file",
            format!("move it away: mv {0} {0}.away", quoted(path)),
        ))
    }
}

fn lock(directory: &Path) -> Result<File, Problem> {
    let path = directory.join("lock");
    let file = open_file(&path)?;
    // A child process between fork and exec holds the lock of a predecessor for an instant.
    for _ in 0..LOCK_TRIES {
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(file);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Err(Problem::error(
        &path,
        "is locked: another listseal works here",
        "stop the other one first",
    ))
}

/// Half a second in all: a second daemon gives up within one (R5).
const LOCK_TRIES: u32 = 50;

#[track_caller]
pub(super) fn sync_directory(path: &Path) -> Result<(), Problem> {
    let directory = path.parent().unwrap_or(Path::new("."));
    disk::sync_directory(directory).map_err(|e| trouble(directory, "cannot be synced", &e))
}

pub(super) fn trouble(path: &Path, what: &str, e: &std::io::Error) -> Problem {
    let user = rustix::process::geteuid().as_raw();
    let remedy = match e.kind() {
        ErrorKind::PermissionDenied => format!("chown -R {user} {}", quoted(path)),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space".to_owned(),
        _ => "mend the file system or paths.state".to_owned(),
    };
    fatal_if_unsynced(Problem::error(path, format!("{what}: {e}"), remedy), e)
}

/// After a failed sync nothing more is promised, whatever was synced (R7).
pub(super) fn fatal_if_unsynced(problem: Problem, e: &std::io::Error) -> Problem {
    if disk::is_unsynced(e) {
        problem.fatal()
    } else {
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::testing::Disk;

    const PAYLOAD: usize = 28;

    fn open(path: &Path) -> Result<(Journal, Damage, Vec<Vec<u8>>), Problem> {
        let mut found = Vec::new();
        let (journal, damage) =
            Journal::open(path, *b"listseal test 1\n", PAYLOAD, |_, payload| {
                found.push(payload.to_vec());
            })?;
        Ok((journal, damage, found))
    }

    fn payload(n: u8) -> Vec<u8> {
        vec![n; PAYLOAD]
    }

    fn filled(path: &Path, records: u8) {
        let (mut journal, _, _) = open(path).unwrap();
        for n in 1..=records {
            journal.append(&[payload(n)]).unwrap();
        }
    }

    #[test]
    fn truncation_at_every_offset_loses_the_torn_record_alone() {
        let directory = tempfile::tempdir().unwrap();
        let whole = directory.path().join("whole/journal");
        filled(&whole, 5);
        let bytes = std::fs::read(&whole).unwrap();
        let size = PAYLOAD + CRC;
        assert_eq!(bytes.len(), 6 * size);
        for cut in 0..=bytes.len() {
            let path = directory.path().join("cut/journal");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            put(&path, &bytes[..cut]);
            let (mut journal, damage, found) = open(&path).unwrap();
            let kept = (cut / size).saturating_sub(1);
            let expected: Vec<_> = (1..=u8::try_from(kept).unwrap()).map(payload).collect();
            assert_eq!(found, expected, "cut at {cut}");
            assert_eq!(damage.records, 0);
            journal.append(&[payload(99)]).unwrap();
            drop(journal);
            let (_, damage, found) = open(&path).unwrap();
            assert_eq!(found.last(), Some(&payload(99)), "cut at {cut}");
            assert_eq!((found.len(), damage), (kept + 1, Damage::default()));
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn damage_at_every_byte_costs_one_record() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        filled(&path, 4);
        let bytes = std::fs::read(&path).unwrap();
        let size = PAYLOAD + CRC;
        for at in size..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            let hit = at / size;
            let (_, damage, found) = open(&path).unwrap();
            let expected: Vec<_> = (1..=4)
                .filter(|n| usize::from(*n) != hit)
                .map(payload)
                .collect();
            assert_eq!(found, expected, "byte {at}");
            let last = hit == 4;
            assert_eq!(
                damage,
                Damage {
                    records: u64::from(!last),
                    cut: if last { size as u64 } else { 0 }
                }
            );
        }
    }

    #[test]
    fn r5_second_opener_is_turned_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let (first, _, _) = open(&path).unwrap();
        assert!(open(&path).unwrap_err().problem.contains("locked"));
        drop(first);
        assert!(open(&path).is_ok());
    }

    #[test]
    fn replaced_journal_holds_the_new_records_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        filled(&path, 3);
        let (mut journal, _, _) = open(&path).unwrap();
        journal.replace(&[payload(3)]).unwrap();
        assert_eq!(journal.append(&[payload(4), payload(5)]).unwrap(), 1);
        assert_eq!(journal.read(2).unwrap(), Some(payload(5)));
        assert_eq!(journal.read(3).unwrap(), None);
        drop(journal);
        assert_eq!(open(&path).unwrap().2, [payload(3), payload(4), payload(5)]);
        assert!(!path.with_extension("new").exists());
    }

    /// A file that nobody else can read.
    fn put(path: &Path, bytes: impl AsRef<[u8]>) {
        std::fs::write(path, bytes).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, mode).unwrap();
    }

    #[test]
    fn strange_files_are_named_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        for text in [
            "something else that is longer than a header of ours",
            "short",
        ] {
            put(&path, text);
            let problem = open(&path).unwrap_err();
            assert!(problem.remedy.contains("mv "), "{problem:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(open(&path).is_err(), "E5: links are not followed");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(open(&path).is_err());
    }

    #[test]
    fn files_are_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/journal");
        filled(&path, 1);
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn r7_failed_sync_stops_the_journal_and_is_fatal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        filled(&path, 2);
        let (mut journal, _, _) = open(&path).unwrap();
        // Takes every write and refuses every sync.
        journal.file = File::options().write(true).open("/dev/null").unwrap();
        assert!(journal.append(&[payload(3)]).unwrap_err().is_fatal);
        journal.file = open_file(&path).unwrap();
        let again = journal.append(&[payload(3)]).unwrap_err();
        assert!(
            again.is_fatal && again.problem.contains("earlier"),
            "{again}"
        );
        assert!(journal.replace(&[payload(3)]).unwrap_err().is_fatal);
        drop(journal);
        assert_eq!(open(&path).unwrap().2, [payload(1), payload(2)]);
    }

    #[test]
    fn e1_full_disk_refuses_records_whole_and_takes_them_when_there_is_room() {
        let Some(disk) = Disk::of(256) else { return };
        let path = disk.path().join("state/journal");
        filled(&path, 2);
        let (mut journal, _, _) = open(&path).unwrap();
        disk.fill();
        // More than the rest of the last page: whole records fit in front of the one that does not.
        let many: Vec<_> = (0..200).map(|_| payload(3)).collect();
        let refused = journal.append(&many).unwrap_err();
        assert!(
            !refused.is_fatal && refused.remedy.contains("space"),
            "{refused}"
        );
        let length = std::fs::metadata(&path).unwrap().len();
        assert_eq!(
            length,
            3 * (PAYLOAD + CRC) as u64,
            "refused records were left"
        );
        assert!(!journal.replace(&many).unwrap_err().is_fatal);
        assert!(!path.with_extension("new").exists());
        disk.empty();
        assert_eq!(journal.append(&[payload(4)]).unwrap(), 2);
        drop(journal);
        assert_eq!(open(&path).unwrap().2, [payload(1), payload(2), payload(4)]);
    }
}
