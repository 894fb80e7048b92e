//! No events come, or far too many: the directory is looked through all the same (contract R4, R18,
//! E20). `RESCAN` stands for the thirty seconds between two looks.

use std::process::{Child, Stdio};
use std::sync::Arc;

use listseal::config::Settings;
use listseal::intake::accept;
use listseal::store::lists::Lists;

use super::disks::{is_root, run};
use super::figures::rounds;
use super::owners::{stop, wait_until};
use super::relay::{End, MEMBERS, Relay};

const RESCAN: (&str, &str) = ("RESCAN", "300");

/// Starts the daemon by way of another program.
fn begin(relay: &Relay, runner: &[&str], period: (&str, &str)) -> Child {
    let mut command = relay.site.prepared(runner, &["run"]);
    let log = std::fs::File::create(relay.site.path("log")).unwrap();
    command
        .env(period.0, period.1)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn log(relay: &Relay) -> String {
    std::fs::read_to_string(relay.site.path("log")).unwrap()
}

fn at_work(relay: &Relay, watched: bool) {
    wait_until("the daemon does not start", || {
        log(relay).contains("at work")
    });
    let text = format!("watched={watched}");
    assert!(log(relay).contains(&text), "{}", log(relay));
}

/// Hands posts in one by one, each when the one before is through.
fn one_by_one(relay: &Relay, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let before = relay.site.outbox().len();
        assert_eq!(
            relay.queue("team", &relay.post(number), &[]).0,
            End::Code(0)
        );
        wait_until("mail is not found without events", || {
            relay.site.outbox().len() == before + MEMBERS.len()
        });
    }
}

fn judged(relay: &Relay, campaign: &str, size: &str, numbers: &[u64]) {
    relay.finish();
    let figures = relay.judge(numbers);
    figures.tell(
        campaign,
        size,
        &relay.spool(),
        "cargo test --features faults --test environment events",
    );
    let wrong = (figures.lost, figures.torn, figures.duplicated);
    assert_eq!(wrong, (0, 0, 0), "{figures:?}");
}

#[test]
fn r4_mail_is_found_where_inotify_is_at_its_limit() {
    if !is_root("to set limits in a user namespace") {
        return;
    }
    let relay = Relay::in_memory(2);
    let mut next = 1;
    for limit in ["max_inotify_instances", "max_inotify_watches"] {
        // Limits of a name space are its own; nobody else on this machine meets them.
        let script = format!("echo 0 > /proc/sys/user/{limit} && exec \"$0\" \"$@\"");
        let runner = ["unshare", "--user", "--map-root-user", "sh", "-c", &script];
        let daemon = begin(&relay, &runner, RESCAN);
        at_work(&relay, false);
        one_by_one(&relay, next..next + 3);
        next += 3;
        stop(daemon);
    }
    judged(
        &relay,
        "inotify at its limit",
        "2 limits",
        &(1..next).collect::<Vec<_>>(),
    );
}

#[test]
fn r4_no_event_of_a_flood_is_needed() {
    let mails = rounds("LISTSEAL_FLOOD", 200);
    let relay = Relay::in_memory(2);
    let alone = format!("{}@example.org\n", MEMBERS[0]);
    relay
        .site
        .write("lists/example.org/team/subscribers", alone);
    let lists = Arc::new(Settings::load(&relay.site.path("listseal.toml")).unwrap());
    let lists = Lists::new(lists);
    // Thirty seconds are as good as never here: the mark of the overflow has to wake it.
    let daemon = begin(&relay, &["env"], ("RESCAN", "30000"));
    at_work(&relay, true);
    let id = daemon.id().to_string();
    run(&["kill", "-STOP", &id]);
    let new = relay.spool().join("new");
    // The queue of the kernel holds 16,384 events.
    for n in 0..20_000 {
        std::fs::write(new.join(format!("flood{n}")), b"").unwrap();
    }
    let names: Vec<u64> = (1..=mails).collect();
    for number in &names {
        let mut post = &relay.post(*number)[..];
        accept(
            &lists,
            "team@example.org",
            Some("alice@example.org"),
            &mut post,
        )
        .unwrap();
    }
    run(&["kill", "-CONT", &id]);
    wait_until("the flood swallowed mail", || {
        relay.site.path("outbox").read_dir().unwrap().count() as u64 >= 2 * mails
    });
    // It is watched as before.
    wait_until("the spool does not become empty", || {
        relay.site.spool().is_empty()
    });
    let before = relay.site.outbox().len();
    assert_eq!(
        relay.queue("team", &relay.post(mails + 1), &[]).0,
        End::Code(0)
    );
    wait_until("events are not followed any more", || {
        relay.site.outbox().len() == before + 1
    });
    stop(daemon);
    for n in 0..20_000 {
        std::fs::remove_file(new.join(format!("flood{n}"))).unwrap();
    }
    relay.finish();
    let mut figures = relay.judge(&[]);
    figures.accepted = mails + 1;
    let sent = relay.copies();
    for number in 1..=figures.accepted {
        let key = (
            format!("{}@example.org", MEMBERS[0]),
            format!("<{number}.crash@example.org>"),
        );
        match sent.get(&key) {
            None => figures.lost += 1,
            Some(times) => figures.duplicated += times - 1,
        }
    }
    figures.tell(
        "inotify flooded",
        &format!("20000 foreign files, {mails} mails"),
        &relay.spool(),
        &format!("LISTSEAL_FLOOD={mails} cargo test --features faults --test environment events"),
    );
    let wrong = (figures.lost, figures.torn, figures.duplicated);
    assert_eq!(wrong, (0, 0, 0), "{figures:?}");
}

#[test]
fn r18_network_file_system_is_refused_and_where_it_is_allowed_scanned() {
    let relay = Relay::in_memory(2);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    // How `statfs(2)` begins there: the magic number, and four zeros.
    for (magic, name) in [
        ("69690000", "NFS"),
        ("424d53ff", "CIFS"),
        ("424d53fe", "SMB2"),
        ("97190201", "9p"),
        ("46557365", "FUSE"),
    ] {
        let magic = if cfg!(target_endian = "little") {
            format!("{magic}00000000")
        } else {
            format!("00000000{magic}")
        };
        let inject = format!("inject=fstatfs:poke_exit=@arg2={magic}");
        let runner = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fstatfs",
            "-e",
            &inject,
        ];
        let refused = relay
            .site
            .prepared(&runner, &["run", "--once"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(78), "{name}: {said}");
        let place = relay.spool().display().to_string();
        for word in [&place, name, "spool.allow_network_fs = true"] {
            assert!(said.contains(word), "{name}: no {word}: {said}");
        }
        if name != "NFS" {
            continue;
        }
        let settings = relay.site.path("listseal.toml");
        let text = std::fs::read_to_string(&settings).unwrap();
        relay.site.write(
            "listseal.toml",
            format!("{text}[spool]\nallow_network_fs = true\n"),
        );
        let daemon = begin(&relay, &runner, RESCAN);
        at_work(&relay, false);
        one_by_one(&relay, 1..4);
        let child =
            std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.id())).unwrap();
        run(&["kill", child.trim()]);
        let mut daemon = daemon;
        assert_eq!(daemon.wait().unwrap().code(), Some(0), "{}", log(&relay));
        std::fs::write(&settings, text).unwrap();
    }
    judged(&relay, "Network file system", "5 kinds", &[1, 2, 3]);
}
