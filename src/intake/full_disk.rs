//! A disk that fills up, before, while and after a message comes in (contract E1, E2, R6, R17).

use super::durability::{MAIL, lists};
use super::*;
use crate::spool::testing::Disk;

/// Input during which the disk fills up.
struct FillsDisk<'a> {
    disk: &'a Disk,
    reads: u32,
    left: usize,
}

impl Read for FillsDisk<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.reads += 1;
        if self.reads == 2 {
            self.disk.fill();
        }
        let count = buf.len().min(self.left).min(PIECE);
        self.left -= count;
        buf[..count].fill(b'x');
        Ok(count)
    }
}

#[test]
fn e1_disk_that_fills_up_is_75_and_shows_nothing_at_any_size() {
    let Some(disk) = Disk::of(16 << 10) else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let spool = disk.path().join("spool");
    let site = lists(home.path(), &spool, 1 << 20);
    crate::spool::Layout::create(&spool, false).unwrap();
    for left in [
        1, 100, 4096, 65_535, 65_536, 65_537, 100_000, 240_050, 900_000,
    ] {
        let mut input = FillsDisk {
            disk: &disk,
            reads: 0,
            left,
        };
        match accept(&site, "team@example.org", None, &mut input) {
            // A page may have been left: then the message is whole, or it is not accepted.
            Ok(id) => {
                let path = spool.join(format!("new/{id}.msg"));
                let mut file = File::open(&path).unwrap();
                let message = crate::spool::message::read(id, &mut file).unwrap();
                assert_eq!(message.data, vec![b'x'; left]);
                assert!(left < 100_000, "{left} bytes were accepted on a full disk");
                std::fs::remove_file(path).unwrap();
            }
            Err(error) => assert_eq!(error.exit_code(), 75, "{left}: {error}"),
        }
        assert_eq!(
            std::fs::read_dir(spool.join("new")).unwrap().count(),
            0,
            "{left}"
        );
        assert_eq!(
            std::fs::read_dir(spool.join("tmp")).unwrap().count(),
            0,
            "{left}"
        );
        disk.empty();
    }
    accept(&site, "team@example.org", None, &mut &MAIL[..]).unwrap();
    disk.fill();
    let error = accept(&site, "team@example.org", None, &mut &MAIL[..]).unwrap_err();
    assert!(
        error.to_string().contains("needed"),
        "R17 was not asked first: {error}"
    );
}

#[test]
fn r6_e2_full_disk_stops_no_planned_message_and_no_new_plan_is_begun() {
    use crate::model::plan::{Disposition, Item, Plan, What};
    use crate::spool::{Received, Slot, Spool, SpoolSettings};

    let Some(disk) = Disk::of(4096) else { return };
    let home = tempfile::tempdir().unwrap();
    let path = disk.path().join("spool");
    let site = lists(home.path(), &path, 4096);
    let open = || {
        let path = path.clone();
        Spool::open(&SpoolSettings {
            path,
            allow_network_fs: false,
        })
        .unwrap()
        .0
    };
    let spool = open();
    let planned = accept(&site, "team@example.org", None, &mut &MAIL[..]).unwrap();
    let other = accept(
        &site,
        "team@example.org",
        None,
        &mut &b"Subject: other\n\n"[..],
    )
    .unwrap();
    let now = OffsetDateTime::now_utc();
    assert!(matches!(
        spool.receive(planned, now, false).unwrap(),
        Received::Ready(_)
    ));
    let member = |n| Address::parse(&format!("m{n}@example.org")).unwrap();
    let item = |n| Item {
        to: member(n),
        lang: "en".to_owned(),
        what: What::Copy,
    };
    let plan = Plan {
        list: None,
        disposition: Disposition::Distribute,
        reason: None,
        encrypted: false,
        sender: None,
        authenticated: false,
        sequence: None,
        items: (0..1000).map(item).collect(),
    };
    let slots = spool.commit(planned, &plan, "").unwrap();
    disk.fill();
    for n in 0..1000 {
        slots.record(n, Slot::Sent { at: 1 }).unwrap();
    }
    // The ledger line may not fit: then the message stays DONE, and nothing is sent again.
    let _ = spool.finish(planned);
    let begun = spool
        .receive(other, now, false)
        .and_then(|_| spool.commit(other, &plan, ""));
    assert!(begun.unwrap_err().is_shortage());
    drop(spool);
    disk.empty();
    let spool = open();
    assert!(
        spool.planned().unwrap().is_empty(),
        "a finished message would be sent again"
    );
    assert_eq!(spool.scan(10, &|_| false).unwrap().fresh, [other]);
    let desk = crate::spool::Desk::open(&path).unwrap().unwrap();
    let audit = desk.audit().unwrap();
    assert!(audit.holds(), "{audit:?}");
    assert_eq!(
        (audit.ended.distributed, audit.ended.sent, audit.open),
        (1, 1000, 1)
    );
}
