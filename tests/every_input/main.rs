//! `listseal inspect --json` on everything that can come: whole, spoiled, senseless and hostile
//! input gets all fields of the report and exit 0 or 65, and costs little.
//!
//! The bounds are those of the program as it is installed: one second of CPU, and four times the
//! size and 32 MB of memory for anything under 1 MB. `cargo test --release --test every_input`
//! checks them as they are. The unoptimised program of `cargo test` may take ten times as long, and
//! what it needs for the shortest mail beyond 10 MB is not counted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
// Tests read files and run programs.
#![allow(clippy::disallowed_methods)]

#[path = "../common/mod.rs"]
mod common;

mod meter;
mod shape;
mod spoiled;

use std::path::Path;

use common::hostile;
use common::mail::Made;
use meter::{Cost, Meter};
use serde_json::Value;

const TEXT: &str = "From: Alice <alice@example.org>\nTo: team@example.org\nSubject: Lunch\n\
Content-Type: text/plain\n\nAt noon, behind the old mill.\n";

/// A mail by steps of `tests/flow/README.md`.
fn made(steps: &[&str]) -> Vec<u8> {
    let steps: String = steps.iter().map(|step| format!("! {step}\n")).collect();
    Made::from_text((steps + TEXT).as_bytes(), &|name| panic!("no mail {name}")).bytes
}

/// Files with a meter beside them.
struct Bench {
    meter: Meter,
    dir: tempfile::TempDir,
    /// What the shortest mail costs in memory.
    least: u64,
    faults: Vec<String>,
    runs: usize,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            meter: Meter::new(),
            dir: tempfile::tempdir().unwrap(),
            least: 0,
            faults: Vec::new(),
            runs: 0,
        };
        let file = bench.dir.path().join("least");
        std::fs::write(&file, TEXT).unwrap();
        bench.least = bench.meter.measure(&file).memory;
        bench
    }

    /// Inspects bytes; what is wrong with that is told at the end.
    fn inspect(&mut self, name: &str, bytes: &[u8]) -> Option<Value> {
        let file = self.dir.path().join("mail");
        std::fs::write(&file, bytes).unwrap();
        self.inspect_file(name, &file)
    }

    fn inspect_file(&mut self, name: &str, file: &Path) -> Option<Value> {
        let size = std::fs::metadata(file).unwrap().len();
        assert!(size < 1_000_000, "{name}: the bounds are for smaller mail");
        let cost = self.meter.measure(file);
        self.runs += 1;
        let fault = match shape::fault(&cost.said, cost.code) {
            Ok(report) if cost.complained.is_empty() => match expensive(&cost, size, self.least) {
                None => return Some(report),
                Some(text) => text,
            },
            Ok(_) => cost.complained,
            Err(text) => format!("exit {}: {text} {}", cost.code, cost.complained),
        };
        self.faults.push(format!("{name} ({size} bytes): {fault}"));
        None
    }

    fn end(self, at_least: usize) {
        let faults = self.faults;
        assert!(faults.is_empty(), "{}: {faults:#?}", faults.len());
        assert!(self.runs >= at_least, "{} inspected", self.runs);
    }
}

/// Says what one mail cost too much of.
fn expensive(cost: &Cost, size: u64, least: u64) -> Option<String> {
    let (seconds, spare) = if cfg!(debug_assertions) {
        (10.0, least.saturating_sub(10_000_000))
    } else {
        (1.0, 0)
    };
    let memory = 4 * size + 32_000_000 + spare;
    (cost.cpu > seconds || cost.memory > memory).then(|| {
        let Cost {
            cpu, memory: used, ..
        } = cost;
        format!("{cpu:.2} s of {seconds} s, {used} bytes of {memory}")
    })
}

#[test]
fn every_field_is_there_for_whole_mail() {
    let mut bench = Bench::new();
    for (steps, decrypted, signature, author) in [
        (&[][..], Value::Null, "none", false),
        (&["sign alice"], Value::Null, "valid", true),
        (&["sign alice opaque"], Value::Null, "valid", true),
        (&["encrypt team"], true.into(), "none", false),
        (&["sign alice", "encrypt team"], true.into(), "valid", true),
        (&["sign alice", "encrypt bob"], false.into(), "none", false),
        (
            &[
                "sign alice opaque",
                "encrypt team cipher aes-128-gcm",
                "sign bob",
            ],
            true.into(),
            "valid",
            true,
        ),
        (&["sign alice-untrusted"], Value::Null, "valid", false),
        (
            &["sign alice", "replace noon midnight"],
            Value::Null,
            "invalid",
            false,
        ),
        (&["sign alice bare"], Value::Null, "invalid", false),
    ] {
        let report = bench.inspect(&format!("{steps:?}"), &made(steps)).unwrap();
        assert_eq!(report["decrypted"], decrypted, "{steps:?}");
        assert_eq!(report["signature"], signature, "{steps:?}");
        assert_eq!(
            report["author"].is_string(),
            author,
            "{steps:?}: {report:#}"
        );
    }
    bench.end(10);
}

#[test]
fn hostile_mail_costs_no_more_than_the_bounds() {
    let mut bench = Bench::new();
    let bombs = tempfile::tempdir().unwrap();
    let files = hostile::write("bombs.py", bombs.path());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        bench.inspect_file(&name, &file);
    }
    bench.end(200);
}
