//! What becomes of messages that nothing goes wrong with, and what people do with them.

use super::*;

#[test]
fn message_lives_from_intake_to_ledger_and_leaves_no_file() {
    let world = world();
    let id = world.post("Subject: x\n\nbody\n");
    // No daemon ever ran: what waits is counted all the same.
    let audit = world.adds_up();
    assert_eq!((audit.accepted, audit.open), (1, 1));
    let spool = world.open();
    assert_eq!(everything(&spool), [id]);
    assert_eq!(receive(&spool, id).message.data, b"Subject: x\n\nbody\n");
    let slots = spool
        .commit(id, &plan(Disposition::Distribute, 3), "")
        .unwrap();
    assert!(
        matches!(spool.finish(id), Err(SpoolError::Unfinished(_))),
        "open items"
    );
    send_all(&slots);
    assert_eq!(spool.finish(id).unwrap().sent, 3);
    for shelf in Shelf::ALL {
        let dir = world.settings.path.join(shelf.name());
        assert_eq!(
            std::fs::read_dir(dir).unwrap().count(),
            0,
            "{}",
            shelf.name()
        );
    }
    let audit = world.adds_up();
    assert_eq!(
        (audit.accepted, audit.ended.distributed, audit.ended.sent),
        (1, 1, 3)
    );
}

#[test]
fn r5_second_daemon_is_refused_and_death_frees_the_lock_at_once() {
    let world = world();
    let first = world.open();
    let error = Spool::open(&world.settings).unwrap_err();
    assert!(matches!(error, SpoolError::Locked(_)) && error.exit_code() == 75);
    drop(first);
    world.open();
}

#[test]
fn d1_same_bytes_handed_in_twice_are_told_apart_from_the_first() {
    let world = world();
    let spool = world.open();
    let first = world.post("Subject: x\n\nbody\n");
    assert_eq!(receive(&spool, first).twin, None);
    spool
        .commit(first, &plan(Disposition::Distribute, 1), "")
        .unwrap();
    drop(spool);
    let spool = world.open();
    let second = world.post("Received: again\nSubject: x\n\nbody\n");
    assert_eq!(receive(&spool, second).twin, Some(first));
    let other = world.post("Subject: x\n\nother body\n");
    assert_eq!(receive(&spool, other).twin, None);
    world.adds_up();
}

#[test]
fn held_post_is_announced_released_and_passes_as_approved() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    let mut announce = plan(Disposition::Hold, 1);
    announce.items[0].what = What::Notice {
        kind: "held".to_owned(),
        facts: std::collections::BTreeMap::new(),
        enclose: true,
    };
    let slots = spool
        .commit(id, &announce, "scenario says editorkey")
        .unwrap();
    assert!(everything(&spool).is_empty());
    assert_eq!(
        spool.read(id).unwrap().id,
        id,
        "to be enclosed for the moderators"
    );
    let entries = world.desk().entries().unwrap();
    assert_eq!(entries[0].state, State::Held);
    assert_eq!(
        entries[0].why.as_ref().unwrap().detail,
        "scenario says editorkey"
    );
    assert_eq!(world.adds_up().held, 1);

    // Released while the announcement is still under way, and the daemon restarts in between.
    drop((slots, spool));
    let desk = world.desk();
    assert!(matches!(
        desk.retry(id, "op", now()),
        Err(DeskError::NotNow { .. })
    ));
    desk.release(id, "olga", now()).unwrap();
    assert!(matches!(
        desk.release(id, "olga", now()),
        Err(DeskError::NotNow { .. })
    ));
    let spool = world.open();
    let scan = spool.scan(10, &|_| true).unwrap();
    assert_eq!(
        (scan.again.as_slice(), scan.fresh.as_slice()),
        (&[id][..], &[][..])
    );
    assert!(matches!(spool.stage(id).unwrap(), Stage::Unopened));
    let arrival = receive(&spool, id);
    assert!(
        arrival
            .again
            .as_ref()
            .is_some_and(|again| again.approved && again.by == "olga")
    );
    assert_eq!(
        arrival.twin, None,
        "a released post is not its own duplicate"
    );
    drop(spool);
    let spool = world.open();
    assert!(
        receive(&spool, id).again.is_some(),
        "the approval survives a crash before the plan"
    );
    let slots = spool
        .commit(id, &plan(Disposition::Distribute, 1), "")
        .unwrap();
    assert!(spool.scan(10, &|_| false).unwrap().again.is_empty());
    send_all(&slots);
    spool.finish(id).unwrap();
    let audit = world.adds_up();
    assert_eq!(
        (audit.accepted, audit.ended.distributed, audit.held),
        (1, 1, 0)
    );
}

