//! The daemon's hand on the spool: find, open, plan, record, finish.
//!
//! # Place in the flow
//!
//! The daemon calls [`Spool::scan`], then per message [`Spool::receive`] (D1, D2), decides, calls
//! [`Spool::commit`] (D5), records deliveries in the [`Slots`] (D9) and calls [`Spool::finish`]
//! (D12, D13). Every call blocks for the disk.
//!
//! # Invariants
//!
//! * One process per spool holds a `Spool` (R5); people's commands use [`super::Desk`].
//! * Each step may be repeated after a crash before or behind it, with the same result.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use super::books::{Event, Id};
use super::carry::load_plan;
use super::error::SpoolError;
use super::fingerprint::fingerprint;
use super::layout::{Layout, Shelf};
use super::ledger::Ledger;
use super::lock::Lock;
use super::message::{self, Message};
use super::recover::{self, Recovery};
use super::slots::Slots;
use super::watch::Watch;
use super::why::{Again, Why, again_name, ids, message_name};
use crate::config::Settings;
use crate::disk;
use crate::model::plan::Plan;
use crate::model::{Address, SpoolId, hex, micros};

/// Where the spool is and what it may be on.
#[derive(Clone, Debug)]
pub struct SpoolSettings {
    /// The directory.
    pub path: PathBuf,
    /// Work on NFS and the like all the same (contract R18).
    pub allow_network_fs: bool,
}

impl From<&Settings> for SpoolSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            path: settings.paths.spool.clone(),
            allow_network_fs: settings.spool.allow_network_fs,
        }
    }
}

/// The spool of a running daemon.
#[derive(Debug)]
pub struct Spool {
    pub(super) layout: Layout,
    pub(super) ledger: Mutex<Ledger>,
    /// Names in `new/` that were complained about already.
    odd: Mutex<HashSet<String>>,
    _lock: Lock,
}

/// What one look at `new/` found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Messages that the caller does not know yet, oldest first.
    pub fresh: Vec<SpoolId>,
    /// Messages that people sent back here; the caller forgets what it knew of them.
    pub again: Vec<SpoolId>,
    /// Names that are not ours or files that must not be touched, told once (contract E4, E5).
    pub odd: Vec<String>,
}

/// Where a message stands.
#[derive(Debug)]
pub enum Stage {
    /// It has no plan: call [`Spool::receive`].
    Unopened,
    /// Its plan is durable: carry it out.
    Planned(Box<Plan>, Slots),
}

/// A message handed out for opening; the attempt is on record.
#[derive(Debug)]
pub struct Arrival {
    /// The message.
    pub message: Message,
    /// What people decided, where they did.
    pub again: Option<Again>,
    /// The message with the same bytes that came before, within seven days (contract D1).
    pub twin: Option<SpoolId>,
}

/// What [`Spool::receive`] found.
#[derive(Debug)]
pub enum Received {
    /// Open it.
    Ready(Box<Arrival>),
    /// It was moved to `bad/`: damaged, or ended the daemon three times.
    Quarantined(Why),
}

impl Spool {
    /// Takes the spool over: locks it, checks it, tries the disk out, and puts right what an
    /// earlier daemon left (contract R5, E6, R10).
    ///
    /// # Errors
    ///
    /// [`SpoolError::Locked`] while another daemon runs; [`SpoolError::Unsafe`],
    /// [`SpoolError::Network`], or what the disk says.
    pub fn open(settings: &SpoolSettings) -> Result<(Self, Recovery), SpoolError> {
        let layout = Layout::create(&settings.path, settings.allow_network_fs)?;
        let lock = Lock::take(&layout)?;
        match layout.probe() {
            // What is planned can be carried out on a full disk (R6); only what is new waits.
            Err(error) if error.is_shortage() => {}
            probed => probed?,
        }
        // R10: what a killed predecessor wrote can be seen, but need not be on the disk.
        disk::sync_all(layout.root()).map_err(|errno| SpoolError::Fsync {
            place: layout.path().to_owned(),
            source: errno.into(),
        })?;
        let ledger = Ledger::open(&layout)?;
        let spool = Self {
            layout,
            ledger: Mutex::new(ledger),
            odd: Mutex::new(HashSet::new()),
            _lock: lock,
        };
        let recovery = recover::recover(&spool)?;
        Ok((spool, recovery))
    }

