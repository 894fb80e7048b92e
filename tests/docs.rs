//! What the documents name is there: commands, files, chapters.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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

/// Returns the command lines that a text names, word by word: `listseal` at the start of a line or
/// behind a backtick, quote, pipe or path, up to the end of the line or of the quotation, or to two
/// blanks, behind which explanations stand.
fn commands(text: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        for (at, name) in line.match_indices("listseal ") {
            let before = line[..at].trim_end_matches("/usr/bin/");
            let before = before.trim_start().trim_start_matches("# ");
            if !(before.is_empty() || before.ends_with(['`', '"', '|', '=', '$'])) {
                continue;
            }
            let rest = line[at + name.len()..].split(['`', '"', '|', ';', ',', '(', ')']);
            let quoted = rest.map(str::trim_end).next().unwrap_or_default();
            let words = quoted.split(' ').take_while(|word| !word.is_empty());
            let words = words.map(|word| word.trim_end_matches(['.', ':']).to_owned());
            let words: Vec<String> = words.collect();
            if words.first().is_some_and(|word| is_name(word)) {
                found.insert(words);
            }
        }
    }
    found
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// Returns the word of a command line that the program does not know: a subcommand, nested ones
/// too, or an option.
fn unknown(words: &[String]) -> Option<&str> {
    let root = listseal::cli::definition();
    let mut command = &root;
    for word in words.iter().take_while(|word| *word != "--") {
        if let Some(option) = word.strip_prefix("--") {
            let name = option.split('=').next().unwrap_or_default();
            let known = |arg: &clap::Arg| arg.get_long() == Some(name);
            if !command.get_arguments().any(known) {
                return Some(word);
            }
        } else if command.has_subcommands() {
            // Behind a placeholder (`spool ...`) there is nothing to check.
            if !is_name(word) {
                return None;
            }
            match command.find_subcommand(word) {
                Some(found) => command = found,
                None => return Some(word),
            }
        }
    }
    None
}

#[test]
fn commands_are_found_in_text() {
    let text = "Run `listseal check`, or\n    listseal spool ls          what waits\nadduser --home /var/lib/listseal listseal\nteam: \"|/usr/bin/listseal queue --sender=x a@b.org\"\nListseal is listseal for lists.\n";
    let found: Vec<String> = commands(text).iter().map(|words| words.join(" ")).collect();
    assert_eq!(found, ["check", "queue --sender=x a@b.org", "spool ls"]);
}

#[test]
fn command_that_does_not_exist_is_found() {
    for (line, word) in [
        ("chekc", Some("chekc")),
        ("spool lst", Some("lst")),
        ("list create a@b.org --owners c@b.org", Some("--owners")),
        ("list create a@b.org --owner c@b.org --config x", None),
        ("check team@example.org", None),
        ("queue --sender=x -- --a@b.org", None),
    ] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(unknown(&words), word, "{line}");
    }
}

#[test]
fn every_command_that_a_document_names_exists() {
    let mut seen = 0;
    for file in DOCUMENTS.iter().flat_map(|name| files(&root().join(name))) {
        let text = String::from_utf8(std::fs::read(&file).unwrap()).unwrap();
        for words in commands(&text) {
            seen += 1;
            let line = words.join(" ");
            let unknown = unknown(&words);
            let file = file.display();
            assert_eq!(unknown, None, "{file} names `listseal {line}`");
        }
    }
    assert!(seen > 10, "only {seen} commands were found");
}

#[test]
fn reasons_page_names_each_code_that_leaves_open_what_a_certificate_is() {
    let page = std::fs::read_to_string(root().join("docs/reasons.md")).unwrap();
    let (_, chapter) = page
        .split_once("With these codes nothing is known")
        .unwrap();
    let (chapter, _) = chapter.split_once("Every other code").unwrap();
    let named: BTreeSet<_> = chapter.split('`').skip(1).step_by(2).collect();
    let open = listseal::model::Reason::ALL.iter();
    let open: BTreeSet<_> = open
        .filter(|reason| reason.leaves_open())
        .map(|reason| reason.code())
        .collect();
    assert_eq!(named, open);
    assert_eq!(named.len(), 6);
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
