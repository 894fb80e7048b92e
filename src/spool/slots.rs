//! How far each item of a plan got: 64 bytes an item, in a file that never grows (contract R6).
//!
//! ```text
//! record 0      magic, version, number of items, SHA-256 of the plan
//! record 1      DONE, with the figures for the ledger; zeros until then
//! record 2 ..   one per item; zeros mean open
//! ```
//!
//! # Invariants
//!
//! * The file is written in full and synced before the plan counts, so recording needs no room on
//!   the disk: it overwrites 64 bytes and syncs them.
//! * A record whose CRC32C is wrong was torn while it was written and not yet acknowledged: it
//!   counts as open. A header that is wrong or a file that is too short is damage.
//! * After a failed sync the file is not touched again (R7).

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::durable;
use super::error::SpoolError;
use super::record::{
    Body, DEFERRED, DONE, DUE_AT, FAILED, HEADER, REASON_AT, RECORD, Record, SENT, WITHHELD, field,
    is_sealed, seal,
};
use crate::disk;
use crate::model::bounce::Status;
use crate::model::{Deferral, Reason};

/// How far one item got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// Not delivered for now; tried again when due.
    Deferred(Deferral),
    /// Given up; the reason is reported.
    Failed {
        /// Why.
        reason: Reason,
        /// The reply code of the receiver, 0 if none.
        code: u16,
        /// What the receiver's reply said, in RFC 3463's terms.
        status: Option<Status>,
    },
    /// Not tried yet.
    #[default]
    Open,
    /// The receiver took it.
    Sent {
        /// Microseconds since 1970.
        at: u64,
    },
    /// No copy by policy (contract 2.1); the notice about it, if any, has gone its way.
    Withheld {
        /// Why.
        reason: Reason,
    },
}

impl Slot {
    /// True where nothing more is to be done.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Open | Self::Deferred(_))
    }

    fn to_bytes(self) -> Record {
        let mut body = Body::default();
        match self {
            Self::Open => return [0; RECORD],
            Self::Deferred(deferral) => {
                body.state = DEFERRED;
                body.attempts = deferral.attempts;
                body.code = deferral.code;
                body.at = deferral.last;
                body.due = deferral.next_due;
                body.waited = deferral.waited;
            }
            Self::Sent { at } => {
                body.state = SENT;
                body.at = at;
            }
            Self::Failed {
                reason,
                code,
                status,
            } => {
                body.state = FAILED;
                body.code = code;
                body.due = status.map_or(0, Status::to_number);
                body.reason = Some(reason);
            }
            Self::Withheld { reason } => {
                body.state = WITHHELD;
                body.reason = Some(reason);
            }
        }
        body.to_record()
    }

    /// A torn or damaged record is an open one: see the invariants above.
    fn from_bytes(record: &Record) -> Self {
        let Some(body) = Body::from_record(record) else {
            return Self::Open;
        };
        match (body.state, body.reason) {
            (DEFERRED, _) => Self::Deferred(Deferral {
                attempts: body.attempts,
                last: body.at,
                next_due: body.due,
                waited: body.waited,
                code: body.code,
            }),
            (SENT, _) => Self::Sent { at: body.at },
            (FAILED, Some(reason)) => Self::Failed {
                reason,
                code: body.code,
                status: Status::from_number(body.due),
            },
            (WITHHELD, Some(reason)) => Self::Withheld { reason },
            _ => Self::Open,
        }
    }
}

/// How many items are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Not tried yet.
    pub open: u64,
    /// Waiting for another attempt.
    pub deferred: u64,
    /// Delivered.
    pub sent: u64,
    /// Given up.
    pub failed: u64,
    /// Not to be delivered.
    pub withheld: u64,
}

impl Tally {
    /// Counts one slot.
    pub fn add(&mut self, slot: Slot) {
        *match slot {
            Slot::Open => &mut self.open,
            Slot::Deferred(_) => &mut self.deferred,
            Slot::Sent { .. } => &mut self.sent,
            Slot::Failed { .. } => &mut self.failed,
            Slot::Withheld { .. } => &mut self.withheld,
        } += 1;
    }