    /// Returns a watch over `new/`: by events, or by the clock alone on a network file system (R18).
    #[must_use]
    pub fn watch(&self) -> Watch {
        let inbox = self.layout.path().join(Shelf::New.name());
        Watch::new(&inbox, !self.layout.is_network)
    }

    /// Looks through `new/` for at most `limit` messages that `known` does not know, oldest first.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn scan(&self, limit: usize, known: &dyn Fn(SpoolId) -> bool) -> Result<Scan, SpoolError> {
        let mut scan = Scan::default();
        let mut fresh = std::collections::BTreeSet::new();
        let mut seen = self.odd.lock().unwrap_or_else(PoisonError::into_inner);
        self.layout.names(Shelf::New, |name| {
            if name == "." || name == ".." || seen.contains(name) {
                return;
            }
            match name.strip_suffix(".msg").map(str::parse::<SpoolId>) {
                Some(Ok(id)) if !known(id) => {
                    fresh.insert(id);
                    if fresh.len() > limit {
                        fresh.pop_last(); // bounded memory with any number of files (E25)
                    }
                }
                Some(Ok(_)) => {}
                _ if seen.len() < MAX_ODD => {
                    seen.insert(name.to_owned());
                    scan.odd.push(name.to_owned());
                }
                _ => {}
            }
        })?;
        for id in ids(&self.layout, Shelf::Work, ".again")? {
            let name = message_name(id);
            if !seen.contains(&name) && self.layout.exists(Shelf::New, &name)? {
                fresh.remove(&id);
                scan.again.push(id);
            }
        }
        scan.fresh = fresh.into_iter().collect();
        Ok(scan)
    }

    /// Returns the messages with a durable plan, oldest first: what a restarted daemon goes on
    /// with, held ones whose moderators are still to be told included.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn planned(&self) -> Result<Vec<SpoolId>, SpoolError> {
        ids(&self.layout, Shelf::Work, ".plan")
    }

    /// Returns where a message stands.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Corrupt`] for a damaged plan or slot file; see [`Spool::quarantine`].
    /// [`SpoolError::Unsafe`] as of [`Spool::receive`].
    pub fn stage(&self, id: SpoolId) -> Result<Stage, SpoolError> {
        let loaded = self.load_plan(id);
        let Some((plan, slots)) = self.shunned(id, loaded)? else {
            return Ok(Stage::Unopened);
        };
        if self.is_superseded(id, plan.disposition)? {
            return Ok(Stage::Unopened);
        }
        Ok(Stage::Planned(Box::new(plan), slots))
    }

    /// Returns whom a message is for, as far as the beginning of its file tells: enough to say whose
    /// turn it waits for.
    #[must_use]
    pub fn recipient(&self, id: SpoolId) -> Option<Address> {
        let name = message_name(id);
        let open = |shelf| self.layout.open(shelf, &name, false).ok().flatten();
        let mut file = [Shelf::New, Shelf::Hold, Shelf::Bad]
            .into_iter()
            .find_map(open)?;
        let head = message::read_head(&mut file).ok()?;
        Some(head.envelope.recipient().clone())
    }

    /// Returns how many times in a row opening this message ended in a crash. A suspect (1 or more)
    /// is opened while nothing else is (contract decision 16).
    #[must_use]
    pub fn crashes(&self, id: SpoolId) -> u32 {
        self.ledger().books().crashes(id).0
    }

    /// Hands a message out for opening (D2): the attempt is durable when this returns. `alone`
    /// tells that nothing else is being opened.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Gone`]; [`SpoolError::Unsafe`] for a file that must not be touched, which
    /// [`Spool::scan`] leaves out from then on; what the disk says.
    pub fn receive(
        &self,
        id: SpoolId,
        now: OffsetDateTime,
        alone: bool,
    ) -> Result<Received, SpoolError> {
        let name = message_name(id);
        let file = self.layout.open(Shelf::New, &name, false);
        let mut file = self.shunned(id, file)?.ok_or(SpoolError::Gone(id))?;
        let again = self.shunned(id, self.again(id))?;
        if again.is_some() {
            // People entered their decision beside us; it starts the count anew.
            self.ledger().refresh(&self.layout)?;
        }
        let (crashes, was_alone) = self.ledger().books().crashes(id);
        if crashes >= MAX_CRASHES && was_alone {
            let detail = format!("opening it ended the daemon {crashes} times");
            return self.set_aside(id, Why::new("crashes", detail, micros(now)));
        }
        let message = match message::read(id, &mut file) {
            Ok(message) => message,
            Err(message::MessageError::Io(error)) => {
                return Err(SpoolError::std_io(
                    "read",
                    &self.layout.place(Shelf::New, &name),
                    error,
                ));
            }
            // R3: never delivered, never deleted.
            Err(error) => {
                return self.set_aside(id, Why::new("damaged", error.to_string(), micros(now)));
            }
        };
        if message.envelope.is_own() && !is_ours(&file) {
            let detail = "somebody who may hand in wrote a report of the daemon's";
            return self.set_aside(id, Why::new("damaged", detail, micros(now)));
        }
        self.drop_plan(id)?;
        // Intake may have been killed with the name given and not synced. Once the attempt is in
        // the ledger the same bytes are dropped when the MTA brings them again (D1).
        // They must not vanish then.
        self.layout.sync(Shelf::New)?;
        let print = hex(&fingerprint(&message.envelope, &message.data));
        let mut ledger = self.ledger();
        let twin = ledger.books().twin(&print, id, micros(now));
        ledger.enter(
            &self.layout,
            &Event::Attempt {
                id: Id(id),
                at: micros(now),
                print,
                alone,
            },
        )?;
        disk::point("D2");
        Ok(Received::Ready(Box::new(Arrival {
            message,
            again,
            twin,
        })))
    }

    /// Reads a message again, wherever it lies: to seal copies after a restart, to enclose a held
    /// post.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Gone`] when people discarded it meanwhile, [`SpoolError::Corrupt`] when the
    /// file was damaged since, [`SpoolError::Unsafe`] as of [`Spool::receive`].
    pub fn read(&self, id: SpoolId) -> Result<Message, SpoolError> {
        for shelf in [Shelf::New, Shelf::Hold, Shelf::Bad] {
            let name = message_name(id);
            let file = self.layout.open(shelf, &name, false);
            if let Some(mut file) = self.shunned(id, file)? {
                return message::read(id, &mut file).map_err(|error| {
                    SpoolError::corrupt(&self.layout.place(shelf, &name), error.to_string())
                });
            }
        }
        Err(SpoolError::Gone(id))
    }

    /// Leaves a message open for later, in order: this attempt does not count as a crash, on a full
    /// disk neither (until the daemon is started anew). Nothing for one that people discarded.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn postpone(&self, id: SpoolId) -> Result<(), SpoolError> {
        let mut ledger = self.ledger();
        if ledger.books().crashes(id).0 == 0 {
            return Ok(());
        }
        ledger.enter_or_owe(&self.layout, Event::Reset { id: Id(id) })
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load_plan(&self, id: SpoolId) -> Result<Option<(Plan, Slots)>, SpoolError> {
        load_plan(&self.layout, id)
    }

    fn again(&self, id: SpoolId) -> Result<Option<Again>, SpoolError> {
        let bytes = self.layout.load(Shelf::Work, &again_name(id))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Has [`Spool::scan`] leave a message out from now on whose files must not be touched.
    fn shunned<T>(&self, id: SpoolId, found: Result<T, SpoolError>) -> Result<T, SpoolError> {
        if let Err(SpoolError::Unsafe { .. }) = &found {
            let mut odd = self.odd.lock().unwrap_or_else(PoisonError::into_inner);
            odd.insert(message_name(id));
        }
        found
    }

    fn set_aside(&self, id: SpoolId, why: Why) -> Result<Received, SpoolError> {
        self.quarantine(id, &why)?;
        Ok(Received::Quarantined(why))
    }
}

/// True for a file that was written by the user that we are.
fn is_ours(file: &std::fs::File) -> bool {
    let owner = file.metadata().map(|found| found.uid());
    owner.is_ok_and(|uid| uid == rustix::process::geteuid().as_raw())
}

/// Crashes, the last one alone, after which a message is set aside (contract R11); the kernel's
/// end for want of memory is one (E24).
const MAX_CRASHES: u32 = 3;
/// Odd names that are remembered, so that a flood of them fills no memory (contract E4).
const MAX_ODD: usize = 10_000;
