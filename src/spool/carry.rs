//! Carrying a plan out: made durable (D5), finished (D12, D13), or set aside.
//!
//! # Invariants
//!
//! * Slots are named before their plan, and removed after it: who sees a plan has its progress, and
//!   DONE outlives whatever it closes (contract R9).
//! * Each step may be repeated after a crash before or behind it, with the same result.

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::books::{Event, Id, done};
use super::error::SpoolError;
use super::layout::{Layout, Shelf};
use super::queue::Spool;
use super::slots::{Slot, Slots, Tally};
use super::why::{Why, again_name, json, message_name, plan_name, slots_name, why_name, write_why};
use crate::disk;
use crate::model::plan::{Disposition, Plan, What};
use crate::model::{SpoolId, micros};

impl Spool {
    /// Makes a plan durable (D5): from here on it is carried out, whatever happens. A held or
    /// withheld message moves to `hold/` or `bad/`, with `detail` for the administrator.
    ///
    /// # Errors
    ///
    /// The disk is full or failing; then the message is still unopened.
    pub fn commit(&self, id: SpoolId, plan: &Plan, detail: &str) -> Result<Slots, SpoolError> {
        let bytes = json(plan);
        let first: Vec<Slot> = plan
            .items
            .iter()
            .map(|item| first_slot(&item.what))
            .collect();
        let copies = plan.items.iter().filter(|item| item.what.is_copy()).count() as u64;
        // Before the plan: what is carried out was counted first (R12).
        self.ledger()
            .enter(&self.layout, &Event::Planned { id: Id(id), copies })?;
        let image = Slots::image(Sha256::digest(&bytes).into(), &first);
        if let Some(shelf) = resting_place(plan.disposition) {
            let why = why_of(plan, detail, id.micros());
            write_why(&self.layout, shelf, id, &why)?;
        }
        let slots_name = slots_name(id);
        self.layout
            .store_unsynced(Shelf::Work, &slots_name, &image)?;
        // The slots before the plan: a plan that can be seen has its slots.
        self.layout
            .store_unsynced(Shelf::Work, &plan_name(id), &bytes)?;
        self.layout.sync(Shelf::Work)?;
        disk::point("D5");
        // Used up before the move: in hold/ people may release it at once, and that is a new one.
        let again = again_name(id);
        if self.layout.exists(Shelf::Work, &again)? {
            self.layout.remove(Shelf::Work, &again)?;
            self.layout.sync(Shelf::Work)?;
        }
        self.settle(id, plan.disposition)?;
        let place = self.layout.place(Shelf::Work, &slots_name);
        let file = self.layout.open(Shelf::Work, &slots_name, true)?;
        Slots::from_file(file.ok_or(SpoolError::Gone(id))?, &place)
    }

    /// Closes a message whose items are all final: DONE, ledger, then the files (D12, D13). A held
    /// or withheld message stays where it rests; only its plan goes.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Unfinished`]; what the disk says, and then it can be called again.
    pub fn finish(&self, id: SpoolId) -> Result<Tally, SpoolError> {
        let (plan, slots) = self.load_plan(id)?.ok_or(SpoolError::Gone(id))?;
        let states = slots.states()?;
        if states.iter().any(|slot| !slot.is_final()) {
            return Err(SpoolError::Unfinished(id));
        }
        let figures = copies(&plan, &states);
        slots.set_done(&figures)?;
        disk::point("D12");
        self.clear(id, plan.disposition, &figures)?;
        Ok(figures)
    }

