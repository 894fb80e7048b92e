//! One message from the spool to its durable plan: open, authorize, harvest, expand.
//!
//! # Place in the flow
//!
//! spool (D1, D2) → **judge** → spool (D5) → [`super::carry`]. Blocking: it runs on a thread of its
//! own.
//!
//! # Invariants
//!
//! * What the message teaches is on the disk, and the replay store knows it, before the plan is
//!   (contract D4, S19): a crash between them repeats all of it under the same id.
//! * A trouble of ours leaves the message where it is; only what the message itself is can refuse
//!   it (contract decision 3).

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use time::OffsetDateTime;
use tracing::{debug, info, warn};

use super::Event;
use super::bounce::{bounced, forgive, suspended};
use super::end::Pause;
use super::keep::keep;
use super::site::{Site, lock};
use super::world::{Obstacle, Unsealable, World};
use crate::authorize::{Earlier, Replay, Rules, authorize};
use crate::config::Problem;
use crate::config::permission::quoted;
use crate::disk;
use crate::mime::{Entity, sender};
use crate::model::plan::{Disposition, Plan};
use crate::model::route::Role;
use crate::model::{Address, Reason, SpoolId};
use crate::open::{Context, Opened, open};
use crate::pki::{KeyPair, Slot};
use crate::relay::post::{List, Origin, post};
use crate::relay::{Case, Content, Decision, Present, Ruling, Speaker, people, register, report};
use crate::spool::{Arrival, Slots, Spool};
use crate::store::certificates::Unusable;
use crate::store::replay::{Key, ReplayStore};
use crate::store::roster;

/// A message whose plan is durable.
pub(super) struct Planned {
    pub plan: Plan,
    pub slots: Slots,
    pub content: Content,
}

/// Judges a message and makes the plan durable.
pub(super) fn judge(
    site: &Site,
    spool: &Spool,
    arrival: &Arrival,
    observe: &dyn Fn(&Event),
) -> Result<Planned, Pause> {
    let now = site.clock.wall();
    let id = arrival.message.id;
    let recipient = arrival.message.envelope.recipient();
    let world = site.world(recipient)?;
    let list = world.policy().address.clone();
    let turn = site.turn(&list);
    let _turn = lock(&turn);
    if let Some(twin) = arrival.twin {
        info!(spool = %id, list = %list, twin = %twin, authorize = "discard", reason = "duplicate");
        let decision = Decision::discard(list, Reason::Duplicate);
        return commit(site, spool, id, decision, observe);
    }
    let hands = Hands {
        site,
        world: &world,
        arrival,
        now,
        trouble: RefCell::default(),
    };
    let (ruling, admission) = hands.rule()?;
    disk::point("D3");
    let mut decision = match ruling {
        Ruling::Decided(decision) => *decision,
        Ruling::Wait(_) => return Err(world.keyless().into()),
    };
    keep(site, &mut decision.lessons, &mut decision.plan, now)?;
    if let Some((store, keys)) = admission
        && decision.plan.disposition == Disposition::Distribute
    {
        // D4: before the plan, so that nothing leaves that could be sent through again.
        let proven = decision.plan.authenticated;
        let number = lock(&store).admit(id, proven, &keys, now);
        decision.plan.sequence = Some(number.map_err(|problem| hands.trouble(problem))?);
        disk::point("D4");
    }
    let limited = site.limit(&mut decision.plan, &id.to_string(), now);
    limited.map_err(|problem| hands.trouble(problem))?;
    // A post that found its way shows that the list's troubles are over.
    let is_post = world.role == Role::Post && !arrival.message.envelope.is_own();
    if is_post && !world.ring.is_incomplete() {
        let settled = lock(&site.told).settle(&list);
        settled.map_err(|problem| hands.trouble(problem))?;
    }
    commit(site, spool, id, decision, observe)
}

fn commit(
    site: &Site,
    spool: &Spool,
    id: SpoolId,
    decision: Decision,
    observe: &dyn Fn(&Event),
) -> Result<Planned, Pause> {
    let Decision {
        plan,
        content,
        detail,
        ..
    } = decision;
    let slots = spool.commit(id, &plan, &detail)?; // D5
    // S10: whatever went wrong with opening has one reason here; S41: no member is named.
    info!(
        spool = %id,
        list = plan.list.as_ref().map(tracing::field::display),
        authorize = plan.disposition.name(),
        reason = plan.reason.map(Reason::code),
        expand = plan.items.len(),
        encrypted = plan.encrypted,
        authenticated = plan.authenticated,
        binding = match &content {
            Content::Admitted(post) => Some(post.binding().name()), // S21: warn
            _ => None,
        },
    );
    if plan.reason == Some(Reason::ScenarioError)
        && let Some(list) = &plan.list
        && let Ok(world) = site.world(list)
        && let Err(problem) = site
            .lists
            .scenario(&world.config.directory, &world.policy().send)
    {
        site.complain([&problem]);
    }
    observe(&Event::Decided {
        id,
        plan: plan.clone(),
    });
    Ok(Planned {
        plan,
        slots,
        content,
    })
}

