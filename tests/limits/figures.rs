//! What was measured, in one line; with `LISTSEAL_FIGURES=docs/reliability.md` in a row there.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Mutex;

/// The figures of one measurement.
pub struct Row {
    name: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Row {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            values: Vec::new(),
        }
    }

    pub fn put(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }

    /// Prints it past the capture of the harness, and keeps it where `LISTSEAL_FIGURES` says.
    pub fn tell(self, command: &str) {
        let values: Vec<_> = self
            .values
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        let line = format!("{}: {}\n", self.name, values.join("; "));
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        if let Some(page) = std::env::var_os("LISTSEAL_FIGURES") {
            let profile = if cfg!(debug_assertions) {
                "unoptimised"
            } else {
                "release"
            };
            let row = format!(
                "| {} | {} | {profile} | `{command}` |",
                self.name,
                values.join("; ")
            );
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            keep(&root.join(page), self.name, row);
        }
    }
}

/// Puts a row into the section of the page; the rest stays.
fn keep(page: &Path, name: &str, row: String) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let old = std::fs::read_to_string(page).unwrap();
    let (before, section, after) = cut(&old);
    let mut rows: BTreeMap<String, String> = section
        .lines()
        .filter(|line| {
            line.starts_with("| ") && !line.starts_with("| ---") && !line.starts_with("| What")
        })
        .map(|line| {
            (
                line.split('|').nth(1).unwrap().trim().to_owned(),
                line.to_owned(),
            )
        })
        .collect();
    rows.insert(name.to_owned(), row);
    let rows: Vec<_> = rows.into_values().collect();
    let text = format!(
        "{}\n\n{HEAD}{}\n{after}",
        before.trim_end(),
        rows.join("\n")
    );
    std::fs::write(page, text).unwrap();
}

/// What stands before, in and behind the section.
fn cut(page: &str) -> (&str, &str, &str) {
    let Some((before, rest)) = page.split_once(TITLE) else {
        return (page, "", "");
    };
    let end = rest.find("\n## ").unwrap_or(rest.len());
    (before, &rest[..end], &rest[end..])
}

/// How many of something: what the environment says, or `usual`.
pub fn count(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

const TITLE: &str = "## Limits\n";
const HEAD: &str = "## Limits

What the program takes near its limits, by `tests/limits`; each row is the last run of its command with
`LISTSEAL_FIGURES=docs/reliability.md` in front. `docs/limits.md` has the limits and what proves each.

| What | Figures | Program | Command |
| --- | --- | --- | --- |
";
