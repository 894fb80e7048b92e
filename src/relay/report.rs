//! What the daemon tells people on its own account: kept in the spool like a message, so that
//! neither a crash nor a mail server that is away loses it (contract D10, D11).
//!
//! # Place in the flow
//!
//! daemon → **[`Report`]** → spool → judge → a plan of notices → deliver.
//!
//! # Invariants
//!
//! * The same report is the same bytes, so that one written twice around a crash is told once
//!   (contract D1).
//! * Only notices for owners: nothing here answers anybody.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Reason;
use crate::model::plan::Disposition;
use crate::notice::kind::Audience;
use crate::notice::{Kind, Variable};
use crate::relay::{Case, Decision, Noted, Ruling};

/// A report to the owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the notice.
    kind: String,
    /// Its variables.
    facts: BTreeMap<String, String>,
    /// What it is about: another cause is another report.
    cause: String,
}

impl Report {
    /// Returns a report because of `cause`.
    #[must_use]
    pub fn new(kind: Kind, facts: Noted, cause: impl Into<String>) -> Self {
        Self {
            kind: kind.name().to_owned(),
            facts: facts.0,
            cause: cause.into(),
        }
    }

    /// Returns a report in lines, with commands for the administrator.
    #[must_use]
    pub fn of_owners(reason: Reason, lines: &[String], commands: &str, cause: String) -> Self {
        let facts = Noted::default()
            .reason(reason)
            .with(Variable::Report, lines.join("\n"))
            .with(Variable::Commands, commands);
        Self::new(Kind::OwnerReport, facts, cause)
    }

    /// Returns it as the spool keeps it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Texts alone: this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Returns what follows from a report that was kept: a notice to each of the owners.
#[must_use]
pub fn tell(case: &Case<'_>) -> Ruling {
    let mut plan = case.plan(Disposition::Report, None);
    let report = serde_json::from_slice::<Report>(case.message).ok();
    let kind = report.as_ref().and_then(|one| Kind::from_name(&one.kind));
    match (report, kind.filter(|one| one.audience() == Audience::Owner)) {
        (Some(report), Some(kind)) => {
            let facts = Noted(report.facts);
            plan.items = case.notices(case.speaker.owners, kind, &facts, false);
        }
        // An older or newer program wrote it.
        _ => plan.reason = Some(Reason::Malformed),
    }
    Decision::of(plan)
}
