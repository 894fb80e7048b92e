//! Durable acceptances per second, one after the other and by sixteen writers, beside a bare loop of
//! write, fsync, link, fsync of the directory, with the same bytes on the same file system.
//!
//! `cargo bench --bench acceptance` prints the table; `LISTSEAL_BENCH` names the directory to work
//! in, else it is cargo's target directory. Rounds take turns, and medians count. "intake" is the library's;
//! "queue" is the program, started anew for each mail as an MTA does, for information.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

mod common;

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::{HEADER, in_turn};
use listseal::config::Settings;
use listseal::intake;
use listseal::spool::{Spool, SpoolSettings};
use listseal::store::lists::Lists;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// Bytes of a mail.
const SIZE: usize = 10_000;
/// Mails a round.
const MAILS: usize = 320;
const ROUNDS: usize = 9;
/// Programs that are started for the column of information.
const PROGRAMS: usize = 160;

fn main() {
    let place = std::env::var_os("LISTSEAL_BENCH")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    std::fs::create_dir_all(&place).unwrap();
    let dir = tempfile::tempdir_in(&place).unwrap();
    let site = Site::new(dir.path());
    println!("durable acceptances of {SIZE} bytes per second");
    println!(
        "{:>7} {:>12} {:>12} {:>18} {:>12}",
        "writers", "intake", "bare loop", "bare over intake", "queue"
    );
    for writers in [1, 16] {
        let rates = in_turn(
            ROUNDS,
            || rate(MAILS, writers, &site.new, &|_| site.accept()),
            || rate(MAILS, writers, &site.bare, &|number| site.write(number)),
        );
        let queue = rate(PROGRAMS, writers, &site.new, &|_| site.queue());
        println!(
            "{writers:>7} {:>12.0} {:>12.0} {:>17.2}x {queue:>12.0}",
            rates.ours,
            rates.theirs,
            1.0 / rates.ratio
        );
    }
}

/// Does `work` so many times by so many threads and returns how often in a second; what came of it
/// is counted and taken away, off the clock.
fn rate(count: usize, writers: usize, result: &Path, work: &(dyn Fn(usize) + Sync)) -> f64 {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    let mut found = 0;
    for entry in std::fs::read_dir(result).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
        found += 1;
    }
    assert_eq!(found, count, "not everything is there");
    File::open(result).unwrap().sync_all().unwrap();
    count as f64 / seconds
}

/// A list, an empty spool, and a directory for the bare loop beside it.
struct Site {
    lists: Lists,
    config: PathBuf,
    new: PathBuf,
    bare: PathBuf,
    open: OwnedFd,
    mail: Vec<u8>,
}

impl Site {
    fn new(root: &Path) -> Self {
        let list = root.join("lists/example.org/team");
        std::fs::create_dir_all(&list).unwrap();
        std::fs::write(list.join("list.toml"), "owners = [\"olga@example.org\"]\n").unwrap();
        let config = root.join("listseal.toml");
        std::fs::write(
            &config,
            "[paths]\nlists = \"lists\"\nspool = \"spool\"\nstate = \"state\"\n",
        )
        .unwrap();
        let settings = Settings::load(&config).unwrap();
        drop(Spool::open(&SpoolSettings::from(&settings)).unwrap());
        let bare = root.join("bare");
        std::fs::create_dir(&bare).unwrap();
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut mail = HEADER.to_vec();
        mail.resize(SIZE, b'x');
        Self {
            open: rustix::fs::open(&bare, flags, Mode::empty()).unwrap(),
            new: settings.paths.spool.join("new"),
            lists: Lists::new(Arc::new(settings)),
            config,
            bare,
            mail,
        }
    }

    fn accept(&self) {
        let sender = Some("alice@example.org");
        intake::accept(&self.lists, "team@example.org", sender, &mut &self.mail[..]).unwrap();
    }

    /// The four calls that durability costs, and no more.
    fn write(&self, number: usize) {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
        let mode = Mode::from_raw_mode(0o600);
        let mut file = File::from(rustix::fs::openat(&self.open, ".", flags, mode).unwrap());
        file.write_all(&self.mail).unwrap();
        file.sync_all().unwrap();
        let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
        let name = number.to_string();
        rustix::fs::linkat(CWD, nameless, &self.open, name, AtFlags::SYMLINK_FOLLOW).unwrap();
        rustix::fs::fsync(&self.open).unwrap();
    }

    fn queue(&self) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_listseal"))
            .arg("--config")
            .arg(&self.config)
            .args(["queue", "team@example.org", "--sender", "alice@example.org"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&self.mail).unwrap();
        assert!(child.wait().unwrap().success());
    }
}
