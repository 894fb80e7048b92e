//! The law of `listseal audit`: what breaks it is named, and what people do in between does not.

use super::*;
use crate::spool::books::{Event, Id, done};
use crate::spool::testing::Disk;

fn enter(spool: &Spool, event: &Event) {
    spool.ledger().enter(&spool.layout, event).unwrap();
}

fn tally(sent: u64) -> Tally {
    Tally {
        sent,
        ..Tally::default()
    }
}

/// A spool on a small disk with one message; intake would ask for more room than that.
fn waiting_on(disk: &Disk) -> (World, SpoolId) {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let taken_in = world.copy(&world.path("new", id, ".msg"));
    let settings = SpoolSettings {
        path: disk.path().join("spool"),
        ..world.settings.clone()
    };
    let world = World { settings, ..world };
    drop(world.open());
    world.put(&world.path("new", id, ".msg"), &taken_in);
    (world, id)
}

/// A ledger line as it stands in the file.
fn line(json: &str) -> String {
    format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes()))
}

#[test]
fn r12_copies_without_an_end_are_named_until_people_looked_into_them() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    spool
        .commit(id, &plan(Disposition::Distribute, 3), "")
        .unwrap();
    // An end that has one copy too few, as a lost slot would make it.
    enter(&spool, &done(id, Disposition::Distribute, &tally(2)));
    drop(spool);
    drop(world.open()); // cleans the files up: only the ledger can tell now
    let audit = world.desk().audit().unwrap();
    assert!(!audit.holds());
    assert_eq!((audit.planned, audit.copies()), (3, 2));
    assert!(audit.problems[0].contains(&id.to_string()), "{audit:?}");
    let spool = world.open();
    let later = crate::model::micros(now()) + 10 * books::WINDOW;
    spool.ledger().condense(&spool.layout, later).unwrap();
    drop(spool);
    assert_eq!(world.desk().audit().unwrap().problems, audit.problems);
    world.desk().discard(id, "op").unwrap();
    let audit = world.adds_up();
    assert_eq!((audit.ended.distributed, audit.ended.sent), (1, 2));
}

#[test]
fn r12_plan_with_other_copies_than_were_planned_does_not_add_up() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    spool
        .commit(id, &plan(Disposition::Distribute, 3), "")
        .unwrap();
    world.adds_up();
    enter(
        &spool,
        &Event::Planned {
            id: Id(id),
            copies: 4,
        },
    );
    let audit = world.desk().audit().unwrap();
    assert!(!audit.holds() && audit.planned == 4 && audit.copies() == 3);
    assert!(audit.problems[0].contains(&id.to_string()));
}

#[test]
fn r12_accepted_counts_what_waits_and_what_the_ledger_knows_not_what_is_found() {
    let world = world();
    let spool = world.open();
    let [kept, lost] = [1, 2].map(|n| world.post(&format!("Subject: {n}\n\n")));
    receive(&spool, lost);
    std::fs::remove_file(world.path("new", lost, ".msg")).unwrap();
    let audit = world.desk().audit().unwrap();
    assert_eq!((audit.accepted, audit.messages(), audit.open), (2, 1, 1));
    receive(&spool, kept);
    assert_eq!(world.desk().audit().unwrap().accepted, 2);
}

#[test]
fn r12_ledger_of_an_older_version_adds_up() {
    let world = world();
    let [ended, open] = [1, 2].map(|n| world.post(&format!("Subject: {n}\n\n")));
    let spool = world.open();
    receive(&spool, open);
    spool
        .commit(open, &plan(Disposition::Distribute, 2), "")
        .unwrap();
    drop(spool);
    std::fs::remove_file(world.path("new", ended, ".msg")).unwrap();
    // Without `planned` lines, and sums of ends alone.
    let old = line(
        r#"{"event":"totals","totals":{"distributed":4,"refused":1,"sent":9,"failed":1}}"#,
    ) + &line(&format!(
        r#"{{"event":"attempt","id":"{open}","at":5,"print":"aa","alone":false}}"#
    )) + &line(&format!(
        r#"{{"event":"done","id":"{ended}","disposition":"distribute","sent":3,"failed":0,"withheld":1}}"#
    ));
    world.put(&world.settings.path.join("ledger"), old.as_bytes());
    let audit = world.adds_up();
    assert_eq!(
        (audit.accepted, audit.planned, audit.copies_open),
        (7, 16, 2)
    );
    let spool = world.open();
    spool
        .ledger()
        .condense(&spool.layout, crate::model::micros(now()))
        .unwrap();
    assert_eq!(world.adds_up(), audit);
}

#[test]
fn post_discarded_while_its_announcement_pauses_stays_discarded() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    spool.commit(id, &plan(Disposition::Hold, 1), "").unwrap();
    world.desk().discard(id, "op").unwrap();
    spool.postpone(id).unwrap();
    assert!(spool.forget(id).unwrap(), "its plan would stay");
    let audit = world.adds_up();
    assert_eq!((audit.accepted, audit.ended.discarded), (1, 1));
    drop(spool);
    let (_, recovery) = world.recover();
    assert!(recovery.lost.is_empty());
}