#[test]
fn discarded_post_is_gone_counted_and_its_announcement_forgotten() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    assert!(matches!(
        world.desk().discard(id, "op"),
        Err(DeskError::NotNow { .. })
    ));
    spool.commit(id, &plan(Disposition::Hold, 0), "").unwrap();
    world.desk().discard(id, "op").unwrap();
    assert!(matches!(spool.read(id), Err(SpoolError::Gone(_))));
    assert!(spool.forget(id).unwrap());
    assert!(spool.planned().unwrap().is_empty());
    let audit = world.adds_up();
    assert_eq!((audit.accepted, audit.ended.discarded), (1, 1));
}

#[test]
fn withheld_message_rests_in_bad_with_its_precise_reason_for_the_administrator() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    spool
        .commit(
            id,
            &plan(Disposition::Withhold, 0),
            "content key seen in 123",
        )
        .unwrap();
    spool.finish(id).unwrap();
    let detail = world.desk().detail(id).unwrap();
    assert_eq!(detail.entry.state, State::Bad);
    assert_eq!(detail.entry.why.unwrap().detail, "content key seen in 123");
    assert_eq!(world.adds_up().bad, 1);
    drop(spool);
    let spool = world.open();
    assert!(everything(&spool).is_empty());
    world.desk().retry(id, "op", now()).unwrap();
    assert!(!receive(&spool, id).again.unwrap().approved);
}

#[test]
fn e4_foreign_things_in_new_are_told_once_and_left_alone() {
    let world = world();
    let spool = world.open();
    let id = world.post("Subject: x\n\n");
    let new = world.settings.path.join("new");
    std::fs::create_dir(new.join("dir")).unwrap();
    std::fs::write(new.join("notes.txt"), b"x").unwrap();
    let fake = SpoolId::new(1, 1, [0; 8]);
    std::os::unix::fs::symlink("/etc/passwd", new.join(format!("{fake}.msg"))).unwrap();
    let scan = spool.scan(10, &|_| false).unwrap();
    let mut odd = scan.odd;
    odd.sort();
    assert_eq!(odd, ["dir", "notes.txt"]);
    assert_eq!(scan.fresh, [fake, id]);
    assert!(matches!(
        spool.receive(fake, now(), false),
        Err(SpoolError::Unsafe { .. })
    ));
    let scan = spool.scan(10, &|_| false).unwrap();
    assert!(scan.odd.is_empty());
    assert_eq!(scan.fresh, [id], "an untouchable file is not tried again");
    assert!(new.join("notes.txt").exists());
}

#[test]
fn e25_scan_is_bounded_and_oldest_first() {
    let world = world();
    let spool = world.open();
    let ids: Vec<_> = (0..20)
        .map(|n| world.post(&format!("Subject: {n}\n\n")))
        .collect();
    assert_eq!(spool.scan(5, &|_| false).unwrap().fresh, &ids[..5]);
    let known = |id: SpoolId| id <= ids[9];
    assert_eq!(spool.scan(5, &known).unwrap().fresh, &ids[10..15]);
}

#[test]
fn report_of_the_daemon_that_somebody_else_laid_into_new_is_never_believed() {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    const USER: u32 = 64_001;
    const GROUP: u32 = 64_002;
    if !testing::is_root("to lay a file there as another user") {
        return;
    }
    let world = world();
    // The spool of a group that may hand in: E5 has nothing against its files.
    drop(world.open());
    for (shelf, mode) in [("", 0o710), ("new", 0o3770), ("tmp", 0o3770)] {
        let path = world.settings.path.join(shelf);
        chown(&path, None, Some(GROUP)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let spool = world.open();
    let to = Address::parse("team-owner@example.org").unwrap();
    let own = spool.announce(&to, b"Subject: true\r\n\r\n").unwrap();
    let forged = spool.announce(&to, b"Subject: forged\r\n\r\n").unwrap();
    let path = world.path("new", forged, ".msg");
    chown(&path, Some(USER), Some(GROUP)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let now = OffsetDateTime::now_utc();
    match spool.receive(own, now, false).unwrap() {
        Received::Ready(arrival) => assert!(arrival.message.envelope.is_own()),
        other @ Received::Quarantined(_) => panic!("{other:?}"),
    }
    match spool.receive(forged, now, false).unwrap() {
        Received::Quarantined(why) => assert!(why.detail.contains("wrote a report"), "{why:?}"),
        other @ Received::Ready(_) => panic!("{other:?}"),
    }
    assert!(!path.exists());
    assert!(world.path("bad", forged, ".msg").exists());
    // What the same user hands in as mail is taken.
    let mail = world.post("Subject: mail\r\n\r\n");
    chown(world.path("new", mail, ".msg"), Some(USER), Some(GROUP)).unwrap();
    let taken = spool.receive(mail, now, false).unwrap();
    assert!(matches!(taken, Received::Ready(_)), "{taken:?}");
}
