//! The work on one message, from wherever it stands to its end for now.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::Hands;
use super::carry::{Delivery, blocking, died};
use super::end::{End, Pause, Report};
use super::judge::{Planned, judge};
use super::parked::Standing;
use crate::disk;
use crate::model::SpoolId;
use crate::relay::Content;
use crate::spool::{Received, SpoolError, Stage, Why};

/// Works on one message.
pub(super) async fn work(hands: Arc<Hands>, id: SpoolId, stop: watch::Receiver<bool>) -> Report {
    let end = match attempt(&hands, id, stop).await {
        Ok(end) => end,
        Err(pause) => settle(&hands, id, pause).await,
    };
    Report { id, end }
}

async fn attempt(
    hands: &Arc<Hands>,
    id: SpoolId,
    stop: watch::Receiver<bool>,
) -> Result<End, Pause> {
    disk::point("D1");
    let (asked, stage) = (hands.clone(), id);
    let stage = blocking(move || asked.spool.stage(stage)).await?;
    let (plan, slots, content) = match stage {
        Stage::Planned(plan, slots) => (*plan, slots, Content::Received),
        Stage::Unopened => match opened(hands, id).await? {
            Judged::Planned(planned) => (planned.plan, planned.slots, planned.content),
            Judged::SetAside => return Ok(End::SetAside),
        },
    };
    Delivery::new(hands.clone(), id, plan, slots, stop)
        .carry(content)
        .await
}

/// What became of a message that was taken up.
enum Judged {
    Planned(Box<Planned>),
    SetAside,
}

/// Opens and judges a message, unless it has to be set aside.
async fn opened(hands: &Arc<Hands>, id: SpoolId) -> Result<Judged, Pause> {
    // Decision 16: what ended the process is opened alone, so that it takes nothing with it and is
    // known to be the cause if it does so again.
    let suspect = hands.spool.crashes(id) > 0;
    let (alone, shared);
    if suspect {
        alone = Some(hands.opening.write().await);
        shared = None;
    } else {
        shared = Some(hands.opening.read().await);
        alone = None;
    }
    let own = hands.clone();
    let judged = spawn_blocking(move || {
        match own.spool.receive(id, own.site.clock.wall(), suspect)? {
            Received::Ready(arrival) => {
                let planned = judge(&own.site, &own.spool, &arrival, &*own.observer)?;
                Ok(Judged::Planned(Box::new(planned)))
            }
            Received::Quarantined(why) => {
                warn!(spool = %id, reason = why.reason, "set aside in bad/: {}; listseal spool show {id}", why.detail);
                Ok(Judged::SetAside)
            }
        }
    });
    let judged = judged.await.map_err(died)?;
    drop((alone, shared));
    judged
}

/// Puts a message that cannot go on where it belongs.
async fn settle(hands: &Arc<Hands>, id: SpoolId, pause: Pause) -> End {
    let spool = hands.clone();
    let settled = spawn_blocking(move || match pause {
        // The attempt stays on record: three of them, and the message goes to bad/ (R11).
        Pause::Crashed => Ok(paused(Pause::Crashed)),
        Pause::Spool(SpoolError::Gone(_)) => {
            if spool.spool.forget(id)? {
                info!(spool = %id, "discarded meanwhile");
            }
            Ok(End::Gone)
        }
        Pause::Spool(error @ SpoolError::Corrupt { .. }) => {
            warn!(spool = %id, "{error}; set aside in bad/, listseal spool show {id}");
            let at = crate::model::micros(spool.site.clock.wall());
            spool
                .spool
                .quarantine(id, &Why::new("damaged", error.to_string(), at))?;
            Ok(End::SetAside)
        }
        Pause::Spool(error) if error.is_fatal() => Err(error),
        // A full disk or a file that must not be touched is no crash of this message (decision 16).
        Pause::Spool(error) => {
            spool.spool.postpone(id)?;
            Err(error)
        }
        Pause::Trouble(obstacle) => {
            spool.spool.postpone(id)?;
            let address = spool.spool.read(id)?.envelope.recipient().clone();
            let standing = Standing {
                obstacle: spool.site.obstacle(&address),
                address,
            };
            Ok(End::Paused(
                Some(standing),
                Box::new(Pause::Trouble(obstacle)),
            ))
        }
    });
    match settled.await {
        Ok(Ok(end)) => end,
        Ok(Err(error)) => paused(Pause::Spool(error)),
        Err(error) => paused(died(error)),
    }
}

fn paused(pause: Pause) -> End {
    End::Paused(None, Box::new(pause))
}
