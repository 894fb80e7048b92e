//! What the lines of the ledger sum up to: open and ended messages, crashes, duplicates.
//!
//! # Invariants
//!
//! * Entering the same end twice counts once, so that finishing may be repeated after a crash.

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
    /// People removed it.
    Discarded { id: Id, by: String },
    /// Sums over messages whose own lines were dropped.
    Totals { totals: Totals },
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
    /// Copies that receivers took.
    pub sent: u64,
    /// Copies given up.
    pub failed: u64,
    /// Copies not to be delivered.
    pub withheld: u64,
}

impl Totals {
    fn add(&mut self, end: &End) {
        *match end.disposition {
            Disposition::Distribute => &mut self.distributed,
            Disposition::Answer => &mut self.answered,
            Disposition::Forward => &mut self.forwarded,
            Disposition::Refuse => &mut self.refused,
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

/// What the ledger knows of one message.
#[derive(Clone, Debug, Default)]
struct Account {
    print: String,
    at: u64,
    /// Attempts that have not ended in order.
    attempts: u32,
    /// Whether nothing else was being opened during the last one.
    alone: bool,
    end: Option<End>,
}

/// The sum of the lines.
#[derive(Debug, Default)]
pub(super) struct Books {
    accounts: BTreeMap<SpoolId, Account>,
    prints: BTreeMap<String, SpoolId>,
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
                account.end = None;
                if self.twin(print, id.0, *at).is_none() {
                    self.prints.insert(print.clone(), id.0);
                }
            }
            Event::Reset { id } => {
                let account = self.accounts.entry(id.0).or_default();
                account.attempts = 0;
                account.end = None;
            }
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
            Event::Discarded { id, .. } => self.close(
                id.0,
                End {
                    disposition: Disposition::Discard,
                    sent: 0,
                    failed: 0,
                    withheld: 0,
                },
            ),
            Event::Totals { totals } => self.totals.merge(totals),
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

    /// The lines that are still needed: open messages, and ended ones of the last seven days.
    pub(super) fn condensed(&self, now: u64) -> Vec<Event> {
        let mut totals = self.totals;
        let mut kept = Vec::new();
        for (id, account) in &self.accounts {
            let young = now.saturating_sub(account.at) <= WINDOW;
            if let (false, Some(end)) = (young, &account.end) {
                totals.add(end);
                continue;
            }
            let attempt = Event::Attempt {
                id: Id(*id),
                at: account.at,
                print: account.print.clone(),
                alone: account.alone,
            };
            match account.end {
                Some(end) => {
                    kept.push(attempt);
                    kept.push(Event::Done {
                        id: Id(*id),
                        disposition: end.disposition,
                        sent: end.sent,
                        failed: end.failed,
                        withheld: end.withheld,
                    });
                }
                None if account.attempts == 0 => {
                    kept.extend([attempt, Event::Reset { id: Id(*id) }])
                }
                None => kept.extend((0..account.attempts).map(|_| attempt.clone())),
            }
        }
        let mut lines = vec![Event::Totals { totals }];
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