    /// Items that are not final.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.open + self.deferred
    }
}

/// The open slot file of one message.
#[derive(Debug)]
pub struct Slots {
    file: File,
    place: PathBuf,
    count: usize,
    plan: [u8; 32],
    broken: AtomicBool,
}

impl Slots {
    /// Returns the content of a new slot file for `slots` and the plan with this digest.
    #[must_use]
    pub fn image(plan: [u8; 32], slots: &[Slot]) -> Vec<u8> {
        let mut header = Body {
            state: HEADER,
            due: slots.len() as u64,
            ..Body::default()
        }
        .to_record();
        // The digest lies where a slot has its reason; the checksum is made anew over it.
        for (to, from) in header.iter_mut().skip(REASON_AT).zip(plan) {
            *to = from;
        }
        seal(&mut header);
        let mut image = Vec::with_capacity((slots.len() + FIRST) * RECORD);
        image.extend(header);
        image.extend([0; RECORD]);
        for slot in slots {
            image.extend(slot.to_bytes());
        }
        image
    }

    /// Takes an open slot file into use.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Corrupt`] when the header is damaged or the file is not as long as it must be.
    pub fn from_file(file: File, place: &Path) -> Result<Self, SpoolError> {
        let length = file
            .metadata()
            .map_err(|error| SpoolError::std_io("look at", place, error))?
            .len();
        let mut header = [0; RECORD];
        file.read_exact_at(&mut header, 0)
            .map_err(|_| SpoolError::corrupt(place, "the slot file has no header"))?;
        if !is_sealed(&header) || header.first() != Some(&HEADER) {
            return Err(SpoolError::corrupt(
                place,
                "the header of the slot file is damaged",
            ));
        }
        let count = u64::from_be_bytes(field(&header, DUE_AT));
        if Some(length)
            != (count.checked_add(FIRST as u64)).and_then(|n| n.checked_mul(RECORD as u64))
        {
            return Err(SpoolError::corrupt(
                place,
                "the slot file has lost or gained records",
            ));
        }
        Ok(Self {
            file,
            place: place.to_owned(),
            count: usize::try_from(count)
                .map_err(|_| SpoolError::corrupt(place, "the slot file is too large"))?,
            plan: field(&header, REASON_AT),
            broken: AtomicBool::new(false),
        })
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True for a plan that sends nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Digest of the plan that these slots belong to.
    #[must_use]
    pub fn plan_digest(&self) -> [u8; 32] {
        self.plan
    }

    /// Returns how far item `index` got.
    ///
    /// # Errors
    ///
    /// The file cannot be read; there is no such item.
    pub fn state(&self, index: usize) -> Result<Slot, SpoolError> {
        let mut record = [0; RECORD];
        self.file
            .read_exact_at(&mut record, self.offset(index)?)
            .map_err(|error| SpoolError::std_io("read", &self.place, error))?;
        Ok(Slot::from_bytes(&record))
    }

    /// Returns how far every item got, in order.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn states(&self) -> Result<Vec<Slot>, SpoolError> {
        let mut slots = Vec::with_capacity(self.count);
        let mut chunk = vec![0; RECORD * CHUNK];
        let mut at = 0;
        while at < self.count {
            let length = RECORD * CHUNK.min(self.count - at);
            let part = chunk.get_mut(..length).unwrap_or_default();
            self.file
                .read_exact_at(part, self.offset(at)?)
                .map_err(|error| SpoolError::std_io("read", &self.place, error))?;
            let (records, _) = part.as_chunks::<RECORD>();
            slots.extend(records.iter().map(Slot::from_bytes));
            at += records.len();
        }
        Ok(slots)
    }

