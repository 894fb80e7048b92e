//! `listseal demo`: a whole site in a scratch directory, and six mails on their way through it.
//!
//! # Place in the flow
//!
//! Members' mail programs (played by `posts`) → intake → spool → daemon → files instead of mail.
//! Intake, spool and daemon are the real ones; what is printed was read from what they left behind.
//!
//! # Invariants
//!
//! * Nothing outside the directory is touched: no root, no network, no MTA.
//! * The plaintext of an encrypted post is never written, by the demo neither (contract S40).
//! * Escape sequences go to terminals alone.

mod account;
mod directory;
mod journey;
mod json;
mod page;
mod posts;
mod tries;
mod world;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use getrandom::SysRng;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use rand_core::UnwrapErr;
use time::OffsetDateTime;

use super::console::{self, Complaint};
use super::exit;
use directory::Directory;
use journey::Told;
use page::Ink;
use world::World;

/// See what Listseal does: a list, its members and six mails, in a scratch directory.
///
/// Makes a certificate authority, a list and members, hands in a plain, a signed, an encrypted, a
/// forged, an undecryptable and a replayed mail, and shows who got what and why. Needs no root, no
/// network and no mail server. The directory is kept, to look around in.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 everything went as it should; 1 a mail did not; 73 the directory cannot be used.")]
pub struct Args {
    /// Build it here: an empty directory, or one that does not exist; else a new one for
    /// temporary files
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Print a JSON array: the site, each mail, commands to try
    #[arg(long)]
    pub json: bool,
}

/// Why the demo ended early.
fn complaint(code: u8, why: impl std::fmt::Display) -> Complaint {
    (code, why.to_string())
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> u8 {
    let directory = match Directory::prepare(args.dir.as_deref()) {
        Ok(directory) => directory,
        Err(complaint) => return stop(&complaint, None),
    };
    match play(args, &directory) {
        Ok(code) => code,
        Err(complaint) => stop(&complaint, Some(&directory)),
    }
}

fn play(args: &Args, directory: &Directory) -> Result<u8, Complaint> {
    let progress = Progress::new(world::KEYS.saturating_add(posts::COUNT));
    let rng = &mut UnwrapErr(SysRng);
    progress.say("making keys");
    let world = World::build(directory, OffsetDateTime::now_utc(), rng, &|| {
        progress.step();
    })?;
    let posts = posts::write(&world, OffsetDateTime::now_utc(), rng)?;
    progress.say("mail is on its way");
    let told = journey::travel(directory, &world, posts, &|| progress.step())?;
    progress.end();
    let tries = tries::all(directory, &told);
    let text = if args.json {
        console::json(json::rows(directory, &world, &told, &tries))
    } else {
        page::write(Ink::of_stdout(), directory, &world, &told, &tries)
    };
    let code = if told.iter().all(Told::went_well) {
        exit::OK
    } else {
        exit::FAILED
    };
    Ok(console::print(text, code))
}

/// Says why the demo ended, and what is left of it.
fn stop((code, text): &Complaint, directory: Option<&Directory>) -> u8 {
    let rest = directory.map_or_else(String::new, |directory| {
        format!(
            "\nWhat was made so far is in {}\nTo remove it: {}",
            directory.path().display(),
            directory.removal()
        )
    });
    console::complain(&format_args!("{text}{rest}"), *code)
}

/// A bar on standard error, where that is a terminal.
struct Progress(ProgressBar);

impl Progress {
    fn new(steps: usize) -> Self {
        let steps = u64::try_from(steps).unwrap_or_default();
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        // Where the demo ends early the bar must not stand in front of the complaint.
        let bar = ProgressBar::with_draw_target(Some(steps), target)
            .with_finish(ProgressFinish::AndClear);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos:>2}/{len}  {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    fn say(&self, what: &'static str) {
        self.0.set_message(what);
    }

    fn step(&self) {
        self.0.inc(1);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
