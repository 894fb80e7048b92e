//! Which troubles people were told of, kept over restarts.
//!
//! # Place in the flow
//!
//! The daemon tells owners of a trouble that makes mail wait: once, until it is over and begins
//! anew (contract decision 3).
//!
//! # Invariants
//!
//! * A trouble is noted down after the notice has left: a crash between the two repeats it, and
//!   never swallows it.
//! * The file shows no address: entries are digests.

use std::collections::HashSet;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::config::Problem;
use crate::model::{Address, hex};
use crate::store::journal::Journal;

/// The troubles that people know of.
#[derive(Debug)]
pub struct Told {
    journal: Journal,
    known: HashSet<Entry>,
}

/// Digest of who speaks, and of what he told whom.
type Entry = [[u8; 16]; 2];

impl Told {
    /// Opens the record under `paths.state`.
    ///
    /// # Errors
    ///
    /// It is in use by another process, or cannot be read or written.
    pub fn open(state: &Path) -> Result<Self, Problem> {
        let mut known = HashSet::new();
        let path = state.join("told").join("troubles");
        let (journal, _) = Journal::open(&path, *b"listseal know 1\n", PAYLOAD, |_, payload| {
            let mut entry = Entry::default();
            for (half, bytes) in entry.iter_mut().zip(payload.chunks_exact(16)) {
                half.copy_from_slice(bytes);
            }
            known.insert(entry);
        })?;
        Ok(Self { journal, known })
    }

    /// True where `to` was told of `trouble` of the list or site `of`.
    #[must_use]
    pub fn knows(&self, of: &Address, trouble: &str, to: &Address) -> bool {
        self.known.contains(&entry(of, trouble, to))
    }

    /// Notes down that `to` was told: durable when this returns.
    ///
    /// # Errors
    ///
    /// The file system refused.
    pub fn note(&mut self, of: &Address, trouble: &str, to: &Address) -> Result<(), Problem> {
        let entry = entry(of, trouble, to);
        if !self.known.contains(&entry) {
            self.journal.append(&[entry.concat()])?;
            self.known.insert(entry);
        }
        Ok(())
    }

    /// Forgets the troubles of `of`, which are over: what comes next is told again.
    ///
    /// # Errors
    ///
    /// The file system refused.
    pub fn settle(&mut self, of: &Address) -> Result<(), Problem> {
        let over = digest(&[of.key()]);
        if !self.known.iter().any(|[whose, _]| *whose == over) {
            return Ok(());
        }
        let mut left = self.known.clone();
        left.retain(|[whose, _]| *whose != over);
        let payloads: Vec<_> = left.iter().map(|entry| entry.concat()).collect();
        self.journal.replace(&payloads)?;
        self.known = left;
        Ok(())
    }
}

/// Bytes of a record without its checksum.
const PAYLOAD: usize = 32;

fn entry(of: &Address, trouble: &str, to: &Address) -> Entry {
    [digest(&[of.key()]), digest(&[trouble, to.key()])]
}

/// Returns a name of a trouble that shows nothing of it, for Message-IDs.
#[must_use]
pub fn digest_hex(of: &Address, trouble: &str) -> String {
    hex(&digest(&[of.key(), trouble]))
}

/// Digests texts with their lengths, so that no two lists of texts are alike.
pub(super) fn digest(texts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let mut out = [0; 16];
    out.iter_mut()
        .zip(hash.finalize())
        .for_each(|(to, from)| *to = from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_until_it_is_over_also_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let [team, other, olga] =
            ["team@x.org", "other@x.org", "olga@x.org"].map(|text| Address::parse(text).unwrap());
        let mut told = Told::open(state.path()).unwrap();
        assert!(!told.knows(&team, "locked", &olga));
        told.note(&team, "locked", &olga).unwrap();
        told.note(&other, "locked", &olga).unwrap();
        drop(told);
        let mut told = Told::open(state.path()).unwrap();
        assert!(told.knows(&team, "locked", &olga));
        assert!(!told.knows(&team, "missing", &olga), "another trouble");
        told.settle(&team).unwrap();
        assert!(!told.knows(&team, "locked", &olga));
        drop(told);
        let told = Told::open(state.path()).unwrap();
        assert!(!told.knows(&team, "locked", &olga));
        assert!(told.knows(&other, "locked", &olga));
    }

    #[test]
    fn e1_what_a_full_disk_did_not_take_is_neither_known_nor_forgotten() {
        let Some(disk) = crate::spool::testing::Disk::of(256) else {
            return;
        };
        let [team, olga] = ["team@x.org", "olga@x.org"].map(|text| Address::parse(text).unwrap());
        let mut told = Told::open(disk.path()).unwrap();
        told.note(&team, "locked", &olga).unwrap();
        disk.fill();
        let refused = (0..200).find(|n| told.note(&team, &n.to_string(), &olga).is_err());
        let refused = refused.unwrap().to_string();
        assert!(!told.knows(&team, &refused, &olga));
        assert!(told.settle(&team).is_err());
        assert!(told.knows(&team, "locked", &olga));
        disk.empty();
        told.note(&team, &refused, &olga).unwrap();
        drop(told);
        assert!(
            Told::open(disk.path())
                .unwrap()
                .knows(&team, &refused, &olga)
        );
    }
}
