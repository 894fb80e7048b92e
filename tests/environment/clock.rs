//! The clock of the machine jumps by hours and by years, under the running program and between its
//! runs (contract R13, E21), by `libfaketime`.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::owners::{stop, wait_until};
use super::relay::{End, MEMBERS, Relay};
use super::sink::{Mood, listen_as};

/// A dead battery is among them.
const JUMPS: [&str; 7] = [
    "+1h",
    "-1h",
    "+10y",
    "-10y",
    "@1970-01-01 00:00:10",
    "+10y",
    "+0",
];
const COMMAND: &str = "cargo test --features faults --test environment clock";

/// A relay whose mail goes to a receiver with moods.
fn relay() -> (Relay, Arc<Mood>) {
    let relay = Relay::in_memory(2);
    let mood = Arc::<Mood>::default();
    let address = listen_as(relay.site.path("outbox"), mood.clone());
    relay.send_to(&format!("smtp://{address}"));
    // Certificates have their time, which is another matter: copies go as they came.
    let members = MEMBERS.map(|name| format!("{name}@example.org\n")).concat();
    let settings = "owners = [\"olga@example.org\"]\nsend = \"public\"\nencrypt = \"never\"\n";
    relay
        .site
        .write("lists/example.org/team/list.toml", settings);
    relay
        .site
        .write("lists/example.org/team/subscribers", members);
    (relay, mood)
}

/// What has to be loaded into a program to fake its clock.
fn preload() -> String {
    let said = Command::new("faketime").args(["-f", "+0", "env"]).output();
    let said = said
        .unwrap_or_else(|error| panic!("faketime is needed for this test: {error}"))
        .stdout;
    let said = String::from_utf8(said).unwrap();
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("LD_PRELOAD="));
    line.unwrap().to_owned()
}

fn set(relay: &Relay, clock: &str) {
    // Whole at once: it is read at every look at the clock.
    relay.site.write("clock.new", clock);
    std::fs::rename(relay.site.path("clock.new"), relay.site.path("clock")).unwrap();
}

