//! The cuts find every missing sync: each place of the program that syncs something is left out
//! once, and a state is found that breaks a promise.

use std::collections::BTreeSet;
use std::path::Path;

use listseal::disk::faults::Site;

use super::check::{Promises, check};
use super::cuts::{Bench, record};
use super::figures::Figures;
use super::killed::{STORIES, takeover};

/// Syncs that rules of the contract name, by the lines that make them. All must be found.
const RULES: [(&str, &str); 15] = [
    ("R1", "written.draft.sync(&self.place)"),
    ("R1", "durable::sync(&self.inbox.new"),
    ("R1", "draft.publish(new, &message_name(id)"),
    ("R1", "self.layout.sync(Shelf::New)?; Ok(id)"),
    ("R6", ".store_unsynced(Shelf::Work, &slots_name, &image)"),
    (
        "R6",
        ".store_unsynced(Shelf::Work, &plan_name(id), &bytes)?; self.layout.sync(Shelf::Work)?;",
    ),
    (
        "R6",
        "self.layout .store_unsynced(Shelf::Work, &plan_name(id), &bytes)",
    ),
    ("R6", "put.map_err(SpoolError::unrecorded)?; } self.sync()"),
    (
        "R9",
        "self.put(RECORD as u64, &body.to_record())?; self.sync()",
    ),
    ("R9", "disk::point(\"D13\"); self.layout.sync(Shelf::New)?;"),
    (
        "R9",
        "self.layout.remove(Shelf::Work, &plan)?; self.layout.sync(Shelf::Work)?;",
    ),
    (
        "R9",
        "self.layout.remove(Shelf::Work, &slots)?; self.layout.sync(Shelf::Work)?;",
    ),
    ("R10", "disk::sync_all(layout.root())"),
    (
        "R10",
        "// They must not vanish then. self.layout.sync(Shelf::New)?;",
    ),
    ("R12", "durable::sync_data(&ledger.file"),
];
/// Syncs whose absence breaks no promise that can be seen after one cut, and why.
const SILENT: [(&str, &str); 10] = [
    (
        "if let Some(shelf) = resting_place(plan.disposition) {",
        "a note that is lost is made anew from the plan",
    ),
    (
        "write_why(&self.layout, Shelf::Bad, id, &why)?;",
        "a note that is lost is made anew: Q1",
    ),
    (
        "self.layout.remove(Shelf::Work, &again)?;",
        "a decision that comes back has the post opened anew",
    ),
    (
        "self.layout.remove(Shelf::Work, &again_name(id))?;",
        "a decision without its post is swept at start",
    ),
    (
        "draft.publish(tmp, &name, &place)?;",
        "the probe keeps nothing",
    ),
    (
        "let overwrites = match second.publish(",
        "the probe keeps nothing",
    ),
    ("self.sync(Shelf::Tmp)?;", "the probe keeps nothing"),
    (
        "durable::sync(layout.root(), layout.path())?; Ok(ledger)",
        "the ledger was there before",
    ),
    (
        "disk::sync_file(&self.file).map_err(",
        "R10: the spool's syncfs covers it where both lie on one file system, as here",
    ),
    (
        "Ok(()) => sync_directory(path.parent()",
        "directories are taken as durable here",
    ),
];
/// Lives that are tried for each place.
const SEEDS: u64 = 30;

#[test]
fn r1_r6_r9_r10_every_sync_left_out_is_found() {
    let mut places: BTreeSet<Site> = BTreeSet::new();
    for seed in 0..SEEDS {
        places.extend(record(seed, None).syncs);
    }
    let lines: Vec<(Site, String)> = places.into_iter().map(|site| (site, line(site))).collect();
    let mut silent = Vec::new();
    for (site, line) in &lines {
        match found(site) {
            Some((tried, text)) => println!(
                "{}:{} {line}\n    found in trace {tried}: {text}",
                site.file(),
                site.line()
            ),
            None => silent.push((site, line)),
        }
    }
    for (rule, text) in RULES {
        assert!(
            lines.iter().any(|(_, line)| line.contains(text)),
            "{rule}: nothing is synced at {text}"
        );
        let missed = silent.iter().find(|(_, line)| line.contains(text));
        assert!(missed.is_none(), "{rule}: {missed:?} is not missed");
    }
    silent.retain(|(_, line)| !SILENT.iter().any(|(text, _)| line.contains(text)));
    assert!(silent.is_empty(), "syncs that nobody misses: {silent:#?}");
}

/// Returns in which trace the missing sync showed, and how.
fn found(skip: Site) -> Option<(u64, String)> {
    let line = line(skip);
    let is_meant = |(rule, text): &(&str, &str)| *rule == "R10" && line.contains(text);
    if RULES.iter().any(is_meant) {
        return found_by_killing(skip);
    }
    let (bench, mut none) = (Bench::new(), Figures::default());
    for seed in 0..SEEDS {
        let trace = record(seed, Some(skip));
        if !trace.syncs.contains(&skip) {
            continue;
        }
        let ended = trace.states(seed, &mut |at, _, files| {
            check(
                &bench.fresh(),
                files,
                &Promises::of(&trace.calls[..=at]),
                &mut none,
            )
        });
        if let Err((at, fate, (kind, text))) = ended {
            return Some((seed, format!("{kind}, {fate:?} after call {at}: {text}")));
        }
    }
    None
}

/// Returns after which kill the missing sync showed, and how: nothing of it is seen by cuts alone.
fn found_by_killing(skip: Site) -> Option<(u64, String)> {
    let (bench, mut none) = (Bench::new(), Figures::default());
    for seed in 0..SEEDS * 10 {
        for story in STORIES {
            let second = takeover(&bench, story, seed, Some(skip));
            let ended = second.check(&bench, seed, &mut none, &mut 0);
            if let Err((at, fate, (kind, text))) = ended {
                let what = format!("{story:?} killed: {kind}, {fate:?} after call {at}: {text}");
                return Some((seed, what));
            }
        }
    }
    None
}

/// The source line of a place, with those around it that tell it from others.
fn line(site: Site) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(site.file());
    let text = std::fs::read_to_string(path).unwrap();
    let at = site.line() as usize;
    let lines = text.lines().skip(at.saturating_sub(4)).take(5);
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}