    /// Counts the items by state.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn tally(&self) -> Result<Tally, SpoolError> {
        let mut tally = Tally::default();
        self.states()?.into_iter().for_each(|slot| tally.add(slot));
        Ok(tally)
    }

    /// Records how far an item got: durable when this returns (D9). Blocks for the disk.
    ///
    /// # Errors
    ///
    /// As [`Slots::record_all`].
    pub fn record(&self, index: usize, slot: Slot) -> Result<(), SpoolError> {
        self.record_all(&[(index, slot)])
    }

    /// Records several items under one sync (contract decision 18).
    ///
    /// # Errors
    ///
    /// [`SpoolError::Fsync`] when the disk fails, and for every later call;
    /// [`SpoolError::Unrecorded`], fatal too: what cannot be entered would be sent again and again.
    /// There is no such item.
    pub fn record_all(&self, changes: &[(usize, Slot)]) -> Result<(), SpoolError> {
        for (index, slot) in changes {
            let put = self.put(self.offset(*index)?, &slot.to_bytes());
            put.map_err(SpoolError::unrecorded)?;
        }
        self.sync()
    }

    /// Marks the whole message done (D12), with the figures for the ledger.
    pub(super) fn set_done(&self, figures: &Tally) -> Result<(), SpoolError> {
        let body = Body {
            state: DONE,
            due: figures.sent,
            at: figures.failed,
            reason: None,
            waited: u32::try_from(figures.withheld).unwrap_or(u32::MAX),
            ..Body::default()
        };
        self.put(RECORD as u64, &body.to_record())?;
        self.sync()
    }

    /// Returns the figures of a message that is done.
    pub(super) fn done(&self) -> Result<Option<Tally>, SpoolError> {
        let mut record = [0; RECORD];
        self.file
            .read_exact_at(&mut record, RECORD as u64)
            .map_err(|error| SpoolError::std_io("read", &self.place, error))?;
        Ok(Body::from_record(&record)
            .filter(|body| body.state == DONE)
            .map(|body| Tally {
                sent: body.due,
                failed: body.at,
                withheld: u64::from(body.waited),
                ..Tally::default()
            }))
    }

    fn put(&self, offset: u64, record: &Record) -> Result<(), SpoolError> {
        if self.broken.load(Ordering::Acquire) {
            return Err(self.lost());
        }
        disk::write_all_at(&self.file, record, offset)
            .map_err(|error| SpoolError::std_io("write", &self.place, error))
    }

    #[track_caller]
    fn sync(&self) -> Result<(), SpoolError> {
        if self.broken.load(Ordering::Acquire) {
            return Err(self.lost());
        }
        durable::sync_data(&self.file, &self.place)
            .inspect_err(|_| self.broken.store(true, Ordering::Release))
    }

    fn lost(&self) -> SpoolError {
        SpoolError::Fsync {
            place: self.place.clone(),
            source: std::io::Error::other("an earlier sync of this file failed"),
        }
    }

    fn offset(&self, index: usize) -> Result<u64, SpoolError> {
        if index >= self.count {
            return Err(SpoolError::corrupt(
                &self.place,
                format!("has no item {index}"),
            ));
        }
        Ok(((index + FIRST) * RECORD) as u64)
    }
}

