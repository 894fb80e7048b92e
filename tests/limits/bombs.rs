//! Hostile mail through the whole relay: intake, daemon, notices, copies (T-BOMB, G9).
//!
//! Each mail has an end that is on record, costs little, and sends nothing to anybody outside; good
//! mail between them comes through.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::hostile;
use super::common::site::{OUTBOX, Site};
use super::figures::Row;
use super::process::{Daemon, field};

/// Seconds of CPU for one, of the program as it is installed (G9).
const CPU: f64 = 2.0;
/// The unoptimised program may take as many times as long.
const UNOPTIMISED: f64 = 15.0;
/// Peak of the whole process (G9).
const MEMORY: u64 = 256 << 20;
/// Good mail after each so many bombs.
const EACH: usize = 10;
const MEMBERS: [&str; 2] = ["alice@example.org", "bob@example.org"];
const INSIDE: [&str; 3] = [MEMBERS[0], MEMBERS[1], "olga@example.org"];

/// What one mail cost and what became of it.
#[derive(Debug, Default)]
struct Cost {
    cpu: f64,
    memory: u64,
    operations: u64,
    end: String,
}

/// What is only known of some.
fn most_operations(name: &str) -> Option<u64> {
    match name {
        // E13: all of them name us, and two are tried.
        "recipients-ours-9999" | "recipients-ours" => Some(2),
        // E10, S13: two layers are opened.
        "layers-sealed-100" => Some(2),
        // E13: one above what is looked at.
        "recipients-ours-100000" => Some(0),
        _ => None,
    }
}

/// The mails, written once for all tests.
pub fn bombs() -> &'static [(String, PathBuf)] {
    static ALL: OnceLock<(tempfile::TempDir, Vec<(String, PathBuf)>)> = OnceLock::new();
    let (_, files) = ALL.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for script in ["bombs.py", "large.py"] {
            let out = dir.path().join(script);
            std::fs::create_dir(&out).unwrap();
            files.extend(hostile::write(script, &out));
        }
        let named = |path: PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, path)
        };
        (dir, files.into_iter().map(named).collect())
    });
    files
}

/// A site with the list `team`, which the bombs are for, and the list `calm` beside it.
pub fn site(settings: &str, transport: &str) -> Site {
    let site = Site::new();
    site.configure(transport, "[log]\nformat = \"json\"\nlevel = \"debug\"\n");
    let members = MEMBERS.join("\n");
    let owner = "owners = [\"olga@example.org\"]\n";
    site.list("team", &format!("{owner}{settings}"), &members);
    let open = format!("{owner}send = \"public\"\nencrypt = \"always\"\n");
    site.list("calm", &open, &members);
    site.certificate("alice", None);
    site.certificate("bob", None);
    site
}

/// True where nothing is left to do.
pub fn is_settled(site: &Site) -> bool {
    let empty = |shelf: &str, end: &str| {
        let names = std::fs::read_dir(site.path(&format!("spool/{shelf}"))).unwrap();
        names
            .flatten()
            .all(|entry| !entry.file_name().to_string_lossy().ends_with(end))
    };
    empty("new", ".msg") && empty("work", ".plan")
}

/// Hands one in and waits for its end.
fn one(site: &Site, daemon: &Daemon, file: &Path) -> Cost {
    daemon.forget_peak();
    let before = daemon.cpu();
    let mail = std::fs::read(file).unwrap();
    let ended = site.queue("team@example.org", "mallory@elsewhere.example", &mail);
    assert_eq!(ended.code, 0, "{}: {ended:?}", file.display());
    daemon.wait("a bomb has no end", || is_settled(site));
    let mut cost = Cost {
        cpu: daemon.cpu() - before,
        memory: daemon.peak(),
        ..Cost::default()
    };
    let mut events = Vec::new();
    let has_end = |event: &Value| field(event, "authorize").is_some();
    // The log comes by another way than the files.
    let begin = Instant::now();
    while !events.iter().any(has_end) && begin.elapsed() < Duration::from_secs(10) {
        events.extend(daemon.said());
        std::thread::sleep(Duration::from_millis(1));
    }
    for event in &events {
        let number = |name: &str| field(event, name).and_then(Value::as_u64);
        let word = |name: &str| field(event, name).and_then(Value::as_str);
        cost.operations += number("private_operations").unwrap_or(0);
        // The owners' report on it is another message.
        if let Some(end) = word("authorize").filter(|end| *end != "report") {
            cost.end = format!("{end} {}", word("reason").unwrap_or_default());
        }
    }
    cost
}

fn good(number: usize) -> Vec<u8> {
    format!(
        "From: Alice <alice@example.org>\r\nTo: calm@example.org\r\nSubject: {number}\r\n\
         Message-ID: <{number}.good@example.org>\r\n\r\nAll is well, for the {number}th time.\r\n"
    )
    .into_bytes()
}

