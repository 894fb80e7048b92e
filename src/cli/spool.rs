//! `listseal spool`: look at what waits, is held or is bad, and decide about it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::console::{self, complain, confirm, load, print};
use super::exit;
use crate::model::plan::What;
use crate::model::{Reason, SpoolId};
use crate::spool::desk::{DeskError, Detail};
use crate::spool::{Desk, Entry, Slot};

/// Look at what waits, is held or is bad, and decide about it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A held post waits for release or discard, a bad message for retry or discard; ls and show say why. \
What waits or is being delivered goes on by itself.

Exit codes: 0 done; 1 not possible in this state, or you said no; 64 used wrongly, or a question \
without a terminal; 66 no such message; 75 the spool cannot be read; 78 bad configuration.")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with the spool.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// List every message: waiting, delivering, held, bad.
    Ls {
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show one message: envelope, state, reason, and how far each recipient got.
    Show {
        /// The id, or the beginning of it.
        id: String,
        /// Print a JSON array with one object.
        #[arg(long, conflicts_with = "message")]
        json: bool,
        /// Write the message itself, as it came in, to standard output.
        #[arg(long)]
        message: bool,
    },
    /// Let held posts pass.
    Release {
        /// Their ids, or the beginnings of them.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Try bad messages again from the start.
    Retry {
        /// Their ids, or the beginnings of them.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Remove held or bad messages for good.
    Discard {
        /// Their ids, or the beginnings of them.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Do not ask.
        #[arg(long)]
        force: bool,
    },
}

/// Does what was asked.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    let settings = match load(config) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let desk = match Desk::open(&settings.paths.spool) {
        Ok(desk) => desk,
        Err(error) => return complain(&error, error.exit_code()),
    };
    // A site whose daemon never ran has an empty spool, not a broken one.
    match (&args.action, desk) {
        (Action::Ls { json }, None) => list(&[], *json),
        (Action::Ls { json }, Some(desk)) => match desk.entries() {
            Ok(entries) => list(&entries, *json),
            Err(error) => complain(&error, error.exit_code()),
        },
        (_, None) => complain(&"the spool is empty", exit::NO_INPUT),
        (Action::Show { id, json, message }, Some(desk)) => show(&desk, id, *json, *message),
        (Action::Release { ids }, Some(desk)) => each(&desk, ids, "released", |id, by| {
            desk.release(id, by, OffsetDateTime::now_utc())
        }),
        (Action::Retry { ids }, Some(desk)) => each(&desk, ids, "to be tried again", |id, by| {
            desk.retry(id, by, OffsetDateTime::now_utc())
        }),
        (Action::Discard { ids, force }, Some(desk)) => {
            let question = format!("Remove {} message(s) for good?", ids.len());
            match confirm(*force, &question, "nothing was discarded") {
                Ok(()) => each(&desk, ids, "discarded", |id, by| desk.discard(id, by)),
                Err((code, text)) => complain(&text, code),
            }
        }
    }
}

fn each(
    desk: &Desk,
    ids: &[String],
    done: &str,
    act: impl Fn(SpoolId, &str) -> Result<(), DeskError>,
) -> u8 {
    let by = who();
    let mut code = exit::OK;
    for text in ids {
        match desk.resolve(text).and_then(|id| act(id, &by).map(|()| id)) {
            Ok(id) => code = print(format!("{id} {done}\n"), code),
            Err(error) => code = complain(&error, error_code(&error)),
        }
    }
    code
}

fn error_code(error: &DeskError) -> u8 {
    match error {
        DeskError::Spool(error) => error.exit_code(),
        DeskError::Unknown(_) => exit::NO_INPUT,
        DeskError::Ambiguous(_) | DeskError::NotNow { .. } => exit::FAILED,
    }
}

