//! What came back from the members of each list, one small file a member.
//!
//! # Place in the flow
//!
//! The daemon enters reports and refusals; expand is told who is suspended; people look and resume
//! with `listseal subscriber`, beside a running daemon.
//!
//! # Trust
//!
//! Only members have a record, so that nobody fills the disk with addresses of his own. Names of
//! files are escaped addresses; what a file says of itself is checked against its name.
//!
//! # Invariants
//!
//! * A record is written whole or not at all, durably, and carries a checksum. A damaged one is
//!   named and counts as none: mail goes out, and failures count anew.
//! * Who changes a record holds the lock of its list.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::config::Problem;
use crate::config::permission::quoted;
use crate::disk;
use crate::model::Address;
use crate::model::bounce::Record;
use crate::model::escape::file_name;
use crate::model::roster::Roster;
use crate::store::journal::{sync_directory, trouble};

/// The records of the members of one list.
#[derive(Clone, Debug)]
pub struct Bounces {
    directory: PathBuf,
}

impl Bounces {
    /// Returns the records of `list` under `paths.state`; nothing is made before it is written.
    #[must_use]
    pub fn of(state: &Path, list: &Address) -> Self {
        Self {
            directory: state.join(DIRECTORY).join(file_name(list.key())),
        }
    }

    /// Returns the record of a member, where there is one.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is damaged.
    pub fn get(&self, member: &Address) -> Result<Option<Record>, Problem> {
        read(&self.path(member), Some(member))
    }

    /// Returns every record, sorted by address, and what is wrong with others.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn all(&self) -> Result<(Vec<Record>, Vec<Problem>), Problem> {
        let (mut records, mut problems) = (Vec::new(), Vec::new());
        for name in self.names()? {
            match read(&self.directory.join(name), None) {
                Ok(record) => records.extend(record),
                Err(problem) => problems.push(problem),
            }
        }
        records.sort_by(|a, b| a.address.cmp(&b.address));
        Ok((records, problems))
    }

    /// Returns the suspended members, and what is wrong with records.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn suspended(&self) -> Result<(HashSet<Address>, Vec<Problem>), Problem> {
        let (records, problems) = self.all()?;
        let suspended = records.into_iter().filter(|one| one.suspended.is_some());
        Ok((suspended.map(|one| one.address).collect(), problems))
    }

    /// Changes the record of a member, durably, and returns what `change` does; a damaged record is
    /// begun anew.
    ///
    /// # Errors
    ///
    /// The file system refused; fatal where a sync failed (R7).
    pub fn change<T>(
        &self,
        member: &Address,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Result<T, Problem> {
        let made = !self.directory.exists();
        let failed = |e: std::io::Error| trouble(&self.directory, "cannot be created", &e);
        disk::make_directories(&self.directory, 0o700).map_err(failed)?;
        if made {
            sync_directory(&self.directory)?;
        }
        let _lock = self.lock()?;
        let path = self.path(member);
        let before = match read(&path, Some(member)) {
            Err(problem) if !is_damage(&problem) => return Err(problem),
            found => found.ok().flatten(),
        };
        let mut record = before
            .clone()
            .unwrap_or_else(|| Record::new(member.clone()));
        let done = change(&mut record);
        if before.as_ref() != Some(&record) {
            self.write(&path, &record)?;
        }
        Ok(done)
    }

    /// Drops the records of who is no member any more: who comes back begins anew.
    ///
    /// # Errors
    ///
    /// The file system refused.
    pub fn retain(&self, roster: &Roster) -> Result<(), Problem> {
        let names = self.names()?;
        if names.is_empty() {
            return Ok(());
        }
        let members = roster.subscribers().iter();
        let known: HashSet<String> = members.map(|one| file_name(one.address.key())).collect();
        for name in names.iter().filter(|name| !known.contains(*name)) {
            let path = self.directory.join(name);
            let _lock = self.lock()?;
            match disk::unlink(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(trouble(&path, "cannot be removed", &e));
                }
                _ => sync_directory(&path)?,
            }
        }
        Ok(())
    }

    fn path(&self, member: &Address) -> PathBuf {
        self.directory.join(file_name(member.key()))
    }

    /// Names of records; what begins with a dot is none.
    fn names(&self) -> Result<Vec<String>, Problem> {
        let unread = |e: std::io::Error| trouble(&self.directory, "cannot be listed", &e);
        let listing = match std::fs::read_dir(&self.directory) {
            Ok(listing) => listing,
            // Where the state cannot be, its own check says so.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(e) => return Err(unread(e)),
        };
        let mut names = Vec::new();
        for entry in listing {
            let name = entry.map_err(unread)?.file_name();
            names.extend(name.into_string().ok().filter(|n| !n.starts_with('.')));
        }
        Ok(names)
    }

    fn write(&self, path: &Path, record: &Record) -> Result<(), Problem> {
        // Numbers, texts and options alone: this cannot fail.
        let json = serde_json::to_string(record).unwrap_or_default();
        let sum = crc32c::crc32c(json.as_bytes());
        let new = self.directory.join(DRAFT);
        let failed = |e: std::io::Error| trouble(path, "cannot be written", &e);
        let _ = disk::unlink(&new);
        let file = disk::create_new(&new, 0o600).map_err(failed)?;
        self.give(&file).map_err(failed)?;
        let written = disk::write_all(&file, format!("{json}\n{sum:08x}\n").as_bytes())
            .and_then(|()| disk::sync_file(&file))
            .and_then(|()| disk::rename(&new, path));
        if let Err(e) = written {
            // Half a record would keep a full disk full.
            let _ = disk::unlink(&new);
            return Err(failed(e));
        }
        sync_directory(path).map_err(Problem::fatal)
    }

    fn lock(&self) -> Result<File, Problem> {
        let path = self.directory.join(LOCK);
        let failed = |e: std::io::Error| trouble(&path, "cannot be locked", &e);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = disk::open(&path, flags, 0o600).map_err(failed)?;
        self.give(&file).map_err(failed)?;
        // Held for as long as one record takes.
        flock(&file, FlockOperation::LockExclusive).map_err(|errno| failed(errno.into()))?;
        Ok(file)
    }

    /// What root writes belongs to the daemon's user like the rest.
    fn give(&self, file: &File) -> std::io::Result<()> {
        let owner = std::fs::metadata(&self.directory)?.uid();
        if rustix::process::geteuid().is_root() && owner != 0 {
            std::os::unix::fs::fchown(file, Some(owner), None)?;
        }
        Ok(())
    }
}

