//! Carries a plan out: each item to its end, and each end into its slot.
//!
//! # Place in the flow
//!
//! [`super::judge`] → **carry** → deliver; slots → spool (D9, D12).
//!
//! # Invariants
//!
//! * What was answered is on record before the item is left (D9); one sync covers everything that
//!   was answered meanwhile.
//! * No more items than connections, of all messages together, are under way or answered and not on
//!   record: the bound of duplicates after a crash (contract 2.1, decision 18).
//! * What is due, and for how long it has waited, goes by the steady clock of the run (R13).
//! * After the stop signal no item is begun, and those under way are waited for (contract R16).

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tracing::{debug, info, warn};

use super::bounce::given_up;
use super::copies::{Copies, Made, lost};
use super::end::{End, Pause};
use super::site::lock;
use super::{Event, Hands};
use crate::deliver::Outcome;
use crate::deliver::retry::{Next, wait};
use crate::disk;
use crate::model::bounce::Status;
use crate::model::plan::{Plan, What};
use crate::model::{Deferral, Reason, SpoolId};
use crate::relay::Content;
use crate::spool::{Slot, Slots, SpoolError};

/// One message on its way out.
pub(super) struct Delivery {
    hands: Arc<Hands>,
    id: SpoolId,
    plan: Arc<Plan>,
    slots: Arc<Slots>,
    stop: watch::Receiver<bool>,
}

/// What came of one item.
struct Answer {
    index: usize,
    slot: Slot,
    outcome: Option<Outcome>,
    /// Given back with the answer, once that is on record.
    turn: Option<OwnedSemaphorePermit>,
}

