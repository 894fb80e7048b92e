//! One message in, one decision out: composes the stages, for posts and for every other address of
//! a list.
//!
//! ```text
//! post                 open -> authorize -> harvest -> expand -> Plan
//! -register, listseal@ open -> harvest -> registered | registration-failed
//! -sendkey             list-certificate
//! -owner, -request, -editor    to people, unopened
//! -bounces             on record, else to people
//! the daemon's reports to people
//! ```
//!
//! # Place in the flow
//!
//! intake, spool → **relay** → the plan, durable → seal, notice → deliver. The daemon fetches what a
//! decision needs and carries out what it says.
//!
//! # Trust
//!
//! The message is a stranger's. Keys, anchors, rosters and scenarios are the site's own.
//!
//! # Invariants
//!
//! * A plan says everything that is sent because of a message; nothing is sent beside it.
//! * Mail to a role address is never decrypted with the list's key (contract S22, decision 12).
//! * What may be kept of a message's certificates is decided here, and only for its proven author
//!   (contract S31).

pub mod bounces;
pub mod lessons;
pub mod people;
pub mod post;
pub mod register;
pub mod report;

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::authorize::{Admitted, Held};
use crate::mime::Entity;
use crate::model::list::{Legacy, Revocation};
use crate::model::plan::{Disposition, Item, Plan, What};
use crate::model::{Address, Envelope, Reason};
use crate::notice::manners::{Incoming, may_answer};
use crate::notice::{Kind, Variable};
use crate::pki::anchors::Anchors;
use crate::pki::path::{Chain, ChainVerdict, Purpose, Query, Work, validate, validate_within};
use crate::pki::revocation::Crls;
use crate::pki::{Certificate, Slot};

pub use lessons::Lessons;

/// The list or site address that a message was handed in for, and that answers it.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'a> {
    /// Its address.
    pub address: &'a Address,
    /// Language of answers to people of whom no other is known.
    pub lang: &'a str,
    /// Who hears of troubles.
    pub owners: &'a [Address],
}

/// Whom certificates are believed, and how strictly.
#[derive(Clone, Copy)]
pub struct Belief<'a> {
    /// Where chains may end.
    pub anchors: &'a Anchors,
    /// Revocation lists at hand.
    pub crls: &'a Crls,
    /// Old algorithms that are admitted.
    pub legacy: Legacy,
    /// What a certificate without valid CRL is worth.
    pub revocation: Revocation,
}

/// One message in the hands of the relay, and whom to ask about it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// Who answers.
    pub speaker: Speaker<'a>,
    /// The message as received.
    pub message: &'a [u8],
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// Our own name of the message, for people.
    pub reference: &'a str,
    /// Time of the decision.
    pub now: OffsetDateTime,
    /// Whom to believe.
    pub belief: Belief<'a>,
    /// Whether an address is one of ours: list, role of a list, site.
    pub is_own: &'a dyn Fn(&Address) -> bool,
    /// The certificate in force for an address and a use, and the file it is in.
    pub in_force: InForce<'a>,
}

/// What is in force for an address and a use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// The certificate; none where its file cannot be used.
    pub certificate: Option<Certificate>,
    /// The file, as it can be pasted into a shell.
    pub file: String,
}

/// Answers what is in force for an address and a use; `None` where there is nothing.
pub type InForce<'a> = &'a dyn Fn(&Address, Slot) -> Option<Present>;

/// What is to be done about a message.
#[derive(Debug)]
pub enum Ruling {
    /// Everything is known.
    Decided(Box<Decision>),
    /// The message stays where it is until a key can be used (contract decision 3).
    Wait(Reason),
}

/// A decision, ready to be made durable.
#[derive(Debug)]
pub struct Decision {
    /// What is sent to whom; the number of a post is not known yet.
    pub plan: Plan,
    /// What copies and enclosures are made from.
    pub content: Content,
    /// Certificates and capabilities worth keeping.
    pub lessons: Lessons,
    /// One line for the administrator, shown nowhere else (contract S10).
    pub detail: String,
}

/// The opened message behind a plan, as far as the plan needs it.
#[derive(Debug)]
pub enum Content {
    /// A post that goes to the subscribers.
    Admitted(Admitted),
    /// A post that is shown to those who decide on it.
    Held(Held),
    /// The received bytes are all that is needed.
    Received,
}

impl Belief<'_> {
    /// Returns the certificates between `leaf` and its anchor, where it has a trusted chain for
    /// `purpose` over those in `pool`, within the work that is left.
    #[must_use]
    pub fn issuers(
        &self,
        leaf: &Certificate,
        pool: &[Certificate],
        purpose: Purpose,
        now: OffsetDateTime,
        work: &mut Work,
    ) -> Option<Vec<Certificate>> {
        let chain = validate_within(&self.query(leaf, pool, purpose, now), work);
        let above = chain.path.get(1..).unwrap_or_default();
        let issuers = above.split_last().map_or(&[][..], |(_, issuers)| issuers);
        (chain.verdict == ChainVerdict::Trusted).then(|| issuers.to_vec())
    }

    /// Judges the chain of `leaf` for `purpose`, over the certificates in `pool`.
    #[must_use]
    pub fn chain(
        &self,
        leaf: &Certificate,
        pool: &[Certificate],
        purpose: Purpose,
        now: OffsetDateTime,
    ) -> Chain {
        validate(&self.query(leaf, pool, purpose, now))
    }

    fn query<'q>(
        &'q self,
        leaf: &'q Certificate,
        pool: &'q [Certificate],
        purpose: Purpose,
        now: OffsetDateTime,
    ) -> Query<'q> {
        Query {
            leaf,
            pool,
            anchors: self.anchors,
            crls: self.crls,
            at: now,
            purpose,
            legacy: self.legacy,
            revocation: self.revocation,
        }
    }
}

