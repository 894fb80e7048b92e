//! What is known of the attempts at a mail that is not delivered yet.

/// The record of failed attempts: written by the spool, judged by the retry rule (contract R13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deferral {
    /// Attempts so far.
    pub attempts: u16,
    /// The last attempt, microseconds since 1970.
    pub last: u64,
    /// When to try again, microseconds since 1970.
    pub next_due: u64,
    /// Seconds waited between attempts, as far as the clock can be believed.
    pub waited: u32,
    /// The last reply code, 0 if none.
    pub code: u16,
}
