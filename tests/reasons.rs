//! One case for every reason code, under its name: `cargo test --test reasons weak-key`.
//!
//! A case makes what deserves the code and looks for it where people and scripts find it: in the
//! JSON of `listseal inspect`, in the log of the daemon, or in a case of `tests/flow` that expects
//! it, which is run there. The table of the program is the list: a code without a case fails, and a
//! case without a code.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs
)]

#[path = "reasons/chains.rs"]
mod chains;
mod common;
#[path = "reasons/flows.rs"]
mod flows;
#[path = "reasons/inspected.rs"]
mod inspected;
#[path = "reasons/sent.rs"]
mod sent;

use std::collections::BTreeMap;
use std::process::ExitCode;

use common::lab::lab;
use common::runner::{self, Case};
use listseal::model::Reason;

/// What provokes a code and finds it.
type Provoke = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

fn main() -> ExitCode {
    let mut known: BTreeMap<&str, Provoke> = BTreeMap::new();
    let all = inspected::cases()
        .into_iter()
        .chain(chains::cases())
        .chain(flows::cases())
        .chain(sent::cases());
    let mut problems = Vec::new();
    for (code, provoke) in all {
        if Reason::from_code(code).is_none() {
            problems.push(format!("{code} is no code of the program"));
        }
        if known.insert(code, provoke).is_some() {
            problems.push(format!("{code} has two cases"));
        }
    }
    let mut cases = Vec::new();
    for code in Reason::ALL.iter().map(|reason| reason.code()) {
        match known.remove(code) {
            Some(provoke) => cases.push(Case {
                name: code.to_owned(),
                run: Box::new(move || provoke(code)),
            }),
            None => problems.push(format!("{code} has no case")),
        }
    }
    cases.push(Case {
        name: "every_code_has_one_case".to_owned(),
        run: Box::new(move || {
            let problems = problems.join("\n");
            problems.is_empty().then_some(()).ok_or(problems)
        }),
    });
    let ended = runner::main(cases);
    lab().remove();
    ended
}
