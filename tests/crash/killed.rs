//! A process is killed, the next one goes on with what it sees, which need not be on the disk, and
//! then the power fails (contract R10). What the second one promised must hold.
//!
//! `LISTSEAL_TAKEOVERS` sets how many there are.

use std::path::Path;

use listseal::disk::faults::{self, Call, Plan, Site};

use super::check::{Broken, Promises, check};
use super::cuts::{Bench, Trace, record};
use super::disk::{Disk, Fate, write};
use super::figures::{Dice, Figures, rounds};
use super::life::{WATCHED, World};

/// Who is killed, and who goes on.
#[derive(Clone, Copy, Debug)]
pub enum Story {
    /// A daemon at any step, and one that starts after it.
    Daemon,
    /// Intake at any step, beside a daemon that has been there all the time.
    Intake,
}

pub const STORIES: [Story; 2] = [Story::Daemon, Story::Intake];

/// What the second one did on what the first one left, and what had been promised before.
pub struct Takeover {
    pub trace: Trace,
    before: Vec<Call>,
}

/// Kills at a random call; `skip` is a place whose syncs the second one leaves out.
pub fn takeover(bench: &Bench, story: Story, seed: u64, skip: Option<Site>) -> Takeover {
    let mut dice = Dice(seed);
    let first = match story {
        Story::Daemon => record(seed, None),
        Story::Intake => intake(seed),
    };
    let mut disk = first.disk.clone();
    let killed = usize::try_from(dice.below(first.calls.len() as u64)).unwrap();
    let before = &first.calls[..=killed];
    before.iter().for_each(|call| disk.call(call));
    let root = bench.fresh();
    write(&root, &disk.after(Fate::Kept));
    disk.taken_over(&root);
    faults::begin(Plan {
        skip,
        ..Plan::default()
    });
    let lived = World::at(&root).go_on(&mut dice);
    let plan = faults::end();
    lived.unwrap();
    let mut calls = plan.trace;
    if matches!(story, Story::Intake) {
        // It started before there was anything to see.
        calls.retain(|call| !matches!(call, Call::SyncAll));
    }
    Takeover {
        trace: Trace {
            disk,
            calls,
            syncs: plan.syncs,
        },
        before: before.to_vec(),
    }
}

fn intake(seed: u64) -> Trace {
    let world = World::new();
    let disk = Disk::new(&world.root, &WATCHED);
    faults::begin(Plan::default());
    let lived = world.hand_in(&mut Dice(seed));
    let plan = faults::end();
    lived.unwrap();
    Trace {
        disk,
        calls: plan.trace,
        syncs: plan.syncs,
    }
}

impl Takeover {
    /// Checks every state that a cut may leave, up to the first that breaks something.
    pub fn check(
        &self,
        bench: &Bench,
        seed: u64,
        figures: &mut Figures,
        states: &mut u64,
    ) -> Result<(), (usize, Fate, Broken)> {
        self.trace.states(seed, &mut |at, _, files| {
            *states += 1;
            let calls = [&self.before[..], &self.trace.calls[..=at]].concat();
            check(&bench.fresh(), files, &Promises::of(&calls), figures)
        })
    }
}

#[test]
fn r10_what_a_killed_process_left_is_durable_before_the_next_one_builds_on_it() {
    let wanted = rounds("LISTSEAL_TAKEOVERS", TAKEOVERS);
    let (bench, mut dice) = (Bench::new(), Dice::new());
    let (mut figures, mut states) = (Figures::default(), 0);
    let mut complaints = Vec::new();
    for round in 0..wanted {
        let seed = dice.below(u64::MAX);
        let story = STORIES[usize::try_from(round % 2).unwrap()];
        let second = takeover(&bench, story, seed, None);
        let ended = second.check(&bench, seed, &mut figures, &mut states);
        if let Err((at, fate, (kind, text))) = ended {
            figures.broke(kind);
            let call = &second.trace.calls[at];
            complaints.push(format!(
                "{story:?}, seed {seed:#x}, {fate:?} after {at} ({call:?}): {kind}: {text}"
            ));
        }
    }
    figures.tell(
        "Killed, taken over, power cut",
        &format!("{states} states of {wanted} takeovers"),
        Path::new("/dev/shm"),
        &format!("LISTSEAL_TAKEOVERS={wanted} cargo test --features faults --test crash killed"),
    );
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(states >= wanted * 10, "{states} states");
}

/// Takeovers of an ordinary run.
const TAKEOVERS: u64 = 80;
