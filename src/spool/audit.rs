//! The conservation law: every accepted message has one recorded end or is still here
//! (contract R12, decision 19).
//!
//! # Invariants
//!
//! * What lies in the spool is counted by looking, what has left by the ledger; the two are counted
//!   apart and then compared.
//! * A message that changes while it is counted is looked at once more before it is complained of.

use serde::Serialize;

use super::books::Totals;
use super::carry::{copies, load_plan};
use super::desk::{Desk, State};
use super::error::SpoolError;
use super::layout::Shelf;
use super::slots::Tally;
use super::why::{message_name, slots_name};
use crate::model::SpoolId;

/// Both sides of the law, and what breaks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Messages the relay took over, as the ledger and the directories know them.
    pub accepted: u64,
    /// Messages by how they ended.
    #[serde(flatten)]
    pub ended: Totals,
    /// Messages that moderators decide on.
    pub held: u64,
    /// Messages that cannot or must not be processed.
    pub bad: u64,
    /// Messages waiting or being delivered.
    pub open: u64,
    /// Copies to subscribers that were planned.
    pub planned: u64,
    /// Copies that are not at their end yet.
    pub copies_open: u64,
    /// Messages that the ledger has open and that lie nowhere.
    pub lost: Vec<String>,
    /// Anything else that does not add up.
    pub problems: Vec<String>,
}

impl Audit {
    /// True when the law holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost.is_empty()
            && self.problems.is_empty()
            && self.accepted == self.messages()
            && self.planned == self.copies()
    }

    /// The right-hand side for messages.
    #[must_use]
    pub fn messages(&self) -> u64 {
        let ended = &self.ended;
        ended.distributed
            + ended.answered
            + ended.forwarded
            + ended.refused
            + ended.discarded
            + self.held
            + self.bad
            + self.open
    }

    /// The right-hand side for copies.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.ended.sent + self.ended.failed + self.ended.withheld + self.copies_open
    }
}

impl Desk {
    /// Counts everything and compares.
    ///
    /// # Errors
    ///
    /// The spool cannot be read.
    pub fn audit(&self) -> Result<Audit, SpoolError> {
        let entries = self.entries()?;
        let mut ledger = self.ledger();
        ledger.refresh(&self.layout)?;
        let books = ledger.books();
        let mut audit = Audit {
            ended: books.totals(),
            ..Audit::default()
        };
        let ended = &audit.ended;
        audit.accepted =
            ended.distributed + ended.answered + ended.forwarded + ended.refused + ended.discarded;
        audit.planned = ended.sent + ended.failed + ended.withheld;
        let mut here = std::collections::BTreeSet::new();
        for entry in &entries {
            // Ended between the two looks, or DONE and about to be removed: the ledger has it.
            if books.is_closed(entry.id) {
                self.check_leftover(entry.id, &mut audit)?;
                continue;
            }
            here.insert(entry.id);
            audit.accepted += 1;
            match entry.state {
                State::Held => audit.held += 1,
                State::Bad => audit.bad += 1,
                State::Waiting | State::Delivering => audit.open += 1,
            }
            self.count_copies(entry.id, &mut audit)?;
        }
        let gone: Vec<SpoolId> = books.open_ids().filter(|id| !here.contains(id)).collect();
        for id in gone {
            audit.accepted += 1;
            if self.lies_somewhere(id)? {
                audit.open += 1; // arrived or moved since the first look
            } else {
                audit.lost.push(id.to_string());
            }
        }
        if books.damaged() > 0 {
            let lines = books.damaged();
            audit
                .problems
                .push(format!("ledger: {lines} damaged lines"));
        }
        Ok(audit)
    }

    fn count_copies(&self, id: SpoolId, audit: &mut Audit) -> Result<(), SpoolError> {
        match load_plan(&self.layout, id) {
            Ok(Some((plan, slots))) => {
                let Tally {
                    open,
                    deferred,
                    sent,
                    failed,
                    withheld,
                } = copies(&plan, &slots.states()?);
                audit.planned += plan.items.iter().filter(|i| i.what.is_copy()).count() as u64;
                audit.ended.sent += sent;
                audit.ended.failed += failed;
                audit.ended.withheld += withheld;
                audit.copies_open += open + deferred;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(SpoolError::Corrupt { place, problem }) => {
                audit
                    .problems
                    .push(format!("{}: {problem}", place.display()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A file whose end is on record may be there only while its DONE is.
    fn check_leftover(&self, id: SpoolId, audit: &mut Audit) -> Result<(), SpoolError> {
        let finishing = self.layout.exists(Shelf::Work, &slots_name(id))?;
        if !finishing && self.lies_somewhere(id)? {
            audit
                .problems
                .push(format!("{id}: has ended, but its file is still here"));
        }
        Ok(())
    }

    fn lies_somewhere(&self, id: SpoolId) -> Result<bool, SpoolError> {
        for shelf in [Shelf::New, Shelf::Hold, Shelf::Bad] {
            if self.layout.exists(shelf, &message_name(id))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
