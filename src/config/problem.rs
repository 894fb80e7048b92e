//! One thing that is wrong, where it is and how to mend it.
//!
//! # Invariants
//!
//! * Every problem has a remedy that can be carried out as written.
//! * [`Problem::is_fatal`] is set where an fsync failed and nowhere else.
//! * No problem ever quotes a passphrase or key material.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::Address;

/// Whether something works at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What the problem names does not work.
    Error,
    /// It works, but hardly as intended.
    Warning,
}

/// One problem of the configuration or of a file it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The file or directory concerned.
    pub file: PathBuf,
    /// Line in it, counted from 1, where one can be named.
    pub line: Option<usize>,
    /// The list concerned, where it is one list's trouble.
    pub list: Option<Box<Address>>,
    /// What is wrong; names the key where there is one.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
    /// An fsync failed: the process must stop without promising more (contract R7).
    pub is_fatal: bool,
}

impl Problem {
    /// Returns an error about `file` as a whole.
    #[must_use]
    pub fn error(
        file: impl AsRef<Path>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            file: file.as_ref().to_owned(),
            line: None,
            list: None,
            problem: problem.into(),
            remedy: remedy.into(),
            is_fatal: false,
        }
    }

    /// Returns the problem as one after which the process must stop (contract R7).
    #[must_use]
    pub fn fatal(self) -> Self {
        Self {
            is_fatal: true,
            ..self
        }
    }

    /// Returns a warning about `file` as a whole.
    #[must_use]
    pub fn warning(
        file: impl AsRef<Path>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(file, problem, remedy)
        }
    }

    /// Returns the problem with a line number.
    #[must_use]
    pub fn at(self, line: usize) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }

    /// Returns the problem as one of `list`.
    #[must_use]
    pub fn of(self, list: &Address) -> Self {
        Self {
            list: Some(Box::new(list.clone())),
            ..self
        }
    }

    /// True when it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Returns `FILE:LINE: problem - remedy`, without the severity.
    #[must_use]
    pub fn text(&self) -> String {
        let line = self.line.map(|n| format!(":{n}")).unwrap_or_default();
        format!(
            "{}{line}: {} - {}",
            self.file.display(),
            self.problem,
            self.remedy
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity} {}", self.text())
    }
}

impl std::error::Error for Problem {}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Problem", 6)?;
        out.serialize_field("level", &self.severity)?;
        out.serialize_field("file", &self.file.display().to_string())?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("list", &self.list)?;
        out.serialize_field("problem", &self.problem)?;
        out.serialize_field("remedy", &self.remedy)?;
        out.end()
    }
}

/// Everything that is wrong, at least one error among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Returns `value` where `found` holds no error, else everything found.
    ///
    /// # Errors
    ///
    /// At least one of `found` is an error.
    pub fn unless_errors<T>(value: T, found: Vec<Problem>) -> Result<T, Self> {
        if found.iter().any(Problem::is_error) {
            Err(Self(found))
        } else {
            Ok(value)
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
