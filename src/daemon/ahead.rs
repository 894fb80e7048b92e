//! How many messages are known ahead of their turn, and what is done where more wait.
//!
//! # Invariants
//!
//! * Memory stays bounded however many wait (contract E25).
//! * No list waits for the queue of another: beyond the bound the spool is looked through piece by
//!   piece, time and again, for mail to lists that have next to none of those that are known.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};
use tokio::time::Instant;

use super::Hands;
use crate::model::route::Route;
use crate::model::{Address, SpoolId};

/// Messages known before only lists with few of them get more.
pub(super) const MOST: usize = if cfg!(test) { 20 } else { 50_000 };
/// Messages taken from one look at the spool, so that the first of many do not wait for the last.
pub(super) const A_LOOK: usize = if cfg!(test) { 30 } else { 1_000 };
/// Messages of a glance beyond the bound: it costs reading their heads, and they are forgotten.
pub(super) const A_GLANCE: usize = 10 * A_LOOK;
const BETWEEN_GLANCES: Duration = Duration::from_secs(2);

/// How far the spool was looked through beyond what is known.
#[derive(Debug, Default)]
pub(super) struct Beyond {
    last: Option<SpoolId>,
    at: Option<Instant>,
}

impl Beyond {
    /// True where it is time for a glance.
    pub fn is_due(&self, now: Instant) -> bool {
        (self.at).is_none_or(|at| now.duration_since(at) >= BETWEEN_GLANCES)
    }

    /// Returns the message behind which the next glance begins.
    pub fn next(&mut self, now: Instant) -> Option<SpoolId> {
        self.at = Some(now);
        self.last
    }

    /// Notes what a glance found, oldest first; at the end of the spool the next begins anew.
    pub fn seen(&mut self, found: &[SpoolId]) {
        self.last = found.last().copied().filter(|_| found.len() >= A_GLANCE);
    }
}

/// Looks up whose turn these messages wait for; `None` where it cannot be told.
pub(super) async fn lists_of(
    hands: Arc<Hands>,
    ids: Vec<SpoolId>,
) -> Result<Vec<(SpoolId, Option<Address>)>, JoinError> {
    let sorted = spawn_blocking(move || {
        let list = |id: SpoolId| {
            let recipient = hands.spool.recipient(id)?;
            match hands.site.lists.route(&recipient).ok()?? {
                Route::List(of, _) | Route::Site(of) => Some(of),
            }
        };
        ids.into_iter().map(|id| (id, list(id))).collect()
    });
    sorted.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e25_glances_go_on_where_the_last_one_ended_and_begin_anew_at_the_end() {
        let ids: Vec<_> = (0..A_GLANCE as u64)
            .map(|n| SpoolId::new(n, n, [0; 8]))
            .collect();
        let now = Instant::now();
        let mut beyond = Beyond::default();
        assert!(beyond.is_due(now));
        assert_eq!(beyond.next(now), None);
        assert!(!beyond.is_due(now));
        beyond.seen(&ids);
        assert!(beyond.is_due(now + BETWEEN_GLANCES));
        assert_eq!(beyond.next(now), ids.last().copied());
        beyond.seen(&ids[1..]);
        assert_eq!(beyond.next(now), None);
    }
}
