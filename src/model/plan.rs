//! What one message causes to be sent: decided once, durable before the first byte leaves
//! (contract R8), carried out item by item.
//!
//! # Place in the flow
//!
//! authorize, expand → **plan** → spool (plan file, one slot an item) → seal, notice → deliver.
//!
//! # Invariants
//!
//! * A plan holds no content of the message: addresses, reasons and list facts alone. It is
//!   written to disk, so nothing that was decrypted may enter it (contract S40).
//! * The order of the items never changes; a slot belongs to the item of the same index.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Address, Reason};

/// The frozen verdict on one message and everything that is to be sent because of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The list, or `None` for the site address.
    pub list: Option<Address>,
    /// What was decided.
    pub disposition: Disposition,
    /// Why, where it was not simply let through.
    pub reason: Option<Reason>,
    /// True when the message came encrypted.
    pub encrypted: bool,
    /// The From address, where it could be read.
    pub sender: Option<Address>,
    /// True when a valid, trusted signature proves `sender`.
    pub authenticated: bool,
    /// Number of this post on its list (`X-Sequence`).
    pub sequence: Option<u64>,
    /// What is to be sent.
    pub items: Vec<Item>,
}

/// In which form a post goes to the subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// In clear, as it came.
    Clear,
    /// Unopened, as received.
    Intact,
    /// Sealed to each subscriber.
    Seal,
}

/// What was decided on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// A command, registration or key request was answered.
    Answer,
    /// Dropped without a word: loops, duplicates, automatic replies.
    Discard,
    /// A post goes to the subscribers.
    Distribute,
    /// Passed on to owners or moderators as it came.
    Forward,
    /// Kept in `hold/` for people.
    Hold,
    /// Not let through.
    Refuse,
    /// No mail: the daemon tells people of something.
    Report,
    /// Withheld silently; kept in `bad/` with its reason (contract S10, S19).
    Withhold,
}

/// One mail to one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Who gets it.
    pub to: Address,
    /// The language to write in.
    pub lang: String,
    /// What it is.
    pub what: What,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The post, as it may leave in clear: it came in clear.
    Copy,
    /// The message as received, passed on unopened.
    Intact,
    /// A notice from a template, with facts for it that are no content of the message.
    Notice {
        /// Name of the template.
        kind: String,
        /// Further template variables.
        facts: BTreeMap<String, String>,
        /// True to enclose the message: sealed to the addressee if it came encrypted.
        enclose: bool,
    },
    /// The post, sealed to this subscriber.
    Sealed,
    /// No copy for this subscriber, and why; `notice` says whether he is told.
    Withheld {
        /// What stands in the way.
        reason: Reason,
        /// Whether `x509-user-cert-missing` is sent.
        notice: bool,
    },
}

impl Disposition {
    /// Returns the word used in logs and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Discard => "discard",
            Self::Distribute => "distribute",
            Self::Forward => "forward",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
            Self::Report => "report",
            Self::Withhold => "withhold",
        }
    }
}

impl What {
    /// True for items that stand for a subscriber's copy of a post (contract decision 19).
    #[must_use]
    pub fn is_copy(&self) -> bool {
        matches!(
            self,
            Self::Copy | Self::Intact | Self::Sealed | Self::Withheld { .. }
        )
    }
}
