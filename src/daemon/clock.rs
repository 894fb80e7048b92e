//! The two clocks of a run: what the machine calls the time, and what waiting is measured by.
//!
//! # Invariants
//!
//! * The steady clock starts at the machine's time and runs on by itself: however often somebody
//!   sets the machine's clock meanwhile, no attempt comes early, late or not at all, and no copy is
//!   given up for it (contract R13). After a restart [`crate::deliver::retry`] bounds what a clock
//!   that was set can do.
//! * Dates in mail, certificates and limits by the day go by the machine's time.

use time::OffsetDateTime;
use tokio::time::Instant;

/// Tells the machine's time.
pub(super) type Wall = Box<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Both clocks.
pub(super) struct Clock {
    wall: Wall,
    began: OffsetDateTime,
    since: Instant,
}

impl Clock {
    pub fn new(wall: Wall) -> Self {
        Self {
            began: wall(),
            since: Instant::now(),
            wall,
        }
    }

    /// What the machine says the time is. It may be set at any moment.
    pub fn wall(&self) -> OffsetDateTime {
        (self.wall)()
    }

    /// What time it would be if nobody had set the machine's clock since the start.
    pub fn steady(&self) -> OffsetDateTime {
        let passed = time::Duration::try_from(self.since.elapsed()).unwrap_or_default();
        self.began.checked_add(passed).unwrap_or(self.began)
    }
}
