//! What is excused, and the count of what is not.

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::{lines, vectors};

/// Valid paths that are refused, and the reason with which.
pub struct Ledger(BTreeMap<String, String>);

impl Ledger {
    /// Returns the entries of one section of `ledger`: lines of name and reason code below
    /// `[section]`, each under a comment that says why.
    pub fn read(section: &str) -> Self {
        let lines = lines::section(include_str!("ledger"), section);
        let entry = |line: &str| {
            let (name, reason) = line.split_once(' ').expect("a name and a reason code");
            (name.to_owned(), reason.trim().to_owned())
        };
        Self(lines.into_iter().map(entry).collect())
    }
}

/// Counts answers and collects those that are wrong.
pub struct Tally {
    ledger: Ledger,
    valid: (usize, usize),
    invalid: (usize, usize),
    /// Those called Invalid and Valid, not dependent on policies asked for.
    named: [(usize, usize); 2],
    wrong: Vec<String>,
    reasons: BTreeMap<String, usize>,
}

impl Tally {
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            valid: (0, 0),
            invalid: (0, 0),
            named: [(0, 0); 2],
            wrong: Vec::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// Counts one answer: the reason of a refusal, none for an acceptance.
    pub fn count(&mut self, name: &str, is_valid: bool, answer: Option<String>) {
        let excused = self.ledger.0.remove(name);
        let (right, all) = if is_valid {
            &mut self.valid
        } else {
            &mut self.invalid
        };
        *all += 1;
        *right += usize::from(is_valid == answer.is_none());
        if name.starts_with("Valid") || name.starts_with("Invalid") {
            let (right, all) = &mut self.named[usize::from(is_valid)];
            *all += 1;
            *right += usize::from(is_valid == answer.is_none());
        }
        let wrong = match (is_valid, &answer, excused) {
            (false, None, _) => "accepted, but is invalid".to_owned(),
            (false, Some(_), Some(_)) => "is invalid, which needs no excuse".to_owned(),
            (true, None, Some(_)) => "accepted: take it out of the ledger".to_owned(),
            (true, Some(reason), Some(known)) if *reason != known => {
                format!("refused with {reason}, but the ledger says {known}")
            }
            (true, Some(reason), None) => format!("refused with {reason}, but is valid"),
            _ => String::new(),
        };
        if !wrong.is_empty() {
            self.wrong.push(format!("{name}: {wrong}"));
        }
        if let Some(reason) = answer.filter(|_| !is_valid) {
            let fitting = vectors::reasons(name);
            if !fitting.contains(&reason.as_str()) {
                self.wrong.push(format!(
                    "{name}: rejected with {reason} instead of {fitting:?}"
                ));
            }
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// Prints the figures; fails where an answer was wrong or there were not as many as expected.
    pub fn finish(self, what: &str, (valid, invalid): (usize, usize)) {
        say(&format!(
            "PKITS, {what}: {} of {} valid accepted, {} of {} invalid rejected",
            self.valid.0, self.valid.1, self.invalid.0, self.invalid.1
        ));
        let reasons: Vec<String> = self
            .reasons
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        say(&format!(
            "    of those whose name says so: {} of {} valid accepted, {} of {} invalid rejected",
            self.named[1].0, self.named[1].1, self.named[0].0, self.named[0].1
        ));
        say(&format!("    rejected with: {}", reasons.join(", ")));
        assert!(
            self.wrong.is_empty(),
            "{}:\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
        assert!(
            self.ledger.0.is_empty(),
            "no such test: {:?}",
            self.ledger.0
        );
        assert_eq!(
            (self.valid.1, self.invalid.1),
            (valid, invalid),
            "vectors are missing"
        );
    }
}

/// Prints a line that the harness does not hold back: the figures are the result of the run.
fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
}