/// Reads a record; of `member`, where that is known.
fn read(path: &Path, member: Option<&Address>) -> Result<Option<Record>, Problem> {
    let unread = |e: std::io::Error| trouble(path, "cannot be read", &e);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match disk::open(path, flags, 0) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unread(e)),
    };
    let mut text = String::new();
    match file.take(MAX_RECORD).read_to_string(&mut text) {
        Err(e) if e.kind() == ErrorKind::InvalidData => return Err(damaged(path)),
        read => drop(read.map_err(unread)?),
    }
    let record = parse(&text).ok_or_else(|| damaged(path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fits = file_name(record.address.key()) == name
        && member.is_none_or(|member| *member == record.address);
    if fits {
        Ok(Some(record))
    } else {
        Err(damaged(path))
    }
}

fn parse(text: &str) -> Option<Record> {
    let (json, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (crc32c::crc32c(json.as_bytes()) == sum).then(|| serde_json::from_str(json).ok())?
}

fn damaged(path: &Path) -> Problem {
    let remedy = format!("rm {}, then what came back counts anew", quoted(path));
    Problem::warning(path, DAMAGED, remedy)
}

fn is_damage(problem: &Problem) -> bool {
    problem.problem == DAMAGED
}

const DAMAGED: &str = "is a damaged record of what came back from a member";
/// Below `paths.state`.
pub(super) const DIRECTORY: &str = "bounces";
const LOCK: &str = ".lock";
const DRAFT: &str = ".new";
/// A record has four hundred days at most.
const MAX_RECORD: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bounce::{BounceRule, Failure, Worth};
    use crate::spool::testing::{CHILD, strace};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn fail(bounces: &Bounces, member: &str, day: u64) -> Result<bool, Problem> {
        let at = day * 86_400_000_000 + 1;
        let failure = Failure {
            post: at,
            cause: "x",
            at,
            worth: Worth::Hard,
            status: "5.1.1",
            text: "gone",
        };
        let rule = BounceRule {
            count: 2,
            ..BounceRule::default()
        };
        bounces.change(&address(member), |record| record.failure(&failure, rule))
    }

    #[test]
    fn records_survive_and_say_who_is_suspended() {
        let state = tempfile::tempdir().unwrap();
        let team = address("team@example.org");
        let bounces = Bounces::of(state.path(), &team);
        assert!(bounces.all().unwrap().0.is_empty());
        assert!(!fail(&bounces, "bob@x.org", 100).unwrap());
        assert!(!fail(&bounces, "carol@x.org", 100).unwrap());
        let bounces = Bounces::of(state.path(), &team);
        assert!(fail(&bounces, "Bob@X.org", 101).unwrap());
        let names: Vec<_> = bounces
            .all()
            .unwrap()
            .0
            .into_iter()
            .map(|one| one.address)
            .collect();
        assert_eq!(names, [address("bob@x.org"), address("carol@x.org")]);
        assert_eq!(
            bounces.suspended().unwrap().0,
            HashSet::from([address("bob@x.org")])
        );
        let (left, _) = Roster::parse("bob@x.org\ndora@x.org\n");
        bounces.retain(&left).unwrap();
        assert_eq!(bounces.all().unwrap().0.len(), 1);
        bounces.retain(&Roster::default()).unwrap();
        assert!(
            !fail(&bounces, "bob@x.org", 101).unwrap(),
            "who comes back begins anew"
        );
        let other = Bounces::of(state.path(), &address("other@example.org"));
        assert_eq!(other.get(&address("bob@x.org")).unwrap(), None);
    }

    #[test]
    fn writers_at_once_lose_no_count() {
        const WRITERS: u64 = 8;
        const EACH: u64 = 25;
        let state = tempfile::tempdir().unwrap();
        let team = address("team@example.org");
        let bob = address("bob@x.org");
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                // Each opens the lock for itself, as another process would.
                let bounces = Bounces::of(state.path(), &team);
                let bob = &bob;
                scope.spawn(move || {
                    for _ in 0..EACH {
                        bounces.change(bob, |record| record.delayed += 1).unwrap();
                    }
                });
            }
        });
        let record = Bounces::of(state.path(), &team).get(&bob).unwrap().unwrap();
        assert_eq!(record.delayed, WRITERS * EACH);
    }

    /// Enters one failure; by itself an ordinary test.
    #[test]
    fn child_enters_one_failure() {
        let own = tempfile::tempdir().unwrap();
        let dir = std::env::var_os(CHILD).map_or(own.path().to_owned(), PathBuf::from);
        let bounces = Bounces::of(&dir.join("state"), &address("team@example.org"));
        assert!(!fail(&bounces, "bob@x.org", 100).unwrap());
    }

    #[test]
    fn r1_record_is_synced_before_it_takes_its_name_and_its_directory_after() {
        let dir = tempfile::tempdir().unwrap();
        let child = "store::bounces::tests::child_enters_one_failure";
        let (output, trace) = strace(child, dir.path(), &[]);
        assert!(output.status.success(), "{output:?}\n{trace}");
        let steps: Vec<&str> = trace
            .lines()
            .skip_while(|line| !(line.contains("write(") && line.contains("/.new>")))
            .filter(|line| line.contains("/bounces/"))
            .filter_map(|line| match line {
                _ if line.contains("write(") => Some("write"),
                _ if line.contains("sync(") && line.contains("/.new>") => Some("sync file"),
                _ if line.contains("rename") => Some("rename"),
                _ if line.contains("sync(") => Some("sync directory"),
                _ => None,
            })
            .collect();
        let expected = ["write", "sync file", "rename", "sync directory"];
        assert_eq!(steps, expected, "{trace}");
    }

    #[test]
    fn every_damaged_byte_is_noticed_named_and_begun_anew() {
        let state = tempfile::tempdir().unwrap();
        let bounces = Bounces::of(state.path(), &address("team@example.org"));
        fail(&bounces, "bob@x.org", 100).unwrap();
        let path = bounces.path(&address("bob@x.org"));
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x11;
            std::fs::write(&path, &bad).unwrap();
            let (records, problems) = bounces.all().unwrap();
            // A hexadecimal digit has two cases.
            assert!(records.is_empty() && problems.len() == 1, "byte {at}");
            assert!(problems[0].remedy.starts_with("rm "));
        }
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            assert!(bounces.get(&address("bob@x.org")).is_err(), "{length}");
        }
        assert!(!fail(&bounces, "bob@x.org", 101).unwrap());
        assert_eq!(
            bounces
                .get(&address("bob@x.org"))
                .unwrap()
                .unwrap()
                .days
                .len(),
            1
        );
        // A record under another member's name is not his.
        std::fs::write(bounces.path(&address("eve@x.org")), &good).unwrap();
        assert!(bounces.get(&address("eve@x.org")).is_err());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(bounces.get(&address("bob@x.org")).is_err(), "E5");
    }

    #[test]
    fn e1_full_disk_refuses_a_record_and_keeps_the_old_one() {
        let Some(disk) = crate::spool::testing::Disk::of(256) else {
            return;
        };
        let bounces = Bounces::of(disk.path(), &address("team@example.org"));
        fail(&bounces, "bob@x.org", 100).unwrap();
        disk.fill();
        let refused = fail(&bounces, "bob@x.org", 101).unwrap_err();
        assert!(
            !refused.is_fatal && refused.remedy.contains("space"),
            "{refused}"
        );
        assert_eq!(
            bounces
                .get(&address("bob@x.org"))
                .unwrap()
                .unwrap()
                .days
                .len(),
            1
        );
        disk.empty();
        assert!(fail(&bounces, "bob@x.org", 101).unwrap());
    }
}
