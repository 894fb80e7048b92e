//! When to try again, and when to give up (contract R13, E21). Pure: the clock and the jitter are
//! arguments.
//!
//! # Invariants
//!
//! * Giving up needs both: long enough, and often enough. A clock that jumps does neither, because
//!   what is waited for is counted attempt by attempt and each share is bounded.
//! * A clock that went back makes everything due now; nothing ever sleeps for a negative time.

use std::time::Duration;

use time::OffsetDateTime;

use crate::config::Delivery;
use crate::model::{Deferral, micros};

/// How often and how long to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRule {
    /// First pause; doubled each time.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
    /// Give up after this long, if also tried [`MIN_ATTEMPTS`] times.
    pub expire: Duration,
}

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again as recorded.
    Again(Deferral),
    /// Give up: tried long and often enough.
    Expired,
}

impl From<&Delivery> for RetryRule {
    fn from(settings: &Delivery) -> Self {
        Self {
            first: settings.retry_first,
            longest: settings.retry_max,
            expire: settings.expire,
        }
    }
}

impl RetryRule {
    /// Returns what to do after an attempt at `now` was deferred with reply `code`. `jitter` is a
    /// random number from 0 to 1 that spreads the pause by ten per cent either way.
    #[must_use]
    pub fn after_failure(
        &self,
        before: Option<&Deferral>,
        code: u16,
        now: OffsetDateTime,
        jitter: f64,
    ) -> Next {
        let now = micros(now);
        let attempts = before.map_or(0, |b| b.attempts).saturating_add(1);
        let waited = before.map_or(0, |before| {
            // The share of a stopped daemon, a suspended machine or a jumping clock is bounded.
            let planned = before.next_due.saturating_sub(before.last) / SECOND;
            let passed = now.saturating_sub(before.last) / SECOND;
            let share = passed.min(planned.saturating_mul(2).saturating_add(SLACK));
            before
                .waited
                .saturating_add(u32::try_from(share).unwrap_or(u32::MAX))
        });
        let long_enough = u64::from(waited) >= self.expire.as_secs();
        if long_enough && attempts >= MIN_ATTEMPTS {
            return Next::Expired;
        }
        let pause = self.pause(attempts, jitter);
        Next::Again(Deferral {
            attempts,
            last: now,
            next_due: now.saturating_add(pause),
            waited,
            code,
        })
    }

    fn pause(&self, attempts: u16, jitter: f64) -> u64 {
        let doublings = u32::from(attempts.saturating_sub(1)).min(31);
        let plain = self
            .first
            .saturating_mul(1_u32 << doublings)
            .min(self.longest);
        let spread = plain.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0));
        u64::try_from(spread.as_micros()).unwrap_or(u64::MAX)
    }
}

/// Returns how long to wait at `now` before the next attempt; zero when it is due.
#[must_use]
pub fn wait(deferral: &Deferral, now: OffsetDateTime) -> Duration {
    let now = micros(now);
    if now < deferral.last {
        return Duration::ZERO;
    }
    Duration::from_micros(deferral.next_due.saturating_sub(now))
}

