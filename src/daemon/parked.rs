//! Messages that wait: for another attempt, for a list to be mended, for room on the disk.
//!
//! # Invariants
//!
//! * Waiting is measured by a clock that nobody sets (contract R13).
//! * What waits for a list is looked at again as soon as that list's troubles change; nothing of it
//!   is opened before (contract decision 3).

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::site::Site;
use super::world::Obstacle;
use crate::model::{Address, SpoolId};

/// The messages that wait, and for what.
#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: HashMap<SpoolId, Until>,
    /// When the lists were last asked for their troubles.
    asked: Option<Instant>,
}

/// What a message waits for.
#[derive(Clone, Debug)]
pub(super) enum Until {
    /// This instant.
    Due(Instant),
    /// The troubles of a list are others than now, or this instant.
    Mended(Standing, Instant),
}

/// How an address of ours stood when a message to it was put aside.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// The address.
    pub address: Address,
    /// What stood in the way of its list.
    pub obstacle: Option<Obstacle>,
}

impl Parked {
    pub fn park(&mut self, id: SpoolId, until: Until) {
        self.waiting.insert(id, until);
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn ids(&self) -> impl Iterator<Item = SpoolId> {
        self.waiting.keys().copied()
    }

    pub fn forget(&mut self, id: SpoolId) {
        self.waiting.remove(&id);
    }

    /// Takes out the messages that need not wait any longer.
    pub fn release(&mut self, site: &Site, now: Instant) -> Vec<SpoolId> {
        let mut asked: HashMap<Address, Option<Obstacle>> = HashMap::new();
        let patient = self
            .asked
            .is_some_and(|at| now.duration_since(at) < BETWEEN_QUESTIONS);
        if !patient {
            self.asked = Some(now);
        }
        let mut free = BTreeSet::new();
        for (id, until) in &self.waiting {
            let over = match until {
                Until::Due(at) => *at <= now,
                Until::Mended(_, latest) if *latest <= now => true,
                Until::Mended(..) if patient => false,
                Until::Mended(known, _) => {
                    let current = asked
                        .entry(known.address.clone())
                        .or_insert_with(|| site.obstacle(&known.address));
                    *current != known.obstacle
                }
            };
            if over {
                free.insert(*id);
            }
        }
        for id in &free {
            self.waiting.remove(id);
        }
        free.into_iter().collect()
    }

    /// Returns how long until the next one is due by the clock, or its list is to be asked again.
    pub fn next(&self, now: Instant) -> Option<Duration> {
        let due = self.waiting.values().map(|until| match until {
            Until::Due(at) => *at,
            Until::Mended(..) => now + BETWEEN_QUESTIONS,
        });
        Some(due.min()?.saturating_duration_since(now))
    }

    /// Returns how many wait for the clock, and how many for people.
    pub fn count(&self) -> (u64, u64) {
        let timed = |until: &&Until| matches!(until, Until::Due(_));
        let due = self.waiting.values().filter(timed).count() as u64;
        (due, self.waiting.len() as u64 - due)
    }
}

/// Asking a list means reading its files.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(5);