/// Records before the first item.
const FIRST: usize = 2;
/// Records read at once.
const CHUNK: usize = 1024;
#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const PLAN: [u8; 32] = [7; 32];

    fn open(image: &[u8]) -> Result<Slots, SpoolError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(image).unwrap();
        Slots::from_file(file, Path::new("test.slots"))
    }

    fn image(slots: &Slots) -> Vec<u8> {
        let mut bytes = vec![0; (slots.len() + FIRST) * RECORD];
        slots.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn every_state() -> Vec<Slot> {
        vec![
            Slot::Open,
            Slot::Deferred(Deferral {
                attempts: 3,
                last: 1_700_000_000_000_000,
                next_due: 1_700_000_060_000_000,
                waited: 180,
                code: 451,
            }),
            Slot::Sent { at: 99 },
            Slot::Failed {
                reason: Reason::RecipientRefused,
                code: 550,
                status: Status::parse("5.7.509"),
            },
            Slot::Withheld {
                reason: Reason::NoCertificate,
            },
        ]
    }

    #[test]
    fn every_state_and_every_reason_reads_back() {
        let slots = open(&Slots::image(PLAN, &every_state())).unwrap();
        assert_eq!(slots.states().unwrap(), every_state());
        assert_eq!(slots.plan_digest(), PLAN);
        let tally = slots.tally().unwrap();
        assert_eq!(
            (tally.unfinished(), tally.sent, tally.failed, tally.withheld),
            (2, 1, 1, 1)
        );
        for reason in Reason::ALL {
            assert!(reason.code().len() <= 32, "{reason:?} does not fit a slot");
            slots.record(0, Slot::Withheld { reason: *reason }).unwrap();
            assert_eq!(slots.state(0).unwrap(), Slot::Withheld { reason: *reason });
        }
    }

    #[test]
    fn r6_recording_never_changes_the_size_of_the_file() {
        let slots = open(&Slots::image(PLAN, &[Slot::Open; 3000])).unwrap();
        let before = slots.file.metadata().unwrap().len();
        assert_eq!(before, (3000 + 2) * 64);
        slots
            .record_all(&[(0, Slot::Sent { at: 1 }), (2999, Slot::Sent { at: 2 })])
            .unwrap();
        slots.set_done(&Tally::default()).unwrap();
        assert_eq!(slots.file.metadata().unwrap().len(), before);
        assert_eq!(slots.tally().unwrap().sent, 2);
        assert!(slots.record(3000, Slot::Open).is_err());
    }

    #[test]
    fn file_cut_at_any_offset_is_damage_not_progress() {
        let slots = open(&Slots::image(PLAN, &every_state())).unwrap();
        let whole = image(&slots);
        for cut in 0..whole.len() {
            let result = open(&whole[..cut]);
            assert!(
                matches!(result, Err(SpoolError::Corrupt { .. })),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn torn_record_counts_as_open_and_its_neighbours_as_they_are() {
        let slots = open(&Slots::image(PLAN, &[Slot::Sent { at: 1 }; 3])).unwrap();
        let whole = image(&slots);
        for torn in 1..RECORD {
            let mut bytes = whole.clone();
            let record = (FIRST + 1) * RECORD;
            bytes[record + torn..record + RECORD].fill(0);
            let states = open(&bytes).unwrap().states().unwrap();
            let expected = [Slot::Sent { at: 1 }, Slot::Open, Slot::Sent { at: 1 }];
            assert_eq!(states, expected, "torn after {torn}");
        }
    }

    #[test]
    fn any_flipped_bit_opens_a_slot_or_damages_the_file() {
        let whole = image(&open(&Slots::image(PLAN, &[Slot::Sent { at: 77 }])).unwrap());
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match (open(&bytes), bit / 8 / RECORD) {
                (Err(SpoolError::Corrupt { .. }), 0) => {}
                (Ok(slots), 1) => {
                    assert_eq!(slots.done().unwrap(), None, "bit {bit}");
                    assert_eq!(slots.state(0).unwrap(), Slot::Sent { at: 77 });
                }
                (Ok(slots), 2) => assert_eq!(slots.state(0).unwrap(), Slot::Open, "bit {bit}"),
                (other, record) => panic!("bit {bit} of record {record}: {other:?}"),
            }
        }
    }

    #[test]
    fn d12_done_carries_its_figures() {
        let slots = open(&Slots::image(PLAN, &[])).unwrap();
        assert!(slots.is_empty() && slots.done().unwrap().is_none());
        let figures = Tally {
            sent: 3,
            failed: 2,
            withheld: 1,
            ..Tally::default()
        };
        slots.set_done(&figures).unwrap();
        assert_eq!(slots.done().unwrap(), Some(figures));
    }
}
