//! Configurations with mistakes, each a directory of `tests/config/`, and what is said about them.
//!
//! A case is a tree with `listseal.toml` and perhaps `lists/`; `expected` holds every problem that
//! reading all of it finds, a line each, with paths relative to the case. A case without mistakes
//! has an empty `expected`. Lists are looked for in `lists/` of the case unless its own
//! `listseal.toml` says otherwise. With LISTSEAL_WRITE_EXPECTED set, `expected` is written anew:
//! read the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
// Tests read files.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use listseal::config::{Problem, Settings, read_text};
use listseal::store::lists::Lists;
use listseal::store::roster;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
}

/// Every problem that reading the whole case finds, as the program would show it.
fn problems(case: &Path) -> Vec<Problem> {
    let mut settings = match Settings::load(&case.join("listseal.toml")) {
        Ok(settings) => settings,
        Err(problems) => return problems.0,
    };
    if settings.paths.lists == Settings::defaults(&settings.file).paths.lists {
        settings.paths.lists = case.join("lists");
    }
    if !settings.paths.lists.exists() {
        return Vec::new();
    }
    let lists = Lists::new(Arc::new(settings));
    let (all, mut found) = lists.all();
    for list in all {
        match lists.read_directory(list.clone()) {
            Ok(config) => assert_eq!(config.policy.address, list.address),
            Err(problems) => found.extend(problems.0),
        }
        match roster::read(&list) {
            Ok((_, problems)) => found.extend(problems),
            Err(problem) => found.push(problem),
        }
    }
    found
}

#[test]
fn every_mistake_is_named_with_file_line_key_and_remedy() {
    let mut failures = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    for case in cases {
        let mut said = String::new();
        for problem in problems(&case) {
            let line = problem
                .to_string()
                .replace(&format!("{}/", case.display()), "");
            said.push_str(&line);
            said.push('\n');
            assert!(!problem.remedy.is_empty(), "{line}");
        }
        let file = case.join("expected");
        if std::env::var_os("LISTSEAL_WRITE_EXPECTED").is_some() {
            std::fs::write(&file, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if said != expected {
            let name = case.file_name().unwrap().to_string_lossy().into_owned();
            failures.push(format!("{name}\n--- expected\n{expected}--- said\n{said}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn configuration_that_is_no_text_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("listseal.toml");
    let said = |file: &Path| Settings::load(file).unwrap_err().to_string();
    assert!(said(&file).contains("does not exist"), "{}", said(&file));
    assert!(said(&file).contains("--config"), "{}", said(&file));
    std::fs::write(&file, b"[paths]\nspool = \"\xff\"\n").unwrap();
    assert!(said(&file).contains("listseal.toml:2: is not UTF-8 text"));
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(said(&file).contains("is not a regular file"));
    let fifo = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    assert!(said(&fifo).contains("is not a regular file"));
}

#[test]
fn no_problem_ever_shows_a_passphrase() {
    let secret = "hunter2hunter2";
    for text in [
        format!("key_passwd = \"{secret}\"\nkey_passwd_file = \"f\"\n"),
        format!("key_passwd = [\"{secret}\"]\n"),
        format!("key_passwrd = \"{secret}\"\n"),
        format!("key_passwd = {secret}\n"),
        format!("key_passwd = \"{secret}\n"),
        format!("[list]\nkey_passwd = \"{secret}\"\n"),
    ] {
        let file = Path::new("/listseal.toml");
        let problems = Settings::parse(file, &text).unwrap_err().to_string();
        assert!(!problems.contains(secret), "{problems}");
    }
    let text = format!("key_passwd = \"{secret}\"\n");
    let settings = Settings::parse(Path::new("/listseal.toml"), &text).unwrap();
    assert!(!format!("{settings:?}").contains(secret));
}

#[test]
fn text_with_windows_line_ends_and_byte_order_mark_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("listseal.toml");
    std::fs::write(
        &file,
        "\u{feff}[log]\r\nlevel = \"debug\"\r\nformat = \"xml\"\r\n",
    )
    .unwrap();
    assert!(read_text(&file).is_ok());
    let problems = Settings::load(&file).unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert_eq!(problems.0[0].line, Some(3), "{problems}");
}
