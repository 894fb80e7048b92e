//! What came back from a member: which failures count, and when he is suspended.
//!
//! # Place in the flow
//!
//! A delivery status notification or a refusal that the courier met → **[`Record::failure`]** → the
//! store; expand leaves out who is suspended.
//!
//! # Invariants
//!
//! * What counts are days of posts, not reports: however often and however late a failure is
//!   reported, its post was sent on one day. A post counts once at most, a replayed report never, and
//!   a record has at most as many days as the period.
//! * Entering the same failure again changes nothing, so that it may be repeated after a crash.
//!
//! # See also
//!
//! RFC 3463 for status codes; Sympa's bounce score and Mailman's weights of hard and soft bounces.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Address;
use crate::model::text::one_line;

/// A status code (RFC 3463), as `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about: 1 addresses, 2 mailboxes, 7 policy.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl Status {
    /// Reads a status code at the beginning of `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| c != '.' && !c.is_ascii_digit())
            .unwrap_or(text.len());
        let mut parts = text.get(..end)?.split('.');
        let mut part = |most: usize| -> Option<u16> {
            let digits = parts.next().filter(|one| (1..=most).contains(&one.len()))?;
            digits.parse().ok()
        };
        let (class, subject, detail) = (part(1)?, part(3)?, part(3)?);
        let known = matches!(class, 2 | 4 | 5) && parts.next().is_none();
        known.then_some(Self {
            class: u8::try_from(class).ok()?,
            subject,
            detail,
        })
    }

    /// Reads the status in what an SMTP server said, `550 5.1.1 no such user`; where it says none,
    /// that of its reply code.
    #[must_use]
    pub fn of_reply(text: &str) -> Option<Self> {
        // What `sendmail` printed stands behind its exit code; EX_NOUSER and EX_NOHOST say enough.
        if let Some(exit) = text.strip_prefix("exit ") {
            let (code, said) = exit.split_once(": ").unwrap_or((exit, ""));
            let own = match code.trim() {
                "67" => Self::parse("5.1.1"),
                "68" => Self::parse("5.1.2"),
                _ => None,
            };
            return Self::of_reply(said).or(own);
        }
        let (code, rest) = text.trim_start().split_at_checked(3)?;
        let class = code.chars().next().and_then(|c| c.to_digit(10))?;
        let is_code = code.bytes().all(|b| b.is_ascii_digit()) && matches!(class, 4 | 5);
        let enhanced = Self::parse(rest.trim_start_matches([' ', '-', '#']));
        let plain = Self {
            class: u8::try_from(class).ok()?,
            subject: 0,
            detail: 0,
        };
        let fitting = enhanced.filter(|one| one.class == plain.class);
        is_code.then(|| fitting.unwrap_or(plain))
    }
}

impl Status {
    /// Packs it into a number other than 0, for [`Self::from_number`].
    #[must_use]
    pub fn to_number(self) -> u64 {
        u64::from(self.class) << 32 | u64::from(self.subject) << 16 | u64::from(self.detail)
    }

    /// Unpacks it; `None` where there is none in it.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        let class = u8::try_from(number >> 32).ok().filter(|class| *class > 0)?;
        let part = |shift: u32| u16::try_from(number >> shift & 0xffff).ok();
        Some(Self {
            class,
            subject: part(16)?,
            detail: part(0)?,
        })
    }

    /// True for a bare reply code, which says nothing more.
    #[must_use]
    pub fn is_plain(self) -> bool {
        (self.subject, self.detail) == (0, 0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// What a failure counts for, in halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worth {
    /// It says nothing of the member: shown, not counted.
    Nothing,
    /// It may pass, or is about the message: half a bounce.
    Soft,
    /// The mailbox is not there: a whole bounce.
    Hard,
}

impl Worth {
    /// Returns what a failure with this status counts for.
    ///
    /// A whole one is only what names the address, the mailbox or the way there as its cause (RFC 3463
    /// section 3).
    /// A temporary failure that lasted until the mail was given up is soft, and so is whatever the
    /// message may have brought about, its size, its content, somebody's policy, a full mailbox: who
    /// posts must not be able to have readers suspended.
    #[must_use]
    pub fn of(status: Option<Status>) -> Self {
        match status.map(|one| (one.class, one.subject, one.detail)) {
            Some((5, 1 | 4, _) | (5, 2, 0 | 1 | 4) | (5, 3, 0)) => Self::Hard,
            Some((4 | 5, ..)) | None => Self::Soft,
            Some(_) => Self::Nothing,
        }
    }

    fn halves(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Soft => 1,
            Self::Hard => 2,
        }
    }
}

