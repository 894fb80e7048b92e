//! `docs/interop.md`, compared with what ran.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Toolkit, rows};

/// The tables of the page: the cells of one column, by the label of their row, and the complaints
/// that numbers stand for.
struct Page {
    cells: BTreeMap<String, String>,
    complaints: BTreeMap<String, String>,
}

impl Page {
    fn of(column: &str) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/interop.md");
        let text = std::fs::read_to_string(path).unwrap();
        let mut page = Self {
            cells: BTreeMap::new(),
            complaints: BTreeMap::new(),
        };
        let mut at = None;
        for line in text.lines() {
            if let Some(cells) = line.strip_prefix('|') {
                let cells: Vec<&str> = cells
                    .trim_end_matches('|')
                    .split('|')
                    .map(str::trim)
                    .collect();
                if cells[0].starts_with("---") {
                    continue;
                }
                let named = cells.iter().position(|cell| *cell == column);
                if named.is_some() {
                    at = named;
                } else if let Some(at) = at {
                    let known = page.cells.insert(cells[0].to_owned(), cells[at].to_owned());
                    assert_eq!(known, None, "{} stands twice", cells[0]);
                }
            } else {
                at = None;
                let numbered = line.split_once(". `");
                if let Some((number, rest)) = numbered
                    && number.chars().all(|c| c.is_ascii_digit())
                {
                    let (complaint, _) = rest.split_once('`').unwrap();
                    page.complaints
                        .insert(number.to_owned(), complaint.to_owned());
                }
            }
        }
        page
    }

    /// True where the page says what was found; a number stands for a part of the complaint.
    fn says(&self, label: &str, found: &Option<Result<(), String>>) -> bool {
        match (self.cells.get(label).map(String::as_str), found) {
            (Some("yes"), Some(Ok(()))) | (Some("-"), None) => true,
            (Some(cell), Some(Err(text))) => cell
                .strip_prefix("no ")
                .and_then(|number| self.complaints.get(number))
                .is_some_and(|complaint| text.contains(complaint)),
            _ => false,
        }
    }
}

/// Tries every row with `toolkit` and compares with its column of the page.
pub fn assert_is_documented(column: &str, toolkit: &dyn Toolkit) {
    let mut page = Page::of(column);
    let mut wrong = String::new();
    let rows = rows::read().into_iter().chain(rows::written());
    for row in rows {
        let tried = catch_unwind(AssertUnwindSafe(|| (row.try_it)(toolkit)));
        match tried {
            Err(_) => writeln!(wrong, "{}: FAILED, see above", row.label).unwrap(),
            Ok(cell) => {
                let found = cell.map(|result| result.map(drop));
                if !page.says(&row.label, &found) {
                    let said = page.cells.get(&row.label);
                    writeln!(wrong, "{}: {said:?} is written, found {found:?}", row.label).unwrap();
                }
            }
        }
        page.cells.remove(&row.label);
    }
    for label in page.cells.keys() {
        writeln!(wrong, "{label}: written, but never tried").unwrap();
    }
    assert!(
        wrong.is_empty(),
        "docs/interop.md, column {column}:\n{wrong}"
    );
}
