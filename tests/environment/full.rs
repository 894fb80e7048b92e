//! Every writer meets a disk that is full at sixty levels, with intake's guard switched off so that
//! it is the disk that says no; and the guard (contract E1, E2, R6, R17).

use std::collections::BTreeSet;

use super::disks::{Disk, is_root, names};
use super::figures::Figures;
use super::relay::{End, MEMBERS, Relay};

pub const LEVELS: u64 = 60;
/// Intake asks nobody whether there is room.
const BLIND: (&str, &str) = ("ROOM", "0");
const COMMAND: &str = "cargo test --features faults --test environment full";

/// A relay whose spool, state and certificates lie on `disk`.
fn relay_on(disk: impl FnOnce(&Relay) -> Disk) -> (Relay, Disk) {
    let relay = Relay::in_memory(2);
    let disk = disk(&relay);
    relay.furnish();
    // At work once, so that its directories are there.
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    (relay, disk)
}

fn tmpfs(relay: &Relay) -> Disk {
    Disk::tmpfs(relay.site.path("disk"), 16 << 10)
}

fn ext4(relay: &Relay) -> Disk {
    Disk::ext4(relay.site.path("disk"), 16)
}

/// A post of about `size` bytes.
fn post(relay: &Relay, number: u64, size: usize) -> Vec<u8> {
    let mut post = relay.post(number);
    while post.len() < size {
        post.extend(format!("{number} and so on and so on, as it has to be long\r\n").bytes());
    }
    post
}

/// Whatever is full: the sums are right, or the program says why it cannot tell.
pub fn audited(relay: &Relay, place: &str) {
    let audit = relay.site.command(&["audit"], b"");
    assert_eq!(audit.code, 0, "{place}: {audit:?}");
}

pub fn told(figures: &Figures, writer: &str, levels: u64, disk: &Disk, refused: u64) {
    figures.tell(
        &format!("Full disk, {writer}"),
        &format!("{levels} levels, {refused} met"),
        &disk.at,
        COMMAND,
    );
    assert_eq!(
        (figures.lost, figures.torn, figures.duplicated),
        (0, 0, 0),
        "{writer}: {figures:?}"
    );
    assert!(refused > 0, "{writer}: no level met a full disk");
}

fn intake(name: &str, disk: impl FnOnce(&Relay) -> Disk) {
    let (relay, disk) = relay_on(disk);
    let spool = relay.spool();
    let (mut number, mut refused, mut accepted) = (0, 0, Vec::new());
    for level in 0..LEVELS {
        // The levels lie around what a post takes, down to the block.
        for size in [400, 7_000, level as usize * disk.block as usize] {
            number += 1;
            let post = post(&relay, number, size);
            let before: BTreeSet<_> = names(&spool.join("new")).into_iter().collect();
            disk.fill(level * disk.block, None);
            let (end, said) = relay.queue("team", &post, &[BLIND]);
            let after: BTreeSet<_> = names(&spool.join("new")).into_iter().collect();
            let fresh: Vec<_> = after.difference(&before).collect();
            let place = format!("{name}, level {level}, {size} bytes: {said}");
            assert_eq!(names(&spool.join("tmp")), [""; 0], "{place}");
            if end == End::Code(0) {
                // Whole, under one name, and byte for byte what was handed in.
                assert_eq!(fresh.len(), 1, "{place}");
                let file = std::fs::read(spool.join("new").join(fresh[0])).unwrap();
                let body = file.len() - post.len() - 36;
                assert_eq!(&file[body..file.len() - 36], &post, "{place}");
                assert_eq!(&file[file.len() - 36..file.len() - 32], b"END\n", "{place}");
            } else {
                assert_eq!((end, fresh.len()), (End::Code(75), 0), "{place}");
                assert!(said.starts_with("4.3.1 "), "{place}");
                assert!(said.contains("No space left on device"), "{place}");
                refused += 1;
            }
            disk.empty();
            if end != End::Code(0) {
                assert_eq!(relay.queue("team", &post, &[]).0, End::Code(0), "{place}");
            }
            accepted.push(number);
        }
        // As a daemon beside it would have it.
        if level % 12 == 11 {
            relay.finish();
        }
    }
    relay.finish();
    told(&relay.judge(&accepted), name, LEVELS, &disk, refused);
}

#[test]
fn e1_intake_says_0_on_a_full_disk_only_for_a_whole_message() {
    if is_root("to mount a tmpfs") {
        intake("intake", tmpfs);
    }
}

#[test]
fn e1_intake_says_0_on_a_full_ext4_only_for_a_whole_message() {
    if is_root("to mount an ext4") {
        intake("intake, ext4", ext4);
    }
}

/// Room for so many blocks and files: few enough that each writer meets its end somewhere.
pub fn levels() -> impl Iterator<Item = (u64, Option<u64>)> {
    (0..LEVELS).map(|level| {
        (
            level / 6,
            [None, Some(0), Some(1), Some(2), Some(3), Some(4)][(level % 6) as usize],
        )
    })
}