/// When a member is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BounceRule {
    /// After failures of posts of so many days; 0: never.
    pub count: u32,
    /// Within this time.
    pub period: Duration,
}

impl Default for BounceRule {
    fn default() -> Self {
        Self {
            count: 5,
            period: Duration::from_secs(30 * 86_400),
        }
    }
}

/// A failure that is known to be one.
#[derive(Clone, Debug)]
pub struct Failure<'a> {
    /// When the post was taken in, microseconds since 1970.
    pub post: u64,
    /// Name of what tells of it: suspending for the same cause twice is suspending once.
    pub cause: &'a str,
    /// Now, microseconds since 1970.
    pub at: u64,
    /// What it counts for.
    pub worth: Worth,
    /// The status, or a reason.
    pub status: &'a str,
    /// What the mail server said.
    pub text: &'a str,
}

/// What came back from one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The member.
    pub address: Address,
    /// Days since 1970 on which posts were sent that failed, with the most that one counts for.
    #[serde(default)]
    pub days: BTreeMap<u64, Worth>,
    /// Failures that were told; several may be about one post.
    #[serde(default)]
    pub failures: u64,
    /// When the first of them was told, microseconds since 1970.
    #[serde(default)]
    pub first: u64,
    /// The last thing that was told of this member.
    #[serde(default)]
    pub last: Option<Told>,
    /// Reports of delay.
    #[serde(default)]
    pub delayed: u64,
    /// Reports of failure that nothing proves: anybody can write them.
    #[serde(default)]
    pub unproven: u64,
    /// Mails that are no report: answers of machines, formats nobody reads.
    #[serde(default)]
    pub not_understood: u64,
    /// Failures of posts taken in before this are forgiven, microseconds since 1970.
    #[serde(default)]
    pub forgiven: u64,
    /// Since when nothing is sent, and why.
    #[serde(default)]
    pub suspended: Option<Suspension>,
}

/// What a report said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When, microseconds since 1970.
    pub at: u64,
    /// The status, or a reason.
    pub status: String,
    /// What the mail server said, fit to be shown.
    pub text: String,
}

/// A member gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Since when, microseconds since 1970.
    pub at: u64,
    /// Name of what told of the last failure.
    pub cause: String,
    /// On how many days posts had failed.
    pub days: u32,
    /// The status of the last failure, or a reason.
    pub status: String,
    /// What the mail server said, fit to be shown.
    pub text: String,
}

