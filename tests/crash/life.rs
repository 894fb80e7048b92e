//! What is done to the disk while a trace is taken: messages come in, are planned, held, released,
//! delivered, tried again, discarded; the replay store and the certificates learn.
//!
//! Every step that was promised to be durable is noted in the trace right after it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use listseal::config::Settings;
use listseal::config::permission::RelayUser;
use listseal::disk::faults;
use listseal::intake::{accept, accept_for_each};
use listseal::model::plan::{Disposition, Item, Plan, What};
use listseal::model::{Address, Reason, SpoolId};
use listseal::pki::{Certificate, Slot as Use, pem};
use listseal::spool::{Desk, Received, Slot, Slots, Spool, SpoolSettings, Stage, Why};
use listseal::store::certificates::CertificateStore;
use listseal::store::lists::Lists;
use listseal::store::replay::ReplayStore;
use time::OffsetDateTime;

use super::common::lab::lab;
use super::figures::Dice;

/// What is watched of a world.
pub const WATCHED: [&str; 3] = ["spool", "state", "certificates"];

/// A directory with a spool, the memory of a list and certificates.
pub struct World {
    pub root: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

/// Why a life ended early: what failed, and whether nothing more may be promised (R7).
#[derive(Debug)]
pub struct Trouble {
    pub text: String,
    pub fatal: bool,
}

impl From<listseal::spool::SpoolError> for Trouble {
    fn from(error: listseal::spool::SpoolError) -> Self {
        Self {
            text: error.to_string(),
            fatal: error.is_fatal(),
        }
    }
}

impl From<listseal::config::Problem> for Trouble {
    fn from(problem: listseal::config::Problem) -> Self {
        Self {
            text: problem.to_string(),
            fatal: problem.is_fatal,
        }
    }
}

impl From<listseal::intake::IntakeError> for Trouble {
    fn from(error: listseal::intake::IntakeError) -> Self {
        assert_eq!(error.exit_code(), 75, "{error}");
        Self {
            text: error.to_string(),
            // Its process ends with any error.
            fatal: true,
        }
    }
}

impl From<listseal::spool::desk::DeskError> for Trouble {
    fn from(error: listseal::spool::desk::DeskError) -> Self {
        match error {
            listseal::spool::desk::DeskError::Spool(error) => error.into(),
            other => panic!("{other}"),
        }
    }
}

type Done = Result<(), Trouble>;

/// A directory that is gone when dropped, in memory where there is such a place.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("listseal-crash");
    if memory.is_dir() {
        builder.tempdir_in(memory)
    } else {
        builder.tempdir()
    }
    .unwrap()
}

impl World {
    /// A world that is at work already: its directories are there.
    pub fn new() -> Self {
        let dir = scratch();
        let world = Self {
            root: dir.path().to_owned(),
            _dir: Some(dir),
        };
        std::fs::create_dir_all(world.root.join("lists/example.org/team")).unwrap();
        std::fs::write(world.root.join("lists/example.org/team/list.toml"), b"").unwrap();
        drop(Spool::open(&world.settings()).unwrap());
        drop(world.replay().unwrap());
        world
            .certificates()
            .keep(&member(), Use::Both, certificate(0), &[])
            .unwrap();
        world
    }

