//! `listseal run`: the daemon.
//!
//! # Invariants
//!
//! * SIGTERM and SIGINT let what is under way come to its end (contract R16).
//! * The log goes to standard error; its level is the configuration's, not the environment's.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::warn;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::console::{complain, load};
use super::exit;
use crate::config::{Log, LogFormat, LogLevel};
use crate::daemon::{Daemon, DaemonError, Pace, Summary};
use crate::lmtp::Server;

/// Work on the spool: open, decide, seal, deliver
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 stopped in order, or nothing due any more; 75 another listseal has the spool, or \
the disk failed; 78 bad configuration.

Mail comes in by `listseal queue`, and over LMTP where lmtp.listen says, but not with --once.

What waits and why: `listseal spool ls`. What is wrong: `listseal check`.")]
pub struct Args {
    /// Try everything that is due once, then exit
    #[arg(long)]
    pub once: bool,
}

/// Runs the daemon until a signal, or with `--once` until everything due was tried once.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    let settings = match load(config) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    log(settings.log);
    let pace = if args.once { Pace::Once } else { Pace::Forever };
    let runtime = enough_threads().and_then(|()| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
    });
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return complain(&format_args!("no threads: {error}"), exit::TEMPORARY);
        }
    };
    let ended = runtime.block_on(async {
        // First of all: a signal while the spool is being recovered counts too.
        let stop = stop_signal();
        endure_file_limit();
        let settings = Arc::new(settings);
        let daemon = Daemon::start(settings.clone(), Arc::new(|_| ()))?;
        // After the spool's lock: an earlier daemon's socket is nobody's by now.
        let server = match pace {
            Pace::Forever => Server::open(&settings).await?,
            Pace::Once => None,
        };
        work(&daemon, pace, server, stop).await
    });
    // What counts was awaited; a thread that hangs in a system call must not hold up the end.
    runtime.shutdown_timeout(LEFTOVERS);
    match ended {
        Ok(Summary { .. }) => exit::OK,
        Err(error) => complain(&error, error.exit_code()),
    }
}

/// Works and takes mail in until `stop`, or until the daemon ends for a reason of its own.
async fn work(
    daemon: &Daemon,
    pace: Pace,
    server: Option<Server>,
    mut stop: watch::Receiver<bool>,
) -> Result<Summary, DaemonError> {
    let (halt, halted) = watch::channel(false);
    let serving = server.map(|server| tokio::spawn(server.serve(halted)));
    let mut run = std::pin::pin!(daemon.run(pace, stop.clone()));
    let ended = tokio::select! {
        ended = &mut run => ended,
        _ = stop.wait_for(|stop| *stop) => {
            halt.send_replace(true);
            run.await
        }
    };
    // R7: nothing is promised on a disk that failed.
    halt.send_replace(true);
    if let Some(serving) = serving
        && let Err(error) = serving.await
    {
        warn!("LMTP: {error}");
    }
    ended
}

/// Returns what turns true at the first SIGTERM, SIGINT or SIGHUP.
fn stop_signal() -> watch::Receiver<bool> {
    let (teller, stop) = watch::channel(false);
    let signals = signal(SignalKind::terminate()).and_then(|term| {
        let int = signal(SignalKind::interrupt())?;
        Ok((term, int, signal(SignalKind::hangup())?))
    });
    tokio::spawn(async move {
        if let Ok((mut term, mut int, mut hup)) = signals {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
                _ = hup.recv() => {}
            }
            teller.send_replace(true);
        }
        // Without handlers the signals end the process, as a crash would: nothing is lost.
        std::future::pending::<()>().await;
    });
    stop
}

/// Has as many threads at once as the daemon needs to get on. Without them (`TasksMax=`) it would wait
/// for ever for the one that could not be made (contract E3).
fn enough_threads() -> std::io::Result<()> {
    let wanted = std::thread::available_parallelism()?
        .get()
        .saturating_add(SPARE);
    let gate = Mutex::new(());
    std::thread::scope(|scope| {
        let _closed = gate.lock();
        (0..wanted).try_for_each(|_| {
            let waits = || drop(gate.lock());
            std::thread::Builder::new()
                .spawn_scoped(scope, waits)
                .map(drop)
        })
    })
}

/// Makes an error of a file that would be larger than the process may write (`LimitFSIZE=`), instead
/// of its end: the message in work waits and the others go on (contract E3).
fn endure_file_limit() {
    // The handler stays when this is dropped; without one it is the crash that it always was.
    drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())));
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
    // Other people's code may log at length what must not be logged: only its warnings pass.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let registry = tracing_subscriber::registry().with(targets);
    let lines = layer().with_writer(std::io::stderr).with_target(false);
    match log.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(lines.with_ansi(colour)).init();
        }
    }
}

/// Threads beside those that the runtime has for each processor: for the disk, for events.
const SPARE: usize = 8;
/// How long such a thread is waited for.
const LEFTOVERS: Duration = Duration::from_secs(2);
