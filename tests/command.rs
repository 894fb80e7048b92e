//! The binary as MTAs, scripts and people call it: exit codes, JSON, refusals, closed pipes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
// Tests read files and run programs.
#![allow(clippy::disallowed_methods)]

#[path = "command/daemon.rs"]
mod daemon;
#[path = "command/inspect.rs"]
mod inspect;
#[path = "command/trust.rs"]
mod trust;

mod common;

use std::process::{Command, Stdio};

use common::site::Site;
use serde_json::{Value, json};

const OWNER: &str = "owners = [\"olga@example.org\"]\n";
const MAIL: &[u8] = b"From: a@example.org\nSubject: x\n\nhello\n";

/// A site with the list team@example.org, in order.
fn site() -> Site {
    let site = Site::new();
    site.list("team", OWNER, "alice@example.org\n");
    for person in ["alice", "olga"] {
        site.certificate(person, None);
    }
    site
}

/// Runs the words of `line` and asserts how it ends.
fn ends(site: &Site, line: &str, input: &[u8], code: i32) -> common::site::Ended {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ended = site.command(&words, input);
    assert_eq!(ended.code, code, "{line}: {ended:?}");
    let said = !ended.stderr.is_empty();
    assert!(said || code < 2, "{line} says nothing about {code}");
    assert!(!ended.stderr.contains("panicked"), "{line}: {ended:?}");
    ended
}

fn rows(site: &Site, line: &str) -> Vec<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match site.json(&words) {
        Value::Array(rows) => rows,
        other => panic!("{line}: no array: {other}"),
    }
}

#[test]
fn every_command_explains_itself() {
    fn walk(command: &clap::Command, path: &[&str], seen: &mut usize) {
        let shown = Command::new(env!("CARGO_BIN_EXE_listseal"))
            .args(path)
            .arg("--help")
            .output()
            .unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        let name = path.join(" ");
        assert!(shown.status.success(), "{name}");
        let usage = format!("Usage: {}", format!("listseal {name}").trim_end());
        assert!(text.contains(&usage), "{name}: {text}");
        let about = text.lines().next().unwrap();
        assert!(about.len() > 10 && !about.starts_with("Usage"), "{text}");
        *seen += 1;
        let next = command.get_subcommands();
        for one in next.filter(|one| one.get_name() != "help") {
            walk(one, &[path, &[one.get_name()]].concat(), seen);
        }
    }
    let mut seen = 0;
    walk(&listseal::cli::definition(), &[], &mut seen);
    assert!(seen > 15, "{seen}");
}

#[test]
fn wrong_use_is_64_and_questions_for_help_are_not() {
    let site = site();
    for line in [
        "",
        "nonsense",
        "queue",
        "queue --nonsense team@example.org",
        "queue team@example.org another@example.org",
        "check --jsno",
        "check not-an-address",
        "inspect",
        "inspect --revocation maybe -",
        "inspect --key x -",
        "list",
        "list create team@example.org",
        "list create not-an-address --owner olga@example.org",
        "list create new@example.org --owner nobody",
        "list create new@example.org --owner o@example.org --key dsa",
        "list show",
        "audit now",
        "run --twice",
        "spool",
        "spool show",
        "spool release",
        "trust",
        "trust add",
        "trust remove",
    ] {
        ends(&site, line, MAIL, 64);
    }
    for line in ["--help", "--version", "help", "help list create"] {
        let ended = ends(&site, line, b"", 0);
        assert!(!ended.stdout.is_empty() && ended.stderr.is_empty());
    }
}

