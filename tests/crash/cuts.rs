//! Power cuts at every step of recorded traces, with all that a disk may make of unsynced changes.
//!
//! `LISTSEAL_TRACES` sets how many traces are taken.

use std::collections::HashSet;
use std::path::Path;

use listseal::disk::faults::{self, Call, Plan, Site};

use super::check::{Broken, Promises, check};
use super::disk::{Disk, Fate, digest};
use super::figures::{Dice, Figures, rounds};
use super::life::{WATCHED, World, scratch};

/// What was recorded of one life.
pub struct Trace {
    pub disk: Disk,
    pub calls: Vec<Call>,
    pub syncs: Vec<Site>,
}

/// Records a life; `skip` is a place whose syncs are left out.
pub fn record(seed: u64, skip: Option<Site>) -> Trace {
    let world = World::new();
    let disk = Disk::new(&world.root, &WATCHED);
    faults::begin(Plan {
        skip,
        ..Plan::default()
    });
    let lived = world.live(&mut Dice(seed));
    let plan = faults::end();
    lived.unwrap();
    Trace {
        disk,
        calls: plan.trace,
        syncs: plan.syncs,
    }
}

/// A directory that is emptied for each state.
pub struct Bench(tempfile::TempDir);

impl Bench {
    pub fn new() -> Self {
        Self(scratch())
    }

    pub fn fresh(&self) -> std::path::PathBuf {
        let root = self.0.path().join("world");
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir(&root).unwrap();
        root
    }
}

impl Trace {
    /// Calls `each` with every state that a cut may leave: after each call, in each fate. Ends with
    /// the first that `each` complains of.
    pub fn states(
        &self,
        seed: u64,
        each: &mut dyn FnMut(usize, Fate, &super::disk::Files) -> Result<(), Broken>,
    ) -> Result<(), (usize, Fate, Broken)> {
        let mut disk = self.disk.clone();
        let mut known = HashSet::new();
        for (at, call) in self.calls.iter().enumerate() {
            disk.call(call);
            // The same disk with the same promises is looked at once.
            if matches!(call, Call::Note(_)) {
                known.clear();
            }
            let tears = [Fate::Torn(seed ^ at as u64), Fate::Torn(!seed ^ at as u64)];
            for fate in [Fate::Lost, Fate::Kept, Fate::Names, Fate::Bytes]
                .into_iter()
                .chain(tears)
            {
                let files = disk.after(fate);
                if known.insert(digest(&files)) {
                    each(at, fate, &files).map_err(|broken| (at, fate, broken))?;
                }
            }
        }
        Ok(())
    }

    /// The kinds of calls in order, and how much each wrote: two lives that differ here differ.
    fn shape(&self) -> String {
        let word = |call: &Call| match call {
            Call::Write { bytes, at, .. } => format!("write {} at {at}", bytes.len()),
            Call::Note(note) => note.split(' ').next().unwrap().to_owned(),
            other => {
                let text = format!("{other:?}");
                text.split([' ', '{']).next().unwrap().to_owned()
            }
        };
        self.calls.iter().map(word).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn r12_every_cut_of_every_trace_leaves_what_was_promised() {
    let wanted = rounds("LISTSEAL_TRACES", TRACES);
    let mut dice = Dice::new();
    let seeds: Vec<u64> = (0..wanted).map(|_| dice.below(u64::MAX)).collect();
    let (left, right) = seeds.split_at(seeds.len() / 2);
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| campaign(left));
        (campaign(right), one.join().unwrap())
    });
    let mut figures = one.figures;
    figures.join(&other.figures);
    let shapes: HashSet<_> = one.shapes.union(&other.shapes).collect();
    let states = one.states + other.states;
    let twice = one.twice + other.twice;
    figures.tell(
        "Simulated disk",
        &format!(
            "{states} states of {} traces, {twice} of them cut in recovery",
            shapes.len()
        ),
        Path::new("/dev/shm"),
        &format!("LISTSEAL_TRACES={wanted} cargo test --features faults --test crash cuts"),
    );
    let complaints: Vec<_> = one
        .complaints
        .iter()
        .chain(&other.complaints)
        .take(5)
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(
        shapes.len() as u64 >= wanted * 9 / 10,
        "{} traces are distinct",
        shapes.len()
    );
    assert!(states >= wanted * 70, "{states} states");
}

#[derive(Default)]
struct Found {
    figures: Figures,
    shapes: HashSet<String>,
    states: u64,
    twice: u64,
    complaints: Vec<String>,
}

fn campaign(seeds: &[u64]) -> Found {
    let bench = Bench::new();
    let mut found = Found::default();
    for seed in seeds {
        let trace = record(*seed, None);
        found.shapes.insert(trace.shape());
        let ended = trace.states(*seed, &mut |at, _, files| {
            found.states += 1;
            let promises = Promises::of(&trace.calls[..=at]);
            check(&bench.fresh(), files, &promises, &mut found.figures)?;
            if found.states % TWICE == 0 {
                found.twice += again(&bench, files, &promises)?;
            }
            Ok(())
        });
        if let Err((at, fate, (kind, text))) = ended {
            found.figures.broke(kind);
            let call = &trace.calls[at];
            found.complaints.push(format!(
                "seed {seed:#x}, {fate:?} after {at} ({call:?}): {kind}: {text}"
            ));
        }
    }
    found.states += found.twice;
    found
}

/// T-TWICE: the power fails again while the first failure is put right.
fn again(bench: &Bench, files: &super::disk::Files, promises: &Promises) -> Result<u64, Broken> {
    let root = bench.fresh();
    super::disk::write(&root, files);
    let disk = Disk::new(&root, &WATCHED);
    faults::begin(Plan::default());
    let world = World::at(&root);
    drop(listseal::spool::Spool::open(&world.settings()).unwrap());
    let plan = faults::end();
    let trace = Trace {
        disk,
        calls: plan.trace,
        syncs: Vec::new(),
    };
    let (mut count, mut none) = (0, Figures::default());
    trace
        .states(1, &mut |_, _, files| {
            count += 1;
            check(&bench.fresh(), files, promises, &mut none)
        })
        .map_err(|(_, _, broken)| broken)?;
    Ok(count)
}

/// Traces of an ordinary run.
const TRACES: u64 = 700;
/// Of how many states one is cut again while it recovers.
const TWICE: u64 = 200;
