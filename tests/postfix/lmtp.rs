//! The same journeys where Postfix's lmtp(8) hands mail to the daemon.

use std::path::Path;
use std::process::Command;

use super::common::lmtp::{Daemon, until};
use super::instance::MEMBERS;
use super::world::{World, post};
use super::{LUNCH, each_has_what_is_due, member};

/// Waits until neither Postfix nor the daemon has anything left to do, and ends the daemon.
fn all_is_done(world: &World, daemon: Daemon) {
    until("an empty spool and queue", || {
        world.site.spool().is_empty() && world.postfix.queue().is_empty()
    });
    daemon.stop();
    world.nothing_lost();
}

/// Waits for a mail that Postfix keeps, and returns the reason it gives.
fn deferred(world: &World) -> String {
    let kept = || {
        let queue = world.postfix.queue().into_iter();
        queue
            .filter(|row| row["queue_name"] == "deferred")
            .find_map(|row| Some(row["recipients"][0]["delay_reason"].as_str()?.to_owned()))
    };
    world.postfix.until("a deferred mail", || kept().is_some());
    kept().unwrap()
}

#[test]
fn sealed_copies_come_back_to_the_mailboxes_of_the_members() {
    let (world, daemon) = World::lmtp("", &["alice", "bob", "carol"]);
    let mail = post(&["sign alice-elsewhere", "encrypt team"], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "team@example.org", &mail);
    each_has_what_is_due(&world);
    all_is_done(&world, daemon);
    let log = world.postfix.log();
    let safe = log.lines().find(|line| line.contains(" is safe)")).unwrap();
    assert!(safe.contains("status=sent (250 2.0.0 "), "{safe}");
    assert!(!log.contains("warning"), "{log}");
}

#[test]
fn unknown_list_and_large_mail_bounce_with_the_reason_and_the_other_list_is_served() {
    let (world, daemon) = World::lmtp("[intake]\nmax_size = \"64 KiB\"\n", &["alice"]);
    world
        .site
        .list("other", &format!("owners = [\"olga@{MEMBERS}\"]\n"), "");
    world.site.own("lists");
    let table = world.postfix.path("conf/listseal");
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, text.replace("^team", "^(team|other)")).unwrap();
    let known = world.postfix.path("conf/listseal_recipients");
    let text = std::fs::read_to_string(&known).unwrap();
    std::fs::write(&known, text.replace("^team", "^(team|other)")).unwrap();
    // One of the two is gone; Postfix has not heard of it yet.
    world.site.remove("lists/example.org/team");
    let small = post(&[], LUNCH);
    world.postfix.sendmail_to(
        &member("alice"),
        &["team@example.org", "other-owner@example.org"],
        &small,
    );
    let bounce = world.postfix.mailbox("alice", 1).remove(0);
    let bounce = String::from_utf8(bounce).unwrap();
    let text = "there is no list with the address team@example.org";
    assert!(
        bounce.contains(text) && bounce.contains("Status: 5.1.1"),
        "{bounce}"
    );
    let log = world.postfix.log();
    let line = log
        .lines()
        .find(|line| line.contains("status=bounced"))
        .unwrap();
    assert!(line.contains("dsn=5.1.1") && line.contains(text), "{line}");
    world.postfix.mailbox("olga", 1);

    let large = post(&[&format!("fill {}", 65 << 10)], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "listseal@example.org", &large);
    let bounces = world.postfix.mailbox("alice", 2);
    let is_large = |one: &&Vec<u8>| super::common::mail::find(one, b"Status: 5.3.4").is_some();
    assert_eq!(bounces.iter().filter(is_large).count(), 1);
    all_is_done(&world, daemon);
}

#[test]
fn local_trouble_keeps_mail_in_the_queue_until_it_is_mended() {
    let (world, daemon) = World::lmtp("", &["alice", "bob"]);
    let new = world.site.path("spool/new");
    let send = |what: &str| {
        let mail = post(&["sign alice-elsewhere"], &format!("{LUNCH} {what}"));
        world
            .postfix
            .sendmail(&member("alice"), "team@example.org", &mail);
    };
    super::instance::shell("chmod 0500", &new);
    send("spool");
    let reason = deferred(&world);
    assert!(
        reason.contains("451 4.3.0") && reason.contains("Permission denied"),
        "{reason}"
    );
    super::instance::shell("chmod 0700", &new);
    world.postfix.flush();
    world.postfix.mailbox("bob", 1);

    // Nobody listens.
    daemon.stop();
    send("daemon");
    let reason = deferred(&world);
    assert!(reason.contains("No such file or directory"), "{reason}");
    let daemon = Daemon::start(&world.site);
    world.postfix.flush();
    world.postfix.mailbox("bob", 2);
    all_is_done(&world, daemon);
}

/// A tmpfs in the place of the spool, taken away when dropped.
struct Tmpfs<'a>(&'a Path);

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn r17_full_disk_keeps_mail_in_the_queue_until_there_is_room() {
    let (world, daemon) = World::lmtp("", &["alice", "bob"]);
    daemon.stop();
    let spool = world.site.path("spool");
    let mount = |words: &[&str]| {
        let output = Command::new("mount")
            .args(words)
            .arg(&spool)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    mount(&[
        "-t",
        "tmpfs",
        "-o",
        "size=32m,mode=0700,uid=daemon,gid=daemon",
        "tmpfs",
    ]);
    let _tmpfs = Tmpfs(&spool);
    let daemon = Daemon::start(&world.site);
    let mail = post(&["sign alice-elsewhere"], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "team@example.org", &mail);
    let reason = deferred(&world);
    // Twice the largest message has no room.
    assert!(
        reason.contains("452 4.3.1") && reason.contains("104857600 bytes"),
        "{reason}"
    );
    mount(&["-o", "remount,size=300m"]);
    world.postfix.flush();
    world.postfix.mailbox("bob", 1);
    all_is_done(&world, daemon);
}

#[test]
fn bounce_of_a_copy_is_on_record_of_its_member_and_of_nobody_else() {
    let (world, daemon) = World::lmtp("", &["alice", "gone"]);
    world.site.certificate("gone-elsewhere", None);
    world.site.own("certificates");
    let mail = post(&["sign alice-elsewhere", "encrypt team"], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "team@example.org", &mail);
    world.postfix.mailbox("alice", 1);
    let rows = || {
        let words = ["subscriber", "ls", "team@example.org", "--json"];
        world.site.json(&words)
    };
    world
        .postfix
        .until("a bounce on record", || rows()[1]["state"] == "bouncing");
    let rows = rows();
    assert_eq!(rows[1]["bounces"]["status"], "5.3.0", "{rows}");
    assert_eq!(rows[0]["state"], "active", "{rows}");
    world.postfix.mailbox("olga", 0);
    all_is_done(&world, daemon);
}

#[test]
fn smtp_source_hands_200_mails_in_over_8_sessions() {
    let (world, daemon) = World::lmtp("", &["alice"]);
    world.postfix.source(200, 8, "team-owner@example.org");
    world.postfix.mailbox("olga", 200);
    all_is_done(&world, daemon);
}
