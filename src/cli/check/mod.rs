//! `listseal check [LIST]`: every problem at once.
//!
//! # Invariants
//!
//! * It changes nothing and sends nothing.
//! * One line a problem, `error FILE:LINE: what is wrong - what to do`; an error means that
//!   something does not work, a warning that it hardly works as intended.

mod keys;
mod list;
mod members;
mod site;

use std::path::Path;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::cli::console::{Complaint, complain, print};
use crate::cli::exit;
use crate::config::permission::RelayUser;
use crate::config::{Problem, Settings};
use crate::model::Address;
use crate::store::anchors::TrustStore;
use crate::store::certificates::CertificateStore;
use crate::store::claims::KeyClaims;
use crate::store::directory::ListDirectory;
use crate::store::lists::Lists;

/// Name every problem of configuration, lists, keys, modes and certificates, with its remedy
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A line each: error or warning, FILE:LINE, what is wrong - what to do. It changes nothing.

Exit codes: 0 no error, perhaps warnings; 67 no such list; 78 errors.")]
pub struct Args {
    /// Look at this list alone, and at what it shares with the others
    #[arg(value_name = "LIST")]
    pub list: Option<String>,
    /// Print a JSON array of objects with level, file, line, list, problem and remedy
    #[arg(long)]
    pub json: bool,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lists.
    pub lists: usize,
    /// Their subscribers.
    pub subscribers: usize,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(problems) => return report(problems.0, Counts::default(), args.json),
    };
    let lists = Lists::new(Arc::new(settings));
    let only = match args
        .list
        .as_deref()
        .map(|name| named(&lists, name))
        .transpose()
    {
        Ok(only) => only,
        Err((code, text)) => {
            return complain(&text, code);
        }
    };
    let (found, counts) = examine(lists, only.as_ref(), OffsetDateTime::now_utc());
    report(found, counts, args.json)
}

/// Finds the list that a command was given.
pub(super) fn named(lists: &Lists, name: &str) -> Result<ListDirectory, Complaint> {
    let address = Address::parse(name).map_err(|e| {
        let text = format!("{name:?} {e}: write the address of a list");
        (exit::USAGE, text)
    })?;
    match lists.find(&address) {
        Ok(Some(list)) => Ok(list),
        Ok(None) => Err(no_list(&address)),
        Err(problem) => Err((exit::CONFIG, problem.text())),
    }
}

/// Says that there is no such list.
pub(super) fn no_list(address: &Address) -> Complaint {
    let text = format!("there is no list {address}: listseal list ls shows all");
    (exit::NO_USER, text)
}

/// Returns every problem of the site, or of one list and what it shares with the others.
#[must_use]
pub fn examine(
    lists: Lists,
    only: Option<&ListDirectory>,
    now: OffsetDateTime,
) -> (Vec<Problem>, Counts) {
    let user = RelayUser::of_site(lists.settings());
    let certificates = CertificateStore::new(&lists.settings().paths.certificates, user);
    let mut examination = Examination {
        lists,
        user,
        now,
        trust: TrustStore::default(),
        certificates,
        claims: KeyClaims::default(),
        found: Vec::new(),
        counts: Counts::default(),
    };
    examination.site(only);
    (sorted(examination.found), examination.counts)
}

/// A walk through the site.
struct Examination {
    lists: Lists,
    user: RelayUser,
    now: OffsetDateTime,
    trust: TrustStore,
    certificates: CertificateStore,
    claims: KeyClaims,
    found: Vec<Problem>,
    counts: Counts,
}

/// Site first, then list by list; errors, then warnings; each problem once.
fn sorted(found: Vec<Problem>) -> Vec<Problem> {
    let mut out: Vec<Problem> = Vec::with_capacity(found.len());
    for problem in found {
        let known = out.iter().any(|other| {
            (&other.file, other.line, &other.problem)
                == (&problem.file, problem.line, &problem.problem)
        });
        if !known {
            out.push(problem);
        }
    }
    out.sort_by(|a, b| (&a.list, a.severity).cmp(&(&b.list, b.severity)));
    out
}

fn report(found: Vec<Problem>, counts: Counts, json: bool) -> u8 {
    let errors = found.iter().filter(|problem| problem.is_error()).count();
    let text = if json {
        serde_json::to_string_pretty(&found).unwrap_or_default() + "\n"
    } else {
        written(&found, counts, errors)
    };
    print(text, if errors > 0 { exit::CONFIG } else { exit::OK })
}

fn written(found: &[Problem], counts: Counts, errors: usize) -> String {
    let mut out = String::new();
    let mut group = None;
    for problem in found {
        if problem.list != group {
            if let Some(list) = &problem.list {
                out.push_str(&format!("\n{list}\n"));
            }
            group.clone_from(&problem.list);
        }
        out.push_str(&format!("{problem}\n"));
    }
    if !found.is_empty() {
        out.push('\n');
    }
    let warnings = found.len().saturating_sub(errors);
    out.push_str(&format!(
        "{}, {}; {}, {}\n",
        plural(errors, "error"),
        plural(warnings, "warning"),
        plural(counts.lists, "list"),
        plural(counts.subscribers, "subscriber"),
    ));
    out
}

fn plural(count: usize, word: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {word}{ending}")
}
