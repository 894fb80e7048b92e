//! Slows down mail that a list's key does not open (contract S13, decision 21).
//!
//! # Trust
//!
//! Each failure answers a question about the key, however little. A million of them are an attack;
//! a handful are a mail program with an old certificate. Only failures count.
//!
//! # Invariants
//!
//! * After [`BURST`] failures each further one costs its list [`REFILL`]; other lists go on.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::site::lock;
use crate::model::Address;

/// What each list has failed to open of late.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<Address, Failures>>);

#[derive(Debug, Default)]
struct Failures {
    /// Failures that no time has made good yet, and when that was reckoned.
    owed: f64,
    at: Option<Instant>,
    /// The last hour, at most [`ALARM`].
    recent: VecDeque<Instant>,
}

impl Pace {
    /// Returns how long the next message of `list` has to wait before it is opened.
    pub fn wait(&self, list: &Address, now: Instant) -> Duration {
        let mut all = lock(&self.0);
        let Some(failures) = all.get_mut(list) else {
            return Duration::ZERO;
        };
        failures.make_good(now);
        if failures.owed < BURST {
            return Duration::ZERO;
        }
        REFILL.mul_f64(failures.owed - BURST + 1.0).min(LONGEST)
    }

    /// Notes a failure down; true when it is time to raise the alarm.
    pub fn failed(&self, list: &Address, now: Instant) -> bool {
        let mut all = lock(&self.0);
        let failures = all.entry(list.clone()).or_default();
        failures.make_good(now);
        failures.owed += 1.0;
        failures.recent.push_back(now);
        let hour_ago = now.checked_sub(HOUR);
        while failures
            .recent
            .front()
            .is_some_and(|at| Some(*at) < hour_ago)
        {
            failures.recent.pop_front();
        }
        let alarm = failures.recent.len() >= ALARM;
        if alarm {
            failures.recent.clear();
        }
        alarm
    }
}

impl Failures {
    fn make_good(&mut self, now: Instant) {
        if let Some(at) = self.at {
            let passed = now.saturating_duration_since(at);
            self.owed = (self.owed - passed.div_duration_f64(REFILL)).max(0.0);
        }
        self.at = Some(now);
    }
}

/// Failures that cost nothing.
const BURST: f64 = 200.0;
/// What each further one costs.
const REFILL: Duration = Duration::from_millis(50);
/// One message never waits longer than this.
const LONGEST: Duration = Duration::from_secs(1);
/// As many failures in an hour are told to the administrator.
const ALARM: usize = 100;
const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_failures_beyond_the_burst_cost_their_list_time_and_no_other() {
        let pace = Pace::default();
        let [team, other] = ["team@x.org", "other@x.org"].map(|a| Address::parse(a).unwrap());
        let now = Instant::now();
        for _ in 0..199 {
            pace.failed(&team, now);
            assert_eq!(pace.wait(&team, now), Duration::ZERO);
        }
        pace.failed(&team, now);
        assert_eq!(pace.wait(&team, now), REFILL);
        pace.failed(&team, now);
        assert_eq!(pace.wait(&team, now), REFILL * 2);
        assert_eq!(pace.wait(&other, now), Duration::ZERO);
        assert_eq!(pace.wait(&team, now + REFILL * 2), Duration::ZERO);
    }

    #[test]
    fn s13_hundred_failures_in_an_hour_raise_the_alarm_once() {
        let pace = Pace::default();
        let team = Address::parse("team@x.org").unwrap();
        let now = Instant::now();
        let alarms = |from: Instant, count: u32| {
            let each = (0..count).map(|n| from + Duration::from_secs(u64::from(n)));
            each.filter(|at| pace.failed(&team, *at)).count()
        };
        assert_eq!(alarms(now, 99), 0);
        assert_eq!(
            alarms(now + HOUR * 2, 99),
            0,
            "the first ones are forgotten"
        );
        assert_eq!(alarms(now + HOUR * 2 + Duration::from_secs(99), 1), 1);
        assert_eq!(alarms(now + HOUR * 2 + Duration::from_secs(100), 99), 0);
    }
}
