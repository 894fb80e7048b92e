//! What a decision is made from, and what it can be.
//!
//! # Place in the flow
//!
//! open, the stores and the list's files → [`Facts`], [`Rules`] → [`super::decide`] → [`Verdict`].
//!
//! # Invariants
//!
//! * Nothing here holds content of a message.

use time::OffsetDateTime;

use crate::authorize::condition::HeaderLookup;
use crate::authorize::scenario::Scenario;
use crate::model::list::ListPolicy;
use crate::model::plan::Form;
use crate::model::roster::Roster;
use crate::model::{Address, Envelope, Reason};

/// What `open` found out, as far as a decision needs it.
pub struct Facts<'a> {
    /// The one From address, or what is wrong with it.
    pub from: Result<&'a Address, Reason>,
    /// True when the message came encrypted.
    pub encrypted: bool,
    /// Whether it could be opened; `None` where nothing was encrypted.
    pub decrypted: Option<bool>,
    /// True when reading ended before the end: a limit, too many layers, a root that is no mail.
    pub cut_short: bool,
    /// The signature of the layer that speaks for the author.
    pub signature: Signature,
    /// What ails the chain of the signer's certificate, `None` where it is trusted or unknown.
    pub chain: Option<Reason>,
    /// The authenticated address: valid, trusted, named by the certificate and in From.
    pub author: Option<&'a Address>,
    /// The precise finding of `open`.
    pub reason: Option<Reason>,
    /// When the signer says to have signed.
    pub signing_time: Option<OffsetDateTime>,
    /// To and Cc inside the signed entity; empty where the signature covers none.
    pub named: &'a [Address],
    /// The outer header.
    pub header: HeaderLookup<'a>,
    /// Bytes as received.
    pub size: u64,
}

/// Mathematics and rules of a signature, without its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// There is one, and it does not hold.
    Invalid,
    /// There is none.
    None,
    /// It holds.
    Valid,
}

/// What the list and its stores say.
pub struct Rules<'a> {
    /// The list.
    pub policy: &'a ListPolicy,
    /// Its subscribers.
    pub roster: &'a Roster,
    /// Its `send` scenario; `None` where it cannot be used.
    pub scenario: Option<&'a Scenario>,
    /// The envelope of the message.
    pub envelope: &'a Envelope,
    /// What the replay store knows.
    pub replay: Replay,
    /// Whether an address is a list of this site.
    pub is_list: &'a dyn Fn(&Address) -> bool,
    /// True where a private key of the list exists and cannot be used.
    pub key_unavailable: bool,
    /// True when a person released the message from `hold/`: what would be held again passes.
    pub released: bool,
    /// Time of acceptance.
    pub now: OffsetDateTime,
}

/// What the replay store knows of a message, entries of the message's own id left out (D4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Its Message-ID or its exact bytes were distributed before.
    pub duplicate: bool,
    /// A content key of it was used before, and whether that copy's author was proven.
    pub content_key: Option<Earlier>,
}

/// The earlier message with the same content key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// True when its author was proven by a signature.
    pub proven: bool,
}

/// Whether the signed part says for whom it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It names this list.
    Bound,
    /// It names nobody.
    None,
}

impl Binding {
    /// Returns the word used in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::None => "none",
        }
    }
}

/// The decision on one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the subscribers.
    Admit {
        /// How.
        form: Form,
        /// Whether its signature names the list.
        binding: Binding,
    },
    /// Dropped without a word.
    Discard(Reason),
    /// Kept for people.
    Hold {
        /// Why.
        reason: Reason,
        /// Who decides, at these addresses.
        deciders: Vec<Address>,
        /// The author to tell that the post waits.
        tell: Option<Address>,
    },
    /// Not let through.
    Refuse(Refusal),
    /// Left where it is until the key can be used; the owners are told once.
    Wait(Reason),
    /// Kept in `bad/`, the sender hears nothing.
    Withhold {
        /// Why.
        reason: Reason,
        /// Whether the owners are told.
        tell_owners: bool,
    },
}

/// A message that is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What may be told.
    pub reason: Reason,
    /// The precise finding, for `bad/*.why` alone (S10).
    pub detail: Option<Reason>,
    /// `reason='...'` or `tt2='...'` of the scenario rule.
    pub label: Option<String>,
    /// The member to tell, at the address the list knows; `None`: nobody (S11, decision 2).
    pub tell: Option<Address>,
    /// Whether the owners are told as well, once a day.
    pub tell_owners: bool,
}
