//! Recovers a world after a cut, and holds it against what had been promised by then.

use std::collections::BTreeMap;
use std::path::Path;

use listseal::disk::faults::Call;
use listseal::model::SpoolId;
use listseal::pki::Slot as Use;
use listseal::spool::{Spool, Stage};

use super::disk::{Files, write};
use super::figures::Figures;
use super::life::{World, certificate, member};

/// What had been promised when the power failed.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    messages: BTreeMap<String, Message>,
    /// Messages that a daemon is about to take without a promise to the MTA, and what is in them.
    taking: BTreeMap<String, String>,
    admitted: Vec<(String, String, u64)>,
    /// The certificate in force, and those that may be.
    learned: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
struct Message {
    text: String,
    stage: &'static str,
    planned: bool,
    sent: Vec<usize>,
}

impl Promises {
    /// Takes in what was noted in a trace up to some point; certificate 0 was there before.
    pub fn of(calls: &[Call]) -> Self {
        let mut promises = Self {
            learned: vec![0],
            ..Self::default()
        };
        for call in calls {
            if let Call::Note(note) = call {
                promises.take(note);
            }
        }
        promises
    }

    fn take(&mut self, note: &str) {
        let (word, rest) = note.split_once(' ').unwrap();
        let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "learning" => self.learned.push(first.parse().unwrap()),
            "learned" => self.learned = vec![first.parse().unwrap()],
            "admitted" => {
                let (number, sequence) = more.split_once(' ').unwrap();
                let sequence = sequence.parse().unwrap();
                self.admitted
                    .push((first.to_owned(), number.to_owned(), sequence));
            }
            "accepted" => {
                let message = Message {
                    text: more.to_owned(),
                    stage: "accepted",
                    ..Message::default()
                };
                self.messages.insert(first.to_owned(), message);
            }
            "taking" => {
                self.taking.insert(first.to_owned(), more.to_owned());
            }
            _ => {
                let message = self.messages.entry(first.to_owned()).or_insert_with(|| {
                    let text = self.taking.get(first).cloned();
                    Message {
                        text: text.unwrap_or_else(|| panic!("{first}: nobody took it")),
                        ..Message::default()
                    }
                });
                match word {
                    "sent" => message.sent.push(more.parse().unwrap()),
                    "planned" => message.planned = true,
                    // The same post again, from the start: its earlier plan is history.
                    "again" | "bad" | "held" | "kept" => {
                        (message.planned, message.sent) = (false, Vec::new());
                    }
                    _ => {}
                }
                message.stage = [
                    "attempt",
                    "again",
                    "bad",
                    "discarded",
                    "ending",
                    "finished",
                    "held",
                    "kept",
                    "planned",
                    "planning",
                    "sent",
                    "turning",
                ]
                .into_iter()
                .find(|one| *one == word)
                .unwrap();
            }
        }
    }
}

