//! What came back from members, on record: reports to bounce addresses, and refusals that the courier
//! met.
//!
//! # Place in the flow
//!
//! [`super::judge`] for mail to `-bounces`, [`super::carry`] for copies that were given up; both
//! before the message is closed. Blocking.
//!
//! # Invariants
//!
//! * What counts is on the disk before the plan, or before the post is closed; entered again after a
//!   crash it changes nothing.
//! * A post that nobody got is no failure of its readers: our own next hop refuses everything.

use std::collections::{BTreeMap, HashSet};

use time::OffsetDateTime;
use tracing::{debug, info};

use super::Hands;
use super::end::Pause;
use super::site::Site;
use super::world::{Obstacle, World};
use crate::config::Problem;
use crate::mime::report;
use crate::model::bounce::{BounceRule, Failure, Record, Status, Worth};
use crate::model::plan::{Disposition, Plan};
use crate::model::roster::Roster;
use crate::model::route::{Role, verp};
use crate::model::{Address, Reason, SpoolId, micros};
use crate::notice::Kind;
use crate::relay::bounces::{Finding, names, quoted, recorded, told, weigh};
use crate::relay::report::Report;
use crate::relay::{Case, Ruling, people};
use crate::spool::Slot;
use crate::store::bounces::Bounces;
use crate::store::roster;

/// Rules on a mail to a bounce address, after what it says is on record.
pub(super) fn bounced(
    site: &Site,
    world: &World,
    case: &Case<'_>,
    id: SpoolId,
    member: Option<&Address>,
) -> Result<Ruling, Problem> {
    let policy = world.policy();
    let to_people = || people::forward(case, &Role::Bounces(member.cloned()), policy);
    if people::is_own_loop(case) {
        return Ok(to_people());
    }
    let (roster, bad) = roster::read(&world.config.directory)?;
    site.complain(&bad);
    let bounces = site.bounces(&policy.address);
    if bad.is_empty() {
        tidy(&bounces, &roster)?;
    }
    let listed = |address: &&Address| {
        let mut all = roster.subscribers().iter();
        all.any(|one| one.address == **address)
    };
    let now = micros(case.now);
    // What cannot be read is not understood either.
    let Some(found) = report::read(case.message).unwrap_or_default() else {
        info!(spool = %id, bounce = "not-understood");
        if let Some(member) = member.filter(listed) {
            bounces.change(member, |record| {
                record.not_understood = record.not_understood.saturating_add(1);
            })?;
        }
        return Ok(to_people());
    };
    let post = |name: &str, member: &Address| site.names.post(name, &policy.address, member);
    let member = match member {
        Some(member) => Some(member).filter(listed),
        // Only addresses that do not fit into the bounce address have none of their own.
        None => nameless(&policy.address, &roster).find(|one| {
            let mut names = names(&found).into_iter();
            names.any(|name| post(&name, one).is_some())
        }),
    };
    let Some(member) = member else {
        let plain = case.envelope.recipient().local().ends_with("-bounces");
        info!(spool = %id, bounce = "no-member");
        let discarded = recorded(case, &[], policy.bounces);
        return Ok(if plain { to_people() } else { discarded });
    };
    let finding = weigh(&found, |name| post(name, member));
    let suspended = bounces.change(member, |record| {
        let suspended = enter(record, &finding, id, now, policy.bounces);
        suspended.then(|| record.clone())
    })?;
    let word = match finding {
        Finding::Failed(..) => "failed",
        Finding::Delayed(_) => "delayed",
        Finding::Unproven => "unproven",
        Finding::Nothing => "arrived",
    };
    // S41: who it is, is for those who ask for more than the log's usual level.
    info!(spool = %id, bounce = word, suspended = suspended.is_some());
    debug!(spool = %id, bounce = word, member = %member);
    let suspended: Vec<Record> = suspended.into_iter().collect();
    Ok(recorded(case, &suspended, policy.bounces))
}

fn enter(
    record: &mut Record,
    finding: &Finding<'_, SpoolId>,
    id: SpoolId,
    now: u64,
    rule: BounceRule,
) -> bool {
    let shown = |status: Option<Status>| status.map(|one| one.to_string()).unwrap_or_default();
    match finding {
        Finding::Failed(post, one) => {
            let failure = Failure {
                post: post.micros(),
                cause: &id.to_string(),
                at: now,
                worth: Worth::of(one.status),
                status: &shown(one.status),
                text: &one.diagnostic,
            };
            return record.failure(&failure, rule);
        }
        Finding::Delayed(one) => {
            record.delayed = record.delayed.saturating_add(1);
            record.told(now, &shown(one.status), &one.diagnostic);
        }
        Finding::Unproven => record.unproven = record.unproven.saturating_add(1),
        Finding::Nothing => {}
    }
    false
}

/// Members whose bounces come back to the plain bounce address.
fn nameless<'a>(list: &'a Address, roster: &'a Roster) -> impl Iterator<Item = &'a Address> {
    let plain = list.with_suffix("-bounces").ok();
    let addresses = roster.subscribers().iter().map(|one| &one.address);
    addresses.filter(move |one| verp(list, one).ok() == plain)
}

