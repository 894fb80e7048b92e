//! How many notices may leave: a decision over a small history.
//!
//! # Place in the flow
//!
//! Asked while a plan is made, so that a notice that is not due is not planned; the history is kept
//! by `store::limits`.
//!
//! # Invariants
//!
//! * One notice of a kind and reason to an address about a list in 24 hours, 100 an hour for a list
//!   (contract S38, decision 2). Asked again about the same message, the answer is the same.
//! * `x509-user-cert-missing` stands for a post and is not limited (decision 2).
//! * The answer to a proven registration is told once, and no list is too busy for it: it is the only
//!   one, and to cause it takes a certificate that the site's authorities issued ([`UNCOUNTED`]).
//! * A clock that went back forgets nothing: entries of the future count as entries of now. They do
//!   not outlive the day either, however far the clock had gone (contract E21).

use std::collections::VecDeque;

use time::{Duration, OffsetDateTime};

/// One notice that was let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When.
    pub at: OffsetDateTime,
    /// Names list, address and reason, without showing them.
    pub key: [u8; 16],
    /// Names the list in whose hour it counts, [`UNCOUNTED`] for none.
    pub list: [u8; 16],
    /// Names the message, or whatever caused the notice.
    pub cause: [u8; 16],
}

/// Why a notice is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The same was told within a day.
    Day,
    /// The list has told too much within an hour.
    Hour,
}

/// The notices of the last day.
#[derive(Clone, Debug, Default)]
pub struct History {
    past: VecDeque<Past>,
}

impl History {
    /// Takes over an entry that was kept; oldest first.
    pub fn restore(&mut self, entry: Past) {
        self.past.push_back(entry);
    }

    /// Returns the entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Past> {
        self.past.iter()
    }

    /// Returns whether the notice is due, and notes it down if so; `Ok(false)` means it was noted
    /// down before for the same cause.
    ///
    /// # Errors
    ///
    /// [`Limit`]: which one is reached.
    pub fn admit(&mut self, entry: Past) -> Result<bool, Limit> {
        self.forget(entry.at);
        let same = |one: &&Past| one.key == entry.key;
        if let Some(found) = self.past.iter().find(same) {
            return if found.cause == entry.cause {
                Ok(false)
            } else {
                Err(Limit::Day)
            };
        }
        let hour = entry.at.saturating_sub(Duration::HOUR);
        let recent = self
            .past
            .iter()
            .filter(|one| one.list == entry.list && one.at > hour)
            .count();
        if recent >= PER_HOUR && entry.list != UNCOUNTED {
            return Err(Limit::Hour);
        }
        self.past.push_back(entry);
        Ok(true)
    }

    /// Takes back the entry admitted last: it could not be kept, so the notice is not sent.
    pub fn withdraw(&mut self) {
        self.past.pop_back();
    }

    /// Drops what is older than a day; true where an entry had been dated in the future.
    pub fn forget(&mut self, now: OffsetDateTime) -> bool {
        let mut ahead = false;
        for one in self.past.iter_mut().filter(|one| one.at > now) {
            one.at = now;
            ahead = true;
        }
        let day = now.saturating_sub(Duration::DAY);
        self.past.retain(|one| one.at > day);
        ahead
    }
}

/// Notices of a list in an hour.
pub const PER_HOUR: usize = 100;
/// In the place of a list: the notice counts in nobody's hour.
pub const UNCOUNTED: [u8; 16] = [0; 16];

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 10:00 UTC);

    fn past(at: OffsetDateTime, key: u8, list: u8, cause: u8) -> Past {
        Past {
            at,
            key: [key; 16],
            list: [list; 16],
            cause: [cause; 16],
        }
    }

    #[test]
    fn s38_same_notice_is_due_again_after_a_day_and_not_before() {
        let mut history = History::default();
        assert_eq!(history.admit(past(NOW, 1, 1, 1)), Ok(true));
        let almost = NOW + Duration::DAY - Duration::SECOND;
        assert_eq!(history.admit(past(almost, 1, 1, 2)), Err(Limit::Day));
        assert_eq!(
            history.admit(past(NOW, 2, 1, 2)),
            Ok(true),
            "another reason"
        );
        assert_eq!(history.admit(past(NOW + Duration::DAY, 1, 1, 3)), Ok(true));
    }

    #[test]
    fn same_message_asked_again_after_a_crash_gets_the_same_answer() {
        let mut history = History::default();
        assert_eq!(history.admit(past(NOW, 1, 1, 7)), Ok(true));
        assert_eq!(
            history.admit(past(NOW + Duration::MINUTE, 1, 1, 7)),
            Ok(false)
        );
        assert_eq!(history.entries().count(), 1);
    }

    #[test]
    fn s38_a_list_sends_a_hundred_notices_an_hour_and_other_lists_theirs() {
        let mut history = History::default();
        for n in 0..100 {
            assert_eq!(history.admit(past(NOW, n, 1, n)), Ok(true));
        }
        assert_eq!(history.admit(past(NOW, 200, 1, 200)), Err(Limit::Hour));
        assert_eq!(history.admit(past(NOW, 201, 2, 201)), Ok(true));
        assert_eq!(
            history.admit(past(NOW + Duration::HOUR, 202, 1, 202)),
            Ok(true)
        );
    }

    #[test]
    fn what_counts_in_no_hour_is_told_once_and_takes_nobody_s_place() {
        let mut history = History::default();
        let uncounted = |key, cause| Past {
            list: UNCOUNTED,
            ..past(NOW, key, 1, cause)
        };
        for n in 0..150 {
            assert_eq!(history.admit(uncounted(n, n)), Ok(true), "{n}");
        }
        assert_eq!(history.admit(uncounted(0, 200)), Err(Limit::Day));
        for n in 150..250 {
            assert_eq!(history.admit(past(NOW, n, 1, n)), Ok(true), "{n}");
        }
        assert_eq!(history.admit(past(NOW, 250, 1, 250)), Err(Limit::Hour));
        assert_eq!(history.admit(uncounted(251, 251)), Ok(true));
    }

    #[test]
    fn clock_that_goes_back_opens_no_flood() {
        let mut history = History::default();
        assert_eq!(history.admit(past(NOW, 1, 1, 1)), Ok(true));
        let before = NOW - Duration::days(3650);
        assert_eq!(history.admit(past(before, 1, 1, 2)), Err(Limit::Day));
    }

    #[test]
    fn e21_clock_that_was_ahead_for_once_silences_nobody_for_longer_than_a_day() {
        let mut history = History::default();
        let ahead = NOW + Duration::days(3650);
        for key in 0..u8::try_from(PER_HOUR).unwrap() {
            assert_eq!(history.admit(past(ahead, key, 1, key)), Ok(true));
        }
        assert_eq!(history.admit(past(NOW, 0, 1, 200)), Err(Limit::Day));
        assert_eq!(history.admit(past(NOW, 201, 1, 201)), Err(Limit::Hour));
        let day = NOW + Duration::DAY;
        assert_eq!(history.admit(past(day, 0, 1, 202)), Ok(true));
        assert_eq!(history.admit(past(day, 203, 1, 203)), Ok(true));
    }
}