#[test]
fn e1_attempts_that_a_full_disk_ended_do_not_send_a_message_to_bad() {
    let Some(disk) = Disk::of(1024) else { return };
    let (world, id) = waiting_on(&disk);
    let spool = world.open();
    let filler = SpoolId::new(1, 1, [0; 8]);
    let by = String::new();
    enter(&spool, &Event::Discarded { id: Id(filler), by });
    for attempt in 0..4 {
        receive(&spool, id);
        disk.fill();
        // Not one more line fits.
        let reset = Event::Reset { id: Id(filler) };
        while spool.ledger().enter(&spool.layout, &reset).is_ok() {}
        let plan = plan(Disposition::Distribute, 500);
        let refused = spool.commit(id, &plan, "").unwrap_err();
        assert!(refused.is_shortage(), "{refused}");
        spool.postpone(id).unwrap();
        assert_eq!(spool.crashes(id), 0, "attempt {attempt}");
        disk.empty();
    }
    receive(&spool, id);
    drop(spool);
    // What was owed is written by now: only the attempt that the drop ended counts.
    assert_eq!(world.open().crashes(id), 1);
}

#[test]
fn r6_daemon_starts_on_a_full_disk_and_goes_on_with_what_is_planned() {
    let Some(disk) = Disk::of(1024) else { return };
    let (world, id) = waiting_on(&disk);
    let spool = world.open();
    receive(&spool, id);
    spool.commit(id, &plan(Disposition::Hold, 1), "").unwrap();
    drop(spool);
    std::fs::remove_file(world.path("hold", id, ".why")).unwrap();
    disk.fill(); // E2
    let (spool, recovery) = world.recover();
    assert_eq!(recovery.untouched[0].0, id, "its note finds no room");
    let Stage::Planned(_, slots) = spool.stage(id).unwrap() else {
        panic!("the plan is gone");
    };
    send_all(&slots);
    spool.finish(id).unwrap();
    drop(spool);
    disk.empty();
    assert!(world.recover().1.untouched.is_empty());
    assert!(world.path("hold", id, ".why").exists());
    assert_eq!(world.adds_up().held, 1);
}

#[test]
fn r12_copies_of_a_message_in_bad_stay_in_the_sums_until_people_discard_it_and_after() {
    for damaged in [false, true] {
        let world = world();
        let id = world.post("Subject: x\n\n");
        let spool = world.open();
        receive(&spool, id);
        let plan = plan(Disposition::Distribute, 3);
        let slots = spool.commit(id, &plan, "").unwrap();
        slots.record(0, Slot::Sent { at: 1 }).unwrap();
        spool.quarantine(id, &Why::new("damaged", "", 1)).unwrap();
        if damaged {
            world.put(&world.path("bad", id, ".slots"), b"cut short");
        }
        let audit = world.adds_up();
        let sent = u64::from(!damaged);
        let found = (
            audit.bad,
            audit.planned,
            audit.ended.sent,
            audit.copies_open,
        );
        assert_eq!(found, (1, 3, sent, 3 - sent), "{audit:?}");
        world.desk().discard(id, "op").unwrap();
        let audit = world.adds_up();
        let found = (audit.bad, audit.ended.discarded, audit.ended.sent);
        assert_eq!(found, (0, 1, sent), "{audit:?}");
        assert_eq!(audit.ended.withheld, if damaged { 0 } else { 2 });
        drop(spool);
        drop(world.open());
        assert_eq!(world.adds_up(), audit, "a start changes nothing");
    }
}

#[test]
fn r12_message_in_bad_that_is_tried_again_is_counted_by_its_new_plan_alone() {
    let world = world();
    let id = world.post("Subject: x\n\n");
    let spool = world.open();
    receive(&spool, id);
    let slots = spool
        .commit(id, &plan(Disposition::Distribute, 3), "")
        .unwrap();
    slots.record(0, Slot::Sent { at: 1 }).unwrap();
    spool.quarantine(id, &Why::new("damaged", "", 1)).unwrap();
    world.desk().retry(id, "op", now()).unwrap();
    receive(&spool, id);
    assert_eq!(world.adds_up().planned, 0, "it has no plan yet");
    let slots = spool
        .commit(id, &plan(Disposition::Distribute, 2), "")
        .unwrap();
    assert_eq!(world.adds_up().planned, 2);
    send_all(&slots);
    spool.finish(id).unwrap();
    let audit = world.adds_up();
    assert_eq!((audit.planned, audit.ended.sent, audit.bad), (2, 2, 0));
}

#[test]
fn r12_ledger_that_lost_its_lines_is_noticed_where_anything_is_left_to_tell() {
    for disposition in [Disposition::Distribute, Disposition::Hold] {
        let world = world();
        let id = world.post("Subject: x\n\n");
        let spool = world.open();
        receive(&spool, id);
        spool.commit(id, &plan(disposition, 1), "").unwrap();
        drop(spool);
        world.adds_up();
        world.put(&world.settings.path.join("ledger"), b"");
        let audit = world.desk().audit().unwrap();
        assert!(!audit.holds(), "{audit:?}");
        assert!(audit.problems[0].contains("does not know it"), "{audit:?}");
    }
}
