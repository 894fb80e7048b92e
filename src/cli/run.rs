//! `listseal run`: the daemon.
//!
//! # Invariants
//!
//! * SIGTERM and SIGINT let what is under way come to its end (contract R16).
//! * The log goes to standard error; its level is the configuration's, not the environment's.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::filter::LevelFilter;

use super::console::{complain, load};
use super::exit;
use crate::config::{Log, LogFormat, LogLevel, Settings};
use crate::daemon::{Daemon, DaemonError, Pace, Summary};

/// Work on the spool: open, decide, seal, deliver
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 stopped in order, or nothing due any more; 75 another listseal has the spool, or \
the disk failed; 78 bad configuration.

What waits and why: `listseal spool ls`. What is wrong: `listseal check`.")]
pub struct Args {
    /// Work until nothing is due, then exit
    #[arg(long)]
    pub once: bool,
}

/// Runs the daemon until a signal, or with `--once` until nothing is due.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    let settings = match load(config) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    log(settings.log);
    let pace = if args.once { Pace::Once } else { Pace::Forever };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return complain(&format_args!("no threads: {error}"), exit::TEMPORARY);
        }
    };
    match runtime.block_on(work(settings, pace)) {
        Ok(_) => exit::OK,
        Err(error) => complain(&error, error.exit_code()),
    }
}

async fn work(settings: Settings, pace: Pace) -> Result<Summary, DaemonError> {
    let daemon = Daemon::start(Arc::new(settings), Arc::new(|_| ()))?;
    let (teller, stop) = watch::channel(false);
    tokio::spawn(async move {
        signalled().await;
        // Nobody listens any more when the work is done.
        let _ = teller.send(true);
    });
    daemon.run(pace, stop).await
}

/// Returns at the first SIGTERM or SIGINT.
async fn signalled() {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        // Without handlers the signals end the process, as a crash would: nothing is lost.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Sends the log to standard error, one event a line.
fn log(log: Log) {
    let level = match log.level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Warn => LevelFilter::WARN,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false);
    match log.format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Text => lines
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .init(),
    }
}
