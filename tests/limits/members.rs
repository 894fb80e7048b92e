//! A list of many members, and a daemon that is killed every two seconds (E16, G11).
//! `LISTSEAL_MEMBERS` sets how many, `LISTSEAL_MEMBERS_KILLS` how often.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::common::site::Site;
use super::figures::{Row, count};
use super::process::Daemon;
use super::sink::Sink;

const CONNECTIONS: u64 = 4;
/// One kill and the next.
const BETWEEN: Duration = Duration::from_secs(2);

/// A site with so many members of the list `team`, each with a certificate file of his own.
pub fn crowd(members: u64, transport: &str) -> Site {
    let site = Site::new();
    let more = format!("connections = {CONNECTIONS}\n[log]\nformat = \"json\"\n");
    site.configure(transport, &more);
    let mut subscribers = String::new();
    for n in 0..members {
        writeln!(subscribers, "m{n}@example.org").unwrap();
    }
    let open = "owners = [\"olga@example.org\"]\nsend = \"public\"\nencrypt = \"always\"\n";
    site.list("team", open, &subscribers);
    site.certificate("alice", Some("m0@example.org"));
    let first = std::fs::read(site.path("certificates/m0@example.org")).unwrap();
    for n in 1..members {
        std::fs::write(site.path(&format!("certificates/m{n}@example.org")), &first).unwrap();
    }
    site
}

fn post() -> Vec<u8> {
    // What the figures of the benchmarks are measured with: a copy is 7 KB.
    let text = "Minutes of the meeting, with everything that was said. ".repeat(78);
    format!(
        "From: Alice <alice@example.org>\r\nTo: team@example.org\r\nSubject: Minutes\r\n\
         Message-ID: <all@example.org>\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

fn until_all_have_it(site: &Site, sink: &Sink, members: u64) -> bool {
    let done = sink.taken().copies.len() as u64 == members;
    done && std::fs::read_dir(site.path("spool/new"))
        .unwrap()
        .next()
        .is_none()
}

#[test]
fn e16_a_daemon_killed_every_two_seconds_loses_no_member_of_many() {
    let members = count("LISTSEAL_MEMBERS", 5_000);
    let kills = count("LISTSEAL_MEMBERS_KILLS", 3);
    let sink = Sink::listen();
    let site = crowd(members, &sink.url);
    let begin = Instant::now();
    assert_eq!(
        site.queue("team@example.org", "alice@example.org", &post())
            .code,
        0
    );
    let mut killed = 0;
    let mut peak = 0;
    let mut planned = None;
    let mut first_after = Vec::new();
    // A small crowd is served too soon for that.
    let between = BETWEEN.mul_f64((members as f64 / 20_000.0).min(1.0));
    loop {
        let mut daemon = Daemon::start(&site);
        let (started, before) = (Instant::now(), sink.taken().copies.len());
        let mut first = None;
        while !until_all_have_it(&site, &sink, members) {
            assert!(
                begin.elapsed() < Duration::from_secs(1_500),
                "{}",
                sink.taken().copies.len()
            );
            assert!(!daemon.has_ended(), "{:?}", daemon.said());
            if first.is_none() && sink.taken().copies.len() > before {
                first = Some(started.elapsed());
            }
            // Before the plan is there a kill says nothing of copies.
            if first.is_some() && killed < kills && started.elapsed() > between {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        peak = peak.max(daemon.peak());
        first_after.extend(first);
        if planned.is_none() {
            planned = plan_size(&site);
        }
        if until_all_have_it(&site, &sink, members) {
            daemon.stop();
            break;
        }
        daemon.kill();
        killed += 1;
    }
    let taken = begin.elapsed();
    let audit = site.command(&["audit", "--json"], b"");
    assert_eq!(audit.code, 0, "{audit:?}");
    let sides: serde_json::Value = serde_json::from_str(&audit.stdout).unwrap();
    assert_eq!(sides[1]["sent"], members, "{sides}");
    assert_eq!(sides[1]["open"], 0, "{sides}");
    let lost = lost(&sink, members);
    assert_eq!(lost, 0, "members without a copy");
    let duplicates = sink.taken().duplicates();
    assert!(
        duplicates <= killed * CONNECTIONS,
        "{duplicates} after {killed} kills"
    );
    assert_eq!(
        killed, kills,
        "the crowd was served before it was killed so often"
    );
    // E16: the plan is what grows with the members, memory is nearly flat.
    let most = (96 << 20) + members * MEMORY_OF_A_MEMBER;
    assert!(peak < most, "{} MiB for {members} members", peak >> 20);
    Row::new("E16: members of a list")
        .put("members", members)
        .put("kills", killed)
        .put("lost", lost)
        .put("duplicated", duplicates)
        .put("plan and slots, MB", planned.unwrap_or(0) / 1_000_000)
        .put("most memory, MiB", peak >> 20)
        .put("seconds in all", taken.as_secs())
        .put("first copy after a start, ms at most", first_after.iter().max().unwrap().as_millis())
        .tell(&format!("LISTSEAL_MEMBERS={members} LISTSEAL_MEMBERS_KILLS={kills} cargo test --release --test limits e16"));
}

/// Members who have no copy of the post, by what the receiver took.
fn lost(sink: &Sink, members: u64) -> usize {
    let taken = sink.taken();
    let has = |n: &u64| {
        let copy = (format!("m{n}@example.org"), "<all@example.org>".to_owned());
        taken.copies.contains_key(&copy)
    };
    (0..members).filter(|n| !has(n)).count()
}

/// Bytes of plan and slots.
fn plan_size(site: &Site) -> Option<u64> {
    let files = std::fs::read_dir(site.path("spool/work")).ok()?;
    let sizes: Vec<u64> = files
        .flatten()
        .filter_map(|one| Some(one.metadata().ok()?.len()))
        .collect();
    (!sizes.is_empty()).then(|| sizes.iter().sum())
}

/// Roster, plan and slots hold some hundred bytes of each; no certificate, key or copy.
const MEMORY_OF_A_MEMBER: u64 = 1_500;
