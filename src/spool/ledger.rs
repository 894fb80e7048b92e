//! The ledger: one line per event of every message, from which the conservation law, the count of
//! crashes and the duplicates of seven days are told (contract R11, R12, D1).
//!
//! ```text
//! 9a3b5c7d {"event":"attempt","id":"..","at":..,"print":"..","alone":false}
//! ```
//!
//! The eight hex digits are the CRC32C of the rest of the line.
//!
//! # Invariants
//!
//! * A line is appended under `flock` and synced before the step it stands for is taken.
//! * Entering the same end twice counts once, so that finishing may be repeated after a crash.
//! * A line that was torn at the end of the file, cut short or with zeros in it, is cut off; a
//!   damaged one elsewhere is counted and
//!   reported by `listseal audit`.
//!
//! # Does not
//!
//! Hold anything of a message but its id, sizes of counts and a digest.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, Mode, OFlags, RenameFlags, flock, fstat};

use super::books::{Books, Event};
use super::durable;
use super::error::SpoolError;
use super::layout::{Layout, is_odd, odd, random_u64};
use crate::disk;

/// The open ledger of a spool.
#[derive(Debug)]
pub(super) struct Ledger {
    file: File,
    place: PathBuf,
    /// How much of the file is in `books`.
    read: u64,
    books: Books,
    /// What no room was left for: in the books, and written with the next event.
    owed: Vec<Event>,
    broken: bool,
    /// Its length when it was last condensed.
    condensed: u64,
}

impl Ledger {
    /// Opens the ledger, making an empty one where there is none, and reads it.
    pub(super) fn open(layout: &Layout) -> Result<Self, SpoolError> {
        let place = layout.path().join(NAME);
        let mut ledger = Self {
            file: open_file(layout, &place)?,
            place,
            read: 0,
            books: Books::default(),
            owed: Vec::new(),
            broken: false,
            condensed: 0,
        };
        ledger.locked(layout, |ledger| ledger.catch_up())?;
        durable::sync(layout.root(), layout.path())?;
        Ok(ledger)
    }

    /// The sum of the lines read so far.
    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    /// Reads what other processes have entered meanwhile.
    pub(super) fn refresh(&mut self, layout: &Layout) -> Result<(), SpoolError> {
        self.locked(layout, |ledger| ledger.catch_up())
    }

    /// Enters an event: durable when this returns.
    ///
    /// # Errors
    ///
    /// The disk is full, or [`SpoolError::Fsync`], after which nothing more is entered (R7).
    pub(super) fn enter(&mut self, layout: &Layout, event: &Event) -> Result<(), SpoolError> {
        if self.broken {
            return Err(SpoolError::Fsync {
                place: self.place.clone(),
                source: std::io::Error::other("an earlier sync of this file failed"),
            });
        }
        self.locked(layout, |ledger| {
            ledger.catch_up()?;
            let mut line = Vec::new();
            for event in ledger.owed.iter().chain([event]) {
                line.extend(line_of(event)?);
            }
            if let Err(error) = disk::write_all(&ledger.file, &line) {
                // Half a line on a full disk: the next line must not be glued to it.
                let _ = disk::set_len(&ledger.file, ledger.read);
                return Err(SpoolError::std_io("write", &ledger.place, error));
            }
            if let Err(error) = durable::sync_data(&ledger.file, &ledger.place) {
                ledger.broken = true;
                return Err(error);
            }
            ledger.read += line.len() as u64;
            ledger.books.apply(event);
            ledger.owed.clear();
            Ok(())
        })
    }

    /// Enters an event, or where the disk is full keeps it in memory until there is room.
    pub(super) fn enter_or_owe(&mut self, layout: &Layout, event: Event) -> Result<(), SpoolError> {
        match self.enter(layout, &event) {
            Err(error) if error.is_shortage() => {
                self.books.apply(&event);
                self.owed.push(event);
                Ok(())
            }
            entered => entered,
        }
    }

