//! Why a message is not taken, and what the MTA makes of it.
//!
//! # See also
//!
//! RFC 3463 for the status codes; pipe(8) of Postfix for exit codes and output.

use crate::model::Address;
use crate::spool::SpoolError;

/// Why a message was not taken, in words that the MTA may pass on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IntakeError {
    /// The recipient is no address.
    #[error("5.1.3 {address:?} {problem}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There was nothing to take.
    #[error("5.6.0 the message is empty")]
    Empty,
    /// Something here does not work; the MTA is to try again.
    #[error("4.3.0 {0}")]
    Local(String),
    /// The disk is too full to take mail in; the MTA is to try again.
    #[error("4.3.1 {0}")]
    NoRoom(String),
    /// Larger than is taken.
    #[error("5.3.4 the message is larger than the {0} bytes that are accepted here")]
    TooLarge(u64),
    /// No list has this address.
    #[error("5.1.1 there is no list with the address {0}")]
    UnknownList(Address),
}

impl IntakeError {
    /// Returns the exit code that tells the MTA what to do.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Address { .. } => EX_USAGE,
            Self::Empty | Self::TooLarge(_) => EX_DATAERR,
            Self::Local(_) | Self::NoRoom(_) => EX_TEMPFAIL,
            Self::UnknownList(_) => EX_NOUSER,
        }
    }

    /// Returns the reply code of SMTP and LMTP that tells the MTA what to do.
    #[must_use]
    pub fn reply_code(&self) -> u16 {
        match self {
            Self::Address { .. } | Self::Empty | Self::UnknownList(_) => 550,
            Self::Local(_) => 451,
            Self::NoRoom(_) => 452,
            Self::TooLarge(_) => 552,
        }
    }
}

impl From<SpoolError> for IntakeError {
    fn from(error: SpoolError) -> Self {
        if error.is_shortage() {
            Self::NoRoom(error.to_string())
        } else {
            Self::Local(error.to_string())
        }
    }
}

// sysexits.h; any other code for local trouble would make Postfix bounce the mail (pipe(8)).
const EX_USAGE: u8 = 64;
const EX_DATAERR: u8 = 65;
const EX_NOUSER: u8 = 67;
const EX_TEMPFAIL: u8 = 75;
