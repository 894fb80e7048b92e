//! What the kernel refuses the real program: system calls that fail one by one, file systems that
//! turn read-only or go away (contract R2, R7, E3).

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::disks::{Disk, is_root, names, run};
use super::owners::{PATIENCE, wait_until};
use super::relay::{End, Relay};
use super::sink::{Mood, listen_as};

const COMMAND: &str = "cargo test --features faults --test environment failing";
const CONNECTIONS: u64 = 2;
const ERRORS: [&str; 8] = [
    "EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EMFILE", "ENFILE", "ENOMEM",
];

/// Runs the program by way of another one, which is ended with it where it hangs.
pub fn by(relay: &Relay, runner: &[&str], words: &[&str], input: &[u8]) -> (End, String) {
    let mut child = relay
        .site
        .prepared(runner, words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    // No file, whose size may be limited.
    let mut stderr = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        std::io::Read::read_to_end(&mut stderr, &mut said).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    });
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input);
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let end = status.code().map_or(End::Killed, End::Code);
            return (end, said.join().unwrap());
        }
        if begun.elapsed() > PATIENCE {
            run(&["kill", "-KILL", "--", &format!("-{}", child.id())]);
            child.wait().unwrap();
            panic!("{runner:?} {words:?} hangs: {}", said.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The calls that a run makes of itself, by name: how many the loader makes before, and how many
/// there are in the thread that makes most.
fn calls(relay: &Relay, which: &str, words: &[&str], input: &[u8]) -> Vec<(String, usize, usize)> {
    let trace = relay.site.path("trace");
    let filter = format!("trace={which}");
    let runner = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "200",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        &filter,
    ];
    let (end, said) = by(relay, &runner, words, input);
    assert_eq!(end, End::Code(0), "{said}");
    let text = std::fs::read_to_string(&trace).unwrap();
    let first = text
        .lines()
        .next()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let mut all = Vec::new();
    for call in which.split(',') {
        let begins = format!("{call}(");
        let (mut before, mut began) = (0, false);
        let mut each = std::collections::BTreeMap::<&str, usize>::new();
        for line in text.lines() {
            let (thread, rest) = line.split_once(' ').unwrap();
            began |= rest.contains("listseal.toml");
            if rest.trim_start().starts_with(&begins) {
                *each.entry(thread).or_default() += 1;
                before += usize::from(!began && thread == first);
            }
        }
        let most = each.values().copied().max().unwrap_or(0);
        all.push((call.to_owned(), before, most));
    }
    all
}

#[test]
fn r2_intake_answers_75_or_has_the_message_whichever_call_fails() {
    let relay = Relay::in_memory(CONNECTIONS);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let which = "openat,read,write,lseek,fsync,linkat,fchmod,fstatfs,statx,newfstatat,fstat";
    let words = ["queue", "team@example.org", "--sender", "alice@example.org"];
    let mut accepted = vec![1];
    let counted = calls(&relay, which, &words, &relay.post(1));
    let (mut points, mut number) = (0, 1);
    for (call, before, most) in counted {
        for at in before + 1..=most {
            let error = ERRORS[points % ERRORS.len()];
            points += 1;
            number += 1;
            let (trace, inject) = (
                format!("trace={call}"),
                format!("inject={call}:error={error}:when={at}"),
            );
            let runner = [
                "strace",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &trace,
                "-e",
                &inject,
            ];
            let new = relay.spool().join("new");
            let before: BTreeSet<_> = names(&new).into_iter().collect();
            let (end, said) = by(&relay, &runner, &words, &relay.post(number));
            let place = format!("{inject}: {end:?}: {said}");
            match end {
                End::Code(0) => {
                    let after: BTreeSet<_> = names(&new).into_iter().collect();
                    let fresh: Vec<_> = after.difference(&before).collect();
                    assert_eq!(fresh.len(), 1, "{place}");
                    let file = std::fs::read(new.join(fresh[0])).unwrap();
                    let post = relay.post(number);
                    assert!(file.windows(post.len()).any(|part| part == post), "{place}");
                }
                // Whatever it is, the MTA tries again: nothing here is the mail's fault.
                End::Code(75) => {
                    assert!(said.starts_with("4.3."), "{place}");
                    assert_eq!(
                        relay.queue("team", &relay.post(number), &[]).0,
                        End::Code(0)
                    );
                }
                _ => panic!("{place}"),
            }
            assert_eq!(names(&relay.spool().join("tmp")), [""; 0], "{place}");
            accepted.push(number);
        }
    }
    assert!(points >= 24, "{points}");
    relay.finish();
    let figures = relay.judge(&accepted);
    let size = format!("{points} calls");
    figures.tell(
        "Failing calls of intake, from outside",
        &size,
        &relay.spool(),
        COMMAND,
    );
    let wrong = (figures.lost, figures.torn, figures.duplicated);
    assert_eq!(wrong, (0, 0, 0), "{figures:?}");
}

#[test]
fn e3_daemon_loses_nothing_whichever_call_fails_from_outside() {
    let relay = Relay::in_memory(CONNECTIONS);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
    // Not `write`: a thread is woken by one that never fails.
    let which = "openat,read,pwrite64,pread64,fsync,fdatasync,syncfs,flock,linkat,renameat,\
                 renameat2,unlinkat,getdents64,lseek,statx,inotify_init1,epoll_wait,eventfd2";
    let counted = calls(&relay, which, &["run", "--once"], b"");
    let (mut points, mut number) = (0, 1);
    for (call, before, most) in counted {
        // Some of each, from its first to its last.
        let own = most.saturating_sub(before);
        let wanted = own.min(3);
        for step in 0..wanted {
            let at = before + 1 + step * (own - 1) / wanted.max(2).saturating_sub(1).max(1);
            let error = ERRORS[points % ERRORS.len()];
            points += 1;
            number += 1;
            assert_eq!(
                relay.queue("team", &relay.post(number), &[]).0,
                End::Code(0)
            );
            let (trace, inject) = (
                format!("trace={call}"),
                format!("inject={call}:error={error}:when={at}"),
            );
            let runner = [
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &trace,
                "-e",
                &inject,
            ];
            let (end, said) = by(&relay, &runner, &["run", "--once"], b"");
            if matches!(call.as_str(), "fsync" | "fdatasync" | "syncfs") && !said.contains(".eml") {
                assert_ne!(end, End::Code(0), "{inject}: went on (R7): {said}");
            }
            relay.finish();
        }
    }
    assert!(points >= 30, "{points}");
    let figures = relay.judge(&(1..=number).collect::<Vec<_>>());
    let size = format!("{points} calls");
    figures.tell(
        "Failing calls of the daemon, from outside",
        &size,
        &relay.spool(),
        COMMAND,
    );
    assert_eq!((figures.lost, figures.torn), (0, 0), "{figures:?}");
    assert!(
        figures.duplicated <= CONNECTIONS * points as u64,
        "{figures:?}"
    );
}

/// Lets the disk of a daemon fail while copies are on their way, and puts it right again.
fn disk_fails(campaign: &str, fail: &dyn Fn(&Path)) {
    let relay = Relay::in_memory(CONNECTIONS);
    let mut disk = Disk::ext4(relay.site.path("disk"), 16);
    relay.furnish();
    let mood = Arc::<Mood>::default();
    let address = listen_as(relay.site.path("outbox"), mood.clone());
    relay.send_to(&format!("smtp://{address}"));
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let (mut number, mut accepted) = (0, Vec::new());
    let rounds = 3;
    for _ in 0..rounds {
        let before = mood.taken.load(Ordering::SeqCst);
        mood.holds.store(true, Ordering::SeqCst);
        let mut daemon = relay.begin(&["run"], &[]);
        for _ in 0..3 {
            number += 1;
            accepted.push(number);
            assert_eq!(
                relay.queue("team", &relay.post(number), &[]).0,
                End::Code(0)
            );
        }
        wait_until("no copy is on its way", || {
            mood.taken.load(Ordering::SeqCst) >= before + CONNECTIONS
        });
        fail(&disk.at);
        // The MTA keeps what comes now.
        number += 1;
        let (end, said) = relay.queue("team", &relay.post(number), &[]);
        assert_eq!(end, End::Code(75), "{said}");
        assert!(said.starts_with("4.3."), "{said}");
        mood.holds.store(false, Ordering::SeqCst);
        // What was taken cannot be entered: it would be sent again and again.
        wait_until("the daemon goes on", || {
            daemon.try_wait().unwrap().is_some()
        });
        assert_eq!(daemon.wait().unwrap().code(), Some(75));
        disk.remount();
        assert_eq!(
            relay.queue("team", &relay.post(number), &[]).0,
            End::Code(0)
        );
        accepted.push(number);
    }
    relay.finish();
    let figures = relay.judge(&accepted);
    figures.tell(campaign, &format!("{rounds} times"), &disk.at, COMMAND);
    assert_eq!((figures.lost, figures.torn), (0, 0), "{figures:?}");
    // Decision 18: of all messages together no more than connections.
    assert!(figures.duplicated <= CONNECTIONS * rounds, "{figures:?}");
    assert!(
        figures.duplicated > 0,
        "nothing was on its way: {figures:?}"
    );
}

#[test]
fn e3_file_system_that_turns_read_only_under_a_daemon_costs_no_mail() {
    if is_root("to mount an ext4") {
        disk_fails("Read-only disk", &|at| {
            run(&["mount", "-o", "remount,abort", at.to_str().unwrap()]);
        });
    }
}

#[test]
fn e3_file_system_that_answers_eio_to_everything_costs_no_mail() {
    if is_root("to mount an ext4") {
        disk_fails("Disk that answers EIO", &|at| {
            // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_LOGFLUSH.
            let script = "import fcntl, os, struct, sys\n\
                 fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 1))\n";
            run(&["python3", "-c", script, at.to_str().unwrap()]);
        });
    }
}