/// Runs a command by the clock of the site.
fn begin(relay: &Relay, words: &[&str]) -> Child {
    relay
        .site
        .prepared(&["env"], words)
        .env("LD_PRELOAD", preload())
        .env("FAKETIME_TIMESTAMP_FILE", relay.site.path("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        // Nobody sets the other clock, which timers go by.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run(relay: &Relay, words: &[&str], input: &[u8]) -> (End, String) {
    let mut child = begin(relay, words);
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input);
    let output = child.wait_with_output().unwrap();
    let end = output.status.code().map_or(End::Killed, End::Code);
    (end, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Seconds of processor that a process has used.
fn used(child: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|n| n.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

fn judged(relay: &Relay, campaign: &str, size: &str, posts: u64) {
    relay.finish();
    let mut figures = relay.judge(&[]);
    figures.accepted = posts;
    let sent = relay.copies();
    for number in 1..=posts {
        for member in MEMBERS {
            let id = format!("<{number}.crash@example.org>");
            match sent.get(&(format!("{member}@example.org"), id)) {
                None => figures.lost += 1,
                Some(times) => figures.duplicated += times - 1,
            }
        }
    }
    // These copies are not sealed: whole is what ends as the post does.
    let cut = |mail: &&super::common::site::Sent| {
        !mail.from.is_empty() && !mail.bytes.ends_with(b".\r\n")
    };
    figures.torn = relay.site.outbox().iter().filter(cut).count() as u64;
    figures.tell(campaign, size, &relay.spool(), COMMAND);
    let wrong = (
        figures.lost,
        figures.torn,
        figures.duplicated,
        figures.failed,
    );
    assert_eq!(wrong, (0, 0, 0, 0), "{figures:?}");
}

#[test]
fn r13_mail_that_waits_while_the_clock_jumps_is_neither_given_up_nor_hammered() {
    let (relay, mood) = relay();
    mood.refuses.store(true, Ordering::SeqCst);
    set(&relay, "+0");
    let daemon = begin(&relay, &["run"]);
    let begun = Instant::now();
    let mut posts = 0;
    for jump in JUMPS {
        set(&relay, jump);
        // What comes in by a clock that is wrong waits with the others.
        posts += 1;
        let words = ["queue", "team@example.org", "--sender", "alice@example.org"];
        let (end, said) = run(&relay, &words, &relay.post(posts));
        assert_eq!(end, End::Code(0), "{jump}: {said}");
        let before = mood.refused.load(Ordering::SeqCst);
        wait_until(&format!("nothing is tried after {jump}"), || {
            mood.refused.load(Ordering::SeqCst) >= before + 2 * posts * MEMBERS.len() as u64
        });
    }
    let (seconds, refused) = (
        begun.elapsed().as_secs_f64(),
        mood.refused.load(Ordering::SeqCst),
    );
    // A pause of a second each, but for a jump back, which makes all due.
    let copies = (posts * MEMBERS.len() as u64) as f64;
    let most = copies * (seconds / 0.9 + 2.0 * JUMPS.len() as f64);
    assert!((refused as f64) < most, "{refused} attempts in {seconds} s");
    let busy = used(&daemon);
    assert!(busy < 0.7 * seconds, "{busy} s of processor in {seconds} s");
    // Ten attempts and ten years are behind the first post.
    assert!(refused > 10 * copies as u64 / 2, "{refused} attempts");
    mood.refuses.store(false, Ordering::SeqCst);
    wait_until("mail does not go out", || relay.waiting() == 0);
    let said = stop(daemon);
    assert!(!said.contains("delivery-expired"), "{said}");
    judged(
        &relay,
        "Clock jumps, running",
        &format!("{} jumps, {refused} attempts", JUMPS.len()),
        posts,
    );
}

#[test]
fn r13_mail_that_waited_is_due_after_any_jump_between_two_runs() {
    let (relay, mood) = relay();
    mood.refuses.store(true, Ordering::SeqCst);
    assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    for round in 0..2 {
        for jump in JUMPS {
            set(&relay, jump);
            std::thread::sleep(Duration::from_millis(if jump == "+0" { 1200 } else { 0 }));
            let before = mood.refused.load(Ordering::SeqCst);
            let (end, said) = run(&relay, &["run", "--once"], b"");
            assert_eq!(end, End::Code(0), "{jump}: {said}");
            assert!(
                !said.contains("deliver=\"failed\""),
                "{round} {jump}: {said}"
            );
            let tried = mood.refused.load(Ordering::SeqCst) - before;
            // A clock of seventy years ago or of ten to come: it is tried, and once only.
            assert_eq!(tried, MEMBERS.len() as u64, "{round} {jump}: {said}");
        }
    }
    mood.refuses.store(false, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(1200));
    judged(
        &relay,
        "Clock jumps, between runs",
        &format!("{} jumps", 2 * JUMPS.len()),
        1,
    );
}

#[test]
fn e21_clock_that_was_ahead_for_once_keeps_nobody_from_being_told_for_longer_than_a_day() {
    let (relay, _) = relay();
    let told = || {
        relay
            .site
            .outbox()
            .iter()
            .filter(|mail| mail.from.is_empty())
            .count()
    };
    // As often as the daemon is started anew.
    for (clock, number, times) in [("+10y", 1, 1), ("+0", 2, 1), ("+1h", 3, 1), ("+25h", 4, 2)] {
        set(&relay, clock);
        let words = [
            "queue",
            "closed@example.org",
            "--sender",
            "alice@example.org",
        ];
        assert_eq!(run(&relay, &words, &relay.post(number)).0, End::Code(0));
        let (end, said) = run(&relay, &["run", "--once"], b"");
        assert_eq!(end, End::Code(0), "{said}");
        assert_eq!(told(), times, "{clock}: {said}");
    }
    judged(&relay, "Clock ahead for once", "1 day", 0);
}