    /// The world that lies at `root`.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            _dir: None,
        }
    }

    pub fn settings(&self) -> SpoolSettings {
        SpoolSettings {
            path: self.root.join("spool"),
            allow_network_fs: false,
        }
    }

    pub fn desk(&self) -> Result<Desk, Trouble> {
        Ok(Desk::open(&self.root.join("spool"))?.unwrap())
    }

    pub fn replay(&self) -> Result<ReplayStore, listseal::config::Problem> {
        let list = Address::parse("team@example.org").unwrap();
        ReplayStore::open(&self.root.join("state"), &list, now())
    }

    pub fn certificates(&self) -> CertificateStore {
        CertificateStore::new(self.root.join("certificates"), RelayUser::current())
    }

    /// Hands a message in.
    pub fn accept(&self, text: &[u8]) -> Result<SpoolId, Trouble> {
        let id = accept(
            &self.lists(),
            "team@example.org",
            Some("a@x.org"),
            &mut &*text,
        )?;
        faults::note(format!("accepted {id} {}", String::from_utf8_lossy(text)));
        Ok(id)
    }

    /// Hands a message in for two, as LMTP does; the second one stays where it is.
    fn accept_for_two(&self, text: &[u8]) -> Result<SpoolId, Trouble> {
        let to = ["team@example.org", "team-owner@example.org"];
        let to = to.map(|address| Address::parse(address).unwrap());
        let taken = accept_for_each(&self.lists(), &to, "a@x.org", &mut &*text);
        assert_eq!(taken.len(), 2);
        for id in taken.iter().flatten() {
            faults::note(format!("accepted {id} {}", String::from_utf8_lossy(text)));
        }
        let mut all = taken.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(all.swap_remove(0))
    }

    fn lists(&self) -> Lists {
        let mut settings = Settings::defaults(&self.root.join("listseal.toml"));
        settings.paths.lists = self.root.join("lists");
        settings.paths.spool = self.root.join("spool");
        settings.intake.max_size = 1 << 20;
        Lists::new(Arc::new(settings))
    }

    /// Some messages from beginning to end, or as far as the disk lets them.
    pub fn live(&self, dice: &mut Dice) -> Done {
        let (spool, _) = Spool::open(&self.settings())?;
        for _ in 0..=dice.below(2) {
            self.one(&spool, dice)?;
        }
        Ok(())
    }

    /// Hands one message in.
    pub fn hand_in(&self, dice: &mut Dice) -> Done {
        let number = dice.below(1 << 30);
        self.accept(format!("Subject: {number}\n\n{number}\n").as_bytes())?;
        Ok(())
    }

    /// Goes on with what is there, as a daemon that has just started.
    pub fn go_on(&self, dice: &mut Dice) -> Done {
        let (spool, _) = Spool::open(&self.settings())?;
        let planned = spool.planned()?;
        for id in &planned {
            let Stage::Planned(plan, slots) = spool.stage(*id)? else {
                continue;
            };
            faults::note(format!("planned {id} {}", slots.len()));
            for index in 0..slots.len() {
                if !slots.state(index)?.is_final() {
                    slots.record(index, Slot::Sent { at: 1 })?;
                    faults::note(format!("sent {id} {index}"));
                }
            }
            self.end(&spool, *id, plan.disposition)?;
        }
        for id in spool.scan(usize::MAX, &|id| planned.contains(&id))?.fresh {
            let text = spool.read(id)?.data;
            // Once the attempt is on record the MTA's second try is dropped: it counts as accepted.
            faults::note(format!("taking {id} {}", String::from_utf8_lossy(&text)));
            receive(&spool, id)?;
            self.carry(&spool, id, Disposition::Distribute, dice)?;
        }
        Ok(())
    }

    fn one(&self, spool: &Spool, dice: &mut Dice) -> Done {
        let length = usize::try_from(dice.below(1500)).unwrap();
        let number = dice.below(1 << 30);
        let text = format!("Subject: {number}\n\n{}\n", "x".repeat(length));
        let id = match dice.below(6) {
            0 | 1 => self.accept_for_two(text.as_bytes())?,
            2 => {
                let to = Address::parse("team@example.org").unwrap();
                let id = spool.announce(&to, text.as_bytes())?;
                faults::note(format!("accepted {id} {text}"));
                id
            }
            _ => self.accept(text.as_bytes())?,
        };
        if dice.below(4) == 0 {
            self.learn(dice)?;
        }
        receive(spool, id)?;
        match dice.below(8) {
            0 => {
                let why = Why::new("crashes", "for a test", 1);
                spool.quarantine(id, &why)?;
                faults::note(format!("bad {id}"));
                faults::note(format!("turning {id}"));
                self.desk()?.retry(id, "op", now())?;
                faults::note(format!("again {id}"));
                receive(spool, id)?;
            }
            1 => {
                faults::note(format!("turning {id}"));
                spool.postpone(id)?;
                receive(spool, id)?;
            }
            2 | 3 => {
                self.carry(spool, id, Disposition::Hold, dice)?;
                if dice.below(2) == 0 {
                    faults::note(format!("ending {id}"));
                    self.desk()?.discard(id, "op")?;
                    faults::note(format!("discarded {id}"));
                    return Ok(());
                }
                faults::note(format!("turning {id}"));
                self.desk()?.release(id, "op", now())?;
                faults::note(format!("again {id}"));
                receive(spool, id)?;
            }
            4 => {
                self.carry(spool, id, Disposition::Withhold, dice)?;
                return Ok(());
            }
            _ => {}
        }
        if dice.below(2) == 0 {
            let mut replay = self.replay()?;
            let key = replay.message_id(&format!("{number}@x.org"));
            let sequence = replay.admit(id, true, &[key], now())?;
            faults::note(format!("admitted {id} {number} {sequence}"));
        }
        let disposition = match dice.below(4) {
            0 => Disposition::Refuse,
            _ => Disposition::Distribute,
        };
        self.carry(spool, id, disposition, dice)
    }

    fn carry(&self, spool: &Spool, id: SpoolId, disposition: Disposition, dice: &mut Dice) -> Done {
        let count = 1 + usize::try_from(dice.below(3)).unwrap();
        faults::note(format!("planning {id}"));
        let slots = spool.commit(id, &plan(disposition, count), "")?;
        faults::note(format!("planned {id} {count}"));
        deliver(id, &slots, dice)?;
        self.end(spool, id, disposition)
    }

    fn end(&self, spool: &Spool, id: SpoolId, disposition: Disposition) -> Done {
        faults::note(format!("ending {id}"));
        spool.finish(id)?;
        let end = match disposition {
            Disposition::Hold => "held",
            Disposition::Withhold => "kept",
            _ => "finished",
        };
        faults::note(format!("{end} {id}"));
        Ok(())
    }

    fn learn(&self, dice: &mut Dice) -> Done {
        let which = usize::try_from(dice.below(CERTIFICATES)).unwrap();
        faults::note(format!("learning {which}"));
        let store = self.certificates();
        store.keep(&member(), Use::Both, certificate(which), &[])?;
        faults::note(format!("learned {which}"));
        Ok(())
    }
}