    /// Replaces the ledger by one without the lines that nothing needs any more.
    pub(super) fn condense(&mut self, layout: &Layout, now: u64) -> Result<(), SpoolError> {
        self.locked(layout, |ledger| {
            ledger.catch_up()?;
            if ledger.books.damaged > 0 {
                return Ok(()); // evidence is kept until someone has looked at it
            }
            let mut bytes = Vec::new();
            for event in ledger.books.condensed(now) {
                bytes.extend(line_of(&event)?);
            }
            let name = format!("{NAME}.{:016x}", random_u64()?);
            let tmp = layout.dir(super::layout::Shelf::Tmp);
            let place = ledger.place.clone();
            let mode = Mode::from_raw_mode(0o600);
            let mut draft = durable::Draft::open_named(tmp, &name, mode, &place)?;
            draft.write(&bytes, &place)?;
            durable::sync(&draft.file, &place)?;
            disk::rename_at(tmp, &name, layout.root(), NAME, RenameFlags::empty())
                .map_err(|errno| SpoolError::io("replace", &place, errno))?;
            durable::sync(layout.root(), layout.path())
        })?;
        let damaged = self.books.damaged;
        if damaged == 0 {
            *self = Self::open(layout)?;
        }
        Ok(())
    }

    /// Runs `work` while no other process writes, on the file that bears the name now.
    fn locked<T>(
        &mut self,
        layout: &Layout,
        work: impl FnOnce(&mut Self) -> Result<T, SpoolError>,
    ) -> Result<T, SpoolError> {
        loop {
            flock(&self.file, FlockOperation::LockExclusive)
                .map_err(|errno| SpoolError::io("lock", &self.place, errno))?;
            // Another process may have condensed it while we waited.
            let current = open_file(layout, &self.place)?;
            let same = match (fstat(self.file.as_fd()), fstat(current.as_fd())) {
                (Ok(ours), Ok(named)) => (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino),
                _ => false,
            };
            if same {
                break;
            }
            self.file = current;
            self.read = 0;
            self.books = Books::default();
        }
        let result = work(self);
        // The kernel lets go at the latest when the descriptor is closed.
        let _ = flock(&self.file, FlockOperation::Unlock);
        result
    }

    /// Takes in the lines after `read`, cutting off a torn last one. The lock is held.
    fn catch_up(&mut self) -> Result<(), SpoolError> {
        let failed = |error| SpoolError::std_io("read", &self.place, error);
        self.file.seek(SeekFrom::Start(self.read)).map_err(failed)?;
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes).map_err(failed)?;
        let (mut at, mut good, mut complete) = (0, 0, 0);
        let mut damaged = 0;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            at += line.len();
            if let Some(event) = parse_line(line) {
                self.books.apply(&event);
                self.books.damaged += std::mem::take(&mut damaged);
                good = at;
            } else if line.ends_with(b"\n") {
                damaged += 1;
            } else {
                break;
            }
            complete = at;
        }
        // A power cut may leave the length of what was not synced yet, with zeros where its bytes
        // did not get to the disk; the end of the line may be among those that did.
        if bytes.get(good..).is_some_and(|rest| rest.contains(&0)) {
            complete = good;
        } else {
            self.books.damaged += damaged;
        }
        // The books may have been read anew.
        for event in &self.owed {
            self.books.apply(event);
        }
        self.read += complete as u64;
        if complete < bytes.len() {
            disk::set_len(&self.file, self.read)
                .map_err(|error| SpoolError::std_io("cut", &self.place, error))?;
        }
        Ok(())
    }

    /// Condenses the ledger where it grew much since the last time.
    pub(super) fn condense_if_long(&mut self, layout: &Layout, now: u64) -> Result<(), SpoolError> {
        if self.read > LONG.max(self.condensed.saturating_mul(2)) {
            let condensed = self.condense(layout, now);
            self.condensed = self.read;
            return match condensed {
                // The ledger is longer than it has to be, no more.
                Err(error) if error.is_shortage() => Ok(()),
                other => other,
            };
        }
        Ok(())
    }
}

