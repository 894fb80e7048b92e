//! How the work on one message ends, for now or for good.

use std::time::Duration;

use super::parked::Standing;
use super::world::Obstacle;
use crate::config::Problem;
use crate::model::SpoolId;
use crate::spool::SpoolError;

/// What became of the work on one message.
#[derive(Debug)]
pub(super) enum End {
    /// Some items wait for another attempt, the first of them so long.
    Deferred(Duration),
    /// Every item has its end, and the message is closed or rests.
    Finished,
    /// The message is gone or set aside: nothing more to do.
    Gone,
    /// It was moved to `bad/`: people have to look at it.
    SetAside,
    /// It waits; for its list, where that is the reason.
    Paused(Option<Standing>, Box<Pause>),
    /// The daemon is stopping; a later one goes on.
    Stopped,
}

/// Why a message waits.
#[derive(Debug)]
pub(super) enum Pause {
    /// The work on it ended in a crash of its thread.
    Crashed,
    /// The spool cannot go on with it now.
    Spool(SpoolError),
    /// Something of its list has to be mended.
    Trouble(Obstacle),
}

impl Pause {
    /// After a failed sync the daemon stops, whatever was synced (contract R7).
    pub fn unsynced(problem: Problem) -> Self {
        Self::Spool(SpoolError::Fsync {
            place: problem.file,
            source: std::io::Error::other(problem.problem),
        })
    }
}

impl From<Obstacle> for Pause {
    fn from(obstacle: Obstacle) -> Self {
        Self::Trouble(obstacle)
    }
}

impl From<SpoolError> for Pause {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error)
    }
}

/// The end of the work on one message.
#[derive(Debug)]
pub(super) struct Report {
    /// Which one.
    pub id: SpoolId,
    /// How.
    pub end: End,
}