impl Delivery {
    pub fn new(
        hands: Arc<Hands>,
        id: SpoolId,
        plan: Plan,
        slots: Slots,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            hands,
            id,
            plan: Arc::new(plan),
            slots: Arc::new(slots),
            stop,
        }
    }

    /// Sends what is open and due.
    pub async fn carry(mut self, content: Content) -> Result<End, Pause> {
        let slots = self.slots.clone();
        let states = blocking(move || slots.states()).await?;
        let now = self.hands.site.clock.steady();
        let due: Vec<usize> = states
            .iter()
            .enumerate()
            .filter(|(_, slot)| is_due(slot, now))
            .map(|(index, _)| index)
            .collect();
        if !due.is_empty() {
            let copies = self.prepare(states.clone(), content).await?;
            self.send(due, &states, &copies).await?;
        }
        if *self.stop.borrow() {
            return Ok(End::Stopped);
        }
        self.conclude().await
    }

    async fn prepare(&self, states: Vec<Slot>, content: Content) -> Result<Arc<Copies>, Pause> {
        let (hands, id, plan) = (self.hands.clone(), self.id, self.plan.clone());
        let made = spawn_blocking(move || {
            Copies::prepare(&hands.site, &hands.spool, id, &plan, &states, content)
        });
        let copies = made.await.map_err(died)?;
        Ok(Arc::new(copies?))
    }

    async fn send(
        &mut self,
        due: Vec<usize>,
        before: &[Slot],
        copies: &Arc<Copies>,
    ) -> Result<(), Pause> {
        let most = self.hands.site.settings.delivery.connections.max(1);
        let mut waiting = due.into_iter();
        let mut under_way = JoinSet::new();
        let mut stopped = *self.stop.borrow();
        loop {
            while !stopped && under_way.len() < most {
                let Some(index) = waiting.next() else { break };
                let deferral = before.get(index).and_then(deferral);
                disk::point(self.row(index, "D6", "D10"));
                under_way.spawn(send(self.hands.clone(), copies.clone(), index, deferral));
            }
            let answered = tokio::select! {
                answered = under_way.join_next() => answered,
                _ = self.stop.changed(), if !stopped => { stopped = true; continue }
            };
            let Some(first) = answered else { break };
            let (mut answers, mut failed) = (Vec::new(), None);
            let mut next = Some(first);
            while let Some(answer) = next {
                match answer {
                    Ok(answer) => answers.extend(answer),
                    Err(error) => failed = Some(died(error)),
                }
                next = under_way.try_join_next();
            }
            // What was answered is on record before anything else: no copy goes out twice for it.
            self.record(answers).await?;
            if let Some(pause) = failed {
                return Err(pause);
            }
        }
        Ok(())
    }

    /// The crash point of an item: a copy has another one than a notice.
    fn row(&self, index: usize, copy: &'static str, notice: &'static str) -> &'static str {
        let item = self.plan.items.get(index);
        if item.is_some_and(|item| item.what.is_copy()) {
            copy
        } else {
            notice
        }
    }

    async fn record(&mut self, answers: Vec<Answer>) -> Result<(), Pause> {
        let changes: Vec<_> = answers.iter().map(|one| (one.index, one.slot)).collect();
        let slots = self.slots.clone();
        for answer in &answers {
            disk::point(self.row(answer.index, "D8", "D11"));
        }
        let recorded = blocking(move || slots.record_all(&changes)).await;
        if let Err(Pause::Spool(error)) = &recorded
            && error.is_fatal()
        {
            // The other messages at work could not enter theirs either.
            self.hands.rest();
        }
        recorded?;
        disk::point("D9");
        for mut answer in answers {
            drop(answer.turn.take());
            let refused = match &answer.outcome {
                Some(Outcome::Failed { text, .. } | Outcome::Deferred { text, .. }) => Some(text),
                _ => None,
            };
            if let (Slot::Failed { .. }, Some(text)) = (&answer.slot, refused) {
                let mut said = lock(&self.hands.said);
                said.entry(self.id)
                    .or_default()
                    .insert(answer.index, text.clone());
            }
            self.tell(answer);
        }
        Ok(())
    }

    fn tell(&self, answer: Answer) {
        let Some(item) = self.plan.items.get(answer.index) else {
            return;
        };
        let (id, index) = (self.id, answer.index);
        let what = match &item.what {
            What::Copy => "copy",
            What::Intact => "intact",
            What::Notice { kind, .. } => kind.as_str(),
            What::Sealed => "sealed",
            What::Withheld { .. } => "x509-user-cert-missing",
        };
        // S41: addresses of members are for those who ask for more than the log's usual level.
        debug!(spool = %id, item = index, to = %item.to, lang = item.lang);
        match (&answer.slot, &answer.outcome) {
            (Slot::Failed { reason, .. }, None) => {
                let reason = reason.code();
                warn!(spool = %id, item = index, what, deliver = "failed", reason, reply = "it could not be made");
            }
            // Put off once more, when the time for that is over, is failed.
            (
                Slot::Failed { reason, .. },
                Some(Outcome::Deferred { code, text } | Outcome::Failed { code, text, .. }),
            )
            | (_, Some(Outcome::Failed { reason, code, text })) => {
                let reason = reason.code();
                warn!(spool = %id, item = index, what, deliver = "failed", reason, code, reply = text);
            }
            (_, Some(Outcome::Sent(reply))) => {
                info!(spool = %id, item = index, what, deliver = "sent", reply);
            }
            (_, Some(Outcome::Deferred { code, text })) => {
                info!(spool = %id, item = index, what, deliver = "deferred", code, reply = text);
            }
            (_, Some(Outcome::Untried)) => {}
            (_, None) => info!(spool = %id, item = index, what, deliver = "withheld"),
        }
        if let Some(outcome) = answer.outcome {
            (self.hands.observer)(&Event::Ended {
                id,
                item: item.clone(),
                outcome,
            });
        }
    }

    /// Closes the message, or says when to come again.
    async fn conclude(&mut self) -> Result<End, Pause> {
        let slots = self.slots.clone();
        let states = blocking(move || slots.states()).await?;
        let now = self.hands.site.clock.steady();
        let next = states.iter().filter_map(deferral);
        if let Some(pause) = next.map(|deferral| wait(&deferral, now)).min() {
            return Ok(End::Deferred(pause));
        }
        let (hands, id, plan) = (self.hands.clone(), self.id, self.plan.clone());
        let said = lock(&self.hands.said).get(&id).cloned();
        let said = said.unwrap_or_default();
        let kept = spawn_blocking(move || given_up(&hands, id, &plan, &states, &said));
        kept.await.map_err(died)??; // D10
        disk::point("N1");
        lock(&self.hands.said).remove(&id);
        let hands = self.hands.clone();
        let tally = blocking(move || hands.spool.finish(id)).await?; // D12, D13
        info!(
            spool = %id,
            deliver = "finished",
            sent = tally.sent,
            failed = tally.failed,
            withheld = tally.withheld,
        );
        Ok(End::Finished)
    }
}