impl<'a> Case<'a> {
    /// Returns a plan of this message that sends nothing yet.
    fn plan(&self, disposition: Disposition, reason: Option<Reason>) -> Plan {
        Plan {
            list: Some(self.speaker.address.clone()),
            disposition,
            reason,
            encrypted: false,
            sender: None,
            authenticated: false,
            sequence: None,
            items: Vec::new(),
        }
    }

    /// Returns the values of an outer header field.
    fn header(&self, name: &str) -> Vec<String> {
        Entity::parse(self.message)
            .map(|root| root.all(name).map(|field| field.value()).collect())
            .unwrap_or_default()
    }

    /// True where RFC 3834 lets `from`'s message be answered at `to` (contract S38).
    fn may_answer(&self, from: &Address, to: &Address) -> bool {
        let header = |name: &str| self.header(name);
        may_answer(&Incoming {
            header: &header,
            envelope: self.envelope,
            from,
            to,
            is_own: self.is_own,
        })
        .is_ok()
    }

    /// Returns a notice to each of `people`.
    fn notices(&self, people: &[Address], kind: Kind, facts: &Noted, enclose: bool) -> Vec<Item> {
        people
            .iter()
            .map(|to| self.notice(to, self.speaker.lang, kind, facts, enclose))
            .collect()
    }

    fn notice(&self, to: &Address, lang: &str, kind: Kind, facts: &Noted, enclose: bool) -> Item {
        let mut facts = facts.0.clone();
        facts.insert(
            Variable::MessageRef.name().to_owned(),
            self.reference.to_owned(),
        );
        Item {
            to: to.clone(),
            lang: lang.to_owned(),
            what: What::Notice {
                kind: kind.name().to_owned(),
                facts,
                enclose,
            },
        }
    }
}

/// Facts for a notice as a plan notes them down: addresses, reasons, fingerprints; no content.
#[derive(Clone, Debug, Default)]
pub struct Noted(BTreeMap<String, String>);

impl Noted {
    /// Notes one variable down.
    #[must_use]
    pub fn with(mut self, variable: Variable, value: impl ToString) -> Self {
        self.0.insert(variable.name().to_owned(), value.to_string());
        self
    }

    /// Notes the reason down, as its code.
    #[must_use]
    pub fn reason(self, reason: Reason) -> Self {
        self.with(Variable::Reason, reason.code())
    }
}

impl Decision {
    /// Returns the decision to drop a message without a word.
    #[must_use]
    pub fn discard(list: Address, reason: Reason) -> Self {
        Self {
            plan: Plan {
                list: Some(list),
                disposition: Disposition::Discard,
                reason: Some(reason),
                encrypted: false,
                sender: None,
                authenticated: false,
                sequence: None,
                items: Vec::new(),
            },
            content: Content::Received,
            lessons: Lessons::default(),
            detail: String::new(),
        }
    }

    fn of(plan: Plan) -> Ruling {
        Ruling::Decided(Box::new(Self {
            detail: plan.reason.map_or("", Reason::text).to_owned(),
            plan,
            content: Content::Received,
            lessons: Lessons::default(),
        }))
    }
}

/// What a notice is about, to those who count notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// What is told once a day at most.
    pub heading: String,
    /// Whether it is one of those that a list may send in an hour.
    pub counted: bool,
}

/// Returns under which heading a notice is counted; `None` for what every message causes anew
/// (contract S38, decision 2).
#[must_use]
pub fn topic(item: &Item, authenticated: bool) -> Option<Topic> {
    let What::Notice { kind, facts, .. } = &item.what else {
        return None;
    };
    let fact = |variable: Variable| facts.get(variable.name()).map_or("", String::as_str);
    let kind = Kind::from_name(kind)?;
    let about = match kind {
        // The moderators have to learn of each post, and so has a reader of notices.
        Kind::Held | Kind::NewPost | Kind::CertMissing => return None,
        // Once for each suspension.
        Kind::Suspended => return None,
        // An unproven author could be a victim.
        Kind::Waiting if authenticated => return None,
        // Once for every certificate (decision 6).
        Kind::Registered | Kind::CertificatePending => fact(Variable::Fingerprint),
        _ => fact(Variable::Reason),
    };
    Some(Topic {
        heading: format!("{}/{about}", kind.name()),
        // The certificate is in force from then on and the next mail is not answered: without this
        // notice its owner would never hear of it.
        counted: kind != Kind::Registered,
    })
}

#[cfg(test)]
mod tests;
