//! The shape of the house: who may name whom, who may touch the world, how a file begins and how
//! long it may get.
//!
//! The table below is the one of `docs/design.md`. The other checks work on text, so that each can be
//! shown to fail on a sample; the last tests here do that.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
// Tests read files.
#![allow(clippy::disallowed_methods)]

#[path = "layering/source.rs"]
mod source;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use source::{before_tests, code, heads, module_path, named_rooms, names, test_modules};

/// The longest file, counted before its inline tests.
const LONGEST: usize = 400;

/// A room of `src/` and whom it may name.
struct Room {
    name: &'static str,
    may_name: &'static [&'static str],
}

/// Stands for every room except `cli`.
const ALL_BUT_CLI: &str = "*";

const VOCABULARY: &[Room] = &[room("model", &[])];
const FORMATS: &[Room] = &[
    room("asn1", &["model"]),
    room("mime", &["model"]),
    room("pki", &["asn1", "model"]),
    room("cms", &["asn1", "pki", "model"]),
];
const STAGES: &[Room] = &[
    room("open", &["cms", "pki", "asn1", "mime", "model"]),
    room("authorize", &["open", "mime", "model"]),
    room("harvest", &["authorize", "open", "pki", "model"]),
    room("expand", &["pki", "model"]),
    room(
        "seal",
        &["authorize", "expand", "open", "cms", "pki", "mime", "model"],
    ),
    room("notice", &["seal", "cms", "pki", "mime", "model"]),
    room(
        "relay",
        &[
            "open",
            "authorize",
            "harvest",
            "expand",
            "seal",
            "notice",
            "cms",
            "pki",
            "mime",
            "model",
        ],
    ),
];
const SHELL: &[Room] = &[
    room("config", &["model"]),
    room("disk", &[]),
    room("spool", &["config", "disk", "model"]),
    room(
        "store",
        &["config", "authorize", "disk", "notice", "pki", "model"],
    ),
    room("intake", &["spool", "store", "config", "disk", "model"]),
    room("lmtp", &["intake", "store", "config", "disk", "model"]),
    room("deliver", &["seal", "notice", "config", "disk", "model"]),
    room("daemon", &[ALL_BUT_CLI]),
    room("cli", &[ALL_BUT_CLI]),
];
/// What only the shell may name: files, sockets, clocks, processes, logs.
const WORLD: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "now_utc",
    "notify",
    "rustix",
    "sd_notify",
    "tokio",
    "tracing",
];

const fn room(name: &'static str, may_name: &'static [&'static str]) -> Room {
    Room { name, may_name }
}

fn rooms() -> impl Iterator<Item = &'static Room> {
    [VOCABULARY, FORMATS, STAGES, SHELL].into_iter().flatten()
}

fn is_pure(name: &str) -> bool {
    [VOCABULARY, FORMATS, STAGES]
        .into_iter()
        .flatten()
        .any(|room| room.name == name)
}

// -- the rules -----------------------------------------------------------------------------------

/// Returns what is wrong with a file of `src/`, given relative to it.
fn faults(file: &Path, text: &str) -> Vec<String> {
    let mut faults = shape_faults(text);
    let path = module_path(file);
    let own = path.first().map_or("", String::as_str);
    let code = code(before_tests(text));
    if own == "lib" {
        return faults;
    }
    if own == "main" {
        for name in code
            .match_indices("listseal::")
            .flat_map(|(at, what)| heads(&code[at + what.len()..]))
        {
            if name != "cli" {
                faults.push(format!("names `{name}`: main may name `cli` alone"));
            }
        }
        return faults;
    }
    let Some(room) = rooms().find(|room| room.name == own) else {
        faults.push(format!("room `{own}` does not stand in the table"));
        return faults;
    };
    for name in named_rooms(&code, path.len()) {
        let is_room = rooms().any(|room| room.name == name);
        let allowed = match room.may_name {
            [ALL_BUT_CLI] => name != "cli",
            names => names.contains(&name.as_str()),
        };
        if is_room && name != own && !allowed {
            faults.push(format!("names `{name}`: `{own}` may not"));
        }
    }
    if is_pure(own) {
        for what in WORLD.iter().filter(|what| names(&code, what)) {
            faults.push(format!("names `{what}`: `{own}` is pure"));
        }
        if code.contains("disallowed_methods") {
            faults.push("allows disallowed methods: only the shell may".to_owned());
        }
    }
    faults
}

/// Returns what is wrong with the shape of any Rust file.
fn shape_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let header = text.lines().next().unwrap_or_default();
    if header.strip_prefix("//! ").is_none_or(str::is_empty) {
        faults.push("has no `//!` header on its first line".to_owned());
    }
    let lines = before_tests(text).lines().count();
    if lines > LONGEST {
        faults.push(format!(
            "has {lines} lines before its inline tests: {LONGEST} are allowed"
        ));
    }
    faults
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return files;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &str, judge: impl Fn(&Path, &str) -> Vec<String>) -> (usize, usize, String) {
    let folder = root().join(folder);
    let files = rust_files(&folder);
    let mut report = String::new();
    let mut count = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for fault in judge(file.strip_prefix(&folder).unwrap(), &text) {
            count += 1;
            writeln!(report, "{}: {fault}", file.display()).unwrap();
        }
    }
    (files.len(), count, report)
}

