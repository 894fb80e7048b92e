//! Reading one configuration file: its text, its lines, what is wrong in it.
//!
//! # Invariants
//!
//! * A line that is no TOML is reported once, not again for what could not be read because of it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use toml::de::DeTable;
use zeroize::Zeroizing;

use super::table::Table;
use super::{Problem, Problems};

/// Reads a text file that people edit.
///
/// # Errors
///
/// It is missing, no regular file, unreadable or not UTF-8.
pub fn read_text(file: &Path) -> Result<Zeroizing<String>, Problem> {
    let metadata = std::fs::metadata(file).map_err(|e| unreadable(file, &e))?;
    if !metadata.is_file() {
        // A FIFO would block for ever.
        return Err(Problem::error(
            file,
            "is not a regular file",
            "put a text file in its place",
        ));
    }
    if let Some(problem) = foreign_link(file, &metadata) {
        return Err(problem);
    }
    let bytes = Zeroizing::new(std::fs::read(file).map_err(|e| unreadable(file, &e))?);
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(e) => {
            let before = bytes.get(..e.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|b| **b == b'\n').count();
            Err(
                Problem::error(file, "is not UTF-8 text", "save it as UTF-8")
                    .at(line.saturating_add(1)),
            )
        }
    }
}

/// A link may lead anywhere where root or our own user laid it. Somebody else's must not make us read,
/// and quote in a notice, what he may not read himself (contract E5).
fn foreign_link(file: &Path, target: &std::fs::Metadata) -> Option<Problem> {
    let link = std::fs::symlink_metadata(file).ok()?;
    let ours = rustix::process::geteuid().as_raw();
    let is_foreign = link.is_symlink() && ![0, ours, target.uid()].contains(&link.uid());
    is_foreign.then(|| {
        Problem::error(
            file,
            format!(
                "is a link that user {} laid to a file of another",
                link.uid()
            ),
            "put the file itself in its place",
        )
    })
}

fn unreadable(file: &Path, e: &std::io::Error) -> Problem {
    let quoted = super::permission::quoted(file);
    match e.kind() {
        std::io::ErrorKind::NotFound => {
            Problem::error(file, "does not exist", "create it, or correct the path")
        }
        std::io::ErrorKind::PermissionDenied => Problem::error(
            file,
            "may not be read by this user",
            format!("chmod u+r {quoted}, and chown it to the user of listseal"),
        ),
        _ => Problem::error(file, format!("cannot be read: {e}"), "mend the file system"),
    }
}

/// What reading one file brings to light.
pub(super) struct Findings<'f> {
    pub(super) file: &'f Path,
    newlines: Vec<usize>,
    /// Lines with a syntax error, and so with nothing to be trusted.
    broken: BTreeSet<usize>,
    problems: Vec<Problem>,
    /// Dotted names of all keys asked for.
    pub(super) known: BTreeSet<String>,
}

impl<'f> Findings<'f> {
    /// Parses `text` as the content of `file`.
    pub(super) fn parse<'t>(file: &'f Path, text: &'t str) -> (Self, Table<'t>) {
        let newlines = text.match_indices('\n').map(|(at, _)| at).collect();
        let mut findings = Self {
            file,
            newlines,
            broken: BTreeSet::new(),
            problems: Vec::new(),
            known: BTreeSet::new(),
        };
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = findings.line(&error.span().unwrap_or_default());
            // One slip often makes the parser stumble several times on its line.
            if findings.broken.insert(line) {
                let remedy = if error.message().contains("duplicate") {
                    "it stands there twice: delete one of the two, or join the sections"
                } else {
                    "correct the line: key = \"text\", key = 5, key = true or [section]"
                };
                findings.error(line, format!("is no TOML: {}", error.message()), remedy);
            }
        }
        (findings, Table::new(String::new(), document.into_inner()))
    }

    pub(super) fn error(
        &mut self,
        line: usize,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems
            .push(Problem::error(self.file, problem, remedy).at(line));
    }

    /// Notes that `key` (dotted) exists.
    pub(super) fn ask(&mut self, key: String) {
        self.known.insert(key);
    }

    /// True for a line with a syntax error.
    pub(super) fn is_broken(&self, line: usize) -> bool {
        self.broken.contains(&line)
    }

    /// Returns the names of all keys that were asked for.
    pub(super) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }

    /// Returns `value` if nothing is wrong.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Problems> {
        self.problems.sort_by_key(|problem| problem.line);
        Problems::unless_errors(value, self.problems)
    }

    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.newlines
            .partition_point(|newline| *newline < span.start)
            .saturating_add(1)
    }
}
