//! A post: what its outcome means for the members, its author and the people behind the list.
//!
//! # Trust
//!
//! The outcome comes from [`authorize`](crate::authorize::authorize()), which alone lets anything
//! pass.
//!
//! # Invariants
//!
//! * Whoever is not known to the list hears nothing (contract S11, decision 2).
//! * Notices say nothing of what was inside an encrypted post (contract S39).

use crate::authorize::{Admitted, Held, Outcome, Refusal};
use crate::expand::{expand, language};
use crate::model::list::ListPolicy;
use crate::model::plan::{Disposition, Form, Item, Plan};
use crate::model::roster::Roster;
use crate::model::{Address, Reason};
use crate::notice::{Kind, Variable};
use crate::open::Opened;
use crate::relay::{Case, Content, Decision, Lessons, Noted, Ruling};

/// The list as it is when a post comes.
pub struct List<'a> {
    /// What its owner decided.
    pub policy: &'a ListPolicy,
    /// Its subscribers.
    pub roster: &'a Roster,
    /// Where its scenario is and what is wrong with it, where it cannot be used.
    pub scenario_problem: Option<(&'a str, &'a str)>,
    /// Whether a copy can be sealed to an address now, or what stands in the way.
    pub certificate: &'a dyn Fn(&Address) -> Result<(), Reason>,
    /// Whether a member is suspended because his mail came back.
    pub is_suspended: &'a dyn Fn(&Address) -> bool,
    /// True where the list has a key to sign with.
    pub can_sign: bool,
}

/// What is known of a post before it is judged, for the record.
#[derive(Clone, Debug)]
pub struct Origin {
    /// It came encrypted.
    pub encrypted: bool,
    /// The From address, where it can be read.
    pub sender: Option<Address>,
    /// A signature proves it.
    pub authenticated: bool,
}

impl Origin {
    /// Returns what `opened` says.
    #[must_use]
    pub fn of(opened: &Opened) -> Self {
        Self {
            encrypted: opened.encrypted(),
            sender: opened.from().ok().cloned(),
            authenticated: crate::authorize::proven_author(opened).is_some(),
        }
    }
}

/// Returns what follows from `outcome`.
#[must_use]
pub fn post(case: &Case<'_>, list: &List<'_>, origin: Origin, outcome: Outcome) -> Ruling {
    let plan = |disposition, reason| Plan {
        encrypted: origin.encrypted,
        sender: origin.sender.clone(),
        authenticated: origin.authenticated,
        ..case.plan(disposition, reason)
    };
    match outcome {
        Outcome::Admitted(admitted) => {
            if list.policy.sign && admitted.form() != Form::Intact && !list.can_sign {
                return Ruling::Wait(Reason::KeyUnavailable);
            }
            let reason = (admitted.form() == Form::Intact).then_some(Reason::Undecryptable);
            distribute(case, list, plan(Disposition::Distribute, reason), admitted)
        }
        Outcome::Discarded(reason) => Decision::of(plan(Disposition::Discard, Some(reason))),
        Outcome::Held(held) => hold(case, list, plan(Disposition::Hold, Some(held.reason)), held),
        Outcome::Refused(refusal) => {
            let plan = plan(Disposition::Refuse, Some(refusal.reason));
            refuse(case, list, plan, &refusal)
        }
        Outcome::Waiting(reason) => Ruling::Wait(reason),
        Outcome::Withheld {
            reason,
            tell_owners,
        } => {
            let mut plan = plan(Disposition::Withhold, Some(reason));
            if tell_owners {
                plan.items = report(case, &plan, reason);
            }
            Decision::of(plan)
        }
    }
}

fn distribute(case: &Case<'_>, list: &List<'_>, mut plan: Plan, admitted: Admitted) -> Ruling {
    let lessons = lessons(case, list, admitted.opened());
    // What this very post teaches counts for its author's own copy.
    let learned = lessons.new_encryption().map(|learned| &learned.address);
    let certificate = |address: &Address| match learned {
        Some(author) if author == address => Ok(()),
        _ => (list.certificate)(address),
    };
    plan.items = expand(
        admitted.form(),
        list.policy,
        list.roster,
        list.is_suspended,
        certificate,
    );
    plan.items
        .extend(told(case, list, &lessons, admitted.opened()));
    Ruling::Decided(Box::new(Decision {
        plan,
        content: Content::Admitted(admitted),
        lessons,
        detail: String::new(),
    }))
}