/// Sends one item and says what to record: nothing where it was not its turn before the stop.
async fn send(
    hands: Arc<Hands>,
    copies: Arc<Copies>,
    index: usize,
    before: Option<Deferral>,
) -> Option<Answer> {
    let made = spawn_blocking(move || copies.make(index)).await;
    let (parcel, instead) = match made {
        Ok(Made::Parcel(parcel, instead)) => (parcel, instead),
        Ok(Made::Never(slot)) => {
            return Some(Answer {
                index,
                slot,
                outcome: None,
                turn: None,
            });
        }
        Ok(Made::Later(text)) => {
            let outcome = Outcome::Deferred { code: 0, text };
            return answer(&hands, index, before, outcome, None);
        }
        // A copy that cannot even be made ends here: its message must not be stuck for ever.
        Err(_) => {
            let reason = Reason::MessageRefused;
            return Some(Answer {
                index,
                slot: lost(reason),
                outcome: None,
                turn: None,
            });
        }
    };
    let turn = hands.turns.clone().acquire_owned().await.ok()?; // R16
    let outcome = hands.courier.deliver(&parcel).await;
    let mut answer = answer(&hands, index, before, outcome, instead)?;
    answer.turn = Some(turn);
    Some(answer)
}

/// Returns what to record of an outcome; `instead` is set where a notice stood for the copy.
fn answer(
    hands: &Hands,
    index: usize,
    before: Option<Deferral>,
    outcome: Outcome,
    instead: Option<Reason>,
) -> Option<Answer> {
    let now = hands.site.clock.steady();
    let at = crate::model::micros(now);
    let slot = match (&outcome, instead) {
        (Outcome::Untried, _) => return None, // R16
        (Outcome::Deferred { code, text }, _) => {
            let jitter = f64::from(u32::try_from(at & 0xffff).unwrap_or(0)) / 65535.0;
            match hands
                .retry
                .after_failure(before.as_ref(), *code, now, jitter)
            {
                Next::Again(deferral) => Slot::Deferred(deferral),
                Next::Expired => Slot::Failed {
                    reason: Reason::DeliveryExpired,
                    code: *code,
                    status: Status::of_reply(text),
                },
            }
        }
        // The copy is withheld, whether its reader could be told or not.
        (_, Some(reason)) => Slot::Withheld { reason },
        (Outcome::Sent(_), None) => Slot::Sent { at },
        (Outcome::Failed { reason, code, text }, None) => Slot::Failed {
            reason: *reason,
            code: *code,
            status: Status::of_reply(text),
        },
    };
    Some(Answer {
        index,
        slot,
        outcome: Some(outcome),
        turn: None,
    })
}

fn is_due(slot: &Slot, now: OffsetDateTime) -> bool {
    match slot {
        Slot::Open => true,
        Slot::Deferred(deferral) => wait(deferral, now).is_zero(),
        _ => false,
    }
}

fn deferral(slot: &Slot) -> Option<Deferral> {
    match slot {
        Slot::Deferred(deferral) => Some(*deferral),
        _ => None,
    }
}

/// Runs what waits for the disk where it may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, Pause> {
    Ok(spawn_blocking(work).await.map_err(died)??)
}

/// A thread that died is a crash of this message, and counted as one (contract R11).
pub(super) fn died(error: tokio::task::JoinError) -> Pause {
    warn!("{error}");
    Pause::Crashed
}
