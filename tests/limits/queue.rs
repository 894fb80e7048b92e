//! Ten thousand mails that wait when the daemon starts (E25), and one of another list.
//! `LISTSEAL_QUEUED` sets how many.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use listseal::model::{Address, Envelope, SpoolId};
use listseal::spool::message::Writer;
use serde_json::Value;

use super::bombs::{is_settled, site};
use super::common::site::Site;
use super::figures::{Row, count};
use super::process::Daemon;
use super::sink::Sink;

/// The first copy, after the start of the program as it is installed (E25).
const FIRST: Duration = Duration::from_secs(5);
/// The unoptimised program on a machine that does much else.
const FIRST_UNOPTIMISED: Duration = Duration::from_secs(60);
/// Beyond what the daemon needs for one mail.
const MEMORY: u64 = 64 << 20;
/// Handed in by the program itself; the others are written as intake writes them.
const BY_INTAKE: u64 = 100;

fn mail(number: u64) -> Vec<u8> {
    format!(
        "From: Alice <alice@example.org>\r\nTo: calm@example.org\r\nSubject: {number}\r\n\
         Message-ID: <{number}.queued@example.org>\r\n\r\n{}\r\n",
        "Minutes of the meeting. ".repeat(100)
    )
    .into_bytes()
}

/// Puts a mail where intake would, in its form.
fn put(site: &Site, number: u64) {
    let new = site.path("spool/new");
    let draft = new.join(format!("draft{number}"));
    let recipient = Address::parse("calm@example.org").unwrap();
    let envelope = Envelope::new("alice@example.org", recipient);
    let file = File::create_new(&draft).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
        .unwrap();
    let mut writer = Writer::begin(file, &envelope).unwrap();
    writer.add(&mail(number)).unwrap();
    let (_, digest) = writer.end().unwrap();
    let id = SpoolId::new(1_700_000_000_000_000 + number, number, digest);
    std::fs::rename(draft, new.join(format!("{id}.msg"))).unwrap();
}

#[test]
fn e25_first_of_ten_thousand_goes_out_at_once_and_another_list_does_not_wait_for_the_last() {
    let queued = count("LISTSEAL_QUEUED", 10_000);
    let sink = Sink::listen();
    let site = site("send = \"public\"\n", &sink.url);
    let base = memory_for_one(&site, &sink);
    for number in 0..BY_INTAKE {
        assert_eq!(
            site.queue("calm@example.org", "alice@example.org", &mail(number))
                .code,
            0
        );
    }
    for number in BY_INTAKE..queued {
        put(&site, number);
    }
    // The newest of all that waits is for another list.
    hand_in_for_team(&site, "newest");
    let begin = Instant::now();
    let rows = site.spool();
    let listed = begin.elapsed();
    assert_eq!(rows.len() as u64, queued + 1);

    let begin = Instant::now();
    let daemon = Daemon::start(&site);
    let at_work = begin.elapsed();
    daemon.wait("nothing is delivered", || sink.taken().first.len() > 1);
    let first = begin.elapsed();
    let allowed = if cfg!(debug_assertions) {
        FIRST_UNOPTIMISED
    } else {
        FIRST
    };
    assert!(first < allowed, "{first:?}");

    // It does not wait for the others. What the receiver took before it is an order, not a moment:
    // it holds however fast the machine is.
    let before = overtaken(&daemon, &sink, "newest");
    assert!(before < queued / 2, "{before} of {queued} came before it");
    // Nor does one that comes later.
    hand_in_for_team(&site, "later");
    let begin = Instant::now();
    overtaken(&daemon, &sink, "later");
    let other = begin.elapsed();

    let begin = Instant::now();
    let audit = site.json(&["audit", "--json"]);
    let audited = begin.elapsed();
    assert_eq!(audit[0]["holds"], true, "{audit}");
    let peak = daemon.peak();
    assert!(
        peak < base + MEMORY,
        "{} MiB, {} MiB for one",
        peak >> 20,
        base >> 20
    );
    daemon.stop();

    // What a restart has to look through: plans under way, the ledger, all that waits.
    let begin = Instant::now();
    let daemon = Daemon::start(&site);
    let restarted = begin.elapsed();
    daemon.kill();
    let audit: Value = site.json(&["audit", "--json"]);
    assert_eq!(audit[0]["holds"], true, "{audit}");
    Row::new("E25: mails that wait at the start")
        .put("mails", queued)
        .put("at work, ms", at_work.as_millis())
        .put("first copy, ms", first.as_millis())
        .put("mails before the newest, of another list", before)
        .put("mail of another list, ms", other.as_millis())
        .put("restart, ms", restarted.as_millis())
        .put("`spool ls`, ms", listed.as_millis())
        .put("`audit`, ms", audited.as_millis())
        .put("most memory, MiB", peak >> 20)
        .put("for one mail, MiB", base >> 20)
        .tell(&format!(
            "LISTSEAL_QUEUED={queued} cargo test --release --test limits e25"
        ));
}

fn hand_in_for_team(site: &Site, name: &str) {
    let mail = format!("From: alice@example.org\r\nMessage-ID: <{name}@team>\r\n\r\nhello\r\n");
    let ended = site.queue("team@example.org", "alice@example.org", mail.as_bytes());
    assert_eq!(ended.code, 0, "{ended:?}");
}

/// Waits for the mail; returns how many of those that were queued the receiver took before it.
fn overtaken(daemon: &Daemon, sink: &Sink, name: &str) -> u64 {
    let id = format!("<{name}@team>");
    daemon.wait("the other list waits", || {
        sink.taken().first.contains_key(&id)
    });
    let taken = sink.taken();
    let at = taken.first[&id];
    let queued = taken.first.iter().filter(|(id, _)| id.contains(".queued@"));
    queued.filter(|(_, first)| **first < at).count() as u64
}

/// What the daemon needs for one mail.
fn memory_for_one(site: &Site, sink: &Sink) -> u64 {
    let daemon = Daemon::start(site);
    let one = b"From: alice@example.org\r\nMessage-ID: <one@example.org>\r\n\r\nhello\r\n";
    assert_eq!(
        site.queue("calm@example.org", "alice@example.org", one)
            .code,
        0
    );
    daemon.wait("one mail is not delivered", || is_settled(site));
    assert_eq!(sink.taken().copies.len(), 2);
    let peak = daemon.peak();
    daemon.stop();
    peak
}