/// Who decides, for the record: the person behind sudo, else the user.
fn who() -> String {
    ["SUDO_USER", "LOGNAME", "USER"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

fn list(entries: &[Entry], json: bool) -> u8 {
    let text = if json {
        console::json(entries.iter().map(row).collect())
    } else if entries.is_empty() {
        "The spool is empty.\n".to_owned()
    } else {
        entries.iter().map(|entry| line(entry) + "\n").collect()
    };
    print(text, exit::OK)
}

fn row(entry: &Entry) -> Value {
    let head = entry.head.as_ref();
    let why = entry.why.as_ref();
    let mut row = json!({
        "id": entry.id.to_string(),
        "state": entry.state.name(),
        "list": head.map(|head| head.envelope.recipient().to_string()),
        "sender": head.map(|head| head.envelope.sender_text()),
        "size": head.map(|head| head.size),
        "arrived": arrived(entry.id).format(&Rfc3339).ok(),
        "age": age(entry.id).as_secs(),
        "reason": why.map(|why| why.reason.as_str()),
        "detail": why.map(|why| why.detail.as_str()),
    });
    if let (Some(tally), Some(object)) = (entry.progress, row.as_object_mut()) {
        object.insert(
            "progress".to_owned(),
            json!({
                "open": tally.open, "deferred": tally.deferred, "sent": tally.sent,
                "failed": tally.failed, "withheld": tally.withheld,
            }),
        );
    }
    row
}

fn line(entry: &Entry) -> String {
    let (list, sender, size) = match &entry.head {
        Some(head) => (
            head.envelope.recipient().to_string(),
            format!("<{}>", head.envelope.sender_text()),
            show_size(head.size),
        ),
        None => ("?".to_owned(), "?".to_owned(), "?".to_owned()),
    };
    let (state, id, age) = (entry.state.name(), entry.id, show_age(age(entry.id)));
    let mut line = format!("{id}  {state:<10}  {age:>5}  {size:>9}  {list}  from {sender}");
    if let Some(why) = &entry.why {
        let _ = write!(line, "  {}: {}", why.reason, why.detail);
    } else if let Some(tally) = entry.progress {
        let whole = tally.unfinished() + tally.sent + tally.failed + tally.withheld;
        let _ = write!(line, "  {} of {whole} to go", tally.unfinished());
    }
    line
}

fn show(desk: &Desk, text: &str, json: bool, message: bool) -> u8 {
    let shown = desk.resolve(text).and_then(|id| {
        if message {
            return Ok(desk.message(id)?.data);
        }
        let detail = desk.detail(id)?;
        let text = if json {
            console::json(vec![detail_row(&detail)])
        } else {
            detail_text(&detail)
        };
        Ok(text.into_bytes())
    });
    match shown {
        Ok(bytes) => print(bytes, exit::OK),
        Err(error) => complain(&error, error_code(&error)),
    }
}

fn detail_row(detail: &Detail) -> Value {
    let items: Vec<Value> = detail
        .items
        .iter()
        .map(|(item, slot)| {
            let (state, rest) = slot_words(slot);
            json!({"to": item.to, "what": what_word(&item.what), "state": state, "detail": rest})
        })
        .collect();
    let mut row = row(&detail.entry);
    if let Some(object) = row.as_object_mut() {
        let plan = detail.plan.as_ref();
        object.insert(
            "disposition".to_owned(),
            json!(plan.map(|plan| plan.disposition)),
        );
        object.insert(
            "plan_reason".to_owned(),
            json!(plan.and_then(|plan| plan.reason)),
        );
        object.insert("crashes".to_owned(), json!(detail.crashes));
        object.insert("items".to_owned(), Value::Array(items));
    }
    row
}

fn detail_text(detail: &Detail) -> String {
    let mut out = format!("{}\n", line(&detail.entry));
    if let Some(plan) = &detail.plan {
        let word = serde_json::to_value(plan.disposition).unwrap_or_default();
        let _ = write!(out, "decided: {}", word.as_str().unwrap_or_default());
        if let Some(reason) = plan.reason {
            let _ = write!(out, " ({}: {})", reason.code(), reason.text());
        }
        out.push('\n');
    }
    if detail.crashes > 0 {
        let _ = writeln!(
            out,
            "opening it was begun {} time(s) without an end",
            detail.crashes
        );
    }
    for (item, slot) in &detail.items {
        let (state, rest) = slot_words(slot);
        let _ = writeln!(
            out,
            "  {state:<8}  {:<8}  {}  {rest}",
            what_word(&item.what),
            item.to
        );
    }
    out
}

fn what_word(what: &What) -> &str {
    match what {
        What::Copy => "copy",
        What::Intact => "intact",
        What::Notice { kind, .. } => kind,
        What::Sealed => "sealed",
        What::Withheld { .. } => "withheld",
    }
}

/// The state of an item in one word, and what else there is to say.
fn slot_words(slot: &Slot) -> (&'static str, String) {
    let because = |reason: Reason, code: u16| match code {
        0 => reason.text().to_owned(),
        code => format!("{} ({code})", reason.text()),
    };
    match slot {
        Slot::Open => ("open", String::new()),
        Slot::Sent { .. } => ("sent", String::new()),
        Slot::Failed { reason, code, .. } => ("failed", because(*reason, *code)),
        Slot::Withheld { reason } => ("withheld", because(*reason, 0)),
        Slot::Deferred(deferral) => {
            let due = i128::from(deferral.next_due) * 1000;
            let due = OffsetDateTime::from_unix_timestamp_nanos(due).ok();
            let due = due.and_then(|due| due.replace_nanosecond(0).ok());
            let due = due
                .and_then(|due| due.format(&Rfc3339).ok())
                .unwrap_or_default();
            let tries = deferral.attempts;
            (
                "deferred",
                format!(
                    "tried {tries} time(s), last reply {}, next {due}",
                    deferral.code
                ),
            )
        }
    }
}

fn arrived(id: SpoolId) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(id.micros()) * 1000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn age(id: SpoolId) -> Duration {
    Duration::try_from(OffsetDateTime::now_utc() - arrived(id)).unwrap_or_default()
}

fn show_age(age: Duration) -> String {
    match age.as_secs() {
        secs @ 0..=119 => format!("{secs}s"),
        secs @ 120..=7199 => format!("{}m", secs / 60),
        secs @ 7200..=172_799 => format!("{}h", secs / 3600),
        secs => format!("{}d", secs / 86_400),
    }
}

fn show_size(bytes: u64) -> String {
    match bytes {
        0..=9999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;

    use super::*;
    use crate::cli::audit;
    use crate::config::Settings;
    use crate::intake::accept;
    use crate::spool::{Received, Spool, SpoolSettings};
    use crate::store::lists::Lists;

    struct World {
        _dir: tempfile::TempDir,
        config: PathBuf,
        settings: Settings,
    }

    fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("listseal.toml");
        std::fs::write(&config, "[paths]\nlists = \"lists\"\nspool = \"spool\"\n").unwrap();
        let list = dir.path().join("lists/example.org/team");
        std::fs::create_dir_all(&list).unwrap();
        std::fs::write(list.join("list.toml"), b"").unwrap();
        let settings = Settings::load(&config).unwrap();
        World {
            _dir: dir,
            config,
            settings,
        }
    }

    impl World {
        fn post(&self, text: &str) -> SpoolId {
            let lists = Lists::new(std::sync::Arc::new(self.settings.clone()));
            let mut input = text.as_bytes();
            accept(&lists, "team@example.org", Some("a@x.org"), &mut input).unwrap()
        }

        fn spool(&self) -> Spool {
            Spool::open(&SpoolSettings::from(&self.settings)).unwrap().0
        }

        fn run(&self, action: Action) -> u8 {
            run(&Args { action }, &self.config)
        }

        fn audit(&self) -> u8 {
            audit::run(&audit::Args { json: true }, &self.config)
        }

        fn entries(&self) -> Vec<Entry> {
            let desk = Desk::open(&self.settings.paths.spool).unwrap().unwrap();
            desk.entries().unwrap()
        }
    }

    #[test]
    fn site_whose_daemon_never_ran_has_an_empty_spool_that_adds_up() {
        let world = world();
        assert_eq!(world.run(Action::Ls { json: true }), exit::OK);
        assert_eq!(world.audit(), exit::OK);
        let ids = vec!["0006".to_owned()];
        assert_eq!(world.run(Action::Retry { ids }), exit::NO_INPUT);
        std::fs::write(&world.config, "[paths]\nspol = \"x\"\n").unwrap();
        assert_eq!(world.run(Action::Ls { json: false }), exit::CONFIG);
        assert_eq!(world.audit(), exit::CONFIG);
    }

    #[test]
    fn list_tells_every_fact_and_nothing_of_the_content() {
        let world = world();
        drop(world.spool());
        let id = world.post("Subject: secret\n\nsecret\n");
        let entries = world.entries();
        let row = row(&entries[0]);
        for (key, value) in [
            ("id", json!(id.to_string())),
            ("state", json!("waiting")),
            ("list", json!("team@example.org")),
            ("sender", json!("a@x.org")),
            ("size", json!(24)),
            ("reason", Value::Null),
        ] {
            assert_eq!(row[key], value, "{key}");
        }
        assert!(row["age"].as_u64().unwrap() < 60);
        assert!(!row.to_string().contains("secret") && !line(&entries[0]).contains("secret"));
        assert_eq!(world.run(Action::Ls { json: false }), exit::OK);
        let show = |json, message| Action::Show {
            id: id.to_string(),
            json,
            message,
        };
        assert_eq!(world.run(show(true, false)), exit::OK);
        assert_eq!(world.run(show(false, true)), exit::OK);
    }

    #[test]
    fn bad_message_is_retried_or_discarded_and_discarding_needs_consent() {
        let world = world();
        let spool = world.spool();
        let id = world.post("Subject: x\n\n");
        let path = world.settings.paths.spool.join(format!("new/{id}.msg"));
        std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(b"x")
            .unwrap();
        let now = OffsetDateTime::now_utc();
        let bad = spool.receive(id, now, true).unwrap();
        assert!(matches!(bad, Received::Quarantined(_)));
        assert_eq!(row(&world.entries()[0])["reason"], "damaged");
        let ids = || vec![id.to_string()];
        assert_eq!(world.run(Action::Release { ids: ids() }), exit::FAILED);
        assert_eq!(world.run(Action::Retry { ids: ids() }), exit::OK);
        assert_eq!(world.entries()[0].state.name(), "waiting");
        assert_eq!(
            world.run(Action::Discard {
                ids: ids(),
                force: true
            }),
            exit::FAILED
        );
        spool.receive(id, now, true).unwrap();
        assert_eq!(world.entries()[0].state.name(), "bad");
        assert_eq!(
            world.run(Action::Discard {
                ids: ids(),
                force: true
            }),
            exit::OK
        );
        assert!(world.entries().is_empty());
        assert_eq!(
            world.run(Action::Discard {
                ids: ids(),
                force: true
            }),
            exit::NO_INPUT
        );
        assert_eq!(world.audit(), exit::OK);
    }

    #[test]
    fn r12_audit_exits_1_when_a_message_vanished() {
        let world = world();
        let spool = world.spool();
        let id = world.post("Subject: x\n\n");
        spool.receive(id, OffsetDateTime::now_utc(), true).unwrap();
        assert_eq!(world.audit(), exit::OK);
        let path = world.settings.paths.spool.join(format!("new/{id}.msg"));
        std::fs::remove_file(path).unwrap();
        assert_eq!(world.audit(), exit::FAILED);
    }

    #[test]
    fn beginning_of_an_id_is_enough_if_it_is_the_only_one() {
        let world = world();
        drop(world.spool());
        let first = world.post("Subject: 1\n\n").to_string();
        let desk = Desk::open(&world.settings.paths.spool).unwrap().unwrap();
        assert_eq!(desk.resolve(&first[..20]).unwrap().to_string(), first);
        assert!(matches!(
            desk.resolve(&first[..3]),
            Err(DeskError::Unknown(_))
        ));
        world.post("Subject: 2\n\n");
        assert!(matches!(
            desk.resolve(&first[..7]),
            Err(DeskError::Ambiguous(_))
        ));
        assert!(matches!(
            desk.resolve("ffffffff"),
            Err(DeskError::Unknown(_))
        ));
    }

    #[test]
    fn ages_and_sizes_are_short() {
        let age = |secs| show_age(Duration::from_secs(secs));
        assert_eq!(
            [age(5), age(600), age(10_000), age(1_000_000)],
            ["5s", "10m", "2h", "11d"]
        );
        assert_eq!(
            [show_size(999), show_size(52_000), show_size(52_428_800)],
            ["999 B", "52 kB", "52 MB"]
        );
    }
}