    /// Moves a message to `bad/`, with its plan and slots if it has any: a plan that cannot be
    /// carried out, a slot file that is damaged.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn quarantine(&self, id: SpoolId, why: &Why) -> Result<(), SpoolError> {
        let mut why = why.clone();
        why.untold = true; // R11
        write_why(&self.layout, Shelf::Bad, id, &why)?;
        disk::point("Q1");
        let name = message_name(id);
        for shelf in [Shelf::New, Shelf::Hold] {
            self.layout.shift(&name, shelf, Shelf::Bad)?;
        }
        self.layout.remove(Shelf::Hold, &why_name(id))?;
        for name in [plan_name(id), slots_name(id)] {
            // An older wreck of the same message makes room for the newer one.
            if self.layout.exists(Shelf::Work, &name)? {
                self.layout.remove(Shelf::Bad, &name)?;
                self.layout.shift(&name, Shelf::Work, Shelf::Bad)?;
            }
        }
        self.layout.remove(Shelf::Work, &again_name(id))?;
        self.layout.sync(Shelf::Work)
    }

    /// Forgets the plan of a message that people discarded while its notices were under way; true
    /// if it was so.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn forget(&self, id: SpoolId) -> Result<bool, SpoolError> {
        let mut ledger = self.ledger();
        ledger.refresh(&self.layout)?;
        let closed = ledger.books().is_closed(id);
        drop(ledger);
        if closed {
            self.drop_plan(id)?;
        }
        Ok(closed)
    }

    /// True when people sent a held or bad message back and its old plan is to be forgotten.
    pub(super) fn is_superseded(
        &self,
        id: SpoolId,
        disposition: Disposition,
    ) -> Result<bool, SpoolError> {
        Ok(resting_place(disposition).is_some()
            && self.layout.exists(Shelf::Work, &again_name(id))?
            && self.layout.exists(Shelf::New, &message_name(id))?)
    }

    /// Moves a held or withheld message to where it rests; nothing for the others.
    pub(super) fn settle(&self, id: SpoolId, disposition: Disposition) -> Result<(), SpoolError> {
        if let Some(shelf) = resting_place(disposition) {
            self.layout.shift(&message_name(id), Shelf::New, shelf)?;
        }
        Ok(())
    }

    /// What is left to do once DONE is durable; each step may find the next ones done already.
    pub(super) fn clear(
        &self,
        id: SpoolId,
        disposition: Disposition,
        figures: &Tally,
    ) -> Result<(), SpoolError> {
        if resting_place(disposition).is_none() {
            let mut ledger = self.ledger();
            if !ledger.books().is_closed(id) {
                ledger.enter(&self.layout, &done(id, disposition, figures))?;
            }
            ledger.condense_if_long(&self.layout, micros(OffsetDateTime::now_utc()))?;
            drop(ledger);
            self.layout.remove(Shelf::New, &message_name(id))?;
            disk::point("D13");
            self.layout.sync(Shelf::New)?; // R9
            for shelf in [Shelf::Hold, Shelf::Bad] {
                self.layout.remove(shelf, &why_name(id))?;
            }
        }
        self.drop_plan(id)
    }

    /// Removes plan and slots, the slots last: with them goes the DONE that wins over the rest.
    pub(super) fn drop_plan(&self, id: SpoolId) -> Result<(), SpoolError> {
        let (plan, slots) = (plan_name(id), slots_name(id));
        if self.layout.exists(Shelf::Work, &plan)? {
            self.layout.remove(Shelf::Work, &plan)?;
            self.layout.sync(Shelf::Work)?;
        }
        if self.layout.exists(Shelf::Work, &slots)? {
            self.layout.remove(Shelf::Work, &slots)?;
            self.layout.sync(Shelf::Work)?;
        }
        Ok(())
    }
}

/// Reads a plan and its slots; `None` where there is no complete pair.
pub(super) fn load_plan(layout: &Layout, id: SpoolId) -> Result<Option<(Plan, Slots)>, SpoolError> {
    load_plan_from(layout, Shelf::Work, id)
}

/// As [`load_plan`], from the shelf of what was set aside, say.
pub(super) fn load_plan_from(
    layout: &Layout,
    shelf: Shelf,
    id: SpoolId,
) -> Result<Option<(Plan, Slots)>, SpoolError> {
    let (plan_name, slots_name) = (plan_name(id), slots_name(id));
    let Some(bytes) = layout.load(shelf, &plan_name)? else {
        return Ok(None);
    };
    let Some(file) = layout.open(shelf, &slots_name, true)? else {
        return Ok(None);
    };
    let slots = Slots::from_file(file, &layout.place(shelf, &slots_name))?;
    let place = layout.place(shelf, &plan_name);
    if slots.plan_digest() != <[u8; 32]>::from(Sha256::digest(&bytes)) {
        return Err(SpoolError::corrupt(
            &place,
            "the plan does not belong to its slots",
        ));
    }
    let plan: Plan = serde_json::from_slice(&bytes)
        .map_err(|error| SpoolError::corrupt(&place, error.to_string()))?;
    if plan.items.len() != slots.len() {
        return Err(SpoolError::corrupt(
            &place,
            "the plan has not as many items as slots",
        ));
    }
    Ok(Some((plan, slots)))
}

/// Counts the copies of a plan, by state; notices are not copies (contract decision 19).
pub(super) fn copies(plan: &Plan, states: &[Slot]) -> Tally {
    let mut tally = Tally::default();
    for (item, slot) in plan.items.iter().zip(states) {
        if item.what.is_copy() {
            tally.add(*slot);
        }
    }
    tally
}

/// Where a message of this disposition stays until people decide.
pub(super) fn resting_place(disposition: Disposition) -> Option<Shelf> {
    match disposition {
        Disposition::Hold => Some(Shelf::Hold),
        Disposition::Withhold => Some(Shelf::Bad),
        _ => None,
    }
}

/// Returns the note for a held or withheld message.
pub(super) fn why_of(plan: &Plan, detail: &str, at: u64) -> Why {
    let (code, text) = plan
        .reason
        .map_or(("unknown", "no reason was recorded"), |r| {
            (r.code(), r.text())
        });
    let detail = if detail.is_empty() { text } else { detail };
    let mut why = Why::new(code, detail, at);
    why.list.clone_from(&plan.list);
    why.sender.clone_from(&plan.sender);
    why
}

/// A withheld copy of which nobody is told is final from the start.
fn first_slot(what: &What) -> Slot {
    match what {
        What::Withheld {
            reason,
            notice: false,
        } => Slot::Withheld { reason: *reason },
        _ => Slot::Open,
    }
}
