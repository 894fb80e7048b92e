//! Tells people of troubles that make mail wait: once, until they are over (contract decision 3).
//!
//! # Trust
//!
//! Addresses and texts are the site's own; nothing of a message is told.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::Hands;
use super::letters::Letters;
use super::site::{Obstacle, Site, World, lock};
use crate::config::Problem;
use crate::deliver::{Cargo, Outcome, Parcel};
use crate::model::{Address, Reason};
use crate::notice::{Kind, Variable};
use crate::store::told::digest_hex;

/// Tells those who can mend `obstacle`, the trouble of mail for `recipient`.
pub(super) async fn tell(hands: Arc<Hands>, recipient: Address, obstacle: Obstacle) {
    let _alone = hands.telling.lock().await;
    let own = hands.clone();
    let (of, trouble) = (obstacle.of.clone(), trouble(&obstacle));
    let letters = spawn_blocking(move || letters(&own.site, &recipient, &obstacle)).await;
    for (to, cargo) in letters.unwrap_or_default() {
        let parcel = Parcel {
            reverse_path: None,
            to: to.clone(),
            cargo,
        };
        match hands.courier.deliver(&parcel).await {
            Outcome::Sent(reply) => info!(list = %of, notice = "trouble", deliver = "sent", reply),
            Outcome::Failed { text, .. } => {
                warn!(list = %of, notice = "trouble", deliver = "failed", reply = text);
            }
            // The next look at the waiting mail tries again.
            Outcome::Deferred { text, .. } => {
                info!(list = %of, notice = "trouble", deliver = "deferred", reply = text);
                continue;
            }
        }
        let (own, of, trouble) = (hands.clone(), of.clone(), trouble.clone());
        let noted = spawn_blocking(move || lock(&own.site.told).note(&of, &trouble, &to)).await;
        if let Ok(Err(problem)) = noted {
            hands.site.complain([&problem]);
        }
    }
}

/// Returns the notices that are due, and to whom.
fn letters(site: &Site, recipient: &Address, obstacle: &Obstacle) -> Vec<(Address, Cargo)> {
    let world = match site.world(recipient) {
        Ok(world) => world,
        // Nobody can be asked who the owners are: the listmasters see to it.
        Err(_) => match site.site_world(recipient.domain()) {
            Some(world) => world,
            None => return Vec::new(),
        },
    };
    let trouble = trouble(obstacle);
    let told = lock(&site.told);
    let people = world.policy().owners.iter();
    people
        .filter(|to| !told.knows(&obstacle.of, &trouble, to))
        .filter_map(|to| {
            let cargo = letter(site, &world, to, obstacle);
            Some((to.clone(), cargo?))
        })
        .collect()
}

fn letter(site: &Site, world: &World, to: &Address, obstacle: &Obstacle) -> Option<Cargo> {
    let letters = Letters {
        site,
        world,
        now: OffsetDateTime::now_utc(),
    };
    let mut facts = letters.facts(to).reason(obstacle.reason);
    let first = obstacle.problems.first();
    let kind = if obstacle.reason == Reason::KeyUnavailable {
        Kind::KeyUnavailable
    } else {
        let lines: Vec<String> = obstacle.problems.iter().map(Problem::text).collect();
        let report = format!("Mail to {} waits:\n{}", obstacle.of, lines.join("\n"));
        facts = facts.with(Variable::Report, &report).with(
            Variable::Commands,
            &format!("listseal check {}", obstacle.of),
        );
        Kind::OwnerReport
    };
    if let Some(problem) = first {
        facts = facts
            .with(Variable::File, &problem.file.display().to_string())
            .with(
                Variable::Problem,
                &format!("{} - {}", problem.problem, problem.remedy),
            );
    }
    let token = format!(
        "{}.{}",
        digest_hex(&obstacle.of, &trouble(obstacle)),
        to.local()
    );
    match letters.plain(kind, to, &facts, &token) {
        Ok(cargo) => Some(cargo),
        Err(error) => {
            warn!(list = %obstacle.of, notice = %error);
            None
        }
    }
}

/// Names a trouble: the same one is told once.
fn trouble(obstacle: &Obstacle) -> String {
    let lines: Vec<String> = obstacle.problems.iter().map(Problem::text).collect();
    format!("{}\n{}", obstacle.reason.code(), lines.join("\n"))
}
