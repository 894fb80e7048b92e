//! What the lines of the ledger sum up to: open and ended messages, crashes, duplicates.
//!
//! # Invariants
//!
//! * Entering the same end twice counts once, so that finishing may be repeated after a crash.
//! * What was planned is entered before the plan is carried out and kept apart from how its copies
//!   ended, so that the two can be compared (R12).
//! * Only opening it anew reopens a message that has ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::slots::Tally;
use crate::model::SpoolId;
use crate::model::plan::Disposition;

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event {
    /// Opening begins: written before parsing (D2).
    Attempt {
        id: Id,
        at: u64,
        print: String,
        alone: bool,
    },
    /// How many copies its plan has: written before the plan (D5).
    Planned { id: Id, copies: u64 },
    /// Opening ended in order without a plan, or people want it tried again.
    Reset { id: Id },
    /// All items are final and the message goes.
    Done {
        id: Id,
        disposition: Disposition,
        sent: u64,
        failed: u64,
        withheld: u64,
    },
    /// People removed it, or looked into the copies that its end does not account for.
    Discarded { id: Id, by: String },
    /// Sums over messages whose own lines were dropped; older ledgers have no more than the ends.
    Totals {
        totals: Totals,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accepted: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        planned: Option<u64>,
    },
}

/// A spool id as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) SpoolId);

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// Sums over closed messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Posts that went to the subscribers.
    pub distributed: u64,
    /// Commands, registrations, key requests that were answered.
    pub answered: u64,
    /// Messages passed on to owners or moderators.
    pub forwarded: u64,
    /// Messages not let through.
    pub refused: u64,
    /// Messages dropped, by rule or by people.
    pub discarded: u64,
    /// Reports of the daemon's own, told.
    pub reported: u64,
    /// Copies that receivers took.
    pub sent: u64,
    /// Copies given up.
    pub failed: u64,
    /// Copies not to be delivered.
    pub withheld: u64,
}

impl Totals {
    /// Messages, by their ends.
    pub(super) fn messages(&self) -> u64 {
        self.distributed
            + self.answered
            + self.forwarded
            + self.refused
            + self.discarded
            + self.reported
    }

    /// Copies, by their ends.
    pub(super) fn copies(&self) -> u64 {
        self.sent + self.failed + self.withheld
    }

    fn add(&mut self, end: &End) {
        *match end.disposition {
            Disposition::Distribute => &mut self.distributed,
            Disposition::Answer => &mut self.answered,
            Disposition::Forward => &mut self.forwarded,
            Disposition::Refuse => &mut self.refused,
            Disposition::Report => &mut self.reported,
            // Held and withheld messages are closed only by people, who discard them.
            Disposition::Discard | Disposition::Hold | Disposition::Withhold => &mut self.discarded,
        } += 1;
        self.sent += end.sent;
        self.failed += end.failed;
        self.withheld += end.withheld;
    }