fn daemon(name: &str, disk: impl FnOnce(&Relay) -> Disk) {
    let (relay, disk) = relay_on(disk);
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for (level, (blocks, files)) in levels().enumerate() {
        let number = level as u64 + 1;
        let place = format!("{name}, {blocks} blocks and {files:?} files");
        assert_eq!(
            relay.queue("team", &relay.post(number), &[]).0,
            End::Code(0)
        );
        accepted.push(number);
        disk.fill(blocks * disk.block, files);
        let (end, said) = relay.daemon(&[]);
        // E2: no plan is begun that does not fit; nothing is in the way of another start.
        assert_eq!(end, End::Code(0), "{place}: {said}");
        refused += u64::from(said.contains("No space left on device"));
        audited(&relay, &place);
        disk.empty();
        // What waits meets the next level, too.
        if level % 6 == 5 {
            relay.finish();
        }
    }
    relay.finish();
    told(&relay.judge(&accepted), name, LEVELS, &disk, refused);
}

#[test]
fn e2_message_that_no_plan_fits_for_waits_for_room_and_goes_out_once() {
    if is_root("to mount a tmpfs") {
        daemon("plans, slots, ledger", tmpfs);
    }
}

#[test]
fn e2_message_that_no_plan_fits_for_on_ext4_waits_for_room_and_goes_out_once() {
    if is_root("to mount an ext4") {
        daemon("plans, slots, ledger, ext4", ext4);
    }
}

fn running(name: &str, disk: impl FnOnce(&Relay) -> Disk) {
    let (relay, disk) = relay_on(disk);
    let mut accepted = Vec::new();
    for (number, (blocks, files)) in levels().enumerate() {
        let number = number as u64 + 1;
        let place = format!("{name}, {blocks} blocks and {files:?} files");
        assert_eq!(
            relay.queue("team", &relay.post(number), &[]).0,
            End::Code(0)
        );
        accepted.push(number);
        // The daemon ends between its plan and the first copy.
        let crashed = relay.daemon(&[("FAIL", "D6:kill9")]);
        assert_eq!(crashed.0, End::Killed, "{place}: {}", crashed.1);
        disk.fill(blocks * disk.block, files);
        let (end, said) = relay.daemon(&[]);
        assert_eq!(end, End::Code(0), "{place}: {said}");
        // R6: every copy left while the disk was full, and was entered as sent.
        let sent = relay.copies();
        for member in MEMBERS {
            let key = (
                format!("{member}@example.org"),
                format!("<{number}.crash@example.org>"),
            );
            assert_eq!(sent.get(&key), Some(&1), "{place}: {said}");
        }
        audited(&relay, &place);
        disk.empty();
        if number.is_multiple_of(10) {
            relay.finish();
        }
    }
    relay.finish();
    let figures = relay.judge(&accepted);
    figures.tell(
        &format!("Full disk, {name}"),
        &format!("{LEVELS} levels"),
        &disk.at,
        COMMAND,
    );
    assert_eq!(
        (figures.lost, figures.torn, figures.duplicated),
        (0, 0, 0),
        "{name}: {figures:?}"
    );
}

#[test]
fn r6_planned_message_goes_out_whole_and_once_on_a_full_disk() {
    if is_root("to mount a tmpfs") {
        running("planned before", tmpfs);
    }
}

#[test]
fn r6_planned_message_goes_out_whole_and_once_on_a_full_ext4() {
    if is_root("to mount an ext4") {
        running("planned before, ext4", ext4);
    }
}

#[test]
fn r17_guard_answers_75_before_a_byte_is_read() {
    if !is_root("to mount a tmpfs") {
        return;
    }
    let (relay, disk) = relay_on(tmpfs);
    // 512 KiB may come: twice that has to be free.
    for (bytes, files, expected) in [
        (900 << 10, None, Some("needed")),
        (1100 << 10, Some(900), Some("1000 inodes needed")),
        (1100 << 10, Some(1100), None),
    ] {
        disk.fill(bytes, files);
        let mut child = relay.begin(
            &["queue", "team@example.org", "--sender", "alice@example.org"],
            &[],
        );
        let mut input = child.stdin.take().unwrap();
        if expected.is_none() {
            std::io::Write::write_all(&mut input, &relay.post(1)).unwrap();
            drop(input);
        } else {
            // Nothing is written and nothing closed: who read first would never end.
            std::mem::forget(input);
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        match expected {
            None => assert_eq!(output.status.code(), Some(0), "{said}"),
            Some(text) => {
                assert_eq!(output.status.code(), Some(75), "{said}");
                assert!(said.starts_with("4.3.1 ") && said.contains(text), "{said}");
            }
        }
        disk.empty();
    }
    relay.finish();
    let figures = relay.judge(&[1]);
    assert_eq!((figures.lost, figures.duplicated), (0, 0));
}
