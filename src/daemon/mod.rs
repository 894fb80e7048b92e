//! The daemon: finds what is due in the spool and works on it, message by message.
//!
//! ```text
//! scan, watch -> open, authorize, harvest, expand (judge) -> plan, durable
//!             -> seal, notice (copies, letters) -> deliver (carry) -> slots, durable -> finish
//! ```
//!
//! # Place in the flow
//!
//! `listseal run` and the demo start it. Every rule about mail is in the pure rooms; what is here
//! reads clocks and files, waits and records.
//!
//! # Invariants
//!
//! * Scanning finds the work, the watch only says when to look (contract R4).
//! * One message's or list's trouble never stops another; a failed fsync stops everything (R7).
//! * A message that ended the process before is opened while nothing else is (decision 16).

#![allow(
    clippy::disallowed_methods,
    reason = "the daemon is shell: it reads clocks"
)]

mod ahead;
mod bounce;
mod carry;
mod clock;
mod copies;
mod end;
mod judge;
mod keep;
mod letters;
mod pace;
mod parked;
mod run;
mod set_aside;
mod site;
mod tell;
#[cfg(test)]
mod tests;
mod turns;
mod work;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use time::OffsetDateTime;
use tokio::sync::{RwLock, Semaphore, watch};
use tracing::{info, warn};

use crate::config::{Problem, Settings};
use crate::deliver::retry::RetryRule;
use crate::deliver::{Courier, CourierError, Outcome};
use crate::model::SpoolId;
use crate::model::plan::{Item, Plan};
use crate::spool::{Spool, SpoolError, SpoolSettings};
use clock::{Clock, Wall};
use site::Site;

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Until told to stop.
    Forever,
    /// Until everything that was due has been tried once.
    Once,
}

/// Something that happened to a message, durable before it is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// It was judged.
    Decided {
        /// Which message.
        id: SpoolId,
        /// What is to be sent because of it.
        plan: Plan,
    },
    /// An attempt at one item ended.
    Ended {
        /// Which message.
        id: SpoolId,
        /// Which item of its plan.
        item: Item,
        /// How.
        outcome: Outcome,
    },
}

/// Who is told of events.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// What was done from start to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages that came to their end.
    pub finished: u64,
    /// Messages with a copy that is tried again later.
    pub deferred: u64,
    /// Messages that wait for something to be mended.
    pub waiting: u64,
}

/// Why the daemon cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The way out cannot be set up.
    #[error(transparent)]
    Courier(#[from] CourierError),
    /// What is kept under `paths.state`, or the place to listen at, cannot be used.
    #[error("{}", .0.text())]
    State(#[from] Problem),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl DaemonError {
    /// Returns the exit code, after `sysexits.h`.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Courier(_) => 78,
            Self::State(_) => 75,
            Self::Spool(error) => error.exit_code(),
        }
    }
}

/// A daemon that owns its spool.
pub struct Daemon {
    hands: Arc<Hands>,
}

/// What every piece of work needs.
struct Hands {
    site: Arc<Site>,
    spool: Spool,
    courier: Courier,
    /// One for each connection: taken for a transaction and given back once its end is on record.
    turns: Arc<Semaphore>,
    retry: RetryRule,
    observer: Observer,
    /// What mail servers said of copies that were given up, until their message is over.
    said: Mutex<HashMap<SpoolId, BTreeMap<usize, String>>>,
    /// Held shared while a message is opened, alone for one that ended the process before.
    opening: RwLock<()>,
    /// Held while people are told of a trouble, so that it is told once however many mails it stops.
    telling: tokio::sync::Mutex<()>,
}

impl Hands {
    /// Begins no transaction any more; those under way come to their end (R7, R16).
    fn rest(&self) {
        self.turns.close();
        self.courier.stop();
    }
}

impl Daemon {
    /// Takes the spool over and opens everything that work needs; `observer` is told of events.
    ///
    /// # Errors
    ///
    /// [`DaemonError`]: another daemon has the spool, a directory cannot be used.
    pub fn start(settings: Arc<Settings>, observer: Observer) -> Result<Self, DaemonError> {
        Self::with_clock(settings, observer, Box::new(OffsetDateTime::now_utc))
    }

    fn with_clock(
        settings: Arc<Settings>,
        observer: Observer,
        wall: Wall,
    ) -> Result<Self, DaemonError> {
        let (spool, recovery) = Spool::open(&SpoolSettings::from(&*settings))?;
        for id in &recovery.quarantined {
            warn!(spool = %id, "set aside in bad/: its plan or slots are damaged; listseal spool show {id}");
        }
        for (id, problem) in &recovery.untouched {
            warn!(spool = %id, "left as it is: {problem}");
        }
        for id in &recovery.lost {
            warn!(spool = %id, "the ledger knows this message and there is no file of it; listseal audit");
        }
        if !recovery.cleaned.is_empty() || recovery.swept > 0 {
            let (cleaned, swept) = (recovery.cleaned.len(), recovery.swept);
            info!(cleaned, swept, "spool recovered");
        }
        let courier = Courier::new(&settings.delivery)?;
        let turns = Arc::new(Semaphore::new(settings.delivery.connections.max(1)));
        let retry = RetryRule::from(&settings.delivery);
        let site = Arc::new(Site::open(settings, Clock::new(wall))?);
        Ok(Self {
            hands: Arc::new(Hands {
                site,
                spool,
                courier,
                turns,
                retry,
                observer,
                said: Mutex::default(),
                opening: RwLock::new(()),
                telling: tokio::sync::Mutex::new(()),
            }),
        })
    }

    /// Works until `stop` says true, or with [`Pace::Once`] until everything due was tried once.
    ///
    /// # Errors
    ///
    /// [`DaemonError::Spool`] after a failed fsync, when nothing more can be promised (contract R7).
    pub async fn run(
        &self,
        pace: Pace,
        stop: watch::Receiver<bool>,
    ) -> Result<Summary, DaemonError> {
        run::Run::new(self.hands.clone(), pace, stop).run().await
    }
}