impl Record {
    /// Returns the record of a member of whom nothing came back.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            days: BTreeMap::new(),
            failures: 0,
            first: 0,
            last: None,
            delayed: 0,
            unproven: 0,
            not_understood: 0,
            forgiven: 0,
            suspended: None,
        }
    }

    /// Enters a failure; true where the member is suspended because of it.
    pub fn failure(&mut self, failure: &Failure<'_>, rule: BounceRule) -> bool {
        let today = day(failure.at);
        // A clock that went back makes no day of tomorrow.
        let sent = day(failure.post).min(today);
        self.forget(failure.at, rule);
        if failure.post <= self.forgiven || sent < first_day(failure.at, rule) {
            return self.is_suspended_by(failure.cause);
        }
        self.told(failure.at, failure.status, failure.text);
        self.failures = self.failures.saturating_add(1);
        if self.first == 0 {
            self.first = failure.at;
        }
        if failure.worth != Worth::Nothing {
            let worth = self.days.entry(sent).or_insert(failure.worth);
            *worth = failure.worth.max(*worth);
        }
        let reached = rule.count > 0 && self.halves() >= rule.count.saturating_mul(2);
        if reached && self.suspended.is_none() {
            self.suspended = Some(Suspension {
                at: failure.at,
                cause: failure.cause.to_owned(),
                days: u32::try_from(self.days.len()).unwrap_or(u32::MAX),
                status: one_line(failure.status, MAX_STATUS),
                text: one_line(failure.text, MAX_TEXT),
            });
        }
        self.is_suspended_by(failure.cause)
    }

    /// Notes what a report said that does not count.
    pub fn told(&mut self, at: u64, status: &str, text: &str) {
        self.last = Some(Told {
            at,
            status: one_line(status, MAX_STATUS),
            text: one_line(text, MAX_TEXT),
        });
    }

    /// Returns how much counts now: whole days and a half.
    #[must_use]
    pub fn score(&self, now: u64, rule: BounceRule) -> f64 {
        let first = first_day(now, rule);
        let counted = self.days.range(first..).map(|(_, worth)| worth.halves());
        f64::from(counted.sum::<u32>()) / 2.0
    }

    /// Forgives what was sent until `now`; a suspension stays.
    pub fn forgive(&mut self, now: u64) {
        self.days.clear();
        self.forgiven = now;
    }

    /// Lifts a suspension, and forgives what led to it.
    pub fn resume(&mut self, now: u64) {
        self.suspended = None;
        self.forgive(now);
    }

    fn forget(&mut self, now: u64, rule: BounceRule) {
        self.days = self.days.split_off(&first_day(now, rule));
    }

    fn halves(&self) -> u32 {
        self.days.values().map(|worth| worth.halves()).sum()
    }

    fn is_suspended_by(&self, cause: &str) -> bool {
        self.suspended.as_ref().is_some_and(|s| s.cause == cause)
    }
}

/// The day of an instant, counted from 1970.
fn day(micros: u64) -> u64 {
    micros / DAY
}

/// The first day that counts.
fn first_day(now: u64, rule: BounceRule) -> u64 {
    let days = rule.period.as_secs().div_ceil(86_400).max(1);
    (day(now).saturating_add(1)).saturating_sub(days)
}

