//! `listseal run` as systemd and people start and stop it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{MAIL, ends, rows, site};
use crate::common::site::{OUTBOX, Site};

/// Starts the daemon and waits until it works on the spool.
fn start(site: &Site) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_listseal"))
        .arg("--config")
        .arg(site.path("listseal.toml"))
        .arg("run")
        .env_remove("NOTIFY_SOCKET")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait(|| site.command(&["run", "--once"], b"").code == 75);
    child
}

fn wait(mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(120), "waited in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends a signal; returns exit code and log.
fn stop(child: Child, signal: Signal) -> (Option<i32>, String) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), log)
}

#[test]
fn r16_signals_end_the_daemon_in_order() {
    let site = site();
    for signal in [Signal::TERM, Signal::INT] {
        let child = start(&site);
        ends(
            &site,
            "queue team@example.org --sender a@example.org",
            MAIL,
            0,
        );
        wait(|| rows(&site, "spool ls --json").is_empty());
        let (code, log) = stop(child, signal);
        assert_eq!(code, Some(0), "{log}");
    }
    ends(&site, "audit", b"", 0);
}

#[test]
fn second_daemon_on_a_spool_is_75() {
    let site = site();
    let child = start(&site);
    let ended = ends(&site, "run --once", b"", 75);
    assert!(ended.stderr.contains("another listseal"), "{ended:?}");
    assert_eq!(stop(child, Signal::TERM).0, Some(0));
    ends(&site, "run --once", b"", 0);
}

#[test]
fn log_is_text_or_json_as_the_configuration_says_and_never_coloured_in_a_file() {
    let site = site();
    let log = |more: &str| {
        site.configure(OUTBOX, more);
        ends(
            &site,
            "queue team@example.org --sender a@example.org",
            MAIL,
            0,
        );
        let ended = ends(&site, "run --once", b"", 0);
        assert!(!ended.stderr.contains('\x1b'), "{ended:?}");
        assert!(!ended.stderr.contains("hello"), "{ended:?}");
        ended.stderr
    };
    let text = log("");
    assert!(
        text.contains(" INFO ") && text.contains(" spool="),
        "{text}"
    );
    let lines = log("[log]\nformat = \"json\"\n");
    let mut of_the_mail = 0;
    for line in lines.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["level"], "INFO", "{line}");
        let is_of_the_mail = event["spool"].is_string();
        assert!(is_of_the_mail || event["message"] == "at work", "{line}");
        of_the_mail += u32::from(is_of_the_mail);
    }
    assert!(of_the_mail > 0, "{lines}");
    assert_eq!(log("[log]\nlevel = \"error\"\n"), "");
    let chatty = log("[log]\nlevel = \"trace\"\n");
    assert!(chatty.lines().count() >= text.lines().count());
}
