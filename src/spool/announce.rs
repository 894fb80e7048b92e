//! What the daemon has to tell people: kept as a message of its own, and noted once it is.
//!
//! # Invariants
//!
//! * A report is durable when [`Spool::announce`] returns; from then on it is carried out like any
//!   message (contract D10, D11). Written twice around a crash it is the same bytes, and told once.
//! * A message that is set aside says so itself, beside it, until its report is durable (R11).

use rustix::fs::Mode;

use super::durable::Draft;
use super::error::SpoolError;
use super::layout::{Shelf, random_u64};
use super::message::Writer;
use super::queue::Spool;
use super::why::{Why, ids, message_name, read_why, write_why};
use crate::disk;
use crate::model::{Address, Envelope, SpoolId, micros};

impl Spool {
    /// Keeps a report to the people behind `to`: durable when this returns.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn announce(&self, to: &Address, report: &[u8]) -> Result<SpoolId, SpoolError> {
        let random = random_u64()?;
        let at = micros(time::OffsetDateTime::now_utc());
        let place = self.layout.place(Shelf::New, "");
        let (new, tmp) = (self.layout.dir(Shelf::New), self.layout.dir(Shelf::Tmp));
        let name = format!("{at:016x}{random:016x}");
        let mode = Mode::from_raw_mode(0o600);
        let draft = Draft::open(new, tmp, &name, mode, &place)?;
        let failed = |error| SpoolError::std_io("write a report", &place, error);
        let envelope = Envelope::own(to.clone());
        let mut writer = Writer::begin(disk::Out(&draft.file), &envelope).map_err(failed)?;
        writer.add(report).map_err(failed)?;
        let (_, digest) = writer.end().map_err(failed)?;
        let id = SpoolId::new(at, random, digest);
        draft.publish(new, &message_name(id), &place)?;
        self.layout.sync(Shelf::New)?;
        Ok(id)
    }

    /// Returns the messages that were set aside without anybody being told yet.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn untold(&self) -> Result<Vec<SpoolId>, SpoolError> {
        let mut untold = Vec::new();
        for id in ids(&self.layout, Shelf::Bad, ".msg")? {
            if self.untold_why(id)?.is_some() {
                untold.push(id);
            }
        }
        Ok(untold)
    }

    /// Returns why a message was set aside, where nobody was told yet.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn untold_why(&self, id: SpoolId) -> Result<Option<Why>, SpoolError> {
        match read_why(&self.layout, Shelf::Bad, id) {
            // A note that must not be touched tells nothing.
            Err(SpoolError::Unsafe { .. }) => Ok(None),
            read => Ok(read?.filter(|why| why.untold)),
        }
    }

    /// Notes that the report about a message that was set aside is durable.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn note_told(&self, id: SpoolId, why: &Why) -> Result<(), SpoolError> {
        // People may have sent it back meanwhile.
        if !self.layout.exists(Shelf::Bad, &message_name(id))? {
            return Ok(());
        }
        let mut why = why.clone();
        why.untold = false;
        write_why(&self.layout, Shelf::Bad, id, &why)
    }
}
