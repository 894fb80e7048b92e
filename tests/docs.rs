//! What the documents name is there: commands, files, chapters.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const DOCUMENTS: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "docs",
    "etc",
    "spool/README.md",
    "templates",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut all: Vec<PathBuf> = std::fs::read_dir(path)
        .unwrap_or_else(|why| panic!("{}: {why}", path.display()))
        .flat_map(|entry| files(&entry.unwrap().path()))
        .collect();
    all.sort();
    all
}

/// Returns the subcommands that a text names: `listseal` at the start of a line or behind a
/// backtick, quote, pipe or path, then lower-case words.
fn commands(text: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        for (at, name) in line.match_indices("listseal ") {
            let before = line[..at].trim_end_matches("/usr/bin/");
            let before = before.trim_start().trim_start_matches("# ");
            if !(before.is_empty() || before.ends_with(['`', '"', '|', '/', '=', '$'])) {
                continue;
            }
            let mut words = Vec::new();
            for word in line[at + name.len()..].split(' ').take(2) {
                let bare = word.trim_end_matches(['`', '"', ',', '.', ':', ';', ')']);
                let named = bare.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
                if bare.is_empty() || !named || bare.starts_with('-') {
                    break;
                }
                words.push(bare.to_owned());
                if bare != word {
                    break;
                }
            }
            if !words.is_empty() {
                found.insert(words);
            }
        }
    }
    found
}

#[test]
fn commands_are_found_in_text() {
    let text = "Run `listseal check`, or\n    listseal spool ls          what waits\nteam: \"|/usr/bin/listseal queue --sender=x\"\nListseal is listseal for lists.\n";
    let found: Vec<String> = commands(text).iter().map(|words| words.join(" ")).collect();
    assert_eq!(found, ["check", "queue", "spool ls"]);
}

#[test]
fn every_command_that_a_document_names_exists() {
    let mut seen = 0;
    for file in DOCUMENTS.iter().flat_map(|name| files(&root().join(name))) {
        let text = String::from_utf8(std::fs::read(&file).unwrap()).unwrap();
        for words in commands(&text) {
            let shown = |count: usize| {
                Command::new(env!("CARGO_BIN_EXE_listseal"))
                    .args(&words[..count])
                    .arg("--help")
                    .env_remove("LISTSEAL_CONFIG")
                    .output()
                    .unwrap()
            };
            // The second word is an argument where the command has no subcommands.
            let one = shown(1);
            let usage = String::from_utf8_lossy(&one.stdout).into_owned();
            let subcommands = usage.contains("<COMMAND>") || usage.contains("Commands:");
            let fits =
                one.status.success() && (!subcommands || shown(words.len()).status.success());
            assert!(
                fits,
                "{} names `listseal {}`",
                file.display(),
                words.join(" ")
            );
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} commands were found");
}

#[test]
fn every_file_that_the_readme_names_exists() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let ours = ["src/", "etc/", "docs/", "tests/", "templates/", "spool/"];
    let mut seen = 0;
    for name in text.split('`').skip(1).step_by(2) {
        if ours.iter().any(|start| name.starts_with(start)) {
            assert!(root().join(name).exists(), "README.md names {name}");
            seen += 1;
        }
    }
    assert!(seen > 8, "only {seen} files were found");
    assert!(
        text.contains("    cargo run --release -- demo\n") && text.contains("    ./tests/run\n")
    );
}
