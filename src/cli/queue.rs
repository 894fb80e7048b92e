//! `listseal queue`: the MTA's way in.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::config::Settings;
use crate::intake::{IntakeError, accept};
use crate::store::lists::Lists;

/// Take one message from standard input for a list: the MTA's way in
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 the message is safe on disk; 64 the address is none; 65 empty or too large; \
67 no such list; 75 local trouble, the MTA is to keep the message and try again.

Without --sender the variable SENDER tells the envelope sender (aliases, Exim), else the \
Return-Path on top of the message, else its mbox \"From \" line. An empty sender is <>.")]
pub struct Args {
    /// The address that the message was sent to: a list, one of its roles, or listseal@DOMAIN
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// Envelope sender as the MTA has it; empty for <>
    #[arg(long, value_name = "ADDR", allow_hyphen_values = true)]
    pub sender: Option<OsString>,
}

/// Takes the message; what goes wrong is said on standard error, where the MTA picks it up.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    match queue(args, config) {
        Ok(()) => super::exit::OK,
        Err(error) => {
            // One line, status first: Postfix and sendmail pass it on (RFC 3463).
            let text = error.to_string().replace('\n', "; ");
            super::console::say(&text, error.exit_code())
        }
    }
}

fn queue(args: &Args, config: &Path) -> Result<(), IntakeError> {
    // R2: a bad configuration is ours to mend while the MTA keeps the mail.
    let settings = Settings::load(config).map_err(|e| IntakeError::Local(e.to_string()))?;
    let lists = Lists::new(Arc::new(settings));
    // Whatever bytes it has, an odd sender is no reason to bounce.
    let sender = args.sender.clone().or_else(|| std::env::var_os("SENDER"));
    let sender = sender.as_ref().map(|sender| sender.to_string_lossy());
    let mut input = std::io::stdin().lock();
    accept(&lists, &args.address, sender.as_deref(), &mut input).map(|_| ())
}
