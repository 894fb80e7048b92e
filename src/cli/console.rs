//! What commands say to people and ask them.
//!
//! # Invariants
//!
//! * A reader who has gone (`listseal spool ls | head`) is no error and ends nothing early; a disk
//!   that is full is one.
//! * Without a terminal a question is a refusal.

use std::fmt::Display;
use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;

use serde_json::Value;

use super::exit;
use crate::config::Settings;

/// An exit code and the sentence that explains it.
pub(super) type Complaint = (u8, String);

/// Reads the configuration, or says everything that is wrong with it.
pub(super) fn load(config: &Path) -> Result<Settings, u8> {
    Settings::load(config).map_err(|problems| say(&problems, exit::CONFIG))
}

/// Writes a complaint to standard error and returns `code`.
pub(super) fn complain(text: &dyn Display, code: u8) -> u8 {
    say(&format_args!("listseal: {text}"), code)
}

/// Writes a line to standard error and returns `code`.
pub(super) fn say(text: &dyn Display, code: u8) -> u8 {
    // If nobody hears it, the exit code has to do.
    let _ = writeln!(std::io::stderr(), "{text}");
    code
}

/// Writes to standard output and returns `code`, or the code of an output that cannot be written.
pub(super) fn print(text: impl AsRef<[u8]>, code: u8) -> u8 {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => complain(
            &format_args!("standard output cannot be written: {error}"),
            exit::IO,
        ),
    }
}

/// Returns `rows` as commands print them with `--json`: a top-level array.
pub(super) fn json(rows: Vec<Value>) -> String {
    format!("{:#}\n", Value::Array(rows))
}

/// Asks on the terminal unless `force`; `refused` says what was not done without a yes.
pub(super) fn confirm(force: bool, question: &str, refused: &str) -> Result<(), Complaint> {
    if force {
        return Ok(());
    }
    let mut input = std::io::stdin().lock();
    if !input.is_terminal() {
        let text = format!("{refused}: there is no terminal to ask on, add --force");
        return Err((exit::USAGE, text));
    }
    let mut out = std::io::stderr();
    let _ = write!(out, "{question} [y/N] ");
    let _ = out.flush();
    let mut answer = String::new();
    let read = input.read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err((exit::FAILED, refused.to_owned()))
    }
}
