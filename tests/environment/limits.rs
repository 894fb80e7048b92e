//! Limits of the process: descriptors, the size of files, threads, memory (contract R11, E3, E24).

use std::path::{Path, PathBuf};

use super::disks::{is_root, say};
use super::failing::by;
use super::relay::{End, Relay};

const COMMAND: &str = "cargo test --features faults --test environment limits";
const CONNECTIONS: u64 = 2;

/// Runs intake and daemon under each limit; `codes` are what intake may end with.
fn limited(campaign: &str, option: &str, limits: &[u64]) {
    let relay = Relay::in_memory(CONNECTIONS);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let (mut number, mut met) = (0, 0);
    for limit in limits {
        number += 1;
        let option = format!("--{option}={limit}:{limit}");
        let runner = ["prlimit", &option];
        let words = ["queue", "team@example.org", "--sender", "alice@example.org"];
        let (end, said) = by(&relay, &runner, &words, &relay.post(number));
        let place = format!("{option}: {end:?} {said}");
        assert!(matches!(end, End::Code(0 | 75)), "intake: {place}");
        if end == End::Code(75) {
            met += 1;
            assert_eq!(
                relay.queue("team", &relay.post(number), &[]).0,
                End::Code(0)
            );
        }
        let (end, said) = by(&relay, &runner, &["run", "--once"], b"");
        let place = format!("{option}: {end:?} {said}");
        assert!(end != End::Killed, "daemon: {place}");
        met += u64::from(end != End::Code(0));
        relay.finish();
    }
    let figures = relay.judge(&(1..=number).collect::<Vec<_>>());
    figures.tell(
        campaign,
        &format!("{} limits, {met} met", limits.len()),
        &relay.spool(),
        COMMAND,
    );
    assert_eq!((figures.lost, figures.torn), (0, 0), "{figures:?}");
    assert!(
        figures.duplicated <= CONNECTIONS * limits.len() as u64,
        "{figures:?}"
    );
    assert!(met > 0, "no limit was met");
}

#[test]
fn e3_too_few_descriptors_cost_no_mail() {
    // Fewer, and the program is not even loaded.
    limited(
        "RLIMIT_NOFILE",
        "nofile",
        &[
            4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 34, 40,
        ],
    );
}

#[test]
fn e3_limit_on_the_size_of_files_ends_nothing_and_costs_no_mail() {
    limited(
        "RLIMIT_FSIZE",
        "fsize",
        &[0, 1, 63, 64, 128, 200, 512, 1000, 4096, 16_000, 65_536],
    );
}

/// A control group of our own with a limit on memory.
struct Group(PathBuf);