/// What was broken: `lost`, `duplicated` or `torn`, and how it shows.
pub type Broken = (&'static str, String);

/// Puts a world with these files into the empty directory `root`, and recovers it.
pub fn check(
    root: &Path,
    files: &Files,
    promises: &Promises,
    figures: &mut Figures,
) -> Result<(), Broken> {
    write(root, files);
    order(files)?;
    let world = World::at(root);
    let recovered = Spool::open(&world.settings());
    let (spool, recovery) = recovered.map_err(|error| ("lost", format!("start: {error}")))?;
    let odd = !(recovery.lost.is_empty()
        && recovery.quarantined.is_empty()
        && recovery.untouched.is_empty());
    if odd {
        return Err(("lost", format!("{recovery:?}")));
    }
    let fresh = spool.scan(usize::MAX, &|_| false).unwrap().fresh;
    for id in &fresh {
        if let Err(error) = spool.read(*id) {
            return Err(("torn", format!("{id}: {error}")));
        }
    }
    for (id, message) in &promises.messages {
        kept(&spool, root, files, id, message)?;
    }
    stores(&world, promises)?;
    drop(spool);
    let audit = world
        .desk()
        .unwrap()
        .audit()
        .map_err(|error| ("lost", error.to_string()))?;
    if !audit.holds() {
        return Err(("lost", format!("{audit:?}")));
    }
    figures.add(&audit);
    Ok(())
}

/// R9 to the letter, before anything is put right: what is removed has its mark on the disk.
fn order(files: &Files) -> Result<(), Broken> {
    let there = |name: &str| files.contains_key(Path::new(name));
    let ledger = files
        .get(Path::new("spool/ledger"))
        .map(Vec::as_slice)
        .unwrap_or_default();
    for line in String::from_utf8_lossy(ledger)
        .lines()
        .filter(|line| line.contains("\"event\":\"done\""))
    {
        let id = line
            .split("\"id\":\"")
            .nth(1)
            .and_then(|rest| rest.get(..48))
            .unwrap_or("torn");
        let message = there(&format!("spool/new/{id}.msg"));
        let plan = there(&format!("spool/work/{id}.plan"));
        let slots = files.get(Path::new(&format!("spool/work/{id}.slots")));
        let done = slots.is_some_and(|slots| slots.get(64..128).is_some_and(is_done));
        if slots.is_some() && !done {
            return Err((
                "duplicated",
                format!("{id}: has ended, and its slots do not say so"),
            ));
        }
        if (message || plan) && !done {
            return Err(("duplicated", format!("{id}: came back without its DONE")));
        }
    }
    Ok(())
}

fn is_done(record: &[u8]) -> bool {
    record[0] == 5 && crc32c::crc32c(&record[..60]).to_be_bytes() == record[60..]
}

/// One message is as far as was promised, or farther.
fn kept(
    spool: &Spool,
    root: &Path,
    before: &Files,
    id: &str,
    message: &Message,
) -> Result<(), Broken> {
    let parsed: SpoolId = id.parse().unwrap();
    let lies = |shelf: &str, end: &str| root.join(format!("spool/{shelf}/{id}{end}")).exists();
    let lay = |shelf: &str, end: &str| {
        before.contains_key(Path::new(&format!("spool/{shelf}/{id}{end}")))
    };
    if matches!(message.stage, "finished" | "discarded") {
        // The promise is that nothing is left, not that recovery takes it away.
        let left = [
            ("new", ".msg"),
            ("hold", ".msg"),
            ("work", ".plan"),
            ("work", ".slots"),
        ];
        return match left.iter().find(|(shelf, end)| lay(shelf, end)) {
            Some((shelf, end)) => Err((
                "duplicated",
                format!("{shelf}/{id}{end} came back after its end"),
            )),
            None => Ok(()),
        };
    }
    let here = ["new", "hold", "bad"]
        .iter()
        .any(|shelf| lies(shelf, ".msg"));
    if !here {
        return match message.stage {
            "ending" => Ok(()),
            stage => Err(("lost", format!("{id}: {stage}, and gone"))),
        };
    }
    match spool.read(parsed) {
        Ok(found) if found.data == message.text.as_bytes() => {}
        other => return Err(("torn", format!("{id}: {other:?}"))),
    }
    match message.stage {
        "attempt" if spool.crashes(parsed) == 0 => {
            return Err(("lost", format!("{id}: the attempt is not on record")));
        }
        "held" if !lies("hold", ".msg") => return Err(("lost", format!("{id}: is not held"))),
        "kept" | "bad" if !lies("bad", ".msg") => {
            return Err(("lost", format!("{id}: is not in bad/")));
        }
        "held" | "kept" if lay("work", ".plan") || lay("work", ".slots") => {
            return Err(("duplicated", format!("{id}: its plan came back")));
        }
        "again" if !lies("new", ".msg") || !lies("work", ".again") => {
            return Err(("lost", format!("{id}: the decision is forgotten")));
        }
        _ => {}
    }
    if message.planned && !matches!(message.stage, "held" | "kept" | "ending") {
        let staged = spool
            .stage(parsed)
            .map_err(|error| ("lost", format!("{id}: {error}")))?;
        let Stage::Planned(_, slots) = staged else {
            return Err(("duplicated", format!("{id}: its plan is gone")));
        };
        for index in &message.sent {
            if !slots.state(*index).is_ok_and(|slot| slot.is_final()) {
                return Err((
                    "duplicated",
                    format!("{id}: item {index} would be sent again"),
                ));
            }
        }
    }
    Ok(())
}

/// The memory of the list and the certificates are as was promised.
fn stores(world: &World, promises: &Promises) -> Result<(), Broken> {
    let mut replay = world
        .replay()
        .map_err(|problem| ("lost", problem.to_string()))?;
    let now = super::life::now();
    let another = SpoolId::new(1, 1, [9; 8]);
    for (id, number, _) in &promises.admitted {
        let key = replay.message_id(&format!("{number}@x.org"));
        let seen = replay
            .seen(&key, another, now)
            .map_err(|problem| ("lost", problem.to_string()))?;
        if seen.is_none_or(|seen| seen.id.to_string() != *id) {
            return Err((
                "duplicated",
                format!("{id}: was admitted and is not known again"),
            ));
        }
    }
    if replay.damage().records > 0 {
        return Err(("torn", format!("{:?}", replay.damage())));
    }
    if let Some((_, _, last)) = promises.admitted.last() {
        let next = replay
            .admit(another, true, &[], now)
            .map_err(|problem| ("lost", problem.to_string()))?;
        if next <= *last {
            return Err((
                "duplicated",
                format!("post number {next} comes after {last}"),
            ));
        }
    }
    // C1, C2: the old certificate or the new one, never none.
    let force = world.certificates().in_force(&member(), Use::Both);
    let force = force.map_err(|unusable| ("torn", format!("{unusable:?}")))?;
    let force = force.ok_or(("lost", "no certificate is in force".to_owned()))?;
    if promises
        .learned
        .iter()
        .any(|which| *certificate(*which) == force.certificate)
    {
        Ok(())
    } else {
        Err((
            "lost",
            format!(
                "another certificate is in force than {:?}",
                promises.learned
            ),
        ))
    }
}