    fn merge(&mut self, other: &Self) {
        self.distributed += other.distributed;
        self.answered += other.answered;
        self.forwarded += other.forwarded;
        self.refused += other.refused;
        self.discarded += other.discarded;
        self.reported += other.reported;
        self.sent += other.sent;
        self.failed += other.failed;
        self.withheld += other.withheld;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    disposition: Disposition,
    sent: u64,
    failed: u64,
    withheld: u64,
}

impl End {
    fn copies(&self) -> u64 {
        self.sent + self.failed + self.withheld
    }
}

/// What the ledger knows of one message.
#[derive(Clone, Debug, Default)]
struct Account {
    print: String,
    at: u64,
    /// Attempts that have not ended in order.
    attempts: u32,
    /// Whether nothing else was being opened during the last one.
    alone: bool,
    /// Copies of its plan; none where an older version made it, or where it was never carried out.
    planned: Option<u64>,
    end: Option<End>,
}

/// The sum of the lines.
#[derive(Debug, Default)]
pub(super) struct Books {
    accounts: BTreeMap<SpoolId, Account>,
    prints: BTreeMap<String, SpoolId>,
    /// Messages and copies whose own lines were dropped.
    accepted: u64,
    planned: u64,
    totals: Totals,
    pub(super) damaged: u64,
}

impl Books {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::Attempt {
                id,
                at,
                print,
                alone,
            } => {
                let account = self.accounts.entry(id.0).or_default();
                account.at = *at;
                account.print.clone_from(print);
                account.attempts += 1;
                account.alone = *alone;
                account.planned = None;
                account.end = None;
                if self.twin(print, id.0, *at).is_none() {
                    self.prints.insert(print.clone(), id.0);
                }
            }
            Event::Planned { id, copies } => {
                self.accounts.entry(id.0).or_default().planned = Some(*copies);
            }
            // One that people discarded meanwhile has no attempts to forget, and stays closed.
            Event::Reset { id } => self.accounts.entry(id.0).or_default().attempts = 0,
            Event::Done {
                id,
                disposition,
                sent,
                failed,
                withheld,
            } => self.close(
                id.0,
                End {
                    disposition: *disposition,
                    sent: *sent,
                    failed: *failed,
                    withheld: *withheld,
                },
            ),
            Event::Discarded { id, .. } => {
                if !self.is_closed(id.0) {
                    let end = End {
                        disposition: Disposition::Discard,
                        sent: 0,
                        failed: 0,
                        withheld: 0,
                    };
                    self.close(id.0, end);
                }
                // Its plan is not carried out any more; a difference was looked into.
                self.accounts.entry(id.0).or_default().planned = None;
            }
            Event::Totals {
                totals,
                accepted,
                planned,
            } => {
                self.accepted += accepted.unwrap_or_else(|| totals.messages());
                self.planned += planned.unwrap_or_else(|| totals.copies());
                self.totals.merge(totals);
            }
        }
    }

    fn close(&mut self, id: SpoolId, end: End) {
        let account = self.accounts.entry(id).or_default();
        account.end = Some(end);
        // A refused mail may be sent again, byte for byte (contract decision 4).
        let repeatable = matches!(end.disposition, Disposition::Refuse | Disposition::Discard);
        if repeatable && self.prints.get(&account.print) == Some(&id) {
            self.prints.remove(&account.print);
        }
    }

    /// True when the message has ended and only its files may be left.
    pub(super) fn is_closed(&self, id: SpoolId) -> bool {
        self.accounts.get(&id).is_some_and(|a| a.end.is_some())
    }

    /// Ids that are known and have not ended.
    pub(super) fn open_ids(&self) -> impl Iterator<Item = SpoolId> {
        self.accounts
            .iter()
            .filter(|(_, account)| account.end.is_none())
            .map(|(id, _)| *id)
    }

    /// True when the ledger has a line of it.
    pub(super) fn knows(&self, id: SpoolId) -> bool {
        self.accounts.contains_key(&id)
    }

    /// Messages that the ledger ever heard of.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted + self.accounts.len() as u64
    }

    /// Copies that were planned for a message that is not over, where that was noted down.
    pub(super) fn planned(&self, id: SpoolId) -> Option<u64> {
        self.accounts.get(&id).and_then(|account| account.planned)
    }

    /// Copies that were planned for messages that are over.
    pub(super) fn planned_of_ended(&self) -> u64 {
        let ended = self.accounts.values().filter_map(|account| {
            let end = account.end?;
            Some(account.planned.unwrap_or_else(|| end.copies()))
        });
        self.planned + ended.sum::<u64>()
    }

    /// Messages that are over and whose copies do not all have an end: planned and ended ones.
    pub(super) fn unequal(&self) -> impl Iterator<Item = (SpoolId, u64, u64)> {
        self.accounts.iter().filter_map(|(id, account)| {
            let (planned, ended) = (account.planned?, account.end?.copies());
            (planned != ended).then_some((*id, planned, ended))
        })
    }

    /// Attempts that a crash ended, and whether the last one was made alone.
    pub(super) fn crashes(&self, id: SpoolId) -> (u32, bool) {
        self.accounts
            .get(&id)
            .map_or((0, false), |account| (account.attempts, account.alone))
    }

    /// The earlier message with these bytes, if it came within seven days before `now`.
    pub(super) fn twin(&self, print: &str, id: SpoolId, now: u64) -> Option<SpoolId> {
        let first = *self.prints.get(print)?;
        let at = self.accounts.get(&first)?.at;
        (first != id && now.saturating_sub(at) <= WINDOW).then_some(first)
    }

    /// Sums over everything that ended.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.totals;
        let ends = self
            .accounts
            .values()
            .filter_map(|account| account.end.as_ref());
        ends.for_each(|end| totals.add(end));
        totals
    }

    /// Lines that could not be read.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The lines that are still needed: open messages, ended ones of the last seven days, and those
    /// that do not add up.
    pub(super) fn condensed(&self, now: u64) -> Vec<Event> {
        let (mut totals, mut accepted, mut planned) = (self.totals, self.accepted, self.planned);
        let mut kept = Vec::new();
        for (id, account) in &self.accounts {
            let young = now.saturating_sub(account.at) <= WINDOW;
            if let (false, Some(end)) = (young, &account.end)
                && account.planned.is_none_or(|copies| copies == end.copies())
            {
                totals.add(end);
                accepted += 1;
                planned += end.copies();
                continue;
            }
            let attempt = Event::Attempt {
                id: Id(*id),
                at: account.at,
                print: account.print.clone(),
                alone: account.alone,
            };
            let plan = account.planned.map(|copies| Event::Planned {
                id: Id(*id),
                copies,
            });
            match account.end {
                Some(end) => {
                    kept.push(attempt);
                    kept.extend(plan);
                    kept.push(Event::Done {
                        id: Id(*id),
                        disposition: end.disposition,
                        sent: end.sent,
                        failed: end.failed,
                        withheld: end.withheld,
                    });
                }
                None if account.attempts == 0 => {
                    kept.extend([attempt, Event::Reset { id: Id(*id) }]);
                    kept.extend(plan);
                }
                None => {
                    kept.extend((0..account.attempts).map(|_| attempt.clone()));
                    kept.extend(plan);
                }
            }
        }
        let mut lines = vec![Event::Totals {
            totals,
            accepted: Some(accepted),
            planned: Some(planned),
        }];
        lines.append(&mut kept);
        lines
    }
}

/// Makes the line that closes a message.
pub(super) fn done(id: SpoolId, disposition: Disposition, figures: &Tally) -> Event {
    Event::Done {
        id: Id(id),
        disposition,
        sent: figures.sent,
        failed: figures.failed,
        withheld: figures.withheld,
    }
}

/// Seven days in microseconds: how long the same bytes are dropped (contract 2.1, D1).
pub(super) const WINDOW: u64 = 7 * 24 * 3600 * 1_000_000;