/// Attempts that giving up needs, however long it took.
pub const MIN_ATTEMPTS: u16 = 10;
const SECOND: u64 = 1_000_000;
/// Seconds beyond twice the pause that still count as waiting: a restart, a long queue.
const SLACK: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RetryRule = RetryRule {
        first: Duration::from_secs(60),
        longest: Duration::from_secs(3600),
        expire: Duration::from_secs(5 * 24 * 3600),
    };

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn again(next: Next) -> Deferral {
        match next {
            Next::Again(deferral) => deferral,
            Next::Expired => panic!("expired"),
        }
    }

    /// Tries whenever due, with `clock` distorting what is seen of true time; returns attempts and
    /// true seconds until it expired, or `None` after `limit` seconds.
    fn run(limit: i64, clock: impl Fn(i64) -> i64) -> Option<(u16, i64)> {
        let start = 1_700_000_000;
        let (mut now, mut before) = (0, None::<Deferral>);
        while now <= limit {
            match RULE.after_failure(before.as_ref(), 451, at(start + clock(now)), 0.5) {
                Next::Expired => return Some((before.map_or(0, |b| b.attempts) + 1, now)),
                Next::Again(deferral) => before = Some(deferral),
            }
            while before.is_some_and(|b| wait(&b, at(start + clock(now))) > Duration::ZERO) {
                now += 30;
                if now > limit {
                    return None;
                }
            }
            now += 30;
        }
        None
    }

    #[test]
    fn r13_pauses_double_from_one_minute_to_one_hour() {
        let mut before = None;
        let mut pauses = Vec::new();
        let mut now = 1_700_000_000;
        for _ in 0..9 {
            let next = again(RULE.after_failure(before.as_ref(), 451, at(now), 0.5));
            let pause = wait(&next, at(now)).as_secs();
            pauses.push(pause);
            now += i64::try_from(pause).unwrap();
            before = Some(next);
        }
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    }

    #[test]
    fn r13_jitter_stays_within_ten_per_cent() {
        for (jitter, seconds) in [(0.0, 54), (0.5, 60), (1.0, 66), (-9.0, 54), (9.0, 66)] {
            let next = again(RULE.after_failure(None, 0, at(1_700_000_000), jitter));
            assert_eq!(wait(&next, at(1_700_000_000)).as_secs(), seconds);
        }
    }

    #[test]
    fn r13_gives_up_after_five_days_of_trying() {
        let (attempts, seconds) = run(10 * 86_400, |now| now).unwrap();
        assert!(
            (5 * 86_400..5 * 86_400 + 7200).contains(&seconds),
            "{seconds}"
        );
        assert!(attempts > 100, "{attempts}");
    }

    #[test]
    fn r13_few_attempts_never_expire_however_long_it_took() {
        let before = Deferral {
            attempts: 8,
            waited: u32::MAX,
            ..Deferral::default()
        };
        let next = again(RULE.after_failure(Some(&before), 451, at(1_700_000_000), 0.5));
        assert_eq!(next.attempts, 9);
        let next = RULE.after_failure(Some(&next), 451, at(1_700_003_600), 0.5);
        assert_eq!(next, Next::Expired);
    }

    #[test]
    fn r13_clock_jumps_neither_expire_nor_stall() {
        // E21: years and hours, there and back.
        let day = 86_400;
        let year = 365 * day;
        for jump in [10 * year, -10 * year, 3600, -3600] {
            let step = move |now: i64| if now > day { now + jump } else { now };
            assert_eq!(
                run(4 * day, step),
                None,
                "expired early after a jump of {jump}"
            );
            assert!(
                run(12 * day, step).is_some(),
                "stalled after a jump of {jump}"
            );
        }
    }

    #[test]
    fn r13_clock_before_the_last_attempt_means_due_now() {
        let deferral = Deferral {
            last: 5_000_000,
            next_due: 9_000_000,
            ..Deferral::default()
        };
        assert_eq!(wait(&deferral, at(4)), Duration::ZERO);
        assert_eq!(wait(&deferral, at(6)), Duration::from_secs(3));
        assert_eq!(wait(&deferral, at(10)), Duration::ZERO);
    }

    /// What happens between two attempts.
    #[derive(Clone, Debug)]
    enum Between {
        /// The run goes on; the attempt comes so many seconds after it was due.
        Late(i64),
        /// The daemon was down so long, and the clock was set by so much.
        Restart(i64, i64),
    }

    fn between() -> impl proptest::strategy::Strategy<Value = Between> {
        use proptest::prelude::*;
        let year = 365 * 86_400_i64;
        prop_oneof![
            20 => (0_i64..600).prop_map(Between::Late),
            1 => (0_i64..90_000, prop_oneof![
                Just(3600), Just(-3600), Just(10 * year), Just(-10 * year), -90_000_i64..90_000
            ]).prop_map(|(down, set)| Between::Restart(down, set)),
        ]
    }

    proptest::proptest! {
        #[test]
        fn r13_times_are_monotone_and_expiry_is_earned(
            story in proptest::collection::vec(between(), 1..400),
            jitter in 0.0..=1.0_f64,
        ) {
            let (mut now, mut seen) = (0_i64, 1_700_000_000_i64);
            let (mut before, mut restarts) = (None::<Deferral>, 0);
            for between in story {
                let next = match RULE.after_failure(before.as_ref(), 451, at(seen), jitter) {
                    Next::Again(next) => next,
                    Next::Expired => {
                        let earned = now + restarts * 3 * 3960;
                        proptest::prop_assert!(earned >= 5 * 86_400, "gave up after {} s", now);
                        proptest::prop_assert!(before.unwrap().attempts >= MIN_ATTEMPTS - 1);
                        return Ok(());
                    }
                };
                let pause = next.next_due - next.last;
                let plain = 60_000_000_u64 << (next.attempts - 1).min(20);
                let plain = plain.min(3_600_000_000);
                proptest::prop_assert!(pause >= plain / 10 * 9 && pause <= plain / 10 * 11);
                proptest::prop_assert_eq!(next.attempts, before.map_or(0, |b| b.attempts) + 1);
                proptest::prop_assert!(next.waited >= before.map_or(0, |b| b.waited));
                proptest::prop_assert_eq!(next.last, micros(at(seen)));
                match between {
                    Between::Late(late) => {
                        let due = i64::try_from(pause.div_ceil(SECOND)).unwrap();
                        now += due + late;
                        seen += due + late;
                    }
                    Between::Restart(down, set) => {
                        restarts += 1;
                        now += down;
                        // No kernel lets a clock be set before 1970.
                        seen = (seen + down + set).max(0);
                        // Whatever the clock says, the wait is not longer than a pause.
                        let wait = wait(&next, at(seen));
                        proptest::prop_assert!(wait.as_micros() <= u128::from(pause));
                        if !wait.is_zero() {
                            let wait = i64::try_from(wait.as_secs()).unwrap() + 1;
                            now += wait;
                            seen += wait;
                        }
                    }
                }
                proptest::prop_assert_eq!(wait(&next, at(seen)), Duration::ZERO);
                before = Some(next);
            }
        }
    }
}
