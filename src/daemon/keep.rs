//! What a message taught, on the disk.
//!
//! # Place in the flow
//!
//! [`super::judge`], before the plan is durable (contract D4).

use time::OffsetDateTime;
use tracing::{debug, info};

use super::end::Pause;
use super::site::Site;
use super::world::Obstacle;
use crate::harvest::Decision as Choice;
use crate::model::Reason;
use crate::model::plan::{Disposition, Item, Plan, What};
use crate::notice::Kind;
use crate::relay::Lessons;

/// Keeps what the message taught. A certificate that cannot be written makes a registration wait;
/// a post goes out all the same, and its author is not told that it was stored.
pub(super) fn keep(
    site: &Site,
    lessons: &mut Lessons,
    plan: &mut Plan,
    now: OffsetDateTime,
) -> Result<(), Pause> {
    for learned in &lessons.adopt {
        let kept = site.certificates.keep(
            &learned.address,
            learned.slot,
            &learned.certificate,
            &learned.issuers,
        );
        match kept {
            Ok(path) => {
                info!(harvest = "stored");
                // S41: the file name is a member's address.
                debug!(harvest = "stored", file = %path.display());
            }
            Err(problem) if problem.is_fatal => return Err(Pause::unsynced(problem)),
            Err(problem) if plan.disposition == Disposition::Answer => {
                return Err(Pause::Trouble(Obstacle {
                    of: plan.list.clone().unwrap_or_else(|| learned.address.clone()),
                    reason: Reason::CertificateUnusable,
                    problems: vec![problem],
                }));
            }
            Err(problem) => {
                site.complain([&problem]);
                plan.items.retain(|item| !is_registered(item));
            }
        }
    }
    for (known, choice) in &lessons.idle {
        if *choice == Choice::Known
            && let Err(problem) =
                site.certificates
                    .keep_issuers(&known.address, &known.certificate, &known.issuers)
        {
            if problem.is_fatal {
                return Err(Pause::unsynced(problem));
            }
            site.complain([&problem]);
        }
    }
    if let Some(known) = &lessons.capabilities {
        let signed = known.signed.min(now);
        let noted = site
            .certificates
            .note_capabilities(&known.address, signed, &known.reads);
        if let Err(problem) = noted {
            if problem.is_fatal {
                return Err(Pause::unsynced(problem));
            }
            site.complain([&problem]);
        }
    }
    Ok(())
}

fn is_registered(item: &Item) -> bool {
    let registered = Kind::Registered.name();
    matches!(&item.what, What::Notice { kind, .. } if kind == registered)
}
