//! Crashes: each test drops the spool where a process would die and opens it again.

use super::*;

#[test]
fn r11_message_that_crashes_three_times_alone_goes_to_bad_and_is_kept() {
    let world = world();
    let id = world.post("Subject: bomb\n\n");
    for crash in 0..3 {
        let spool = world.open();
        assert_eq!(spool.crashes(id), crash);
        // Dropped: the process dies between D2 and D5, of a defect or for want of memory (E24).
        receive(&spool, id);
    }
    let spool = world.open();
    let Received::Quarantined(why) = spool.receive(id, now(), true).unwrap() else {
        panic!("a fourth attempt was made");
    };
    assert_eq!(why.reason, "crashes");
    assert!(everything(&spool).is_empty());
    assert_eq!(spool.read(id).unwrap().data, b"Subject: bomb\n\n");
    assert_eq!(world.adds_up().bad, 1);

    world.desk().retry(id, "op", now()).unwrap();
    assert_eq!(spool.scan(10, &|_| true).unwrap().again, [id]);
    receive(&spool, id);
    drop(spool);
    assert_eq!(world.open().crashes(id), 1, "a retry starts the count anew");
}

#[test]
fn decision_16_attempts_that_end_in_order_are_no_crashes() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    for _ in 0..5 {
        let spool = world.open();
        receive(&spool, id);
        spool.postpone(id).unwrap();
    }
    for _ in 0..5 {
        // In company it is never set aside.
        let spool = world.open();
        let received = spool.receive(id, now(), false).unwrap();
        assert!(matches!(received, Received::Ready(_)));
    }
}

#[test]
fn r3_damaged_file_moves_to_bad_with_a_reason_and_is_never_deleted() {
    let world = world();
    let spool = world.open();
    let id = world.post("Subject: x\n\nbody\n");
    let path = world.path("new", id, ".msg");
    let mut bytes = world.copy(&path);
    bytes.truncate(bytes.len() - 1);
    world.put(&path, &bytes);
    let received = spool.receive(id, now(), false).unwrap();
    assert!(matches!(received, Received::Quarantined(why) if why.reason == "damaged"));
    assert_eq!(world.copy(&world.path("bad", id, ".msg")), bytes);
    assert!(world.path("bad", id, ".why").exists());
    let entries = world.desk().entries().unwrap();
    assert_eq!((entries.len(), entries[0].state), (1, State::Bad));
    assert_eq!(world.adds_up().bad, 1);
}

#[test]
fn d5_plan_and_progress_survive_a_restart() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    let mut wanted = plan(Disposition::Distribute, 4);
    wanted.items[3].what = What::Withheld {
        reason: Reason::NoCertificate,
        notice: false,
    };
    let slots = spool.commit(id, &wanted, "").unwrap();
    slots.record(1, Slot::Sent { at: 7 }).unwrap();
    drop((slots, spool));
    let spool = world.open();
    assert_eq!(spool.planned().unwrap(), [id]);
    assert_eq!(
        spool.crashes(id),
        1,
        "counted, but a plan is never opened again"
    );
    let Stage::Planned(plan, slots) = spool.stage(id).unwrap() else {
        panic!("the plan is gone");
    };
    assert_eq!(*plan, wanted);
    let tally = slots.tally().unwrap();
    assert_eq!((tally.open, tally.sent, tally.withheld), (2, 1, 1));
    let audit = world.adds_up();
    assert_eq!(
        (audit.planned, audit.copies_open, audit.ended.withheld),
        (4, 2, 1)
    );
}

#[test]
fn plan_and_slots_that_were_not_both_written_are_made_anew() {
    for missing in [".plan", ".slots"] {
        let world = world();
        let id = world.post("Subject: x\n\n");
        let spool = world.open();
        receive(&spool, id);
        spool
            .commit(id, &plan(Disposition::Distribute, 2), "")
            .unwrap();
        drop(spool);
        std::fs::remove_file(world.path("work", id, missing)).unwrap();
        let spool = world.open();
        assert!(
            matches!(spool.stage(id).unwrap(), Stage::Unopened),
            "{missing}"
        );
        assert_eq!(everything(&spool), [id]);
        assert_eq!(
            std::fs::read_dir(world.settings.path.join("work"))
                .unwrap()
                .count(),
            0
        );
    }
}

#[test]
fn progress_without_its_plan_is_set_aside_and_not_sent_again() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    let slots = spool
        .commit(id, &plan(Disposition::Distribute, 2), "")
        .unwrap();
    slots.record(0, Slot::Sent { at: 1 }).unwrap();
    drop((slots, spool));
    std::fs::remove_file(world.path("work", id, ".plan")).unwrap();
    let (spool, recovery) = world.recover();
    assert_eq!(recovery.quarantined, [id]);
    assert!(everything(&spool).is_empty());
    assert!(
        world.path("bad", id, ".slots").exists(),
        "the progress is evidence"
    );
}

#[test]
fn r9_done_wins_over_every_file_that_comes_back() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    let slots = spool
        .commit(id, &plan(Disposition::Distribute, 2), "")
        .unwrap();
    send_all(&slots);
    slots
        .set_done(&Tally {
            sent: 2,
            ..Tally::default()
        })
        .unwrap(); // D12, then the power fails
    drop((slots, spool));
    let files = [("new", ".msg"), ("work", ".plan"), ("work", ".slots")];
    let saved: Vec<_> = files
        .iter()
        .map(|(shelf, suffix)| world.path(shelf, id, suffix))
        .map(|path| (path.clone(), world.copy(&path)))
        .collect();
    // Every subset of removals that did not reach the disk, in any order, several times.
    for back in (0..8_u32).chain(0..8) {
        for (bit, (path, bytes)) in saved.iter().enumerate() {
            if back & (1 << bit) != 0 {
                world.put(path, bytes);
            }
        }
        let spool = world.open();
        assert!(everything(&spool).is_empty(), "files back: {back:03b}");
        assert!(
            spool.planned().unwrap().is_empty(),
            "files back: {back:03b}"
        );
        drop(spool);
        if back > 0 {
            let audit = world.adds_up();
            assert_eq!(
                (audit.ended.distributed, audit.ended.sent),
                (1, 2),
                "{back:03b}"
            );
        }
    }
}

