//! A disk that is watched, fails on demand and forgets to sync; and crash points. For tests alone:
//! compiled with the feature `faults`.
//!
//! # Place in the flow
//!
//! `tests/crash` sets a [`Plan`] for its thread and works with the spool and the stores in this
//! process; a whole program takes its faults from the environment: `FAIL=D8:kill9` (or `:panic`)
//! ends it at a row of the contract's table, `FAULT=12:EIO` fails its twelfth call.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{OFlags, fstat};
use rustix::io::Errno;

pub use super::call::Call;

/// Where in the program a call was made.
pub type Site = &'static Location<'static>;

/// What is to go wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with this.
    Errno(Errno),
    /// It writes half of what it is given; what is no write is done in full.
    Short,
}

/// What this thread's calls meet, and what they did.
#[derive(Debug, Default)]
pub struct Plan {
    /// The call that goes wrong, counted from 0, and how.
    pub fault: Option<(usize, Fault)>,
    /// The place whose syncs are left out.
    pub skip: Option<Site>,
    /// Calls so far.
    pub calls: usize,
    /// True once the fault was met.
    pub met: bool,
    /// True where it was a sync that met it.
    pub at_sync: bool,
    /// What was done, in order.
    pub trace: Vec<Call>,
    /// Every place that synced something.
    pub syncs: Vec<Site>,
}

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

/// Begins to watch this thread.
pub fn begin(plan: Plan) {
    PLAN.set(Some(plan));
}

/// Ends it, and returns what was seen.
#[must_use]
pub fn end() -> Plan {
    PLAN.take().unwrap_or_default()
}

/// Notes something down in the trace of this thread.
pub fn note(text: impl Into<String>) {
    record(|| Call::Note(text.into()));
}

fn record(call: impl FnOnce() -> Call) {
    PLAN.with_borrow_mut(|plan| {
        if let Some(plan) = plan {
            plan.trace.push(call());
        }
    });
}

/// What the environment of this process asks for.
struct Asked {
    calls: AtomicUsize,
    fault: Option<(usize, Fault)>,
    point: Option<(String, bool)>,
    reached: AtomicBool,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| {
    let pair = |name| {
        let text = std::env::var(name).ok()?;
        let (left, right) = text.split_once(':')?;
        Some((left.to_owned(), right.to_owned()))
    };
    Asked {
        calls: AtomicUsize::new(0),
        fault: pair("FAULT").and_then(|(at, what)| Some((at.parse().ok()?, fault(&what)?))),
        point: pair("FAIL").map(|(row, how)| (row, how == "kill9")),
        reached: AtomicBool::new(false),
    }
});

/// Every fault by its name.
pub const FAULTS: [(&str, Fault); 8] = [
    ("EIO", Fault::Errno(Errno::IO)),
    ("ENOSPC", Fault::Errno(Errno::NOSPC)),
    ("EDQUOT", Fault::Errno(Errno::DQUOT)),
    ("EROFS", Fault::Errno(Errno::ROFS)),
    ("EACCES", Fault::Errno(Errno::ACCESS)),
    ("EMFILE", Fault::Errno(Errno::MFILE)),
    ("EINTR", Fault::Errno(Errno::INTR)),
    ("short", Fault::Short),
];

fn fault(name: &str) -> Option<Fault> {
    let found = FAULTS.iter().find(|(one, _)| *one == name)?;
    Some(found.1)
}

/// Ends the process at the row that `FAIL` names, once.
#[allow(clippy::panic, reason = "to panic is what it is asked for")]
pub(super) fn point(row: &str) {
    let Some((asked, kill)) = &ASKED.point else {
        return;
    };
    if asked != row || ASKED.reached.swap(true, Ordering::SeqCst) {
        return;
    }
    if *kill {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // Nothing more happens while the signal is on its way.
        loop {
            std::thread::park();
        }
    }
    std::panic::panic_any(format!("stopped at {row}"));
}

/// Returns the number that the environment has under `name`.
pub(super) fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What this call is to meet, if anything.
fn meets(is_sync: bool) -> Option<Fault> {
    let here = PLAN.with_borrow_mut(|plan| {
        let plan = plan.as_mut()?;
        let number = plan.calls;
        plan.calls += 1;
        let (at, fault) = plan.fault?;
        plan.met |= at == number;
        plan.at_sync |= at == number && is_sync;
        (at == number).then_some(fault)
    });
    if here.is_some() {
        return here;
    }
    let (at, fault) = ASKED.fault?;
    if ASKED.calls.fetch_add(1, Ordering::SeqCst) != at {
        return None;
    }
    let what = if is_sync {
        "FAULT met: sync\n"
    } else {
        "FAULT met\n"
    };
    let _ = io::Write::write_all(&mut io::stderr(), what.as_bytes());
    Some(fault)
}

