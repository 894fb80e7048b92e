//! Tells people of troubles that make mail wait: once, until they are over (contract decision 3).
//!
//! # Trust
//!
//! Addresses and texts are the site's own; nothing of a message is told.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::Hands;
use super::letters::Letters;
use super::site::{Site, lock};
use super::world::{Obstacle, World};
use crate::config::Problem;
use crate::deliver::{Cargo, Outcome, Parcel};
use crate::model::{Address, Reason};
use crate::notice::{Kind, Variable};
use crate::store::told::digest_hex;

/// A trouble of mail for one of our addresses.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// The address.
    pub recipient: Address,
    /// What is wrong.
    pub obstacle: Obstacle,
}

/// Tells those who can mend a trouble; returns it where one of them has to be told later.
pub(super) async fn tell(hands: Arc<Hands>, told: Trouble) -> Option<Trouble> {
    let _alone = hands.telling.lock().await;
    let (own, about) = (hands.clone(), told.clone());
    let (of, trouble) = (told.obstacle.of.clone(), trouble(&told.obstacle));
    let mut later = None;
    let letters =
        spawn_blocking(move || letters(&own.site, &about.recipient, &about.obstacle)).await;
    for (to, cargo) in letters.unwrap_or_default() {
        let parcel = Parcel {
            reverse_path: None,
            to: to.clone(),
            cargo,
            name: None,
        };
        match hands.courier.deliver(&parcel).await {
            Outcome::Sent(reply) => info!(list = %of, notice = "trouble", deliver = "sent", reply),
            Outcome::Failed { text, .. } => {
                warn!(list = %of, notice = "trouble", deliver = "failed", reply = text);
            }
            Outcome::Deferred { text, .. } => {
                info!(list = %of, notice = "trouble", deliver = "deferred", reply = text);
                later = Some(told.clone());
                continue;
            }
            Outcome::Untried => continue,
        }
        let (own, of, trouble) = (hands.clone(), of.clone(), trouble.clone());
        let noted = spawn_blocking(move || lock(&own.site.told).note(&of, &trouble, &to)).await;
        if let Ok(Err(problem)) = noted {
            hands.site.complain([&problem]);
        }
    }
    later
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
        now: site.clock.wall(),
    };
    let mut facts = letters.facts(to).reason(obstacle.reason);
    let first = obstacle.problems.first();
    let kind = if obstacle.reason == Reason::KeyUnavailable {
        Kind::KeyUnavailable
    } else {
        let lines: Vec<String> = obstacle.problems.iter().map(Problem::text).collect();
        let of = &obstacle.of;
        let check = format!("listseal check {of}");
        let report = format!("Mail to {of} waits:");
        facts = facts
            .with(Variable::Report, &format!("{report}\n{}", lines.join("\n")))
            .with(Variable::Commands, &check);
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