/// Enters the copies of a post that were given up, and keeps reports for the owners: durable when
/// this returns, before the post is closed (contract D10). `said` is what the mail servers answered,
/// as far as this process has heard it.
pub(super) fn given_up(
    hands: &Hands,
    id: SpoolId,
    plan: &Plan,
    states: &[Slot],
    said: &BTreeMap<usize, String>,
) -> Result<(), Pause> {
    let items = plan.items.iter().zip(states).enumerate();
    let copies: Vec<_> = items.filter(|(_, (item, _))| item.what.is_copy()).collect();
    let mut reasons: BTreeMap<&str, (Reason, usize)> = BTreeMap::new();
    let mut failed = Vec::new();
    for (index, (item, slot)) in &copies {
        if let Slot::Failed { reason, status, .. } = slot {
            debug!(spool = %id, to = %item.to, reason = reason.code());
            let entry = reasons.entry(reason.code()).or_insert((*reason, 0));
            entry.1 = entry.1.saturating_add(1);
            failed.push(Refused {
                to: &item.to,
                reason: *reason,
                status: *status,
                said: said.get(index).map_or("", String::as_str),
            });
        }
    }
    let most = reasons.values().max_by_key(|(_, count)| *count);
    let (Some(list), Some((reason, _))) = (&plan.list, most.copied()) else {
        return Ok(());
    };
    let mut lines = vec!["Copies were given up; their readers did not get them:".to_owned()];
    lines.extend(reasons.values().map(|(reason, count)| {
        let all = copies.len();
        format!("message {id}: {count} of {all} copies: {reason}")
    }));
    // S39: who they are stands in no mail; the command tells.
    let command = format!("listseal subscriber ls {}", quoted(list));
    let report = Report::of_owners(reason, &lines, &command, id.to_string());
    hands.spool.announce(list, &report.to_bytes())?;
    let taken = copies
        .iter()
        .any(|(_, (_, slot))| matches!(slot, Slot::Sent { .. }));
    if plan.disposition == Disposition::Distribute && taken {
        count(hands, list, id, &failed)?;
    }
    Ok(())
}

/// A copy that was given up.
struct Refused<'a> {
    to: &'a Address,
    reason: Reason,
    status: Option<Status>,
    /// The reply, as far as this process has heard it.
    said: &'a str,
}

impl Refused<'_> {
    fn shown(&self) -> String {
        match self.status.filter(|status| !status.is_plain()) {
            Some(status) => status.to_string(),
            None => self.reason.code().to_owned(),
        }
    }
}

/// Counts refusals against their members; keeps a report of those whom it suspends.
fn count(hands: &Hands, list: &Address, id: SpoolId, failed: &[Refused<'_>]) -> Result<(), Pause> {
    // The settings of a list that is out of service suspend nobody.
    let world = hands.site.world(list).ok();
    let rule = world.map_or(
        BounceRule {
            count: 0,
            ..BounceRule::default()
        },
        |world| world.policy().bounces,
    );
    let now = micros(hands.site.clock.wall());
    let bounces = hands.site.bounces(list);
    let mut suspended = Vec::new();
    for one in failed {
        let failure = Failure {
            post: id.micros(),
            cause: &id.to_string(),
            at: now,
            worth: worth(one.reason, one.status),
            status: &one.shown(),
            text: one.said,
        };
        let record = bounces.change(one.to, |record| {
            record.failure(&failure, rule).then(|| record.clone())
        });
        suspended.extend(record.map_err(|problem| trouble(list, problem))?);
    }
    if !suspended.is_empty() {
        let facts = told(list, &suspended, rule);
        let report = Report::new(Kind::Suspended, facts, id.to_string());
        hands.spool.announce(list, &report.to_bytes())?;
    }
    Ok(())
}

/// The post waits until what is wrong is mended; a failed sync ends the daemon (R7).
fn trouble(list: &Address, problem: Problem) -> Pause {
    if problem.is_fatal {
        return Pause::unsynced(problem);
    }
    Pause::Trouble(Obstacle {
        of: list.clone(),
        reason: Reason::ScenarioError,
        problems: vec![problem],
    })
}

/// What a refusal that the courier met counts for. A bare 550 at RCPT is about the recipient: nobody
/// has seen the message yet.
fn worth(reason: Reason, status: Option<Status>) -> Worth {
    match (reason, status) {
        (Reason::RecipientRefused, Some(status)) if status.is_plain() => Worth::Hard,
        (Reason::RecipientRefused, status) => Worth::of(status),
        (Reason::MessageRefused | Reason::DeliveryExpired, _) => Worth::Soft,
        // What our next hop cannot carry says nothing of the member.
        _ => Worth::Nothing,
    }
}

/// Takes the records of former members away. A roster without anybody is more likely one that is
/// being written than a list that everybody left.
fn tidy(bounces: &Bounces, roster: &Roster) -> Result<(), Problem> {
    if roster.subscribers().is_empty() {
        return Ok(());
    }
    bounces.retain(roster)
}

/// Returns the suspended members of a list; records of former members go, where every line of the
/// roster could be read.
pub(super) fn suspended(
    site: &Site,
    list: &Address,
    roster: &Roster,
    is_whole: bool,
) -> Result<HashSet<Address>, Problem> {
    let bounces = site.bounces(list);
    if is_whole {
        tidy(&bounces, roster)?;
    }
    let (suspended, odd) = bounces.suspended()?;
    site.complain(&odd);
    Ok(suspended)
}

/// Forgives a member who was proven to write what came back from him before.
pub(super) fn forgive(
    site: &Site,
    list: &Address,
    member: &Address,
    now: OffsetDateTime,
) -> Result<(), Problem> {
    let bounces = site.bounces(list);
    match bounces.get(member) {
        Ok(Some(record)) if !record.days.is_empty() && record.suspended.is_none() => {
            bounces.change(member, |record| record.forgive(micros(now)))
        }
        Err(problem) if problem.is_error() => Err(problem),
        _ => Ok(()),
    }
}

impl Site {
    /// Returns the records of what came back from the members of `list`.
    pub fn bounces(&self, list: &Address) -> Bounces {
        Bounces::of(&self.settings.paths.state, list)
    }
}