pub(super) fn before() -> Result<(), Errno> {
    fails(false)
}

fn fails(is_sync: bool) -> Result<(), Errno> {
    match meets(is_sync) {
        Some(Fault::Errno(errno)) => Err(errno),
        _ => Ok(()),
    }
}

/// True where the caller's sync is to be left out.
#[track_caller]
pub(super) fn is_skipped() -> Result<bool, Errno> {
    fails(true)?;
    let site = Location::caller();
    Ok(PLAN.with_borrow_mut(|plan| {
        let Some(plan) = plan else { return false };
        if !plan.syncs.contains(&site) {
            plan.syncs.push(site);
        }
        plan.skip == Some(site)
    }))
}

/// What is known of a file before it is opened.
pub(super) struct Opening {
    path: Option<PathBuf>,
    is_new: bool,
}

pub(super) fn opening(dir: BorrowedFd<'_>, name: &Path, flags: OFlags) -> Result<Opening, Errno> {
    if !flags.intersects(OFlags::CREATE | OFlags::TMPFILE) {
        return Ok(Opening {
            path: None,
            is_new: false,
        });
    }
    before()?;
    if flags.contains(OFlags::TMPFILE) {
        return Ok(Opening {
            path: None,
            is_new: true,
        });
    }
    let path = below(dir, name);
    let is_new = !path.exists();
    Ok(Opening {
        path: Some(path),
        is_new,
    })
}

impl Opening {
    pub(super) fn opened(self, file: BorrowedFd<'_>) {
        if self.is_new {
            record(|| Call::Make {
                file: number(file),
                path: self.path,
            });
        }
    }
}

/// Returns as much of `bytes` as is to be written.
pub(super) fn writing(bytes: &[u8]) -> Result<&[u8], Errno> {
    match meets(false) {
        Some(Fault::Errno(errno)) => Err(errno),
        Some(Fault::Short) => Ok(bytes.get(..bytes.len().div_ceil(2)).unwrap_or(bytes)),
        None => Ok(bytes),
    }
}

pub(super) fn wrote(file: &File, at: Option<u64>, bytes: &[u8]) {
    record(|| {
        let mut open = file;
        let end = open.stream_position().unwrap_or_default();
        let at = at.unwrap_or(end.saturating_sub(bytes.len() as u64));
        Call::Write {
            file: number(file.as_fd()),
            at,
            bytes: bytes.to_vec(),
        }
    });
}

pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let (mut rest, mut at) = (bytes, offset);
    while !rest.is_empty() {
        let written = match writing(rest) {
            Ok(part) => file.write_at(part, at),
            Err(errno) => Err(errno.into()),
        };
        match written {
            Ok(count) => {
                let (done, left) = rest.split_at(count.min(rest.len()));
                wrote(file, Some(at), done);
                at += count as u64;
                rest = left;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(super) fn cut(file: &File, length: u64) {
    record(|| Call::Cut {
        file: number(file.as_fd()),
        length,
    });
}

pub(super) fn synced(fd: BorrowedFd<'_>) {
    record(|| {
        let is_dir =
            fstat(fd).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir());
        if is_dir {
            Call::SyncDirectory {
                path: below(fd, Path::new("")),
            }
        } else {
            Call::Sync { file: number(fd) }
        }
    });
}

pub(super) fn synced_all() {
    record(|| Call::SyncAll);
}

pub(super) fn linked(file: &File, dir: BorrowedFd<'_>, name: &str) {
    record(|| Call::Link {
        file: number(file.as_fd()),
        path: below(dir, Path::new(name)),
    });
}

pub(super) fn renamed(from: BorrowedFd<'_>, old: &Path, to: BorrowedFd<'_>, new: &Path) {
    record(|| Call::Rename {
        from: below(from, old),
        to: below(to, new),
    });
}

pub(super) fn unlinked(dir: BorrowedFd<'_>, name: &Path) {
    record(|| Call::Unlink {
        path: below(dir, name),
    });
}

pub(super) fn made(dir: BorrowedFd<'_>, name: &Path) {
    record(|| Call::MakeDirectory {
        path: below(dir, name),
    });
}

/// Returns the whole path of `name` below an open directory.
fn below(dir: BorrowedFd<'_>, name: &Path) -> PathBuf {
    if name.is_absolute() {
        return name.to_owned();
    }
    let base = if dir.as_raw_fd() < 0 {
        std::env::current_dir().unwrap_or_default()
    } else {
        let link = format!("/proc/self/fd/{}", dir.as_raw_fd());
        std::fs::read_link(link).unwrap_or_default()
    };
    if name.as_os_str().is_empty() {
        base
    } else {
        base.join(name)
    }
}

fn number(file: BorrowedFd<'_>) -> u64 {
    fstat(file).map(|stat| stat.st_ino).unwrap_or_default()
}
