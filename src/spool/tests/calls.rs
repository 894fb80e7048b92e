//! The order of the daemon's system calls, and a disk that fails to sync, seen by strace.

use super::*;
use crate::spool::testing::{CHILD, strace};

/// Takes one message from waiting to closed; by itself an ordinary test.
#[test]
fn child_lives_one_life() {
    let Some(dir) = std::env::var_os(CHILD) else {
        let world = world();
        world.post("Subject: x\n\n");
        assert!(life(&world.settings).is_none());
        return;
    };
    let settings = SpoolSettings {
        path: PathBuf::from(dir).join("spool"),
        allow_network_fs: false,
    };
    match life(&settings) {
        None => std::process::exit(0),
        Some(error) if error.is_fatal() => std::process::exit(75),
        Some(_) => std::process::exit(1),
    }
}

/// Receives, plans, records, finishes; returns the first error, after seeing that a slot file whose
/// sync failed is not used again.
fn life(settings: &SpoolSettings) -> Option<SpoolError> {
    let run = || -> Result<(), SpoolError> {
        let (spool, _) = Spool::open(settings)?;
        let id = everything(&spool)[0];
        spool.receive(id, now(), true)?;
        let slots = spool.commit(id, &plan(Disposition::Distribute, 1), "")?;
        if let Err(error) = slots.record(0, Slot::Sent { at: 1 }) {
            let again = slots.record(0, Slot::Sent { at: 1 });
            assert!(
                again.is_err_and(|error| error.is_fatal()),
                "R7: synced after a failure"
            );
            return Err(error);
        }
        spool.finish(id).map(|_| ())
    };
    run().err()
}

fn traced(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let test = "spool::tests::calls::child_lives_one_life";
    let (output, trace) = strace(test, world.dir.path(), arguments);
    (output.status.code(), trace)
}

/// The calls on the message's own files and directories, as one word and the file.
fn steps(trace: &str, id: SpoolId) -> Vec<String> {
    let id = id.to_string();
    let mut steps: Vec<String> = trace
        .lines()
        .skip_while(|line| !line.contains(&format!("{id}.msg")))
        .filter(|line| line.ends_with("= 0") || line.contains("pwrite64"))
        .filter_map(|line| {
            let call = ["pwrite64", "fdatasync", "fsync", "renameat", "unlinkat"]
                .into_iter()
                .find(|call| line.contains(&format!("{call}(")))?;
            let file = [".msg", ".plan", ".slots", "/ledger"]
                .into_iter()
                .find(|part| {
                    line.contains(&format!("{id}{part}")) || line.contains(&format!("{part}>"))
                })
                .or_else(|| {
                    ["/new>", "/work>"]
                        .into_iter()
                        .find(|part| line.contains(part))
                })?;
            Some(format!("{call} {file}"))
        })
        .collect();
    steps.dedup();
    steps
}

#[test]
fn r8_r9_every_step_is_on_disk_before_the_next() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let (code, trace) = traced(&world, &[]);
    assert_eq!(code, Some(0), "{trace}");
    let expected = [
        "fsync /new>",       // I6, for one who was killed before it
        "fdatasync /ledger", // D2
        "fsync .slots",
        "renameat .slots",
        "fsync .plan",
        "renameat .plan",
        "fsync /work>",    // D5
        "pwrite64 .slots", // D9
        "fdatasync .slots",
        "pwrite64 .slots", // D12
        "fdatasync .slots",
        "fdatasync /ledger",
        "unlinkat .msg", // D13
        "fsync /new>",
        "unlinkat .plan",
        "fsync /work>",
        "unlinkat .slots",
        "fsync /work>",
    ];
    assert_eq!(steps(&trace, id), expected, "{trace}");
}

#[test]
fn r7_sync_that_fails_is_fatal_wherever_it_happens_and_loses_nothing() {
    let mut injected = 0;
    for call in ["fsync", "fdatasync", "syncfs"] {
        for nth in 1..=12 {
            let world = world();
            let id = world.post("Subject: x\n\n");
            drop(world.open()); // makes the directories, which is not what is looked at
            let inject = format!("inject={call}:error=EIO:when={nth}");
            let (code, trace) = traced(&world, &["-e", &inject]);
            if !trace.contains("INJECTED") {
                assert_eq!(code, Some(0), "{inject}\n{trace}");
                break;
            }
            injected += 1;
            assert_eq!(code, Some(75), "{inject}\n{trace}");
            // The next daemon, on a disk that works again, finds the message or its end.
            let (spool, recovery) = world.recover();
            assert!(
                recovery.lost.is_empty() && recovery.quarantined.is_empty(),
                "{inject}"
            );
            let planned = spool.planned().unwrap();
            let waits = everything(&spool) == [id];
            let audit = world.adds_up();
            let ended = audit.ended.distributed == 1;
            assert!(waits != ended, "{inject}: {planned:?} {audit:?}");
        }
    }
    assert!(injected >= 12, "only {injected} syncs were found to fail");
}
