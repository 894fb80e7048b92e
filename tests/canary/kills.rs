//! `kill -9` at random moments: the words are in no file afterwards, nothing is lost, and what came
//! twice is bounded.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::common::mail::Parsed;
use super::common::site::OUTBOX;
use super::posts::{LOUD, MEMBERS, World};
use super::scan::Hit;

const ROUNDS: u32 = 24;
/// Posts handed in before each kill.
const EACH: u32 = 3;
/// Members besides Alice and Bob; for their copies Bob's certificate does.
const MORE: [&str; 6] = ["carl", "dora", "emil", "fred", "gina", "hugo"];
const CONNECTIONS: usize = 3;

#[test]
fn words_reach_no_file_while_the_daemon_is_killed_and_nothing_is_lost() {
    let mut world = World::new();
    world
        .site
        .configure(OUTBOX, &format!("connections = {CONNECTIONS}\n{LOUD}"));
    world.list("team", "");
    let mut members = MEMBERS.to_owned();
    for one in MORE {
        let address = format!("{one}@example.org");
        world.site.certificate("bob", Some(&address));
        members += &format!("{address}\n");
    }
    world
        .site
        .write("lists/example.org/team/subscribers", &members);
    world.site.write("log/daemon", "");
    let mut interrupted = 0;
    let mut dice = Dice::new();
    println!(
        "seed {:#x}: LISTSEAL_SEED repeats the moments of the kills",
        dice.0
    );
    let posts: Vec<Vec<u8>> = (0..ROUNDS * EACH)
        .map(|number| {
            world
                .words
                .post("team", number, &["sign alice", "encrypt team"])
        })
        .collect();
    for round in posts.chunks(EACH as usize) {
        for post in round {
            world.queue("team", post);
        }
        let mut daemon = start(&world, &["run"]);
        std::thread::sleep(Duration::from_millis(dice.below(200)));
        // Halted first, so that what it has open can be looked at.
        signal("STOP", &daemon);
        let hits = world.scanner.descriptors(daemon.id());
        signal("KILL", &daemon);
        daemon.wait().unwrap();
        assert_eq!(hits, Vec::<Hit>::new(), "in what the daemon had open");
        world.is_silent("after a kill");
        interrupted += u32::from(!world.site.spool().is_empty());
    }
    world.run_once();
    // A post that was under the knife three times is set aside for people, who try it again.
    for row in world.site.spool() {
        assert_eq!(row.state, "bad", "{row:?}");
        let ended = world.site.command(&["spool", "retry", &row.id], b"");
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    world.run_once();
    assert!(world.site.spool().is_empty(), "{:?}", world.site.spool());
    world.is_silent("at the end");
    world.adds_up();

    let mut copies: BTreeMap<(String, String), usize> = BTreeMap::new();
    // What goes to the owner about a post that was set aside is no copy.
    let sent = world.site.outbox().into_iter();
    for mail in sent.filter(|mail| !mail.from.is_empty()) {
        let id = Parsed::of(&mail.bytes).value("Message-ID").unwrap();
        *copies.entry((mail.to, id)).or_default() += 1;
    }
    // The Message-ID of a copy is that of its post, so a duplicate shows as one.
    let twice: usize = copies.values().map(|count| count - 1).sum();
    println!(
        "{ROUNDS} kills, {interrupted} before all was done; {twice} of {} copies twice",
        copies.len()
    );
    assert!(interrupted > ROUNDS / 4, "{interrupted}");
    assert_eq!(copies.len(), posts.len() * members.lines().count());
    assert!(
        twice <= CONNECTIONS * ROUNDS as usize,
        "{twice} copies came twice"
    );
    // Nothing is torn: each copy opens, and everything is in it.
    for member in ["alice", "bob"] {
        let to = format!("{member}@example.org");
        let mine: usize = copies
            .iter()
            .filter(|((one, _), _)| *one == to)
            .map(|(_, count)| count)
            .sum();
        assert_eq!(world.copies(member, "team"), mine);
    }
}

#[test]
fn s44_abort_leaves_no_core() {
    let mut world = World::new();
    world.list("team", "");
    world.site.write("log/daemon", "");
    world.queue(
        "team",
        &world.words.post("team", 1, &["sign alice", "encrypt team"]),
    );
    let limited = ["sh", "-c", "ulimit -c unlimited && exec \"$@\"", "sh"];
    let mut daemon = start_with(&world, &limited, &["run"]);
    let begin = Instant::now();
    while world.site.outbox().is_empty() {
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "nothing is delivered"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core:?}");
    signal("ABRT", &daemon);
    let ended = daemon.wait().unwrap();
    assert!(
        !std::os::unix::process::ExitStatusExt::core_dumped(&ended),
        "{ended:?}"
    );
    let names = std::fs::read_dir(world.site.path("")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().starts_with("core")),
        "{names:?}"
    );
    world.is_silent("after an abort");
    world.run_once();
    world.adds_up();
}

fn start(world: &World, words: &[&str]) -> Child {
    start_with(world, &["env"], words)
}

/// Starts the daemon with its log in a file; a runner becomes the daemon, so the id is its own.
fn start_with(world: &World, runner: &[&str], words: &[&str]) -> Child {
    let log = File::options()
        .append(true)
        .open(world.site.path("log/daemon"))
        .unwrap();
    world
        .site
        .prepared(runner, words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn signal(name: &str, child: &Child) {
    let status = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Random numbers that can be had again (splitmix64).
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let given = std::env::var("LISTSEAL_SEED").ok();
        let parse = |text: String| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        Self(given.map_or_else(|| getrandom::u64().unwrap(), parse))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % end
    }
}
