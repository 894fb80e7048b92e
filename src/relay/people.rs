//! Mail for people behind a list, and requests for its certificate.
//!
//! # Invariants
//!
//! * Nothing is opened: an encrypted mail to the owners reaches them as it came (contract S22).
//! * What this list sent out before is dropped, whichever of its addresses it comes back to
//!   (contract S38).

use crate::authorize::loops::carries_loop_mark;
use crate::mime::Entity;
use crate::mime::sender;
use crate::model::list::ListPolicy;
use crate::model::plan::{Disposition, Item, What};
use crate::model::route::Role;
use crate::model::{Address, Reason};
use crate::notice::Kind;
use crate::relay::{Case, Decision, Noted, Ruling};

/// Passes the message on to the people that `role` stands for.
#[must_use]
pub fn forward(case: &Case<'_>, role: &Role, policy: &ListPolicy) -> Ruling {
    if is_own_loop(case) {
        return Decision::of(case.plan(Disposition::Discard, Some(Reason::Loop)));
    }
    let people = match role {
        Role::Editor => policy.deciders(),
        Role::Bounces(_)
        | Role::Owner
        | Role::Post
        | Role::Register
        | Role::Request
        | Role::SendKey => &policy.owners,
    };
    let mut plan = case.plan(Disposition::Forward, None);
    plan.sender = from(case);
    plan.items = people
        .iter()
        .map(|to| Item {
            to: to.clone(),
            lang: policy.lang.clone(),
            what: What::Intact,
        })
        .collect();
    Decision::of(plan)
}

/// Answers a request for the list's certificate; `has_certificate` tells whether there is one.
#[must_use]
pub fn send_key(case: &Case<'_>, has_certificate: bool) -> Ruling {
    if is_own_loop(case) {
        return Decision::of(case.plan(Disposition::Discard, Some(Reason::Loop)));
    }
    if !has_certificate {
        return Ruling::Wait(Reason::KeyUnavailable);
    }
    // RFC 3834 section 4: an answer goes to the envelope sender; From where the MTA named none.
    let from = from(case);
    let to = case.envelope.sender().or_else(|| from.clone());
    let answered = to.filter(|to| case.may_answer(from.as_ref().unwrap_or(to), to));
    let mut plan = case.plan(Disposition::Answer, None);
    plan.sender = from;
    match answered {
        Some(to) => {
            plan.items = case.notices(&[to], Kind::ListCertificate, &Noted::default(), false)
        }
        None => {
            plan.disposition = Disposition::Discard;
            plan.reason = Some(Reason::AutoReply);
        }
    }
    Decision::of(plan)
}

/// True for what this list sent out before.
#[must_use]
pub fn is_own_loop(case: &Case<'_>) -> bool {
    let header = |name: &str| case.header(name);
    carries_loop_mark(&header, case.speaker.address)
}

pub(super) fn from(case: &Case<'_>) -> Option<Address> {
    let root = Entity::parse(case.message).ok()?;
    sender::author(&root).ok()
}