/// Sends all of them through, one after the other.
fn attack(settings: &str, least: usize, chosen: impl Fn(&str) -> bool) -> BTreeMap<String, Cost> {
    let site = site(settings, OUTBOX);
    let mut daemon = Daemon::start(&site);
    let (mut costs, mut faults, mut goods) = (BTreeMap::new(), Vec::new(), 0);
    for (number, (name, file)) in bombs().iter().filter(|(name, _)| chosen(name)).enumerate() {
        let cost = one(&site, &daemon, file);
        assert!(!daemon.has_ended(), "{name} ended the daemon");
        let allowed = if cfg!(debug_assertions) {
            CPU * UNOPTIMISED
        } else {
            CPU
        };
        let too_often = most_operations(name).unwrap_or(2);
        if cost.cpu > allowed || cost.memory > MEMORY || cost.operations > too_often {
            faults.push(format!("{name}: {cost:?}"));
        }
        // Its end is on record; only what goes to the members needs no reason.
        let (end, reason) = cost.end.split_once(' ').unwrap_or_default();
        if end.is_empty() || (end != "distribute" && reason.is_empty()) {
            faults.push(format!("{name}: no end with a reason: {cost:?}"));
        }
        for to in addressees(&site) {
            if !INSIDE.contains(&to.as_str()) {
                faults.push(format!("{name}: {to} got mail by it (decision 2)"));
            }
        }
        costs.insert(name.clone(), cost);
        if number % EACH == 0 {
            let ended = site.queue("calm@example.org", MEMBERS[0], &good(number));
            assert_eq!(ended.code, 0, "{ended:?}");
            daemon.wait("good mail is not delivered", || is_settled(&site));
            assert_eq!(addressees(&site), MEMBERS, "good mail after {name}");
            goods += 1;
        }
    }
    daemon.stop();
    let audit = site.command(&["audit", "--json"], b"");
    assert_eq!(audit.code, 0, "{audit:?}");
    let sides: Value = serde_json::from_str(&audit.stdout).unwrap();
    // Reports to the owners on copies that could not be made are messages, too.
    let reported = usize::try_from(sides[0]["reported"].as_u64().unwrap()).unwrap();
    assert_eq!(
        sides[0]["accepted"],
        costs.len() + goods + reported,
        "{sides}"
    );
    assert_eq!(sides[0]["open"], 0, "{sides}");
    assert!(faults.is_empty(), "{}: {faults:#?}", faults.len());
    assert!(costs.len() >= least, "{} bombs", costs.len());
    costs
}

/// Takes away what went out, and says to whom.
fn addressees(site: &Site) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(site.path("outbox")).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let envelope: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let to = envelope["to"].as_array().unwrap().iter();
            all.extend(to.map(|one| one.as_str().unwrap().to_owned()));
        }
        std::fs::remove_file(path).unwrap();
    }
    all.sort();
    all
}

fn tell(what: &'static str, test: &str, costs: &BTreeMap<String, Cost>) {
    let cpu = costs
        .iter()
        .max_by(|a, b| a.1.cpu.total_cmp(&b.1.cpu))
        .unwrap();
    let memory = costs.iter().max_by_key(|(_, cost)| cost.memory).unwrap();
    let operations = costs.values().map(|cost| cost.operations).max().unwrap();
    let every = if is_everything() {
        "LISTSEAL_EVERY_BOMB=1 "
    } else {
        ""
    };
    Row::new(what)
        .put("mails", costs.len())
        .put("most CPU, s", format!("{:.2} ({})", cpu.1.cpu, cpu.0))
        .put(
            "most memory, MiB",
            format!("{} ({})", memory.1.memory >> 20, memory.0),
        )
        .put("most private-key operations", operations)
        .tell(&format!("{every}cargo test --release --test limits {test}"));
}

/// Those that every run sends: one of each kind, and every eighth of the others. With
/// `LISTSEAL_EVERY_BOMB` it is all of them.
fn is_usual(name: &str) -> bool {
    const KINDS: [&str; 26] = [
        "layers-opaque-100",
        "layers-sealed-100",
        "inflated-10gb",
        "inflated-10gb-inside",
        "inflated-50mb-inside",
        "depth-10000",
        "fields-1000000",
        "header-10mb",
        "header-10mb-folded",
        "header-10mb-from",
        "header-10mb-to",
        "header-10mb-parameters",
        "line-50mb-header",
        "recipients-ours-9999",
        "recipients-ours-100000",
        "path-crossed-trusted",
        "path-loop-one",
        "path-constrained-crowd",
        "names-excluded",
        "key-exponent",
        "key-modulus",
        "parts-1000",
        "parts-1001",
        "ber-deep",
        "oid-long",
        "length-lies",
    ];
    let other = |(at, (one, _)): (usize, &(String, PathBuf))| at % 8 == 0 && one == name;
    is_everything()
        || KINDS.contains(&name)
        || name.starts_with("template-")
        || bombs()
            .iter()
            .filter(|(one, _)| !one.contains("0mb"))
            .enumerate()
            .any(other)
}

#[test]
fn g9_bombs_to_a_closed_list_cost_little_and_each_has_its_end() {
    let costs = attack("", 60, is_usual);
    tell("G9: hostile mail to a closed list", "closed", &costs);
}

#[test]
fn g9_bombs_to_a_public_list_cost_little_and_each_has_its_end() {
    let open = "send = \"public\"\nencrypt = \"always\"\n";
    let costs = attack(open, 20, |name| {
        is_usual(name) && name.len() % 2 == 0 || is_everything()
    });
    tell("G9: hostile mail to a public list", "public", &costs);
}

fn is_everything() -> bool {
    std::env::var_os("LISTSEAL_EVERY_BOMB").is_some()
}
