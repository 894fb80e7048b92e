//! The order of system calls, and what becomes of a message when one of them fails: seen from
//! outside, by strace, on a process of its own (contract R1, R2, R7).

use std::path::Path;
use std::process::{Command, Output};

use rustix::fs::Mode;

use super::*;
use crate::spool::testing::{CHILD, is_root, strace};

pub(super) const MAIL: &[u8] = b"Subject: durable\r\n\r\nbody\r\n";

/// A site with one list in `dir`.
pub(super) fn lists(dir: &Path, spool: &Path, max_size: u64) -> Lists {
    let list = dir.join("lists/example.org/team");
    if !list.join("list.toml").exists() {
        std::fs::create_dir_all(&list).unwrap();
        std::fs::write(list.join("list.toml"), b"").unwrap();
    }
    let mut settings = crate::config::Settings::defaults(&dir.join("listseal.toml"));
    settings.paths.lists = dir.join("lists");
    settings.paths.spool = spool.to_owned();
    settings.intake.max_size = max_size;
    Lists::new(std::sync::Arc::new(settings))
}

fn usual(dir: &Path) -> Lists {
    lists(dir, &dir.join("spool"), 4096)
}

/// Takes one message and exits as `listseal queue` does; by itself an ordinary test.
#[test]
fn child_takes_one_message() {
    let Some(dir) = std::env::var_os(CHILD) else {
        let dir = tempfile::tempdir().unwrap();
        accept(&usual(dir.path()), "team@example.org", None, &mut &MAIL[..]).unwrap();
        return;
    };
    let taken = accept(
        &usual(Path::new(&dir)),
        "team@example.org",
        None,
        &mut &MAIL[..],
    );
    std::process::exit(taken.map_or_else(|error| error.exit_code().into(), |_| 0));
}

/// Takes one message for three and exits with one digit for each: 1 for what was taken.
#[test]
fn child_takes_one_message_for_three() {
    let team = Address::parse("team@example.org").unwrap();
    let take = |dir: &Path| accept_for_each(&usual(dir), &vec![team; 3], "", &mut &MAIL[..]);
    let Some(dir) = std::env::var_os(CHILD) else {
        let dir = tempfile::tempdir().unwrap();
        assert!(take(dir.path()).iter().all(Result::is_ok));
        assert_eq!(in_new(dir.path()), 3);
        return;
    };
    let taken = take(Path::new(&dir));
    assert_eq!(taken.len(), 3);
    let digits = taken.iter().map(|one| i32::from(one.is_ok()));
    std::process::exit(digits.fold(0, |sum, one| 10 * sum + one));
}

fn traced(dir: &Path, arguments: &[&str]) -> (Output, String) {
    strace(
        "intake::durability::child_takes_one_message",
        dir,
        arguments,
    )
}

/// Makes the spool beforehand, so that a trace shows the message alone.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    usual(dir.path());
    crate::spool::Layout::create(&dir.path().join("spool"), false).unwrap();
    dir
}

fn in_new(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("spool/new")).unwrap().count()
}

#[test]
fn r1_file_is_synced_then_named_then_the_directory_synced_then_exit_0() {
    let dir = prepared();
    let (output, trace) = traced(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}\n{trace}");
    let spool = dir.path().join("spool").display().to_string();
    let of_spool = |line: &&str| line.contains(&spool) || line.contains("exit_group");
    let steps: Vec<&str> = trace
        .lines()
        .filter(of_spool)
        .map(|line| {
            let ok = line.contains(") = 0") || line.contains("exit_group(0)");
            match line {
                _ if line.contains("O_TMPFILE") => "create",
                _ if line.contains("write(") => "write",
                _ if line.contains("fsync(") && line.contains("/new>") && ok => "sync directory",
                _ if line.contains("fsync(") && ok => "sync file",
                _ if line.contains("linkat(") && ok => "name",
                _ if line.contains("exit_group") && ok => "exit 0",
                _ if line.contains("O_DIRECTORY") => "open directory",
                _ => line,
            }
        })
        .filter(|step| *step != "open directory")
        .collect();
    let mut unique = steps.clone();
    unique.dedup();
    let expected = [
        "create",
        "write",
        "sync file",
        "name",
        "sync directory",
        "exit 0",
    ];
    assert_eq!(unique, expected, "{trace}");
}

#[test]
fn r2_r7_any_failing_call_is_75_and_leaves_no_message_that_was_not_synced() {
    for (call, error, nth, visible) in [
        ("fsync", "EIO", "1", 0),
        ("fsync", "EIO", "2", 1),
        ("linkat", "EACCES", "1", 0),
        ("linkat", "ENOSPC", "1", 0),
    ] {
        let dir = prepared();
        let inject = format!("inject={call}:error={error}:when={nth}");
        let (output, trace) = traced(dir.path(), &["-e", &inject]);
        assert!(
            trace.contains("INJECTED"),
            "{inject} never happened\n{trace}"
        );
        assert_eq!(output.status.code(), Some(75), "{inject}\n{trace}");
        // After the name was given the message may stay: the MTA hands it in again, and the same
        // bytes are dropped the second time (I5, D1).
        assert_eq!(in_new(dir.path()), visible, "{inject}\n{trace}");
        assert_eq!(
            std::fs::read_dir(dir.path().join("spool/tmp"))
                .unwrap()
                .count(),
            0
        );
        let syncs = trace
            .lines()
            .filter(|l| l.contains("fsync(") && l.contains("spool"))
            .count();
        assert!(syncs <= 2, "a failed fsync was tried again (R7)\n{trace}");
    }
}