fn receive(spool: &Spool, id: SpoolId) -> Done {
    match spool.receive(id, now(), true)? {
        Received::Ready(_) => faults::note(format!("attempt {id}")),
        Received::Quarantined(why) => panic!("{why:?}"),
    }
    Ok(())
}

/// Sends each copy, some of them under one sync.
fn deliver(id: SpoolId, slots: &Slots, dice: &mut Dice) -> Done {
    let mut next = 0;
    while next < slots.len() {
        let end = (next + 1 + usize::try_from(dice.below(2)).unwrap()).min(slots.len());
        let batch: Vec<_> = (next..end)
            .map(|index| {
                let slot = match dice.below(5) {
                    0 => Slot::Failed {
                        reason: Reason::RecipientRefused,
                        code: 550,
                        status: None,
                    },
                    _ => Slot::Sent { at: 1 },
                };
                (index, slot)
            })
            .collect();
        slots.record_all(&batch)?;
        for (index, _) in batch {
            faults::note(format!("sent {id} {index}"));
        }
        next = end;
    }
    Ok(())
}

fn plan(disposition: Disposition, count: usize) -> Plan {
    let to = |n| Address::parse(&format!("m{n}@example.org")).unwrap();
    let what = match disposition {
        Disposition::Distribute => What::Sealed,
        _ => What::Notice {
            kind: "rejected".to_owned(),
            facts: Default::default(),
            enclose: false,
        },
    };
    let item = |n| Item {
        to: to(n),
        lang: "en".to_owned(),
        what: what.clone(),
    };
    Plan {
        list: Address::parse("team@example.org").ok(),
        disposition,
        reason: Some(Reason::NotAllowed),
        encrypted: true,
        sender: Address::parse("a@x.org").ok(),
        authenticated: true,
        sequence: Some(1),
        items: (0..count).map(item).collect(),
    }
}

pub fn member() -> Address {
    Address::parse("alice@example.org").unwrap()
}

pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// One of some certificates.
pub fn certificate(which: usize) -> &'static Certificate {
    static ALL: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
        ["alice", "bob", "mona"]
            .iter()
            .map(|name| {
                let text = std::fs::read(lab().identity(name).certificate).unwrap();
                pem::certificates(&text).unwrap().remove(0)
            })
            .collect()
    });
    &ALL[which]
}

const CERTIFICATES: u64 = 3;
