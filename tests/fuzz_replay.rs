//! Runs seeds made now by `openssl`, `gpgsm` and Python, and the saved corpora of the fuzz targets,
//! through the targets with the ordinary compiler.
//!
//! `tests/fuzz/README.md` says what the targets are and how they are fuzzed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// Tests read files, clocks and their environment.
#![allow(clippy::disallowed_methods)]

#[path = "fuzz/archive.rs"]
mod archive;
#[path = "common/mod.rs"]
mod common;
#[path = "fuzz/seeding/mod.rs"]
mod seeding;
#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use targets::{TARGETS, Target};

/// How much slower than a release this runs.
const SLOWNESS: u32 = if cfg!(debug_assertions) { 15 } else { 2 };

/// Runs every input; returns the names of those that break something.
fn broken(inputs: &[(&'static Target, String, Vec<u8>)]) -> Vec<String> {
    let half = inputs.len().div_ceil(2).max(1);
    let run = |part: &[(&'static Target, String, Vec<u8>)]| {
        let fails = |input: &&(&'static Target, String, Vec<u8>)| {
            catch_unwind(|| input.0.run(&input.2, SLOWNESS)).is_err()
        };
        let failed = part.iter().filter(fails);
        failed
            .map(|(target, name, _)| format!("{}/{name}", target.name))
            .collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = inputs
            .chunks(half)
            .map(|part| scope.spawn(move || run(part)))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    })
}

/// Where the saved corpora lie, one archive a target.
fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpora")
}

fn saved() -> Vec<(&'static Target, String, Vec<u8>)> {
    let of = |target: &'static Target| {
        let archive = corpora().join(format!("{}.tar.gz", target.name));
        let files = archive::files(&archive).into_iter();
        files.map(move |(name, bytes)| (target, name, bytes))
    };
    TARGETS.iter().flat_map(of).collect()
}

#[test]
fn every_target_has_its_binary() {
    let manifest = include_str!("fuzz/Cargo.toml");
    let binaries = manifest.split("[[bin]]").skip(1);
    let names: Vec<&str> = binaries.map(|one| one.split('"').nth(1).unwrap()).collect();
    let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, known);
}

#[test]
fn saved_corpora_break_nothing() {
    let inputs = saved();
    let failed = broken(&inputs);
    assert!(
        failed.is_empty(),
        "{} of {}: {failed:?}",
        failed.len(),
        inputs.len()
    );
}

/// The keys are computed anew at each start: this fails where they are no longer those that the
/// corpora were made with, and fuzzing would not get behind the first signature.
#[test]
fn saved_corpora_still_fit_the_keys() {
    let reached = |name: &str, reaches: fn(&[u8]) -> bool| {
        let inputs = saved().into_iter();
        inputs
            .filter(|(target, _, bytes)| target.name == name && reaches(bytes))
            .count()
    };
    let counts = [
        ("verify", reached("verify", targets::verifies)),
        ("open", reached("open", targets::has_author)),
        ("open", reached("open", targets::opens)),
        ("path", reached("path", targets::is_trusted)),
    ];
    for (name, count) in counts {
        assert!(
            count > 0,
            "{name}: make the corpora anew, see tests/fuzz/README.md ({counts:?})"
        );
    }
}

#[test]
fn fresh_seeds_break_nothing_and_reach_what_they_are_for() {
    let seeds = seeding::make();
    if let Some(dir) = std::env::var_os("LISTSEAL_FUZZ_SEEDS") {
        for seed in &seeds {
            let folder = Path::new(&dir).join(seed.target);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(&seed.name), &seed.bytes).unwrap();
        }
    }
    let reach = |target: &str, name: &str, reaches: fn(&[u8]) -> bool| {
        let mut seeds = seeds.iter();
        let seed = seeds.find(|seed| seed.target == target && seed.name == name);
        let seed = seed.unwrap_or_else(|| panic!("there is no {target}/{name}"));
        assert!(reaches(&seed.bytes), "{target}/{name} does not get so far");
    };
    for name in [
        "detached",
        "opaque",
        "streamed",
        "pss",
        "sha1",
        "two",
        "ecdsa",
        "gpgsm-detached",
        "gpgsm-opaque",
    ] {
        reach("verify", name, targets::verifies);
    }
    for name in [
        "detached",
        "opaque",
        "streamed-detached",
        "key-identifier",
        "ed25519",
        "middle",
        "triple",
    ] {
        reach("open", name, targets::has_author);
    }
    for name in [
        "signed-inside",
        "opaque-inside",
        "python-detached",
        "gpgsm-opaque",
    ] {
        reach("open", name, targets::has_author);
    }
    for name in [
        "cbc",
        "gcm",
        "gcm-ec",
        "ec",
        "oaep",
        "des3",
        "several",
        "gpgsm-sealed",
        "python",
        "own-2-aes-256-gcm",
    ] {
        reach("open", name, targets::opens);
    }
    for name in ["direct", "revocable", "below"] {
        reach("path", name, targets::is_trusted);
    }
    reach("mime", "flat", targets::is_compared);
    reach("report", "failed-delivery-status", targets::is_proof);
    reach(
        "report",
        "one-block-global-delivery-status-lf",
        targets::is_proof,
    );
    for name in ["plain", "pipelined", "chunked", "lmtp", "odd-words"] {
        reach("smtp_reply", name, targets::is_sent);
    }
    for name in ["usual", "drip", "smuggled", "again"] {
        reach("lmtp_server", name, targets::is_taken);
    }
    let inputs: Vec<_> = seeds
        .into_iter()
        .map(|seed| (Target::named(seed.target), seed.name, seed.bytes))
        .collect();
    let failed = broken(&inputs);
    assert!(failed.is_empty(), "{failed:?}");
}