#[test]
fn approval_is_used_up_before_the_post_can_be_released_again() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    spool.commit(id, &plan(Disposition::Hold, 0), "").unwrap();
    world.desk().release(id, "olga", now()).unwrap();
    assert!(receive(&spool, id).again.unwrap().approved);
    let again = world.path("work", id, ".again");
    let decision = world.copy(&again);
    // What cannot be removed shows how far the plan got by then.
    std::fs::remove_file(&again).unwrap();
    std::fs::create_dir(&again).unwrap();
    spool
        .commit(id, &plan(Disposition::Hold, 0), "")
        .unwrap_err();
    assert!(
        world.path("new", id, ".msg").exists(),
        "a release in hold/ would be taken for the old one"
    );
    // A crash here: the decision still stands, and the post is opened anew with it.
    drop(spool);
    std::fs::remove_dir(&again).unwrap();
    world.put(&again, &decision);
    let spool = world.open();
    assert!(matches!(spool.stage(id).unwrap(), Stage::Unopened));
    assert!(
        receive(&spool, id)
            .again
            .is_some_and(|again| again.approved)
    );
    spool.commit(id, &plan(Disposition::Hold, 0), "").unwrap();
    assert!(!again.exists() && world.path("hold", id, ".msg").exists());
    world.adds_up();
}

#[test]
fn e5_one_untouchable_message_does_not_stop_the_start_nor_fill_the_scan() {
    let world = world();
    let spool = world.open();
    let [linked, plain] = [1, 2].map(|n| world.post(&format!("Subject: {n}\n\n")));
    for id in [linked, plain] {
        receive(&spool, id);
        spool
            .commit(id, &plan(Disposition::Distribute, 1), "")
            .unwrap();
    }
    let held = world.post("Subject: 3\n\n");
    receive(&spool, held);
    spool.commit(held, &plan(Disposition::Hold, 0), "").unwrap();
    drop(spool);
    // As `cp -al spool snapshot` does it, to the files of two messages.
    for (number, path) in [
        world.path("work", linked, ".plan"),
        world.path("work", linked, ".slots"),
        world.path("new", linked, ".msg"),
        world.path("hold", held, ".why"),
    ]
    .into_iter()
    .enumerate()
    {
        let second = world.dir.path().join(format!("snapshot-{number}"));
        std::fs::hard_link(path, second).unwrap();
    }
    let (spool, recovery) = world.recover();
    let named: Vec<_> = recovery.untouched.iter().map(|(id, _)| *id).collect();
    assert_eq!(named, [linked, held]);
    assert!(recovery.untouched[0].1.contains("hard link"));
    assert!(matches!(spool.stage(plain).unwrap(), Stage::Planned(..)));
    assert_eq!(everything(&spool), [linked, plain]);
    assert!(matches!(
        spool.stage(linked),
        Err(SpoolError::Unsafe { .. })
    ));
    assert_eq!(everything(&spool), [plain], "it would be tried for ever");
    let entries = world.desk().entries().unwrap();
    assert_eq!(entries.len(), 3, "people still see the others");
    let audit = world.desk().audit().unwrap();
    assert!(!audit.holds() && audit.problems[0].contains("hard link"));
    drop(spool);
    for number in 0..4 {
        std::fs::remove_file(world.dir.path().join(format!("snapshot-{number}"))).unwrap();
    }
    let (spool, recovery) = world.recover();
    assert!(recovery.untouched.is_empty());
    assert!(matches!(spool.stage(linked).unwrap(), Stage::Planned(..)));
    world.adds_up();
}

#[test]
fn hold_interrupted_before_the_move_is_completed_at_start() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    spool.commit(id, &plan(Disposition::Hold, 1), "").unwrap();
    drop(spool);
    std::fs::rename(
        world.path("hold", id, ".msg"),
        world.path("new", id, ".msg"),
    )
    .unwrap();
    std::fs::remove_file(world.path("hold", id, ".why")).unwrap();
    let spool = world.open();
    assert!(everything(&spool).is_empty());
    let entries = world.desk().entries().unwrap();
    let why = entries[0].why.clone().unwrap();
    assert_eq!(
        (entries[0].state, why.reason.as_str()),
        (State::Held, "not-allowed")
    );
}

#[test]
fn r12_audit_names_a_message_that_vanished() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    std::fs::remove_file(world.path("new", id, ".msg")).unwrap();
    let audit = world.desk().audit().unwrap();
    assert!(!audit.holds());
    assert_eq!(audit.lost, [id.to_string()]);
    drop(spool);
    assert_eq!(world.recover().1.lost, [id]);
    world.desk().discard(id, "op").unwrap();
    world.adds_up();
}

#[test]
fn leftovers_in_tmp_are_swept_after_36_hours_and_not_before() {
    let world = world();
    drop(world.open());
    let tmp = world.settings.path.join("tmp");
    let hours = |n: u64| std::time::SystemTime::now() - std::time::Duration::from_secs(n * 3600);
    for (name, age) in [("old", 37), ("young", 35)] {
        let file = std::fs::File::create(tmp.join(name)).unwrap();
        file.set_modified(hours(age)).unwrap();
    }
    assert_eq!(world.recover().1.swept, 1);
    assert!(!tmp.join("old").exists() && tmp.join("young").exists());
}
