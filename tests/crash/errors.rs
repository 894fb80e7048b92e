//! Every call that touches the disk fails once, in every way that disks fail.

use std::path::Path;
use std::sync::LazyLock;

use listseal::disk::faults::{self, FAULTS, Plan};

use super::check::{Promises, check};
use super::common::mail::Made;
use super::cuts::Bench;
use super::disk::{Disk, Fate, read};
use super::figures::{Dice, Figures, rounds};
use super::life::{WATCHED, World};
use super::relay::{End, MEMBERS, Relay};

const TEXT: &[u8] = b"Subject: errors\n\nThis text is durable or was not taken.\n";

/// Lives of all kinds: holding, releasing, discarding, quarantine, replay, certificates.
const SEEDS: u64 = 12;

#[test]
fn r2_intake_says_0_only_when_the_message_is_durable_and_byte_for_byte() {
    let bench = Bench::new();
    let (mut tried, mut figures) = (0, Figures::default());
    // A short message is one write, a long one several.
    let long = [TEXT, &[b'x'; 140_000][..]].concat();
    let cases = FAULTS
        .into_iter()
        .flat_map(|one| [(one, TEXT), (one, &long[..])]);
    for ((name, fault), text) in cases {
        for at in 0.. {
            let world = World::new();
            let mut disk = Disk::new(&world.root, &WATCHED);
            faults::begin(Plan {
                fault: Some((at, fault)),
                ..Plan::default()
            });
            let taken = world.accept(text);
            let plan = faults::end();
            if !plan.met {
                taken.unwrap();
                break;
            }
            tried += 1;
            if taken.is_ok() {
                // The power fails at once, and everything unsynced is gone.
                plan.trace.iter().for_each(|call| disk.call(call));
                let promises = Promises::of(&plan.trace);
                let checked = check(
                    &bench.fresh(),
                    &disk.after(Fate::Lost),
                    &promises,
                    &mut figures,
                );
                checked.unwrap_or_else(|broken| panic!("{name} at call {at}: {broken:?}"));
            }
            // Whatever it said, the next one is taken and nothing stands in its way.
            world
                .accept(text)
                .unwrap_or_else(|error| panic!("{name} at call {at}: {error:?}"));
            assert!(
                world.desk().unwrap().audit().unwrap().holds(),
                "{name} at call {at}"
            );
        }
    }
    println!("{tried} calls of intake failed");
    assert!(tried >= 8 * (5 + 8), "{tried}");
}

#[test]
fn r7_daemon_goes_on_after_any_failed_call_with_all_that_was_promised() {
    let bench = Bench::new();
    let (mut tried, mut figures) = (0, Figures::default());
    for (name, fault) in FAULTS {
        for seed in 0..SEEDS {
            for at in 0.. {
                let world = World::new();
                faults::begin(Plan {
                    fault: Some((at, fault)),
                    ..Plan::default()
                });
                let lived = world.live(&mut Dice(seed));
                let plan = faults::end();
                if !plan.met {
                    lived.unwrap();
                    break;
                }
                tried += 1;
                let stops = plan.at_sync && fault != faults::Fault::Short;
                assert!(
                    !stops || lived.as_ref().is_err_and(|trouble| trouble.fatal),
                    "{name} at call {at} of life {seed}: a failed sync is no end: {lived:?}"
                );
                if let Err(trouble) = &lived {
                    let root = world.root.to_str().unwrap();
                    assert!(
                        trouble.text.contains(root),
                        "names no place: {}",
                        trouble.text
                    );
                }
                let place = format!("{name} at call {at} of life {seed}: {lived:?}");
                let promises = Promises::of(&plan.trace);
                let files = read(&world.root, &WATCHED);
                let checked = check(&bench.fresh(), &files, &promises, &mut figures);
                checked.unwrap_or_else(|broken| panic!("{place}: {broken:?}"));
            }
        }
    }
    figures.tell(
        "Failing calls",
        &format!("{tried} calls"),
        Path::new("/dev/shm"),
        "cargo test --features faults --test crash errors",
    );
    assert!(tried > 2000, "{tried}");
}

/// Three mails that make a run write wherever it can: a post, one that teaches a certificate, one that
/// is refused with a notice.
fn hand_in(relay: &Relay) {
    const MAIL: &[u8] = b"! sign carol\nFrom: Carol <carol@example.org>\nTo: team@example.org\nSubject: me\n\
        Message-ID: <2.crash@example.org>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\nMIME-Version: 1.0\n\
        Content-Type: text/plain\n\nHere I am.\n";
    static SIGNED: LazyLock<Vec<u8>> =
        LazyLock::new(|| Made::from_text(MAIL, &|name| panic!("there is no mail {name}")).bytes);
    let members = MEMBERS.map(|name| format!("{name}@example.org\n")).concat();
    relay.site.write(
        "lists/example.org/team/subscribers",
        format!("{members}carol@example.org\n"),
    );
    for (list, post) in [
        ("team", &relay.post(1)),
        ("team", &*SIGNED),
        ("closed", &relay.post(3)),
    ] {
        assert_eq!(relay.queue(list, post, &[]).0, End::Code(0));
    }
}

#[test]
fn e3_program_loses_nothing_whichever_call_of_a_run_fails() {
    // Each call in one way, in turn; `LISTSEAL_FAULTS=8` has each fail in all.
    let ways = usize::try_from(rounds("LISTSEAL_FAULTS", 1)).unwrap();
    let (mut met, mut calls, mut sum) = (0, 0, Figures::default());
    for at in 0.. {
        let mut reached = false;
        for way in 0..ways {
            let (name, _) = FAULTS[(at + way) % FAULTS.len()];
            let relay = Relay::in_memory(1);
            hand_in(&relay);
            let fault = format!("{at}:{name}");
            let (end, said) = relay.daemon(&[("FAULT", &fault)]);
            let stopped = said.contains("FAULT met: sync") && name != "short";
            if stopped && !said.contains("probe") {
                assert_ne!(
                    end,
                    End::Code(0),
                    "{fault}: went on after a failed sync (R7): {said}"
                );
            }
            relay.finish();
            let figures = relay.judge(&[1, 2]);
            assert_eq!(
                (figures.lost, figures.torn),
                (0, 0),
                "{fault}: {figures:?}\n{said}"
            );
            assert!(figures.duplicated <= 1, "{fault}: {figures:?}");
            let notices = relay.site.outbox().into_iter();
            let refused =
                notices.filter(|mail| mail.from.is_empty() && mail.to.starts_with("alice@"));
            let refused = refused.count();
            assert!(
                (1..=2).contains(&refused),
                "{fault}: {refused} notices\n{said}"
            );
            sum.join(&figures);
            let hit = said.contains("FAULT met");
            reached |= hit;
            met += u64::from(hit);
        }
        if !reached {
            break;
        }
        calls = at + 1;
    }
    sum.tell(
        "Failing calls of a whole run",
        &format!("{met} faults at {calls} calls"),
        Path::new("/dev/shm"),
        &format!("LISTSEAL_FAULTS={ways} cargo test --features faults --test crash errors"),
    );
    assert!(calls > 60, "{calls}");
}
