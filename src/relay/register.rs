//! Registration: the certificate of a signed mail is stored, and its owner hears what became of it.
//!
//! # Trust
//!
//! Anybody may write here. Only a valid signature with a trusted chain over a From address that the
//! certificate names stores anything (contract S31).
//!
//! # Invariants
//!
//! * A success is answered at the proven address, a failure only where From is the envelope sender
//!   too: nobody else's mailbox can be filled with it (contract S38).
//! * What an encrypted mail to this address holds is told to nobody; all that goes wrong inside has
//!   one reason (contract S10, S11).

use crate::authorize::proven_author;
use crate::harvest::Decision as Choice;
use crate::model::Reason;
use crate::model::plan::{Disposition, Plan};
use crate::notice::{Kind, Variable};
use crate::open::{Opened, Verdict};
use crate::pki::Slot;
use crate::relay::people::is_own_loop;
use crate::relay::{Case, Content, Decision, Lessons, Noted, Ruling};

/// Decides on a mail to `-register` or to the site address.
///
/// `key_unavailable` is true where a key of the speaker exists and cannot be used: its answer could
/// not be signed.
#[must_use]
pub fn register(case: &Case<'_>, opened: &Opened, key_unavailable: bool) -> Ruling {
    if is_own_loop(case) {
        return Decision::of(case.plan(Disposition::Discard, Some(Reason::Loop)));
    }
    let mut plan = case.plan(Disposition::Answer, None);
    plan.encrypted = opened.encrypted();
    plan.sender = opened.from().ok().cloned();
    let Some(author) = proven_author(opened).cloned() else {
        return fail(case, plan, Lessons::default(), failure(opened));
    };
    if key_unavailable {
        return Ruling::Wait(Reason::KeyUnavailable);
    }
    plan.authenticated = true;
    let lessons = Lessons::of(case, opened);
    let reason = if lessons.new_encryption().is_some() {
        None
    } else if !lessons.pending.is_empty() {
        Some(Reason::PendingApproval)
    } else if lessons
        .idle
        .iter()
        .any(|(_, choice)| *choice == Choice::Older)
    {
        Some(Reason::OlderCertificate)
    } else if (case.in_force)(&author, Slot::Encrypt).is_none() {
        Some(Reason::UsageEncrypt)
    } else {
        // It is in force already: that was answered when it came (decision 6).
        return decided(plan, lessons);
    };
    if let Some(reason) = reason {
        return fail(case, plan, lessons, reason);
    }
    if case.may_answer(&author, &author) {
        plan.items
            .extend(lessons.registered(case, &author, case.speaker.lang));
    }
    plan.items.extend(lessons.pending_notices(case));
    decided(plan, lessons)
}

/// Returns what a registrant may be told.
fn failure(opened: &Opened) -> Reason {
    if opened.encrypted() && !(opened.decrypted() == Some(true) && opened.is_processable()) {
        return Reason::Undecryptable;
    }
    match opened.signature() {
        Verdict::None => Reason::NotSigned,
        Verdict::Invalid if opened.reason() == Some(Reason::SignerUnknown) => Reason::SignerUnknown,
        Verdict::Invalid => Reason::BadSignature,
        Verdict::Valid => opened.reason().unwrap_or(Reason::NotSigned),
    }
}

fn fail(case: &Case<'_>, mut plan: Plan, lessons: Lessons, reason: Reason) -> Ruling {
    plan.reason = Some(reason);
    let to = plan.sender.clone().filter(|from| {
        let claimed = case.envelope.sender();
        let known = plan.authenticated || claimed.is_none_or(|sender| sender == *from);
        known && case.may_answer(from, from)
    });
    if let Some(to) = to {
        let facts = Noted::default().with(Variable::Sender, &to).reason(reason);
        plan.items = case.notices(&[to], Kind::RegistrationFailed, &facts, false);
    }
    plan.items.extend(lessons.pending_notices(case));
    decided(plan, lessons)
}

fn decided(plan: Plan, lessons: Lessons) -> Ruling {
    Ruling::Decided(Box::new(Decision {
        detail: plan.reason.map_or("", Reason::text).to_owned(),
        plan,
        content: Content::Received,
        lessons,
    }))
}
