//! The whole way of a mail, told in cases that are directories: `tests/flow/README.md` explains them.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs
)]

mod common;
#[path = "flow/expect.rs"]
mod expect;
#[path = "flow/notices.rs"]
mod notices;
#[path = "flow/play.rs"]
mod play;
#[path = "flow/script.rs"]
mod script;
#[path = "flow/state.rs"]
mod state;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use common::lab::lab;
use common::runner::{self, Case};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flow");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    let cases = cases.into_iter().map(|path| Case {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        run: Box::new(move || play::play(&path)),
    });
    let code = runner::main(cases.collect());
    lab().remove();
    code
}