#[test]
fn every_room_names_only_what_the_table_lets_it() {
    let folder = root().join("src");
    let for_tests: Vec<Vec<String>> = rust_files(&folder)
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            test_modules(file.strip_prefix(&folder).unwrap(), &text)
        })
        .collect();
    let (files, count, report) = collect("src", |file, text| {
        let path = module_path(file);
        if for_tests.iter().any(|tests| path.starts_with(tests)) {
            shape_faults(text)
        } else {
            faults(file, text)
        }
    });
    assert!(files > 20, "only {files} files were read");
    assert_eq!(count, 0, "\n{report}");
}

#[test]
fn every_test_and_benchmark_has_a_header_and_fits_its_length() {
    for folder in ["tests", "benches"] {
        let (_, count, report) = collect(folder, |_, text| shape_faults(text));
        assert_eq!(count, 0, "\n{report}");
    }
}

#[test]
fn at_most_one_file_may_allow_unsafe_code() {
    let (_, count, report) = collect("src", |_, text| {
        let allows = code(text).contains("allow(unsafe_code)");
        allows
            .then(|| "allows unsafe code".to_owned())
            .into_iter()
            .collect()
    });
    assert!(count <= 1, "\n{report}");
}

#[test]
fn table_names_every_room_of_the_library() {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: std::collections::BTreeSet<String> = code(&text)
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("pub mod ")?
                .strip_suffix(';')
                .map(str::to_owned)
        })
        .collect();
    let known = rooms().map(|room| room.name.to_owned()).collect();
    assert_eq!(declared, known);
}

#[test]
fn table_is_the_one_of_the_design_document() {
    let text = std::fs::read_to_string(root().join("docs/design.md")).unwrap();
    for room in rooms() {
        let may_name = match room.may_name {
            [] => "-".to_owned(),
            [ALL_BUT_CLI] => "everything but cli".to_owned(),
            names => names.join(", "),
        };
        let row = format!("| {} | {may_name} |", room.name);
        assert!(
            text.lines().any(|line| line == row),
            "docs/design.md lacks\n{row}"
        );
    }
}

/// The checks themselves can fail.
#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> String {
        faults(Path::new(file), &format!("//! A header.\n{text}")).join("\n")
    }

    #[test]
    fn forbidden_import_is_found_however_it_is_written() {
        for text in [
            "use crate::seal::Sealing;",
            "use crate::{model::Address, seal::{Sealing, Sealed}};",
            "use crate::{\n    model::Address,\n    seal,\n};",
            "fn f() { crate::seal::x() }",
            "use super::super::seal;",
            "/* crate::model */ use crate::seal;",
        ] {
            assert!(
                found("open/layer.rs", text).contains("names `seal`"),
                "{text}"
            );
        }
    }

    #[test]
    fn allowed_import_comment_and_string_are_not_found() {
        for text in [
            "use crate::{cms::signed::Signed, model::Address};",
            "// use crate::seal;\n/// [`crate::seal`]",
            "const A: &str = \"crate::seal \\\" crate::seal\";",
            "const A: &str = r#\"crate::seal \" tokio::x\"#;",
            "fn f<'a>(x: &'a str) -> char { '\"' } // crate::seal",
            "use super::seal;",
            "use crate::open::layer;",
            "\n#[cfg(test)]\nmod tests { use crate::seal; use std::fs; }",
        ] {
            assert_eq!(found("open/layer.rs", text), "", "{text}");
        }
    }

    #[test]
    fn world_in_a_pure_room_is_found_and_allowed_in_the_shell() {
        for text in [
            "use std::fs;",
            "fn f() { std::env::var(\"X\"); }",
            "use tokio::sync;",
            "tracing::info!(\"x\");",
            "let now = OffsetDateTime::now_utc();",
            "#![allow(clippy::disallowed_methods)]",
            "use std::time::{Duration, Instant};",
        ] {
            assert_ne!(found("cms/signed.rs", text), "", "{text}");
            assert_eq!(found("daemon/worker.rs", text), "", "{text}");
        }
        assert_eq!(
            found("cms/signed.rs", "let tracing = notify(tokio_like);"),
            ""
        );
    }

    #[test]
    fn files_declared_for_tests_alone_are_told_from_others() {
        let text =
            "#[cfg(test)]\npub(crate) mod testing;\nmod other;\n#[cfg(test)]\nmod tests {}\n";
        let found = test_modules(Path::new("pki/mod.rs"), text);
        assert_eq!(found, [["pki", "testing"]]);
    }

    #[test]
    fn missing_header_long_file_and_unknown_room_are_found() {
        let bare = faults(Path::new("model/x.rs"), "use std::fmt;\n");
        assert!(bare.join("\n").contains("header"), "{bare:?}");
        let long = "let a = 1;\n".repeat(LONGEST);
        assert!(found("model/x.rs", &long).contains("lines before"));
        let tested = format!("\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(found("model/x.rs", &tested), "");
        assert!(found("kitchen/x.rs", "").contains("table"));
        assert!(found("main.rs", "use listseal::open;").contains("main may name"));
        assert_eq!(found("main.rs", "fn main() { listseal::cli::main() }"), "");
    }
}

#[test]
fn faults_are_in_no_program_that_was_not_built_for_them() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_listseal")).unwrap();
    for trace in ["FAULT met", "kill9"] {
        let found = program
            .windows(trace.len())
            .any(|bytes| bytes == trace.as_bytes());
        assert_eq!(found, cfg!(feature = "faults"), "{trace}");
    }
}
