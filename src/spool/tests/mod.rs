//! A spool in a temporary directory, for the tests of its parts together.

mod calls;
mod crash;
mod law;
mod life;

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::desk::DeskError;
use super::slots::Slots;
use super::*;
use crate::intake::accept;
use crate::model::plan::{Disposition, Item, Plan, What};
use crate::model::{Address, Reason, SpoolId};
use crate::store::lists::Lists;

struct World {
    dir: tempfile::TempDir,
    settings: SpoolSettings,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("lists/example.org/team")).unwrap();
    std::fs::write(dir.path().join("lists/example.org/team/list.toml"), b"").unwrap();
    let settings = SpoolSettings {
        path: dir.path().join("spool"),
        allow_network_fs: false,
    };
    World { dir, settings }
}

impl World {
    fn post(&self, text: &str) -> SpoolId {
        let file = self.dir.path().join("listseal.toml");
        let mut settings = crate::config::Settings::defaults(&file);
        settings.paths.lists = self.dir.path().join("lists");
        settings.paths.spool.clone_from(&self.settings.path);
        let lists = Lists::new(std::sync::Arc::new(settings));
        accept(
            &lists,
            "team@example.org",
            Some("a@x.org"),
            &mut text.as_bytes(),
        )
        .unwrap()
    }

    fn open(&self) -> Spool {
        self.recover().0
    }

    fn recover(&self) -> (Spool, Recovery) {
        Spool::open(&self.settings).unwrap()
    }

    fn desk(&self) -> Desk {
        Desk::open(&self.settings.path).unwrap().unwrap()
    }

    fn path(&self, shelf: &str, id: SpoolId, suffix: &str) -> PathBuf {
        self.settings.path.join(shelf).join(format!("{id}{suffix}"))
    }

    fn copy(&self, from: &Path) -> Vec<u8> {
        std::fs::read(from).unwrap()
    }

    fn put(&self, path: &Path, bytes: &[u8]) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The law holds and nothing was lost.
    fn adds_up(&self) -> audit::Audit {
        let audit = self.desk().audit().unwrap();
        assert!(audit.holds(), "{audit:?}");
        audit
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn everything(spool: &Spool) -> Vec<SpoolId> {
    spool.scan(100, &|_| false).unwrap().fresh
}

fn receive(spool: &Spool, id: SpoolId) -> Arrival {
    match spool.receive(id, now(), true).unwrap() {
        Received::Ready(arrival) => *arrival,
        Received::Quarantined(why) => panic!("{why:?}"),
    }
}

fn plan(disposition: Disposition, copies: usize) -> Plan {
    let to = |n| Address::parse(&format!("m{n}@example.org")).unwrap();
    Plan {
        list: Address::parse("team@example.org").ok(),
        disposition,
        reason: Some(Reason::NotAllowed),
        encrypted: true,
        sender: Address::parse("a@x.org").ok(),
        authenticated: true,
        sequence: Some(1),
        items: (0..copies)
            .map(|n| Item {
                to: to(n),
                lang: "en".to_owned(),
                what: What::Sealed,
            })
            .collect(),
    }
}

fn send_all(slots: &Slots) {
    let all: Vec<_> = (0..slots.len())
        .map(|n| (n, Slot::Sent { at: 1 }))
        .collect();
    slots.record_all(&all).unwrap();
}
