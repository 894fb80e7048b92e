//! The command line: one file a subcommand, each a thin caller of the rooms behind it.
//!
//! Every subcommand file has `pub struct Args` (clap) and `pub fn run(args: &Args, config: &Path)
//! -> u8`, which returns an exit code of [`exit`].
//!
//! # Invariants
//!
//! * Exit codes are those of `sysexits.h`; whatever goes wrong locally in `queue` is 75, so that
//!   the MTA keeps the mail (contract R2).
//! * What a person reads goes to standard output, complaints to standard error, both through
//!   `console`: a reader who has gone (`| head`) is nobody's trouble.

#![allow(
    clippy::disallowed_methods,
    reason = "the command line is shell: it reads the clock and files and talks to people"
)]

pub mod audit;
pub mod check;
mod console;
pub mod demo;
pub mod exit;
pub mod inspect;
pub mod list;
pub mod queue;
pub mod run;
pub mod spool;
pub mod subscriber;
pub mod trust;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{CommandFactory as _, Parser as _};

use crate::config::settings::DEFAULT_FILE;

/// S/MIME relay for mailing lists
#[derive(Debug, clap::Parser)]
#[command(
    name = "listseal",
    version,
    arg_required_else_help = true,
    after_help = "\
When mail does not arrive: `listseal check` says what is wrong and how to mend it, \
`listseal spool ls` what waits and why.

Exit codes: 0 done; 1 it does not add up, or was not done; 64 used wrongly; 65 bad message; \
66 no such file or message; 67 no such list; 73 it cannot be made there; 75 try again later; \
78 bad configuration."
)]
struct Root {
    /// Configuration file; relative paths in it start from its directory
    // An empty LISTSEAL_CONFIG is a file that cannot be read, not a wrong use: 75 for an MTA (R2).
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LISTSEAL_CONFIG",
        default_value = DEFAULT_FILE,
        value_parser = OsStringValueParser::new().map(PathBuf::from)
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Audit(audit::Args),
    Check(check::Args),
    Demo(demo::Args),
    Inspect(Box<inspect::Args>),
    List(list::Args),
    Queue(queue::Args),
    Run(run::Args),
    Spool(spool::Args),
    Subscriber(subscriber::Args),
    Trust(trust::Args),
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    keep_memory_private();
    let root = match Root::try_parse() {
        Ok(root) => root,
        Err(error) => {
            // Help and version are answers, anything else is a wrong use. Nobody may be reading.
            let _ = error.print();
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::OK
            };
            return ExitCode::from(code);
        }
    };
    let config = root.config.as_path();
    ExitCode::from(match &root.command {
        Command::Audit(args) => audit::run(args, config),
        Command::Check(args) => check::run(args, config),
        Command::Demo(args) => demo::run(args),
        Command::Inspect(args) => inspect::run(args, config),
        Command::List(args) => list::run(args, config),
        Command::Queue(args) => queue::run(args, config),
        Command::Run(args) => run::run(args, config),
        Command::Spool(args) => spool::run(args, config),
        Command::Subscriber(args) => subscriber::run(args, config),
        Command::Trust(args) => trust::run(args, config),
    })
}

/// Keeps keys and what is decrypted out of core files and from other processes of the same user
/// (contract S40, S44).
fn keep_memory_private() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Neither can fail for a process that asks for less; if it does, the work is still to be done.
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Returns the whole command line, every subcommand and option, for those who check documents
/// against it.
#[must_use]
pub fn definition() -> clap::Command {
    let mut root = Root::command();
    root.build();
    root
}
