//! The notices of the last day, kept over restarts.
//!
//! # Place in the flow
//!
//! daemon → **limits** → [`crate::notice::limits::History`], which decides.
//!
//! # Invariants
//!
//! * A notice is noted down durably before it is planned: after a crash it is due again for its own
//!   message alone, so a flood of crashes sends no flood of notices.
//! * The file shows no address: entries are digests.

use std::path::Path;

use time::OffsetDateTime;

use crate::config::Problem;
use crate::model::Address;
use crate::notice::limits::{History, Limit, Past, UNCOUNTED};
use crate::store::journal::Journal;
use crate::store::told::digest;

/// The history of notices of a site.
#[derive(Debug)]
pub struct NoticeLimits {
    journal: Journal,
    history: History,
}

/// Which notice is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The list or site address that speaks.
    pub list: &'a Address,
    /// Who is told.
    pub to: &'a Address,
    /// What: the notice and its reason, as `rejected/not-signed`.
    pub topic: &'a str,
    /// Whether it counts among those that a list may send in an hour.
    pub counted: bool,
    /// What it is sent because of: the spool id, say. The same cause may ask again.
    pub cause: &'a str,
}

impl NoticeLimits {
    /// Opens the history under `paths.state`.
    ///
    /// # Errors
    ///
    /// It is in use by another process, or cannot be read or written.
    pub fn open(state: &Path, now: OffsetDateTime) -> Result<Self, Problem> {
        let mut history = History::default();
        let path = state.join("notices").join("history");
        let (journal, _) = Journal::open(&path, *b"listseal told 1\n", PAYLOAD, |_, payload| {
            if let Some(entry) = read(payload) {
                history.restore(entry);
            }
        })?;
        let mut limits = Self { journal, history };
        if limits.history.forget(now) {
            // As of now, or with each start they would begin anew. Where that cannot be written, the
            // next start sees to it.
            match limits.rewrite() {
                Err(problem) if problem.is_fatal => return Err(problem),
                _ => {}
            }
        }
        limits.tidy()?;
        Ok(limits)
    }

    /// Returns whether the notice is due, after it is noted down on the disk.
    ///
    /// # Errors
    ///
    /// The file system refused; then the notice is not noted down, and may be asked for again.
    pub fn admit(
        &mut self,
        ask: &Ask<'_>,
        now: OffsetDateTime,
    ) -> Result<Result<(), Limit>, Problem> {
        let list = if ask.counted {
            digest(&[ask.list.key()])
        } else {
            UNCOUNTED
        };
        let entry = Past {
            at: now,
            key: digest(&[ask.list.key(), ask.to.key(), ask.topic]),
            list,
            cause: digest(&[ask.cause]),
        };
        match self.history.admit(entry.clone()) {
            Ok(true) => {
                if let Err(problem) = self.journal.append(&[write(&entry)]) {
                    self.history.withdraw();
                    return Err(problem);
                }
                match self.tidy() {
                    Err(problem) if problem.is_fatal => Err(problem),
                    // The file is longer than it has to be, no more.
                    _ => Ok(Ok(())),
                }
            }
            Ok(false) => Ok(Ok(())),
            Err(limit) => Ok(Err(limit)),
        }
    }

    /// Rewrites the file where it holds far more than the last day.
    fn tidy(&mut self) -> Result<(), Problem> {
        let alive = self.history.entries().count() as u64;
        if self.journal.count() < alive.saturating_mul(2).saturating_add(1000) {
            return Ok(());
        }
        self.rewrite()
    }

    fn rewrite(&mut self) -> Result<(), Problem> {
        let payloads: Vec<_> = self.history.entries().map(write).collect();
        self.journal.replace(&payloads)
    }
}

/// Bytes of a record without its checksum: seconds, key, list, cause.
const PAYLOAD: usize = 56;

fn write(entry: &Past) -> Vec<u8> {
    let mut out = entry.at.unix_timestamp().to_be_bytes().to_vec();
    for part in [&entry.key, &entry.list, &entry.cause] {
        out.extend_from_slice(part);
    }
    out
}

fn read(payload: &[u8]) -> Option<Past> {
    let seconds = payload.get(0..8)?.try_into().ok()?;
    let part = |from: usize| -> Option<[u8; 16]> {
        payload.get(from..from.checked_add(16)?)?.try_into().ok()
    };
    Some(Past {
        at: OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(seconds)).ok()?,
        key: part(8)?,
        list: part(24)?,
        cause: part(40)?,
    })
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 10:00 UTC);

    fn ask(limits: &mut NoticeLimits, to: &str, cause: &str, now: OffsetDateTime) -> bool {
        let list = Address::parse("team@example.org").unwrap();
        let to = Address::parse(to).unwrap();
        let ask = Ask {
            list: &list,
            to: &to,
            topic: "rejected/not-signed",
            counted: true,
            cause,
        };
        limits.admit(&ask, now).unwrap().is_ok()
    }

    #[test]
    fn s38_limit_of_a_day_survives_restarts() {
        let state = tempfile::tempdir().unwrap();
        let mut limits = NoticeLimits::open(state.path(), NOW).unwrap();
        assert!(ask(&mut limits, "a@x.org", "1", NOW));
        assert!(!ask(&mut limits, "A@x.org", "2", NOW));
        drop(limits);
        let mut limits = NoticeLimits::open(state.path(), NOW).unwrap();
        assert!(
            ask(&mut limits, "a@x.org", "1", NOW),
            "its own message may ask again"
        );
        assert!(!ask(&mut limits, "a@x.org", "3", NOW));
        assert!(ask(&mut limits, "b@x.org", "3", NOW));
        assert!(ask(&mut limits, "a@x.org", "4", NOW + Duration::DAY));
    }

    #[test]
    fn history_does_not_grow_for_ever_and_shows_no_address() {
        let state = tempfile::tempdir().unwrap();
        let mut limits = NoticeLimits::open(state.path(), NOW).unwrap();
        for n in 0..1500 {
            let now = NOW + Duration::hours(25 * n);
            assert!(ask(&mut limits, "victim@x.org", &n.to_string(), now));
        }
        let bytes = std::fs::read(state.path().join("notices/history")).unwrap();
        assert!(bytes.len() < 1100 * (PAYLOAD + 4), "{}", bytes.len());
        assert!(memchr::memmem::find(&bytes, b"victim").is_none());
    }

    #[test]
    fn e1_notice_that_a_full_disk_did_not_take_is_not_admitted_when_asked_again() {
        let Some(disk) = crate::spool::testing::Disk::of(256) else {
            return;
        };
        let mut limits = NoticeLimits::open(disk.path(), NOW).unwrap();
        disk.fill();
        let team = Address::parse("team@example.org").unwrap();
        let mut admit = |n: u32| {
            let to = Address::parse(&format!("m{n}@x.org")).unwrap();
            let ask = Ask {
                list: &team,
                to: &to,
                topic: "rejected/not-signed",
                counted: true,
                cause: "1",
            };
            limits.admit(&ask, NOW)
        };
        let refused = (0..90).find(|n| admit(*n).is_err()).unwrap();
        assert!(
            admit(refused).is_err(),
            "it would be sent without being counted"
        );
        disk.empty();
        assert_eq!(
            admit(refused).unwrap(),
            Ok(()),
            "and so would the list's next ones"
        );
    }
}