#[test]
fn r2_queue_tells_the_mta_what_to_do() {
    let site = site();
    let more = "[intake]\nmax_size = \"2 KiB\"\n";
    site.configure(common::site::OUTBOX, more);
    let fits = [MAIL, &[b'x'; 1000]].concat();
    let large = [MAIL, &[b'x'; 2048]].concat();
    for (address, mail, code, status) in [
        ("team@example.org", MAIL, 0, ""),
        ("TEAM-request@Example.org", &fits, 0, ""),
        ("listseal@example.org", MAIL, 0, ""),
        ("team@example.org", &large, 65, "5.3.4 "),
        ("team@example.org", b"", 65, "5.6.0 "),
        ("nobody@example.org", MAIL, 67, "5.1.1 "),
        ("team@elsewhere.example", MAIL, 67, "5.1.1 "),
        ("not-an-address", MAIL, 64, "5.1.3 "),
    ] {
        let ended = ends(&site, &format!("queue {address}"), mail, code);
        assert!(ended.stderr.starts_with(status), "{address}: {ended:?}");
        assert!(ended.stderr.lines().count() < 2, "{address}: {ended:?}");
    }
    assert_eq!(rows(&site, "spool ls --json").len(), 3);

    std::fs::remove_file(site.path("lists/example.org/team/list.toml")).unwrap();
    ends(&site, "queue team@example.org", MAIL, 75);
    std::fs::remove_dir_all(site.path("lists")).unwrap();
    ends(&site, "queue team@example.org", MAIL, 75);
    site.write("listseal.toml", "[paths]\nspol = \"x\"\n[log]\nlevel = 3\n");
    let ended = ends(&site, "queue team@example.org", MAIL, 75);
    assert!(ended.stderr.starts_with("4.3.0 "), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    ends(
        &site,
        "--config /nowhere/x queue team@example.org",
        MAIL,
        64,
    );
    ends(&site, "--config= queue team@example.org", MAIL, 64);
}

/// An MTA may hand an empty environment variable down; the mail stays with it.
#[test]
fn r2_configuration_that_cannot_be_found_is_75() {
    for (config, code) in [("", 75), ("/nowhere/listseal.toml", 75)] {
        let output = Command::new(env!("CARGO_BIN_EXE_listseal"))
            .args(["queue", "team@example.org"])
            .env("LISTSEAL_CONFIG", config)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[test]
fn every_mistake_of_the_configuration_is_said_at_once_and_is_78() {
    let site = site();
    site.write("listseal.toml", "[paths]\nspol = \"x\"\n[log]\nlevel = 3\n");
    for line in [
        "audit",
        "check",
        "inspect --list team@example.org -",
        "list ls",
        "list create new@example.org --owner olga@example.org",
        "run --once",
        "spool ls --json",
        "trust ls",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let ended = site.command(&words, MAIL);
        assert_eq!(ended.code, 78, "{line}: {ended:?}");
        let said = ended.stdout + &ended.stderr;
        for part in ["listseal.toml:2", "listseal.toml:4", "paths", "log.level"] {
            assert!(said.contains(part), "{line}: {part}: {said}");
        }
    }
}

#[test]
fn check_is_0_with_warnings_67_without_such_a_list_and_78_with_errors() {
    let site = site();
    let closed = ["spool", "state"];
    for name in closed.iter().chain(&["certificates", "templates"]) {
        std::fs::create_dir_all(site.path(name)).unwrap();
    }
    for name in closed {
        site.chmod(name, 0o700);
    }
    assert_eq!(rows(&site, "check --json"), Vec::<Value>::new());
    let ended = ends(&site, "check team@example.org", b"", 0);
    assert!(ended.stdout.contains("0 errors, 0 warnings; 1 list, 1 sub"));
    ends(&site, "check nobody@example.org", b"", 67);

    site.write("lists/example.org/team/subscribers", "new@example.org\n");
    let found = rows(&site, "check --json");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["level"], "warning");
    assert!(
        found[0]["problem"]
            .as_str()
            .unwrap()
            .contains("new@example.org")
    );

    site.chmod("lists/example.org/team/private_key", 0o644);
    let ended = site.command(&["check", "--json"], b"");
    assert_eq!(ended.code, 78, "{ended:?}");
    let found: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found[0]["level"], "error");
    assert!(found[0]["remedy"].as_str().unwrap().contains("chmod 600"));
}

#[test]
fn list_is_made_shown_and_removed() {
    let site = Site::new();
    let create = "list create team@example.org --owner olga@example.org --key p256";
    assert_eq!(rows(&site, "list ls --json"), Vec::<Value>::new());
    ends(&site, create, b"", 0);
    ends(&site, create, b"", 73);
    let all = rows(&site, "list ls --json");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["address"], "team@example.org");
    let one = rows(&site, "list show team@example.org --json");
    assert_eq!(one.len(), 1);
    assert_eq!(one[0]["owners"], json!(["olga@example.org"]));
    assert_eq!(one[0]["send"], "private_smime");
    assert_eq!(one[0]["in_service"], true);
    ends(&site, "list show nobody@example.org", b"", 67);
    ends(&site, "list remove nobody@example.org --force", b"", 67);

    // Nobody can answer, whatever stands on standard input.
    let ended = ends(&site, "list remove team@example.org", b"y\n", 64);
    assert!(ended.stderr.contains("--force"), "{ended:?}");
    assert_eq!(rows(&site, "list ls --json").len(), 1);
    ends(&site, "list remove team@example.org --force", b"", 0);
    assert_eq!(rows(&site, "list ls --json"), Vec::<Value>::new());
    ends(&site, "list show team@example.org", b"", 67);
}