fn hold(case: &Case<'_>, list: &List<'_>, mut plan: Plan, held: Held) -> Ruling {
    let mut facts = Noted::default().reason(held.reason).with(
        Variable::Commands,
        format!(
            "listseal spool release {0}\nlistseal spool discard {0}",
            case.reference
        ),
    );
    if let Some(sender) = &plan.sender {
        facts = facts.with(Variable::Sender, sender);
    }
    if plan.encrypted {
        facts = facts.with(Variable::Encrypted, "yes");
    }
    plan.items = case.notices(&held.deciders, Kind::Held, &facts, true);
    if let Some(to) = author_to_tell(case, &plan, held.tell.as_ref()) {
        let facts = Noted::default().reason(held.reason);
        let lang = lang_of(list, &to);
        plan.items
            .push(case.notice(&to, lang, Kind::Waiting, &facts, false));
    }
    // Decision 6: certificates are learned from held mail too.
    let lessons = lessons(case, list, held.opened());
    plan.items.extend(told(case, list, &lessons, held.opened()));
    Ruling::Decided(Box::new(Decision {
        detail: held.reason.text().to_owned(),
        plan,
        content: Content::Held(held),
        lessons,
    }))
}

fn refuse(case: &Case<'_>, list: &List<'_>, mut plan: Plan, refusal: &Refusal) -> Ruling {
    if let Some(to) = author_to_tell(case, &plan, refusal.tell.as_ref()) {
        let mut facts = Noted::default()
            .reason(refusal.reason)
            .with(Variable::Sender, &to);
        if let Some(label) = &refusal.label {
            facts = facts.with(Variable::Rule, label);
        }
        let kind = Kind::for_refusal(refusal.reason);
        plan.items
            .push(case.notice(&to, lang_of(list, &to), kind, &facts, false));
    }
    if refusal.tell_owners {
        let (file, problem) = list.scenario_problem.unwrap_or_default();
        let facts = Noted::default()
            .with(Variable::File, file)
            .with(Variable::Problem, problem);
        plan.items
            .extend(case.notices(case.speaker.owners, Kind::ScenarioError, &facts, false));
    }
    let mut ruling = Decision::of(plan);
    if let (Ruling::Decided(decision), Some(detail)) = (&mut ruling, refusal.detail) {
        decision.detail = detail.text().to_owned();
    }
    ruling
}

/// Tells the owners of a post that was set aside.
fn report(case: &Case<'_>, plan: &Plan, reason: Reason) -> Vec<Item> {
    let from = plan
        .sender
        .as_ref()
        .map_or_else(|| "an unreadable address".to_owned(), Address::to_string);
    let facts = Noted::default()
        .reason(reason)
        .with(
            Variable::Report,
            format!("A message of {from} was withheld: {reason}."),
        )
        .with(
            Variable::Commands,
            format!("listseal spool show {}", case.reference),
        );
    case.notices(case.speaker.owners, Kind::OwnerReport, &facts, false)
}

/// Returns what a post teaches: of subscribers, owners and moderators alone (S31, decision 6).
fn lessons(case: &Case<'_>, list: &List<'_>, opened: &Opened) -> Lessons {
    let policy = list.policy;
    let known = opened.author().is_some_and(|author| {
        list.roster.find(author).is_some()
            || policy.owners.contains(author)
            || policy.moderators.contains(author)
    });
    if known {
        Lessons::of(case, opened)
    } else {
        Lessons::default()
    }
}

/// Returns what author and owners hear of the certificates that came along.
fn told(case: &Case<'_>, list: &List<'_>, lessons: &Lessons, opened: &Opened) -> Vec<Item> {
    let mut items = lessons.pending_notices(case);
    if let Some(author) = opened
        .author()
        .filter(|author| case.may_answer(author, author))
    {
        items.extend(lessons.registered(case, author, lang_of(list, author)));
    }
    items
}

/// Returns the member to tell, where his message may be answered at all (contract S38).
fn author_to_tell(case: &Case<'_>, plan: &Plan, tell: Option<&Address>) -> Option<Address> {
    let (tell, from) = (tell?, plan.sender.as_ref()?);
    case.may_answer(from, tell).then(|| tell.clone())
}

fn lang_of<'a>(list: &List<'a>, address: &Address) -> &'a str {
    list.roster
        .find(address)
        .map_or(&list.policy.lang, |found| language(found, list.policy))
}