/// Where memory is limited, by the older way of control groups or by the present one; swap counts.
const MEMORY: [(&str, &[&str]); 2] = [
    (
        "/sys/fs/cgroup/memory",
        &["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
    ),
    ("/sys/fs/cgroup", &["memory.max"]),
];
const THREADS: [(&str, &[&str]); 2] = [
    ("/sys/fs/cgroup/pids", &["pids.max"]),
    ("/sys/fs/cgroup", &["pids.max"]),
];

impl Group {
    /// `None`, and a word about it, where none can be made.
    fn of(ways: [(&str, &[&str]); 2]) -> Option<Self> {
        let name = format!("listseal-test-{}-{}", std::process::id(), ways[0].1[0]);
        for (root, limits) in ways {
            let place = Path::new(root).join(&name);
            if std::fs::create_dir(&place).is_ok() {
                let group = Self(place);
                if group.0.join(limits[0]).exists() {
                    return Some(group);
                }
            }
        }
        say(&format!(
            "\nleft out: no control group can be made here for {}\n",
            ways[0].1[0]
        ));
        None
    }

    fn limit(&self, ways: [(&str, &[&str]); 2], most: u64) {
        let mut set = 0;
        for limit in ways.iter().flat_map(|(_, limits)| *limits) {
            // There may be no swap to count.
            set += u32::from(std::fs::write(self.0.join(limit), most.to_string()).is_ok());
        }
        assert!(set > 0);
        // What is over the limit of memory is not to be put aside.
        let _ = std::fs::write(self.0.join("memory.swap.max"), "0");
    }

    /// What brings a program into the group.
    fn script(&self) -> String {
        format!(
            "echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"",
            self.0.display()
        )
    }
}

#[test]
fn e3_too_few_threads_are_told_and_cost_no_mail() {
    if !is_root("to limit threads") {
        return;
    }
    let Some(group) = Group::of(THREADS) else {
        return;
    };
    let relay = Relay::in_memory(CONNECTIONS);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let (mut number, mut met) = (0, 0);
    for most in [2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 16, 20] {
        number += 1;
        assert_eq!(
            relay.queue("team", &relay.post(number), &[]).0,
            End::Code(0)
        );
        group.limit(THREADS, most);
        // The group counts the one who waits for it, too.
        let runner = ["sh", "-c", &group.script()];
        let (end, said) = by(&relay, &runner, &["run", "--once"], b"");
        assert!(matches!(end, End::Code(0 | 75)), "{most}: {end:?} {said}");
        if end == End::Code(75) {
            assert!(said.contains("no threads: "), "{most}: {said}");
            met += 1;
        }
        relay.finish();
    }
    let figures = relay.judge(&(1..=number).collect::<Vec<_>>());
    figures.tell(
        "Too few threads",
        &format!("{number} limits, {met} met"),
        &relay.spool(),
        COMMAND,
    );
    let wrong = (figures.lost, figures.torn, figures.duplicated);
    assert_eq!(wrong, (0, 0, 0), "{figures:?}");
    assert!(met > 0);
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn e24_message_that_ends_the_daemon_for_want_of_memory_is_set_aside_and_others_go_on() {
    if !is_root("to limit memory") {
        return;
    }
    let Some(group) = Group::of(MEMORY) else {
        return;
    };
    group.limit(MEMORY, 64 << 20);
    let relay = Relay::in_memory(CONNECTIONS);
    let settings = relay.site.path("listseal.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    relay
        .site
        .write("listseal.toml", text.replace("512 KiB", "50 MiB"));
    // As large as may be: four times that is held while it is sealed.
    let mut large = relay.post(1);
    while large.len() < 49 << 20 {
        large.extend_from_slice(&[b'x'; 70]);
        large.extend_from_slice(b"\r\n");
    }
    assert_eq!(relay.queue("team", &large, &[]).0, End::Code(0));
    for number in 2..=6 {
        assert_eq!(
            relay.queue("team", &relay.post(number), &[]).0,
            End::Code(0)
        );
    }
    let script = group.script();
    let (mut kills, mut ends) = (0, Vec::new());
    for _ in 0..8 {
        let runner = ["sh", "-c", &script];
        let (end, said) = by(&relay, &runner, &["run", "--once"], b"");
        kills += u64::from(end == End::Killed);
        ends.push((end, said.len()));
        if end == End::Code(0) {
            break;
        }
    }
    assert!((3..=6).contains(&kills), "{kills} crashes: {ends:?}");
    let left = relay.site.spool();
    let reasons: Vec<_> = left.iter().map(|one| one.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("crashes")], "{left:?}");
    let figures = relay.judge(&[2, 3, 4, 5, 6]);
    assert_eq!((figures.lost, figures.torn), (0, 0), "{figures:?}");
    // With enough of it, it is tried again and goes out.
    relay.finish();
    let figures = relay.judge(&[1, 2, 3, 4, 5, 6]);
    figures.tell(
        "64 MiB of memory",
        &format!("{kills} ends by the kernel"),
        &relay.spool(),
        COMMAND,
    );
    assert_eq!((figures.lost, figures.torn), (0, 0), "{figures:?}");
    assert!(figures.duplicated <= CONNECTIONS * kills, "{figures:?}");
}