#[test]
fn r7_after_a_failed_sync_a_message_goes_no_further_with_the_other_recipients() {
    // (which sync fails, who got it, how many files are in new/, how many files were synced)
    for (nth, told, visible, syncs) in [(1, 0, 0, 1), (2, 100, 1, 2), (3, 110, 2, 3), (4, 0, 3, 3)]
    {
        let dir = prepared();
        let inject = format!("inject=fsync:error=EIO:when={nth}");
        let child = "intake::durability::child_takes_one_message_for_three";
        let (output, trace) = strace(child, dir.path(), &["-e", &inject]);
        assert!(
            trace.contains("INJECTED"),
            "{inject} never happened\n{trace}"
        );
        assert_eq!(output.status.code(), Some(told), "{inject}\n{trace}");
        assert_eq!(in_new(dir.path()), visible, "{inject}\n{trace}");
        let of_files = trace
            .lines()
            .filter(|line| line.contains("fsync(") && !line.contains("/new>"))
            .count();
        assert_eq!(of_files, syncs, "{inject}\n{trace}");
    }
}

#[test]
fn file_system_without_nameless_files_gets_a_named_one_and_no_leftover() {
    // Without /proc or O_TMPFILE the message goes through tmp/; here by the same code path.
    let dir = prepared();
    let inbox = Inbox::open(&dir.path().join("spool")).unwrap();
    let place = dir.path().join("spool/new");
    let mode = Mode::from_raw_mode(0o600);
    let draft = Draft::open_named(fd(&inbox.tmp), "draft", mode, &place).unwrap();
    let clash = Draft::open_named(fd(&inbox.tmp), "draft", mode, &place);
    assert!(clash.is_err(), "an existing draft was opened");
    assert!(dir.path().join("spool/tmp/draft").exists());
    draft.publish(fd(&inbox.new), "name.msg", &place).unwrap();
    assert_eq!(in_new(dir.path()), 1);
    let second = Draft::open_named(fd(&inbox.tmp), "draft", mode, &place).unwrap();
    assert!(
        second.publish(fd(&inbox.new), "name.msg", &place).is_err(),
        "overwritten"
    );
    assert_eq!(
        std::fs::read_dir(dir.path().join("spool/tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn user_of_the_group_hands_in_and_the_daemon_can_read_it() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use crate::spool::{Received, Spool, SpoolSettings};

    if !is_root("to become another user") {
        return;
    }
    let dir = prepared();
    let path = dir.path().join("spool");
    let open_to_group = |path: &Path, mode| {
        std::os::unix::fs::chown(path, None, Some(GROUP)).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let hand_in = || {
        let user = [format!("--reuid={USER}"), format!("--regid={GROUP}")];
        Command::new("setpriv")
            .args(user)
            .arg("--clear-groups")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "intake::durability::child_takes_one_message"])
            .env(CHILD, dir.path())
            .output()
            .expect("setpriv is needed for this test")
    };
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let refused = hand_in();
    assert_eq!(refused.status.code(), Some(75), "{refused:?}");
    open_to_group(&path, 0o710);
    open_to_group(&path.join("new"), 0o3770);
    open_to_group(&path.join("tmp"), 0o3770);
    let taken = hand_in();
    assert_eq!(taken.status.code(), Some(0), "{taken:?}");

    let settings = SpoolSettings {
        path: path.clone(),
        allow_network_fs: false,
    };
    let (spool, _) = Spool::open(&settings).unwrap();
    let fresh = spool.scan(10, &|_| false).unwrap().fresh;
    assert_eq!(fresh.len(), 1);
    let file = path.join(format!("new/{}.msg", fresh[0]));
    let seen = std::fs::metadata(&file).unwrap();
    assert_eq!(
        (seen.uid(), seen.gid(), seen.mode() & 0o777),
        (USER, GROUP, 0o640)
    );
    let received = spool
        .receive(fresh[0], OffsetDateTime::now_utc(), false)
        .unwrap();
    assert!(matches!(received, Received::Ready(arrival) if arrival.message.data == MAIL));
    // A file of that user outside the group is not believed (E5).
    std::os::unix::fs::chown(&file, None, Some(GROUP - 1)).unwrap();
    assert!(matches!(
        spool.read(fresh[0]),
        Err(SpoolError::Unsafe { .. })
    ));
}

const USER: u32 = 64_001;
const GROUP: u32 = 64_002;
