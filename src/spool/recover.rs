//! What a starting daemon puts right before it works (contract R9, R10, section 3).
//!
//! # Invariants
//!
//! * Nothing here sends, and everything here may be interrupted and done again (T-TWICE).
//! * Only what is provably over is removed: DONE, or an end in the ledger.
//! * One message that cannot be put right stops no other: it is named and left as it is. A failed
//!   sync and a directory that cannot be read stop the start.

use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, statat};

use super::carry::{resting_place, why_of};
use super::error::SpoolError;
use super::layout::Shelf;
use super::queue::Spool;
use super::slots::Slot;
use super::why::write_why;
use super::why::{Why, again_name, ids, message_name, plan_name, read_why, slots_name, why_name};
use crate::model::{SpoolId, micros};

/// What was found and done at start, for the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Finished messages whose files were still there.
    pub cleaned: Vec<SpoolId>,
    /// Messages set aside because their plan or slots were damaged.
    pub quarantined: Vec<SpoolId>,
    /// Messages that the ledger has open and that have no file: see `listseal audit`.
    pub lost: Vec<SpoolId>,
    /// Unfinished files removed from `tmp/`.
    pub swept: usize,
    /// Messages that could not be put right, and why: a file that must not be touched, a full disk.
    pub untouched: Vec<(SpoolId, String)>,
}

impl Recovery {
    /// Takes what was made of one message; only a failed sync goes further (R7).
    fn note<T>(
        &mut self,
        id: SpoolId,
        result: Result<T, SpoolError>,
    ) -> Result<Option<T>, SpoolError> {
        match result {
            Ok(made) => Ok(Some(made)),
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                self.untouched.push((id, error.to_string()));
                Ok(None)
            }
        }
    }
}

pub(super) fn recover(spool: &Spool) -> Result<Recovery, SpoolError> {
    let mut recovery = Recovery {
        swept: sweep(spool)?,
        ..Recovery::default()
    };
    mend_plans(spool, &mut recovery)?;
    mend_ends(spool, &mut recovery)?;
    mend_notes(spool, &mut recovery)?;
    recovery.lost = lost(spool)?;
    let now = micros(time::OffsetDateTime::now_utc());
    spool.ledger().condense_if_long(&spool.layout, now)?;
    Ok(recovery)
}

/// Removes what writers left in `tmp/` more than 36 hours ago. Younger files are left alone and
/// never adopted: the MTA still has those messages.
fn sweep(spool: &Spool) -> Result<usize, SpoolError> {
    let mut stale = Vec::new();
    let now = SystemTime::now();
    let dir = spool.layout.dir(Shelf::Tmp);
    spool.layout.names(Shelf::Tmp, |name| {
        let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return;
        };
        let is_dir = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
        let written = u64::try_from(stat.st_mtime).unwrap_or_default();
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(written);
        // A time in the future is no age.
        let age = now.duration_since(written).unwrap_or_default();
        if !is_dir && age > STALE {
            stale.push(name.to_owned());
        }
    })?;
    let mut swept = 0;
    for name in &stale {
        // One that does not go stands in nobody's way.
        swept += usize::from(spool.layout.remove(Shelf::Tmp, name).is_ok());
    }
    Ok(swept)
}

/// Looks at each plan and slot file: completes, keeps or drops it.
fn mend_plans(spool: &Spool, recovery: &mut Recovery) -> Result<(), SpoolError> {
    let mut all = ids(&spool.layout, Shelf::Work, ".plan")?;
    all.extend(ids(&spool.layout, Shelf::Work, ".slots")?);
    all.sort_unstable();
    all.dedup();
    for id in all {
        match mend_plan(spool, id) {
            Err(SpoolError::Corrupt { place, problem }) => {
                let detail = format!("{}: {problem}", place.display());
                let moved = spool.quarantine(id, &Why::new("damaged", detail, id.micros()));
                if recovery.note(id, moved)?.is_some() {
                    recovery.quarantined.push(id);
                }
            }
            mended => {
                if recovery.note(id, mended)? == Some(true) {
                    recovery.cleaned.push(id);
                }
            }
        }
    }
    Ok(())
}