/// In microseconds.
const DAY: u64 = 86_400 * 1_000_000;
/// Bytes of a status or reason.
const MAX_STATUS: usize = 40;
/// Bytes of what a mail server said.
const MAX_TEXT: usize = 200;
/// The field of a copy that names it: which post, to whom, and that the list sent it.
pub const COPY_FIELD: &str = "X-Listseal-Copy";

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: BounceRule = BounceRule {
        count: 3,
        period: Duration::from_secs(10 * 86_400),
    };

    fn record() -> Record {
        Record::new(Address::parse("bob@x.org").unwrap())
    }

    /// A failure of a post of `sent` that is told on `told`, both days.
    fn fail(record: &mut Record, sent: u64, told: u64, worth: Worth, cause: &str) -> bool {
        let failure = Failure {
            post: sent * DAY + 5,
            cause,
            at: told * DAY + 9,
            worth,
            status: "5.1.1",
            text: "no such\r\nuser",
        };
        record.failure(&failure, RULE)
    }

    #[test]
    fn three_days_of_hard_failures_suspend_and_three_on_one_day_do_not() {
        let mut one = record();
        for n in 0..50 {
            assert!(!fail(&mut one, 100, 100, Worth::Hard, &n.to_string()));
        }
        assert!(!fail(&mut one, 101, 101, Worth::Hard, "b"));
        assert!(fail(&mut one, 102, 102, Worth::Hard, "c"));
        let suspended = one.suspended.clone().unwrap();
        assert_eq!((suspended.days, suspended.at), (3, 102 * DAY + 9));
        assert!(
            !fail(&mut one, 103, 103, Worth::Hard, "d"),
            "it is suspended already"
        );
        assert!(
            fail(&mut one, 102, 102, Worth::Hard, "c"),
            "the same cause again"
        );
        assert_eq!(one.suspended, Some(suspended));
        assert_eq!(one.last.unwrap().text, "no such user");
    }

    #[test]
    fn soft_failures_count_half_and_a_hard_one_of_the_same_day_takes_their_place() {
        let mut one = record();
        for n in 100..105 {
            assert!(!fail(&mut one, n, n, Worth::Soft, "x"));
        }
        assert!((one.score(104 * DAY, RULE) - 2.5).abs() < 0.01);
        assert!(!fail(&mut one, 104, 104, Worth::Nothing, "y"));
        assert!(fail(&mut one, 104, 104, Worth::Hard, "z"));
    }

    #[test]
    fn failures_leave_the_period_and_reports_that_come_too_late_do_not_count() {
        let mut one = record();
        assert!(!fail(&mut one, 100, 100, Worth::Hard, "a"));
        assert!(!fail(&mut one, 101, 101, Worth::Hard, "b"));
        assert!(!fail(&mut one, 110, 110, Worth::Hard, "c"), "100 is over");
        assert_eq!(one.days.len(), 2);
        assert!(!fail(&mut one, 100, 110, Worth::Hard, "d"));
        assert_eq!((one.days.len(), one.failures), (2, 3));
        assert!(one.score(111 * DAY, RULE) < 1.1, "and 101 the next day");
    }

    #[test]
    fn what_was_forgiven_does_not_count_when_it_is_told_again() {
        let mut one = record();
        for n in 100..103 {
            fail(&mut one, n, n, Worth::Hard, "a");
        }
        assert!(one.suspended.is_some());
        one.resume(102 * DAY + 50);
        for n in 100..103 {
            assert!(!fail(&mut one, n, 103, Worth::Hard, "a"));
        }
        assert!(one.days.is_empty() && one.suspended.is_none());
        for n in 103..106 {
            fail(&mut one, n, n, Worth::Hard, "b");
        }
        one.forgive(106 * DAY);
        assert!(one.suspended.is_some(), "a suspension is lifted by people");
    }

    #[test]
    fn zero_never_suspends_and_posts_of_the_future_are_of_today() {
        let mut one = record();
        let rule = BounceRule { count: 0, ..RULE };
        for n in 0..9 {
            let failure = Failure {
                post: (100 + n) * DAY,
                cause: "a",
                at: (100 + n) * DAY,
                worth: Worth::Hard,
                status: "",
                text: "",
            };
            assert!(!one.failure(&failure, rule));
        }
        let mut one = record();
        for n in 0..9 {
            assert!(!fail(&mut one, 200 + n, 100, Worth::Hard, "a"));
        }
        assert_eq!(one.days.len(), 1);
    }

    #[test]
    fn status_codes_are_read_strictly_and_weighed() {
        for (text, worth) in [
            ("5.1.1", Worth::Hard),
            ("5.0.0 (unknown)", Worth::Soft),
            ("5.3.0", Worth::Hard),
            ("5.5.0", Worth::Soft),
            ("5.2.1", Worth::Hard),
            ("5.4.4", Worth::Hard),
            ("5.2.2", Worth::Soft),
            ("5.7.26", Worth::Soft),
            ("5.6.0", Worth::Soft),
            ("5.3.4", Worth::Soft),
            ("4.4.1", Worth::Soft),
            ("2.0.0", Worth::Nothing),
        ] {
            let status = Status::parse(text);
            assert!(status.is_some(), "{text}");
            assert_eq!(Worth::of(status), worth, "{text}");
        }
        for bad in [
            "", "5", "5.1", "5.1.1.1", "3.1.1", "55.1.1", "5..1", "5.1.1000", "x",
        ] {
            assert_eq!(Status::parse(bad), None, "{bad}");
        }
        assert_eq!(Status::parse("5.1.10").unwrap().to_string(), "5.1.10");
        for (said, status) in [
            ("550 5.2.2 full", Some("5.2.2")),
            ("550 no such user", Some("5.0.0")),
            ("exit 67", Some("5.1.1")),
            ("exit 67: 550 5.2.2 full", Some("5.2.2")),
            ("exit 69: gone fishing", None),
            ("exit exit 67", None),
        ] {
            let read = Status::of_reply(said).map(|one| one.to_string());
            assert_eq!(read.as_deref(), status, "{said}");
            let read = Status::of_reply(said);
            let back = read.and_then(|one| Status::from_number(one.to_number()));
            assert_eq!(back, read, "{said}");
        }
        assert_eq!(Worth::of(None), Worth::Soft);
    }
}
