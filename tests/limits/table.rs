//! `docs/limits.md` and the code say the same: each test of the table is there, and each condition is
//! cited where it is kept and where it is proved.

use std::collections::BTreeMap;
use std::path::Path;

/// The text of every Rust file below `directory`, by path.
fn sources(directory: &str) -> BTreeMap<String, String> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    let mut found = BTreeMap::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.insert(path.display().to_string(), text);
        }
    }
    found
}

/// True where a comment or text has this ID, not as the beginning of another.
fn cites(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + id.len()..].chars().next();
        let is_word = |one: Option<char>| one.is_some_and(|one| one.is_ascii_alphanumeric());
        !is_word(before) && !is_word(after)
    })
}

/// What a file says before its inline tests.
fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap()
}

#[derive(Debug)]
struct Row {
    id: String,
    tests: Vec<String>,
}

fn rows(page: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let row = |line: &str| {
        let cells = cells(line);
        let id = cells.get(1)?.clone();
        let is_id = id
            .strip_prefix('E')
            .is_some_and(|n| n.parse::<u8>().is_ok());
        let named = |cell: &String| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        is_id.then(|| Row {
            id,
            tests: named(&cells[5]),
        })
    };
    page.lines().filter_map(row).collect()
}

/// Says what is wrong with the table.
fn faults(
    page: &str,
    src: &BTreeMap<String, String>,
    tests: &BTreeMap<String, String>,
) -> Vec<String> {
    let rows = rows(page);
    let mut faults = Vec::new();
    for number in 1..=25 {
        let id = format!("E{number}");
        let Some(row) = rows.iter().find(|row| row.id == id) else {
            faults.push(format!("{id} has no row"));
            continue;
        };
        let kept = |(path, text): (&String, &String)| {
            !path.contains("tests") && cites(before_tests(text), &id)
        };
        if !src.iter().any(kept) {
            faults.push(format!("{id} is cited at no line of src"));
        }
        let mut proved = false;
        for test in &row.tests {
            let head = format!("fn {test}(");
            let mut files = src
                .values()
                .chain(tests.values())
                .filter(|text| text.contains(&head));
            match files.next() {
                None => faults.push(format!("{id}: there is no test {test}")),
                Some(text) => {
                    let own = test.starts_with(&format!("e{number}_"));
                    let near = text
                        .split(&head)
                        .nth(1)
                        .unwrap()
                        .split("\n    }\n}")
                        .next()
                        .unwrap();
                    proved |= own
                        || cites(near, &id)
                        || (!text.contains("#[cfg(test)]\nmod tests") && cites(text, &id));
                }
            }
        }
        if !proved {
            faults.push(format!("{id} is cited by none of its tests"));
        }
    }
    faults
}

#[test]
fn every_limit_is_cited_where_it_is_kept_and_where_it_is_proved() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md")).unwrap();
    let (src, tests) = (sources("src"), sources("tests"));
    let faults = faults(&page, &src, &tests);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn missing_row_test_and_citation_are_found() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md")).unwrap();
    let (src, tests) = (sources("src"), sources("tests"));
    let found = |page: &str, src, word: &str| {
        let faults = faults(page, src, &tests);
        assert!(
            faults.iter().any(|one| one.contains(word)),
            "{word}: {faults:#?}"
        );
    };
    let gone: String = page
        .lines()
        .filter(|line| !line.starts_with("| E9 |"))
        .collect::<Vec<_>>()
        .join("\n");
    found(&gone, &src, "E9 has no row");
    found(
        &page.replace("e25_scan_is", "e25_scan_was"),
        &src,
        "there is no test e25_scan_was",
    );
    let uncited: BTreeMap<_, _> = src
        .iter()
        .map(|(path, text)| (path.clone(), text.replace("E15", "E99")))
        .collect();
    found(&page, &uncited, "E15 is cited at no line");
    found(
        &page.replace(
            "`e18_confusable_local_parts_stay_different`",
            "`r4_new_file_wakes_at_once`",
        ),
        &src,
        "E18 is cited by none",
    );
}
