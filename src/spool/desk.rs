//! What people do with the spool while the daemon runs: look, release, retry, discard.
//!
//! # Invariants
//!
//! * People never touch what the daemon has in hand: only messages in `hold/` and `bad/` move, by
//!   one rename each, after the decision is durable. The daemon sees the rename.
//! * Releasing keeps the id, so that the replay store knows the message as itself (D4).

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use time::OffsetDateTime;

use super::books::{Event, Id, done};
use super::carry::{copies, load_plan_from};
use super::error::SpoolError;
use super::layout::{Layout, Shelf};
use super::ledger::Ledger;
use super::message::{self, Head, Message};
use super::slots::{Slot, Slots, Tally};
use super::why::{
    Again, Why, again_name, ids, json, message_name, plan_name, read_why, slots_name, why_name,
};
use crate::model::plan::{Disposition, Item, Plan};
use crate::model::{SpoolId, micros};

/// A spool as people see it, beside a running daemon or without one.
#[derive(Debug)]
pub struct Desk {
    pub(super) layout: Layout,
    pub(super) ledger: Mutex<Ledger>,
}

/// Where a message stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Accepted and not opened yet.
    Waiting,
    /// Being sent.
    Delivering,
    /// Moderators decide.
    Held,
    /// Kept because it cannot or must not be processed.
    Bad,
}

impl State {
    /// Returns the word that `spool ls` prints.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivering => "delivering",
            Self::Held => "held",
            Self::Bad => "bad",
        }
    }
}

/// One message of the spool, without its content.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub id: SpoolId,
    /// Where it stands.
    pub state: State,
    /// Envelope and size, where the file can be read.
    pub head: Option<Head>,
    /// Why it is held or bad.
    pub why: Option<Why>,
    /// How far its items got, where it has a plan.
    pub progress: Option<Tally>,
}

/// One message of the spool with its plan.
#[derive(Clone, Debug)]
pub struct Detail {
    /// As in the list.
    pub entry: Entry,
    /// What was decided, where it was.
    pub plan: Option<Plan>,
    /// Each item with how far it got.
    pub items: Vec<(Item, Slot)>,
    /// Crashes while it was opened.
    pub crashes: u32,
}

/// Why a decision of people cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// More than one id begins so.
    #[error("{0:?} is the beginning of more than one id; give more of it")]
    Ambiguous(String),
    /// It is not in a state in which this can be done.
    #[error("{id} is {state}: {remedy}", state = .state.name())]
    NotNow {
        /// Which message.
        id: SpoolId,
        /// How it stands.
        state: State,
        /// What can be done instead.
        remedy: &'static str,
    },
    /// The disk or the files.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// No id is so or begins so.
    #[error("no message {0:?} in the spool; see: listseal spool ls")]
    Unknown(String),
}

impl Desk {
    /// Opens the spool at `path`; `None` where neither intake nor daemon ever made one.
    ///
    /// # Errors
    ///
    /// The spool belongs to another user, or what the disk says.
    pub fn open(path: &Path) -> Result<Option<Self>, SpoolError> {
        if !path.join(Shelf::New.name()).exists() {
            return Ok(None);
        }
        // Intake makes no other shelf than it needs, and what it took in before the first daemon
        // came waits like the rest.
        let layout = Layout::create(path, true)?;
        let ledger = Mutex::new(Ledger::open(&layout)?);
        Ok(Some(Self { layout, ledger }))
    }