#[test]
fn site_gets_its_pair_with_the_first_list_even_where_its_directory_is_there() {
    let site = Site::new();
    let pair = |name: &str| {
        ["cert.pem", "private_key"]
            .map(|file| std::fs::read(site.path(&format!("lists/{name}/_site/{file}"))).ok())
    };
    let create = |list: &str| {
        let line = format!("list create {list} --owner olga@example.org --key p256");
        ends(&site, &line, b"", 0).stdout
    };
    std::fs::create_dir_all(site.path("lists/example.com/_site/scenari")).unwrap();
    let said = create("team@example.com");
    assert!(said.contains("_site"), "{said}");
    let made = pair("example.com");
    assert!(made.iter().all(Option::is_some));
    let mut names: Vec<_> = std::fs::read_dir(site.path("lists/example.com/_site"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["cert.pem", "private_key", "scenari"]);
    // Once there, it stays; and half a pair is somebody's business.
    create("other@example.com");
    assert_eq!(pair("example.com"), made);
    site.write("lists/example.net/_site/private_key", "mine\n");
    create("team@example.net");
    assert_eq!(pair("example.net"), [None, Some(b"mine\n".to_vec())]);
}

#[test]
fn spool_is_listed_shown_and_decided_about() {
    let site = site();
    assert_eq!(rows(&site, "spool ls --json"), Vec::<Value>::new());
    ends(&site, "spool show 0006", b"", 66);
    ends(
        &site,
        "queue team@example.org --sender a@example.org",
        MAIL,
        0,
    );
    let waiting = rows(&site, "spool ls --json");
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["state"], "waiting");
    assert_eq!(waiting[0]["sender"], "a@example.org");
    let id = waiting[0]["id"].as_str().unwrap();
    assert_eq!(
        rows(&site, &format!("spool show {id} --json"))[0]["id"],
        *id
    );
    let whole = ends(&site, &format!("spool show {id} --message"), b"", 0);
    assert_eq!(whole.stdout.as_bytes(), MAIL);
    ends(&site, "spool show ffffffff", b"", 66);
    // What waits goes on by itself.
    ends(&site, &format!("spool release {id}"), b"", 1);
    ends(&site, &format!("spool retry {id}"), b"", 1);
    ends(&site, &format!("spool discard {id} --force"), b"", 1);
    let ended = ends(&site, &format!("spool discard {id}"), b"y\n", 64);
    assert!(ended.stderr.contains("--force"), "{ended:?}");
    assert_eq!(rows(&site, "spool ls --json").len(), 1);
}

#[test]
fn r12_audit_is_1_when_a_held_post_vanished() {
    let site = Site::new();
    let settings = format!("{OWNER}send = \"editorkey\"\n");
    site.list("team", &settings, "alice@example.org\n");
    assert_eq!(rows(&site, "audit --json").len(), 2);
    ends(
        &site,
        "queue team@example.org --sender a@example.org",
        MAIL,
        0,
    );
    ends(&site, "run --once", b"", 0);
    let held = rows(&site, "spool ls --json");
    assert_eq!(held[0]["state"], "held", "{held:?}");
    let audit = rows(&site, "audit --json");
    assert_eq!(
        (&audit[0]["accepted"], &audit[0]["held"]),
        (&json!(1), &json!(1))
    );
    ends(&site, "audit", b"", 0);
    let id = held[0]["id"].as_str().unwrap();
    std::fs::remove_file(site.path(&format!("spool/hold/{id}.msg"))).unwrap();
    let ended = ends(&site, "audit", b"", 1);
    assert!(ended.stdout.contains(&format!("LOST {id}")), "{ended:?}");
    ends(&site, &format!("spool discard {id} --force"), b"", 0);
    ends(&site, "audit", b"", 0);
}

#[test]
fn reader_who_has_gone_is_no_error_and_a_full_disk_is_one() {
    let site = site();
    ends(&site, "queue team@example.org", MAIL, 0);
    for line in [
        "--help",
        "audit",
        "check --json",
        "list ls",
        "list show team@example.org",
        "spool ls",
        "trust ls",
    ] {
        let run = |out: Stdio| {
            Command::new(env!("CARGO_BIN_EXE_listseal"))
                .arg("--config")
                .arg(site.path("listseal.toml"))
                .args(line.split(' '))
                .stdout(out)
                .stderr(Stdio::piped())
                .output()
                .unwrap()
        };
        let expected = run(Stdio::null()).status.code();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = run(writer.into());
        assert_eq!(ended.status.code(), expected, "{line}: {ended:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{line}");

        let full = std::fs::File::options().write(true).open("/dev/full");
        let ended = run(full.unwrap().into());
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!said.contains("panicked"), "{line}: {said}");
        if line != "--help" {
            assert_eq!(ended.status.code(), Some(74), "{line}: {said}");
            assert!(said.contains("No space left"), "{line}: {said}");
        }
    }
}
