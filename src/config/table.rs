//! TOML read by typed readers that remember where everything stood.
//!
//! A reader takes its key out of the table; what is left at the end is unknown. So one pass over a
//! document finds every mistake in it, and the keys that were asked for are the keys that exist.
//!
//! # Invariants
//!
//! * No reader stops at a mistake; it notes a [`super::Problem`] and answers `None`.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::Findings;
use super::suggest::nearest;
use crate::model::Address;

/// A value that could be read, and its line.
#[derive(Clone, Debug)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// One table of the document, emptied by its readers.
pub(super) struct Table<'t> {
    /// Dotted name with a final dot, or nothing for the document itself.
    prefix: String,
    entries: DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'t> Table<'t> {
    pub(super) fn new(prefix: String, entries: DeTable<'t>) -> Self {
        Self {
            prefix,
            entries,
            known: Vec::new(),
        }
    }

    /// Takes a value, whatever its type.
    fn take(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
    ) -> Option<Found<Spanned<DeValue<'t>>>> {
        self.known.push(key);
        findings.ask(format!("{}{key}", self.prefix));
        let (name, value) = self.entries.remove_entry(key)?;
        let line = findings.line(&name.span());
        (!findings.is_broken(line)).then_some(Found { value, line })
    }

    /// Notes that `key`, which exists elsewhere, stands in the wrong place.
    pub(super) fn misplaced(
        &mut self,
        key: &'static str,
        remedy: &str,
        findings: &mut Findings<'_>,
    ) {
        if let Some((name, _)) = self.entries.remove_entry(key) {
            let line = findings.line(&name.span());
            findings.error(
                line,
                format!("{}{key} does not belong here", self.prefix),
                remedy,
            );
        }
    }

    /// Takes a table; an absent one is an empty one, so that its keys are known all the same.
    pub(super) fn table(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Table<'t> {
        let prefix = format!("{}{key}.", self.prefix);
        let entries = match self.take(key, findings) {
            None => DeTable::new(),
            Some(Found { value, line }) => match value.into_inner() {
                DeValue::Table(entries) => entries,
                other => {
                    let example = format!("a section: [{}{key}]", self.prefix);
                    self.wrong(key, &other, &example, line, findings);
                    DeTable::new()
                }
            },
        };
        findings.known.remove(&format!("{}{key}", self.prefix));
        Table::new(prefix, entries)
    }

    /// Takes a text; `example` is what the remedy shows.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        example: &str,
        findings: &mut Findings<'_>,
    ) -> Option<Found<String>> {
        let Found { value, line } = self.take(key, findings)?;
        match value.into_inner() {
            DeValue::String(text) => Some(Found {
                value: text.into_owned(),
                line,
            }),
            other => {
                let example = format!("a text in quotes: {key} = {example}");
                self.wrong(key, &other, &example, line, findings);
                None
            }
        }
    }

    /// Takes a text that `parse` understands; its error is the part of a sentence after the key.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        example: &str,
        findings: &mut Findings<'_>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Found<T>> {
        let Found { value, line } = self.text(key, example, findings)?;
        match parse(&value) {
            Ok(value) => Some(Found { value, line }),
            Err(e) => {
                let problem = format!("{}{key}: {value:?} {e}", self.prefix);
                findings.error(
                    line,
                    problem,
                    format!("write for example {key} = {example}"),
                );
                None
            }
        }
    }

    /// Takes one of the words in `choices`.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        findings: &mut Findings<'_>,
    ) -> Option<Found<T>> {
        let example = choices.first().map_or("", |(name, _)| name);
        let found = self.text(key, &format!("{example:?}"), findings)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == found.value) {
            return Some(Found {
                value: *value,
                line: found.line,
            });
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let problem = format!("{}{key}: {:?} is unknown", self.prefix, found.value);
        findings.error(found.line, problem, one_of(&found.value, &names));
        None
    }

    /// Takes `true` or `false`.
    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
    ) -> Option<bool> {
        let Found { value, line } = self.take(key, findings)?;
        match value.into_inner() {
            DeValue::Boolean(value) => Some(value),
            other => {
                let example = format!("true or false, without quotes: {key} = true");
                self.wrong(key, &other, &example, line, findings);
                None
            }
        }
    }

    /// Takes a whole number within `range`.
    pub(super) fn integer(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
        findings: &mut Findings<'_>,
    ) -> Option<u64> {
        let Found { value, line } = self.take(key, findings)?;
        let example = format!(
            "a whole number from {} to {}: {key} = {}",
            range.start(),
            range.end(),
            range.start()
        );
        match value.into_inner() {
            DeValue::Integer(digits) => {
                let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok();
                let fitting = number.filter(|n| range.contains(n));
                if fitting.is_none() {
                    let problem = format!("{}{key}: {digits} is out of range", self.prefix);
                    findings.error(line, problem, format!("write {example}"));
                }
                fitting
            }
            other => {
                self.wrong(key, &other, &example, line, findings);
                None
            }
        }
    }

    /// Takes a size in bytes within `range`: `"50 MiB"` or a plain number of bytes.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
        findings: &mut Findings<'_>,
    ) -> Option<u64> {
        use super::units::{show_size, size};
        let Found { value, line } = self.take(key, findings)?;
        let example = format!("a size: {key} = \"50 MiB\"");
        let bytes = match value.into_inner() {
            DeValue::String(text) => size(&text).map_err(|e| format!("{text:?} {e}")),
            DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix())
                .map_err(|_| format!("{digits} is out of range")),
            other => {
                self.wrong(key, &other, &example, line, findings);
                return None;
            }
        };
        let bytes = bytes.and_then(|bytes| {
            let (low, high) = (show_size(*range.start()), show_size(*range.end()));
            let fits = range.contains(&bytes);
            fits.then_some(bytes)
                .ok_or_else(|| format!("{} is not between {low} and {high}", show_size(bytes)))
        });
        bytes
            .map_err(|e| {
                let problem = format!("{}{key}: {e}", self.prefix);
                findings.error(line, problem, format!("write {example}"));
            })
            .ok()
    }

    /// Takes a path, made absolute from the directory of the file.
    pub(super) fn path(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
    ) -> Option<PathBuf> {
        let base = findings.file.parent().unwrap_or(Path::new("/")).to_owned();
        self.parsed(key, "\"/path\"", findings, |text| {
            if text.is_empty() || text.contains('\0') {
                Err("is no path")
            } else {
                Ok(base.join(text))
            }
        })
        .map(|found| found.value)
    }

    /// Takes an array of texts that `parse` understands; bad ones are noted and left out.
    pub(super) fn texts<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        example: &str,
        findings: &mut Findings<'_>,
        mut parse: impl FnMut(&str) -> Result<T, E>,
    ) -> Option<Found<Vec<T>>> {
        let Found { value, line } = self.take(key, findings)?;
        let form = format!("a list of texts: {key} = [{example}]");
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value.get_ref(), &form, line, findings);
            return None;
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items.iter() {
            let line = findings.line(&item.span());
            if findings.is_broken(line) {
                continue;
            }
            let DeValue::String(text) = item.get_ref() else {
                self.wrong(key, item.get_ref(), &form, line, findings);
                continue;
            };
            match parse(text) {
                Ok(value) => out.push(value),
                Err(e) => {
                    let problem = format!("{}{key}: {text:?} {e}", self.prefix);
                    findings.error(line, problem, format!("write {form}"));
                }
            }
        }
        Some(Found { value: out, line })
    }

    /// Takes an array of addresses.
    pub(super) fn addresses(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
    ) -> Option<Found<Vec<Address>>> {
        self.texts(key, "\"olga@example.org\"", findings, Address::parse)
    }

    /// Notes everything that no reader asked for.
    pub(super) fn finish(self, findings: &mut Findings<'_>) {
        for (name, _) in self.entries {
            let line = findings.line(&name.span());
            if findings.is_broken(line) {
                continue;
            }
            let key = name.get_ref();
            let problem = format!("{}{key}: unknown key", self.prefix);
            let remedy = one_of(key, &self.known);
            findings.error(line, problem, remedy);
        }
    }

    fn wrong(
        &self,
        key: &str,
        value: &DeValue<'_>,
        expected: &str,
        line: usize,
        findings: &mut Findings<'_>,
    ) {
        let kind = match value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "a true/false value",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a section",
        };
        let problem = format!("{}{key} is {kind}", self.prefix);
        findings.error(line, problem, format!("write {expected}"));
    }
}

fn one_of(typed: &str, known: &[&'static str]) -> String {
    match nearest(typed, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
