//! Reads the file `case` of a case.

use std::path::Path;

/// One line of a case that is not indented, with the indented ones below it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Counted from 1.
    pub line: usize,
    /// The first word.
    pub verb: String,
    /// The other words.
    pub words: Vec<String>,
    /// Word and rest of each indented line.
    pub details: Vec<(String, String)>,
}

impl Step {
    /// The word at `index`.
    pub fn word(&self, index: usize) -> Result<&str, String> {
        let word = self.words.get(index).map(String::as_str);
        word.ok_or_else(|| format!("{:?} needs another word", self.verb))
    }

    /// The rest of the first detail that begins with `name`.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details(name).first().copied()
    }

    /// The rests of all details that begin with `name`.
    pub fn details(&self, name: &str) -> Vec<&str> {
        let same = |(word, _): &&(String, String)| word == name;
        let fitting = self.details.iter().filter(same);
        fitting.map(|(_, rest)| rest.as_str()).collect()
    }

    /// Fails on a detail that is not among `known`, so that no typing mistake passes as checked.
    pub fn knows(&self, known: &[&str]) -> Result<(), String> {
        for (word, _) in &self.details {
            if !known.contains(&word.as_str()) {
                return Err(format!("{:?} has no detail {word:?}", self.verb));
            }
        }
        Ok(())
    }

    /// The line as written.
    pub fn text(&self) -> String {
        let words = self.words.join(" ");
        format!("line {}: {} {words}", self.line, self.verb)
    }
}

/// The steps of a case.
pub fn read(file: &Path) -> Result<Vec<Step>, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut steps: Vec<Step> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (word, rest) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
        if line.starts_with([' ', '\t']) {
            let step = steps
                .last_mut()
                .ok_or_else(|| format!("line {}: is indented below nothing", index + 1))?;
            step.details.push((word.to_owned(), rest.trim().to_owned()));
        } else {
            steps.push(Step {
                line: index + 1,
                verb: word.to_owned(),
                words: rest.split_whitespace().map(str::to_owned).collect(),
                details: Vec::new(),
            });
        }
    }
    if steps.is_empty() {
        return Err(format!("{} has no step", file.display()));
    }
    Ok(steps)
}
