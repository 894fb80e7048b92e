//! The conservation law: every accepted message has one recorded end or is still here
//! (contract R12, decision 19).
//!
//! # Invariants
//!
//! * The sides are counted apart and then compared. Accepted is what the ledger ever heard of, and
//!   files that wait for their first line in it; planned is what was entered before each plan was
//!   carried out (D5). Ends are the ledger's closing lines; the rest is counted by looking at files
//!   and slots.
//! * A message that changes while it is counted is looked at once more before it is complained of.
//! * Plans of older versions have no line: theirs are counted by the plan itself.
//!
//! # Does not
//!
//! Know of a message that vanished before any daemon opened it: intake may run as another user, and
//! writes no ledger.

use serde::Serialize;

use super::books::Totals;
use super::carry::{copies, load_plan_from};
use super::desk::{Desk, State};
use super::error::SpoolError;
use super::layout::Shelf;
use super::slots::Tally;
use super::why::{message_name, slots_name};
use crate::model::SpoolId;

/// Both sides of the law, and what breaks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Messages the relay took over: those the ledger knows, and those not yet opened.
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
        self.ended.messages() + self.held + self.bad + self.open
    }

    /// The right-hand side for copies.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.ended.copies() + self.copies_open
    }
}

impl Desk {
    /// Counts everything and compares.
    ///
    /// # Errors
    ///
    /// The spool cannot be read.
    pub fn audit(&self) -> Result<Audit, SpoolError> {
        let audit = self.look()?;
        if audit.holds() {
            return Ok(audit);
        }
        self.look()
    }

    fn look(&self) -> Result<Audit, SpoolError> {
        let entries = self.entries()?;
        let mut ledger = self.ledger();
        ledger.refresh(&self.layout)?;
        let books = ledger.books();
        let mut audit = Audit {
            accepted: books.accepted(),
            planned: books.planned_of_ended(),
            ended: books.totals(),
            ..Audit::default()
        };
        let mut here = std::collections::BTreeSet::new();
        for entry in &entries {
            let id = entry.id;
            if !here.insert(id) {
                audit.problems.push(format!("{id}: lies in two places"));
                continue;
            }
            // Ended between the two looks, or DONE and about to be removed: the ledger has it.
            if books.is_closed(id) {
                self.check_leftover(id, &mut audit)?;
                continue;
            }
            // Not yet opened: intake writes no ledger.
            audit.accepted += u64::from(!books.knows(id));
            let shelf = match entry.state {
                State::Bad => Shelf::Bad,
                _ => Shelf::Work,
            };
            match entry.state {
                State::Held => audit.held += 1,
                State::Bad => audit.bad += 1,
                State::Waiting | State::Delivering => audit.open += 1,
            }
            // Nothing gets so far without a line; what may have vanished with the lines, nobody can tell.
            if matches!(entry.state, State::Held | State::Delivering) && !books.knows(id) {
                let state = entry.state.name();
                let problem = format!("{id}: is {state}, and the ledger does not know it");
                audit.problems.push(problem);
            }
            self.count_copies(id, shelf, books.planned(id), &mut audit)?;
        }
        for id in books.open_ids().filter(|id| !here.contains(id)) {
            if self.lies_somewhere(id)? {
                audit.open += 1; // arrived or moved since the first look
            } else {
                audit.lost.push(id.to_string());
            }
        }
        for (id, planned, ended) in books.unequal() {
            audit.problems.push(format!(
                "{id}: {planned} copies were planned and {ended} have an end; once looked into, \
                 close it with: listseal spool discard {id}"
            ));
        }
        if books.damaged() > 0 {
            let lines = books.damaged();
            audit
                .problems
                .push(format!(
                    "ledger: {lines} damaged lines; what they said is missing from these sums. Once the \
                     spool is empty and the daemon stopped, mv {place} {place}.damaged begins a new one",
                    place = self.layout.path().join("ledger").display()
                ));
        }
        Ok(audit)
    }

    /// Counts the copies of a message that is not over; `planned` is what the ledger says. What was
    /// set aside has its plan beside it: its copies are open until people decide.
    fn count_copies(
        &self,
        id: SpoolId,
        shelf: Shelf,
        planned: Option<u64>,
        audit: &mut Audit,
    ) -> Result<(), SpoolError> {
        match load_plan_from(&self.layout, shelf, id) {
            Ok(Some((plan, slots))) => {
                let Tally {
                    open,
                    deferred,
                    sent,
                    failed,
                    withheld,
                } = copies(&plan, &slots.states()?);
                let found = open + deferred + sent + failed + withheld;
                let planned = planned.unwrap_or(found);
                audit.planned += planned;
                if planned != found {
                    audit.problems.push(format!(
                        "{id}: {planned} copies were planned and its plan has {found}"
                    ));
                }
                audit.ended.sent += sent;
                audit.ended.failed += failed;
                audit.ended.withheld += withheld;
                audit.copies_open += open + deferred;
                Ok(())
            }
            Ok(None) => Ok(()),
            // That it is damaged is why it lies there.
            Err(SpoolError::Corrupt { .. }) if shelf == Shelf::Bad => {
                audit.planned += planned.unwrap_or(0);
                audit.copies_open += planned.unwrap_or(0);
                Ok(())
            }
            Err(
                SpoolError::Corrupt { place, problem } | SpoolError::Unsafe { place, problem, .. },
            ) => {
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