fn open_file(layout: &Layout, place: &std::path::Path) -> Result<File, SpoolError> {
    if is_odd(layout.root(), NAME) {
        return Err(odd(place, "is not a plain file"));
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    disk::open_at(layout.root(), NAME, flags, Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(|errno| SpoolError::io("open", place, errno))
}

fn line_of(event: &Event) -> Result<Vec<u8>, SpoolError> {
    let json = serde_json::to_string(event)
        .map_err(|error| SpoolError::corrupt(std::path::Path::new(NAME), error.to_string()))?;
    Ok(format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes())).into_bytes())
}

fn parse_line(line: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, json) = text.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    if sum != crc32c::crc32c(json.as_bytes()) {
        return None;
    }
    serde_json::from_str(json).ok()
}

const NAME: &str = "ledger";
/// Shorter ledgers are not worth condensing.
const LONG: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::super::books::{Id, WINDOW, done};
    use super::super::slots::Tally;
    use super::*;
    use crate::model::SpoolId;
    use crate::model::plan::Disposition;

    fn id(n: u64) -> SpoolId {
        SpoolId::new(n, n, [0; 8])
    }

    fn attempt(n: u64, at: u64, print: &str) -> Event {
        Event::Attempt {
            id: Id(id(n)),
            at,
            print: print.to_owned(),
            alone: false,
        }
    }

    fn sent(n: u64, disposition: Disposition) -> Event {
        done(
            id(n),
            disposition,
            &Tally {
                sent: 3,
                failed: 1,
                withheld: 2,
                ..Tally::default()
            },
        )
    }

    fn spool() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path(), false).unwrap();
        (dir, layout)
    }

    #[test]
    fn ledger_reads_back_after_reopening() {
        let (_dir, layout) = spool();
        let mut ledger = Ledger::open(&layout).unwrap();
        ledger.enter(&layout, &attempt(1, 5, "aa")).unwrap();
        ledger.enter(&layout, &attempt(1, 6, "aa")).unwrap();
        ledger.enter(&layout, &attempt(2, 7, "bb")).unwrap();
        ledger
            .enter(&layout, &sent(2, Disposition::Distribute))
            .unwrap();
        let again = Ledger::open(&layout).unwrap();
        assert_eq!(again.books().crashes(id(1)), (2, false));
        assert_eq!(again.books().open_ids().collect::<Vec<_>>(), [id(1)]);
        let totals = again.books().totals();
        assert_eq!(
            (
                totals.distributed,
                totals.sent,
                totals.failed,
                totals.withheld
            ),
            (1, 3, 1, 2)
        );
    }

    #[test]
    fn r12_same_end_entered_twice_counts_once() {
        let mut books = Books::default();
        books.apply(&attempt(1, 5, "aa"));
        books.apply(&sent(1, Disposition::Distribute));
        books.apply(&sent(1, Disposition::Distribute));
        assert_eq!(books.totals().sent, 3);
    }

    #[test]
    fn torn_last_line_is_cut_off_at_every_offset_and_the_rest_kept() {
        let (dir, layout) = spool();
        let mut ledger = Ledger::open(&layout).unwrap();
        ledger.enter(&layout, &attempt(1, 5, "aa")).unwrap();
        let first = std::fs::metadata(dir.path().join("ledger")).unwrap().len();
        ledger.enter(&layout, &attempt(2, 6, "bb")).unwrap();
        let whole = std::fs::read(dir.path().join("ledger")).unwrap();
        for cut in usize::try_from(first).unwrap()..whole.len() {
            std::fs::write(dir.path().join("ledger"), &whole[..cut]).unwrap();
            let mut again = Ledger::open(&layout).unwrap();
            assert_eq!(
                again.books().open_ids().collect::<Vec<_>>(),
                [id(1)],
                "cut at {cut}"
            );
            assert_eq!(again.books().damaged(), 0);
            again.enter(&layout, &attempt(3, 7, "cc")).unwrap();
            let last = Ledger::open(&layout).unwrap();
            assert_eq!(last.books().open_ids().collect::<Vec<_>>(), [id(1), id(3)]);
        }
    }

    #[test]
    fn damaged_line_in_the_middle_is_counted_and_the_others_kept() {
        let (dir, layout) = spool();
        let mut ledger = Ledger::open(&layout).unwrap();
        for n in 1..4 {
            ledger.enter(&layout, &attempt(n, n, "aa")).unwrap();
        }
        let path = dir.path().join("ledger");
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let mut again = Ledger::open(&layout).unwrap();
        assert_eq!(again.books().damaged(), 1);
        assert_eq!(again.books().open_ids().count(), 2);
        again.condense(&layout, 0).unwrap();
        assert_eq!(
            Ledger::open(&layout).unwrap().books().damaged(),
            1,
            "evidence was dropped"
        );
    }

    #[test]
    fn d1_same_bytes_are_known_for_seven_days_unless_refused() {
        let mut books = Books::default();
        books.apply(&attempt(1, 1000, "aa"));
        assert_eq!(
            books.twin("aa", id(1), 1000),
            None,
            "a message is not its own twin"
        );
        assert_eq!(books.twin("aa", id(2), 1000), Some(id(1)));
        assert_eq!(books.twin("aa", id(2), 1000 + WINDOW), Some(id(1)));
        assert_eq!(books.twin("aa", id(2), 1001 + WINDOW), None);
        books.apply(&sent(1, Disposition::Distribute));
        assert_eq!(books.twin("aa", id(2), 1000), Some(id(1)));
        books.apply(&attempt(3, 1000, "cc"));
        books.apply(&sent(3, Disposition::Refuse));
        assert_eq!(books.twin("cc", id(4), 1000), None);
    }

    #[test]
    fn condensing_keeps_sums_open_messages_and_young_twins() {
        let (_dir, layout) = spool();
        let mut ledger = Ledger::open(&layout).unwrap();
        let now = 3 * WINDOW;
        for (n, at) in [(1, 5), (2, now), (3, 5), (4, 5)] {
            ledger
                .enter(&layout, &attempt(n, at, &format!("p{n}")))
                .unwrap();
        }
        ledger
            .enter(&layout, &sent(1, Disposition::Distribute))
            .unwrap();
        ledger
            .enter(&layout, &sent(2, Disposition::Distribute))
            .unwrap();
        ledger
            .enter(&layout, &Event::Reset { id: Id(id(4)) })
            .unwrap();
        let before = ledger.books().totals();
        for _ in 0..2 {
            ledger.condense(&layout, now).unwrap();
            assert_eq!(ledger.books().totals(), before);
            assert_eq!(
                ledger.books().open_ids().collect::<Vec<_>>(),
                [id(3), id(4)]
            );
            assert_eq!(ledger.books().crashes(id(3)).0, 1);
            assert_eq!(ledger.books().crashes(id(4)).0, 0);
            assert_eq!(ledger.books().twin("p2", id(9), now), Some(id(2)));
            assert!(
                !ledger.books().is_closed(id(1)),
                "old end is folded into the sums"
            );
        }
    }

    #[test]
    fn two_writers_never_lose_each_others_lines_even_across_condensing() {
        let (_dir, layout) = spool();
        let mut daemon = Ledger::open(&layout).unwrap();
        let mut desk = Ledger::open(&layout).unwrap();
        daemon.enter(&layout, &attempt(1, 5, "aa")).unwrap();
        desk.enter(&layout, &attempt(2, 5, "bb")).unwrap();
        daemon.condense(&layout, 5).unwrap();
        let gone = Event::Discarded {
            id: Id(id(2)),
            by: "op".to_owned(),
        };
        desk.enter(&layout, &gone).unwrap();
        daemon.enter(&layout, &attempt(3, 5, "cc")).unwrap();
        assert_eq!(
            daemon.books().open_ids().collect::<Vec<_>>(),
            [id(1), id(3)]
        );
        assert!(daemon.books().is_closed(id(2)));
    }
}