/// True when the message was over and only its files were left.
fn mend_plan(spool: &Spool, id: SpoolId) -> Result<bool, SpoolError> {
    let layout = &spool.layout;
    let has_plan = layout.exists(Shelf::Work, &plan_name(id))?;
    let slots = super::desk::load_slots(layout, id)?;
    let Some(slots) = slots else {
        // Nothing was sent before both were there (D5); the plan is made anew.
        spool.drop_plan(id)?;
        return Ok(false);
    };
    if let Some(figures) = slots.done()? {
        // DONE wins, even over a message file that came back (R9).
        let disposition = match spool.load_plan(id)? {
            Some((plan, _)) => plan.disposition,
            // The plan goes last but one: the ledger has the end already.
            None => {
                spool.drop_plan(id)?;
                return Ok(true);
            }
        };
        spool.clear(id, disposition, &figures)?;
        return Ok(true);
    }
    if !has_plan {
        let untouched = slots
            .states()?
            .iter()
            .all(|slot| matches!(slot, Slot::Open | Slot::Withheld { .. }));
        if !untouched {
            let place = layout.place(Shelf::Work, &slots_name(id));
            return Err(SpoolError::corrupt(
                &place,
                "has progress, but its plan is missing",
            ));
        }
        spool.drop_plan(id)?;
        return Ok(false);
    }
    let Some((plan, _)) = spool.load_plan(id)? else {
        return Ok(false);
    };
    if spool.ledger().books().is_closed(id) {
        // People discarded it while its notices were under way.
        spool.drop_plan(id)?;
        return Ok(true);
    }
    if resting_place(plan.disposition).is_some() && !spool.is_superseded(id, plan.disposition)? {
        spool.settle(id, plan.disposition)?;
    }
    Ok(false)
}

/// Removes files of messages whose end is in the ledger.
fn mend_ends(spool: &Spool, recovery: &mut Recovery) -> Result<(), SpoolError> {
    for shelf in [Shelf::New, Shelf::Hold, Shelf::Bad] {
        let mut any = false;
        for id in ids(&spool.layout, shelf, ".msg")? {
            let closed = spool.ledger().books().is_closed(id);
            if closed && !spool.layout.exists(Shelf::Work, &slots_name(id))? {
                let removed = spool.layout.remove(shelf, &message_name(id));
                if recovery.note(id, removed)?.is_some() {
                    recovery.cleaned.push(id);
                    any = true;
                }
            }
        }
        if any {
            spool.layout.sync(shelf)?;
        }
    }
    Ok(())
}

/// Gives every held or bad message a note, and takes notes away that belong to none.
fn mend_notes(spool: &Spool, recovery: &mut Recovery) -> Result<(), SpoolError> {
    let layout = &spool.layout;
    for shelf in [Shelf::Hold, Shelf::Bad] {
        for id in ids(layout, shelf, ".msg")? {
            let mended = mend_note(spool, shelf, id);
            recovery.note(id, mended)?;
        }
        for id in ids(layout, shelf, ".why")? {
            if !layout.exists(shelf, &message_name(id))? {
                recovery.note(id, layout.remove(shelf, &why_name(id)))?;
            }
        }
    }
    for id in ids(layout, Shelf::Work, ".again")? {
        let name = message_name(id);
        let waits = layout.exists(Shelf::New, &name)?
            || layout.exists(Shelf::Hold, &name)?
            || layout.exists(Shelf::Bad, &name)?;
        if !waits {
            recovery.note(id, layout.remove(Shelf::Work, &again_name(id)))?;
        }
    }
    Ok(())
}

fn mend_note(spool: &Spool, shelf: Shelf, id: SpoolId) -> Result<(), SpoolError> {
    if read_why(&spool.layout, shelf, id)?.is_some() {
        return Ok(());
    }
    // Q1: the reason was not written in time; what the plan says is all there is.
    let why = match spool.load_plan(id) {
        Ok(Some((plan, _))) => why_of(&plan, "", id.micros()),
        _ => {
            let mut why = Why::new("unknown", "the reason was not recorded", id.micros());
            // Its plan would tell people of it (R11).
            why.untold = shelf == Shelf::Bad;
            why
        }
    };
    write_why(&spool.layout, shelf, id, &why)
}

/// Messages that are open by the ledger and lie nowhere.
fn lost(spool: &Spool) -> Result<Vec<SpoolId>, SpoolError> {
    let open: Vec<SpoolId> = spool.ledger().books().open_ids().collect();
    let mut lost = Vec::new();
    for id in open {
        let name = message_name(id);
        let mut found = false;
        for shelf in [Shelf::New, Shelf::Hold, Shelf::Bad] {
            found |= spool.layout.exists(shelf, &name)?;
        }
        if !found {
            lost.push(id);
        }
    }
    Ok(lost)
}

/// qmail's figure: a writer that takes longer has long been given up by the MTA.
const STALE: Duration = Duration::from_secs(36 * 3600);