/// What the replay store is to remember of a post.
type Admission = (Arc<Mutex<ReplayStore>>, Vec<Key>);

/// A message with its world, while it is judged.
struct Hands<'a> {
    site: &'a Site,
    world: &'a World,
    arrival: &'a Arrival,
    now: OffsetDateTime,
    /// What was found in the way while the ruling was made.
    trouble: RefCell<Option<Obstacle>>,
}

impl Hands<'_> {
    fn rule(&self) -> Result<(Ruling, Option<Admission>), Pause> {
        let (site, world) = (self.site, self.world);
        let is_own = |address: &Address| site.is_own(address);
        let in_force =
            |address: &Address, slot: Slot| match site.certificates.in_force(address, slot) {
                Ok(stored) => stored.map(|stored| Present {
                    certificate: Some(stored.certificate),
                    file: quoted(&stored.path),
                }),
                Err(Unusable::File(problem)) => {
                    site.complain([&problem]);
                    Some(Present {
                        certificate: None,
                        file: quoted(&problem.file),
                    })
                }
                Err(Unusable::Trouble(problem)) => {
                    self.note(world.certificates(problem));
                    None
                }
            };
        let policy = world.policy();
        let reference = self.arrival.message.id.to_string();
        let case = Case {
            speaker: Speaker {
                address: &policy.address,
                lang: &policy.lang,
                owners: &policy.owners,
            },
            message: &self.arrival.message.data,
            envelope: &self.arrival.message.envelope,
            reference: &reference,
            now: self.now,
            belief: world.belief(),
            is_own: &is_own,
            in_force: &in_force,
        };
        let ruled = match &world.role {
            _ if case.envelope.is_own() => (report::tell(&case), None),
            Role::Post => self.post(&case)?,
            Role::Register => {
                let opened = self.open(site.site_ring(world).pairs())?;
                let silent = world.ring.signing().is_none();
                (register::register(&case, &opened, silent), None)
            }
            // Who asks for a certificate that was never made asks the owners.
            Role::SendKey if world.ring.is_absent() => {
                (people::forward(&case, &Role::Owner, policy), None)
            }
            Role::SendKey => {
                let has_certificate = world.ring.encryption().is_some();
                (people::send_key(&case, has_certificate), None)
            }
            Role::Bounces(member) => {
                let ruled = bounced(site, world, &case, self.arrival.message.id, member.as_ref());
                (ruled.map_err(|problem| self.trouble(problem))?, None)
            }
            role => (people::forward(&case, role, policy), None),
        };
        match self.trouble.take() {
            None => Ok(ruled),
            Some(obstacle) => Err(obstacle.into()),
        }
    }

    /// Notes a trouble of ours that the pure rooms know nothing of: their ruling is thrown away.
    fn note(&self, obstacle: Obstacle) {
        self.trouble.borrow_mut().get_or_insert(obstacle);
    }

    fn post(&self, case: &Case<'_>) -> Result<(Ruling, Option<Admission>), Pause> {
        let (site, world, now) = (self.site, self.world, self.now);
        let policy = world.policy();
        let (roster, bad) =
            roster::read(&world.config.directory).map_err(|problem| self.trouble(problem))?;
        site.complain(&bad);
        let suspended = suspended(site, &policy.address, &roster, bad.is_empty());
        let suspended = suspended.map_err(|problem| self.trouble(problem))?;
        let scenario = site.lists.scenario(&world.config.directory, &policy.send);
        let opened = self.open(world.ring.pairs())?;
        let store = site.replay(&policy.address, now);
        let store = store.map_err(|problem| self.trouble(problem))?;
        let (keys, replay) = self
            .seen(&lock(&store), &opened)
            .map_err(|problem| self.trouble(problem))?;
        let problem = scenario.as_ref().err().map(|problem| {
            let line = problem
                .line
                .map_or(String::new(), |line| format!("line {line}: "));
            (
                problem.file.display().to_string(),
                format!("{line}{}", problem.problem),
            )
        });
        let certificate = |address: &Address| match site.recipient(world, address, now) {
            Ok(_) => Ok(()),
            Err(Unsealable::Reader(reason)) => Err(reason),
            Err(Unsealable::Trouble(obstacle)) => {
                self.note(obstacle);
                Err(Reason::CertificateUnusable)
            }
        };
        let list = List {
            policy,
            roster: &roster,
            scenario_problem: problem
                .as_ref()
                .map(|(file, problem)| (file.as_str(), problem.as_str())),
            certificate: &certificate,
            is_suspended: &|address| suspended.contains(address),
            can_sign: world.ring.signing().is_some(),
        };
        let is_list = |address: &Address| site.lists.is_list(address);
        let rules = Rules {
            policy,
            roster: &roster,
            scenario: scenario.as_ref().ok(),
            envelope: case.envelope,
            replay,
            is_list: &is_list,
            key_unavailable: world.ring.is_incomplete(),
            released: self
                .arrival
                .again
                .as_ref()
                .is_some_and(|again| again.approved),
            now: self.accepted(),
        };
        let origin = Origin::of(&opened);
        let outcome = authorize(opened, case.message, &rules);
        let ruling = post(case, &list, origin, outcome);
        if let Ruling::Decided(decision) = &ruling
            && decision.plan.disposition == Disposition::Distribute
            && decision.plan.authenticated
            && let Some(author) = decision.plan.sender.as_ref().and_then(|a| roster.find(a))
        {
            let forgiven = forgive(site, &policy.address, &author.address, now);
            forgiven.map_err(|problem| self.trouble(problem))?;
        }
        Ok((ruling, Some((store, keys))))
    }

    /// Returns the keys of this post for the replay store, and what it knows of them (S19, W1).
    fn seen(&self, store: &ReplayStore, opened: &Opened) -> Result<(Vec<Key>, Replay), Problem> {
        let message = &self.arrival.message;
        let seen = |key: &Key| store.seen(key, message.id, self.now);
        let mut keys = vec![store.bytes(message.envelope.sender_text(), &message.data)];
        keys.extend(opened.message_id().map(|id| store.message_id(id)));
        let mut replay = Replay::default();
        for key in &keys {
            replay.duplicate |= seen(key)?.is_some();
        }
        for cek in opened.content_keys() {
            let key = store.content_key(cek);
            if let Some(earlier) = seen(&key)? {
                let proven = replay.content_key.is_some_and(|e| e.proven) || earlier.proven;
                replay.content_key = Some(Earlier { proven });
            }
            keys.push(key);
        }
        Ok((keys, replay))
    }

    fn open(&self, keys: &[KeyPair]) -> Result<Opened, Obstacle> {
        let list = &self.world.policy().address;
        std::thread::sleep(self.site.pace.wait(list, Instant::now()));
        let message = &self.arrival.message.data;
        let opened = open_message(self.site, self.world, message, keys, self.accepted())?;
        debug!(spool = %self.arrival.message.id, private_operations = opened.private_operations());
        if opened.decrypted() == Some(false) && self.site.pace.failed(list, Instant::now()) {
            warn!(
                list = %list,
                "a hundred messages could not be opened within an hour: either a certificate of \
                 the list is out of date with its members, or somebody tries its key"
            );
        }
        Ok(opened)
    }

    /// Returns when the message was taken in: certificates are judged and signing times measured as
    /// of then, however long it has waited (contract S21, S29).
    fn accepted(&self) -> OffsetDateTime {
        let nanos = i128::from(self.arrival.message.id.micros()).saturating_mul(1000);
        let accepted = OffsetDateTime::from_unix_timestamp_nanos(nanos);
        accepted.unwrap_or(self.now).min(self.now)
    }

    /// Returns what a problem of ours does to this message: it waits, or ends the daemon (R7).
    fn trouble(&self, problem: Problem) -> Pause {
        if problem.is_fatal {
            return Pause::unsynced(problem);
        }
        Pause::Trouble(Obstacle {
            of: self.world.policy().address.clone(),
            reason: Reason::ScenarioError,
            problems: vec![problem],
        })
    }
}

/// Opens a message with the keys and the trust of its list.
pub(super) fn open_message(
    site: &Site,
    world: &World,
    message: &[u8],
    keys: &[KeyPair],
    now: OffsetDateTime,
) -> Result<Opened, Obstacle> {
    let from = Entity::parse(message)
        .ok()
        .and_then(|root| sender::author(&root).ok());
    let mut known = Vec::new();
    if let Some(from) = from {
        let found = site.certificates.verification(&from);
        let (certificates, problems) = found.map_err(|problem| world.certificates(problem))?;
        site.complain(&problems);
        known = certificates;
    }
    let belief = world.belief();
    let context = Context {
        now,
        keys,
        known: &known,
        untrusted: &[],
        anchors: belief.anchors,
        crls: belief.crls,
        legacy: belief.legacy,
        revocation: belief.revocation,
        max_inflated: usize::try_from(site.settings.intake.max_size).unwrap_or(usize::MAX),
    };
    Ok(open(message, &context, &mut UnwrapErr(SysRng)))
}
