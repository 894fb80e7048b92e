//! `listseal audit`: every accepted message has one recorded end or is still here.

use std::path::Path;

use serde_json::{Value, json as object};

use super::console::{complain, json, load, print};
use super::exit;
use crate::spool::Desk;
use crate::spool::audit::Audit;

/// Prove that nothing was lost: every message and copy has one recorded end, or is still open
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It counts under way too and changes nothing. A message that is missing is named with what to do \
about it.

Exit codes: 0 it adds up; 1 it does not; 75 the spool cannot be read; 78 bad configuration.")]
pub struct Args {
    /// Print a JSON array: an object for messages, one for copies, one for each problem
    #[arg(long)]
    pub json: bool,
}

/// Prints both sides of the law and returns 1 if it does not hold.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    let settings = match load(config) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let audited = Desk::open(&settings.paths.spool)
        .and_then(|desk| desk.map_or_else(|| Ok(Audit::default()), |desk| desk.audit()));
    let audit = match audited {
        Ok(audit) => audit,
        Err(error) => return complain(&error, error.exit_code()),
    };
    let code = if audit.holds() {
        exit::OK
    } else {
        exit::FAILED
    };
    if args.json {
        print(json(rows(&audit)), code)
    } else {
        print(text(&audit), code)
    }
}

fn rows(audit: &Audit) -> Vec<Value> {
    let ended = &audit.ended;
    let mut rows = vec![
        object!({
            "law": "messages", "holds": audit.accepted == audit.messages(),
            "accepted": audit.accepted, "distributed": ended.distributed,
            "answered": ended.answered, "forwarded": ended.forwarded, "refused": ended.refused,
            "discarded": ended.discarded, "reported": ended.reported, "held": audit.held, "bad": audit.bad, "open": audit.open,
        }),
        object!({
            "law": "copies", "holds": audit.planned == audit.copies(), "planned": audit.planned,
            "sent": ended.sent, "failed": ended.failed, "withheld": ended.withheld,
            "open": audit.copies_open,
        }),
    ];
    rows.extend(audit.lost.iter().map(|id| object!({"lost": id})));
    rows.extend(
        audit
            .problems
            .iter()
            .map(|problem| object!({"problem": problem})),
    );
    rows
}

fn text(audit: &Audit) -> String {
    let ended = &audit.ended;
    let mark = |holds: bool| if holds { "adds up" } else { "DOES NOT ADD UP" };
    let mut out = format!(
        "messages: accepted {} = distributed {} + answered {} + forwarded {} + refused {} \
         + discarded {} + reported {} + held {} + bad {} + open {}: {}\n",
        audit.accepted,
        ended.distributed,
        ended.answered,
        ended.forwarded,
        ended.refused,
        ended.discarded,
        ended.reported,
        audit.held,
        audit.bad,
        audit.open,
        mark(audit.accepted == audit.messages()),
    );
    out += &format!(
        "copies: planned {} = sent {} + failed {} + withheld {} + open {}: {}\n",
        audit.planned,
        ended.sent,
        ended.failed,
        ended.withheld,
        audit.copies_open,
        mark(audit.planned == audit.copies()),
    );
    for id in &audit.lost {
        out += &format!(
            "LOST {id}: was accepted, has no recorded end and no file; \
             once looked into, close it with: listseal spool discard {id}\n"
        );
    }
    for problem in &audit.problems {
        out += &format!("problem: {problem}\n");
    }
    out
}