    /// Lists every message, oldest first.
    ///
    /// # Errors
    ///
    /// A directory cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, SpoolError> {
        let mut entries = Vec::new();
        for shelf in [Shelf::New, Shelf::Hold, Shelf::Bad] {
            for id in ids(&self.layout, shelf, ".msg")? {
                if let Some(entry) = self.entry(id, shelf)? {
                    entries.push(entry);
                }
            }
        }
        entries.sort_by_key(|entry| entry.id);
        Ok(entries)
    }

    /// Returns one message with its plan and the state of each item.
    ///
    /// # Errors
    ///
    /// There is none, or what the disk says.
    pub fn detail(&self, id: SpoolId) -> Result<Detail, DeskError> {
        let (entry, _) = self.find(id)?;
        let mut plan = None;
        let mut items = Vec::new();
        if let Ok(Some((found, slots))) = super::carry::load_plan(&self.layout, id) {
            items = found.items.iter().cloned().zip(slots.states()?).collect();
            plan = Some(found);
        }
        let crashes = self.ledger().books().crashes(id).0;
        Ok(Detail {
            entry,
            plan,
            items,
            crashes,
        })
    }

    /// Returns a message as it came in.
    ///
    /// # Errors
    ///
    /// There is none, or its file is damaged.
    pub fn message(&self, id: SpoolId) -> Result<Message, DeskError> {
        let (_, shelf) = self.find(id)?;
        let name = message_name(id);
        let file = self.layout.open(shelf, &name, false)?;
        let mut file = file.ok_or(SpoolError::Gone(id))?;
        message::read(id, &mut file).map_err(|error| {
            SpoolError::corrupt(&self.layout.place(shelf, &name), error.to_string()).into()
        })
    }

    /// Returns the one id that `text` is or begins, at least six digits.
    ///
    /// # Errors
    ///
    /// [`DeskError::Unknown`], [`DeskError::Ambiguous`].
    pub fn resolve(&self, text: &str) -> Result<SpoolId, DeskError> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let mut found = Vec::new();
        for shelf in [Shelf::New, Shelf::Hold, Shelf::Bad] {
            let all = ids(&self.layout, shelf, ".msg")?;
            found.extend(
                all.into_iter()
                    .filter(|id| id.to_string().starts_with(text)),
            );
        }
        match (found.as_slice(), text.len() >= MIN_PREFIX) {
            ([id], true) => Ok(*id),
            ([] | [_], _) => Err(DeskError::Unknown(text.to_owned())),
            _ => Err(DeskError::Ambiguous(text.to_owned())),
        }
    }

    /// Lets a held post pass: it is opened anew, with the approval on record.
    ///
    /// # Errors
    ///
    /// [`DeskError::NotNow`] when it is not held.
    pub fn release(&self, id: SpoolId, by: &str, now: OffsetDateTime) -> Result<(), DeskError> {
        let (entry, shelf) = self.find(id)?;
        if shelf != Shelf::Hold {
            return Err(DeskError::NotNow {
                id,
                state: entry.state,
                remedy: "only held posts can be released",
            });
        }
        self.send_back(id, shelf, true, by, now)
    }

    /// Has a bad message tried again, from the start.
    ///
    /// # Errors
    ///
    /// [`DeskError::NotNow`] when it is not in `bad/`.
    pub fn retry(&self, id: SpoolId, by: &str, now: OffsetDateTime) -> Result<(), DeskError> {
        let (entry, shelf) = self.find(id)?;
        let remedy = match shelf {
            Shelf::Bad => return self.send_back(id, shelf, false, by, now),
            Shelf::Hold => "listseal spool release lets it pass",
            _ => "it is tried again by itself",
        };
        Err(DeskError::NotNow {
            id,
            state: entry.state,
            remedy,
        })
    }

    /// Removes a held or bad message for good; also closes the account of one that was lost, or whose
    /// copies do not add up.
    ///
    /// # Errors
    ///
    /// [`DeskError::NotNow`] while the daemon has it in hand.
    pub fn discard(&self, id: SpoolId, by: &str) -> Result<(), DeskError> {
        let gone = Event::Discarded {
            id: Id(id),
            by: by.to_owned(),
        };
        let (entry, shelf) = match self.find(id) {
            Ok(found) => found,
            Err(unknown @ DeskError::Unknown(_)) => {
                let mut ledger = self.ledger();
                let books = ledger.books();
                let complained_of = books.open_ids().any(|open| open == id)
                    || books.unequal().any(|(unequal, _, _)| unequal == id);
                return if complained_of {
                    Ok(ledger.enter(&self.layout, &gone)?)
                } else {
                    Err(unknown)
                };
            }
            Err(error) => return Err(error),
        };
        if !matches!(shelf, Shelf::Hold | Shelf::Bad) {
            return Err(DeskError::NotNow {
                id,
                state: entry.state,
                remedy: "only held and bad messages can be discarded",
            });
        }
        // On record before the file goes (R12), with the copies that were sent before it was set aside.
        if let Some(ended) = self.wreck(id) {
            self.ledger().enter(&self.layout, &ended)?;
        }
        self.ledger().enter(&self.layout, &gone)?;
        self.layout.remove(shelf, &message_name(id))?;
        self.layout.remove(shelf, &why_name(id))?;
        self.layout.sync(shelf)?;
        for wreck in [plan_name(id), slots_name(id)] {
            self.layout.remove(Shelf::Bad, &wreck)?;
        }
        Ok(())
    }

    /// How the copies of a message ended that was set aside while it was delivered, now that nobody
    /// is to get the rest.
    fn wreck(&self, id: SpoolId) -> Option<Event> {
        let (plan, slots) = load_plan_from(&self.layout, Shelf::Bad, id).ok()??;
        let mut tally = copies(&plan, &slots.states().ok()?);
        tally.withheld += tally.unfinished();
        let has_copies = tally.sent + tally.failed + tally.withheld > 0;
        has_copies.then(|| done(id, Disposition::Discard, &tally))
    }

    fn send_back(
        &self,
        id: SpoolId,
        from: Shelf,
        approved: bool,
        by: &str,
        now: OffsetDateTime,
    ) -> Result<(), DeskError> {
        let again = Again {
            approved,
            by: by.to_owned(),
            at: micros(now),
        };
        self.layout
            .store(Shelf::Work, &again_name(id), &json(&again))?;
        self.ledger()
            .enter(&self.layout, &Event::Reset { id: Id(id) })?;
        self.layout.shift(&message_name(id), from, Shelf::New)?;
        self.layout.remove(from, &why_name(id))?;
        Ok(())
    }

    fn find(&self, id: SpoolId) -> Result<(Entry, Shelf), DeskError> {
        for shelf in [Shelf::New, Shelf::Hold, Shelf::Bad] {
            if self.layout.exists(shelf, &message_name(id))?
                && let Some(entry) = self.entry(id, shelf)?
            {
                return Ok((entry, shelf));
            }
        }
        Err(DeskError::Unknown(id.to_string()))
    }

    fn entry(&self, id: SpoolId, shelf: Shelf) -> Result<Option<Entry>, SpoolError> {
        let head = match self.layout.open(shelf, &message_name(id), false) {
            Ok(None) => return Ok(None), // the daemon finished it meanwhile
            Ok(Some(mut file)) => message::read_head(&mut file).ok(),
            Err(SpoolError::Unsafe { .. }) => None,
            Err(error) => return Err(error),
        };
        let progress = match load_slots(&self.layout, id) {
            Ok(Some(slots)) => Some(slots.tally()?),
            _ => None,
        };
        let state = match shelf {
            Shelf::Hold => State::Held,
            Shelf::Bad => State::Bad,
            _ if progress.is_some() => State::Delivering,
            _ => State::Waiting,
        };
        let why = match shelf {
            Shelf::Hold | Shelf::Bad => match read_why(&self.layout, shelf, id) {
                Err(SpoolError::Unsafe { .. }) => None,
                read => read?,
            },
            _ => None,
        };
        Ok(Some(Entry {
            id,
            state,
            head,
            why,
            progress,
        }))
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the slots of a message, if it has any.
pub(super) fn load_slots(layout: &Layout, id: SpoolId) -> Result<Option<Slots>, SpoolError> {
    let name = slots_name(id);
    match layout.open(Shelf::Work, &name, true)? {
        Some(file) => Ok(Some(Slots::from_file(
            file,
            &layout.place(Shelf::Work, &name),
        )?)),
        None => Ok(None),
    }
}

/// Shorter beginnings of an id are all alike: they are the century.
const MIN_PREFIX: usize = 6;
