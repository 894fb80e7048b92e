//! What a list distributed before: content keys, Message-IDs, exact bytes; and its post numbers.
//!
//! # Place in the flow
//!
//! open → **replay** (seen?) → authorize → **replay** (admit, durable) → plan.
//!
//! # Trust
//!
//! The file shows nothing to who reads it: every entry is an HMAC under a secret of the list
//! (contract S19). Because the secret and not the bytes is compared, a content key is known again in
//! any other envelope.
//!
//! # Invariants
//!
//! * [`ReplayStore::admit`] returns after its entries are on the disk; it is called when a post is
//!   admitted, never for a refused one, which may be sent again (decision 4, D4).
//! * An entry tagged with the message's own id does not count against it: after a crash between
//!   this and the plan the message comes again under its id.
//! * Content keys are kept for ever, Message-IDs 400 days, exact bytes 7 days (S19, W1).
//! * The secret is never made anew while there are entries: they would all be forgotten silently.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::config::Problem;
use crate::config::permission::{RelayUser, read_private};
use crate::disk;
use crate::model::escape::file_name;
use crate::model::trace::without_trace;
use crate::model::{Address, SpoolId};
use crate::store::journal::{Damage, Journal, sync_directory, trouble};
use crate::store::replay_entry::{Entry, PAYLOAD};

/// The memory of one list.
#[derive(Debug)]
pub struct ReplayStore {
    journal: Journal,
    key: hmac::Key,
    /// Beginning of the HMAC → number of its newest record.
    index: HashMap<[u8; 16], u64>,
    sequence: Option<(u64, SpoolId)>,
    damage: Damage,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A content-encryption key.
    ContentKey,
    /// A Message-ID.
    MessageId,
    /// A whole message with its envelope sender.
    Bytes,
}

/// What can be looked up: an HMAC that shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(super) what: What,
    pub(super) mac: [u8; 32],
}

/// An earlier message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: SpoolId,
    /// True when its author was proven by a signature.
    pub proven: bool,
}

impl ReplayStore {
    /// Opens the memory of `list` under `paths.state`, and tidies it up where most of it expired.
    ///
    /// # Errors
    ///
    /// It is in use by another process, or a file cannot be read, written or trusted.
    pub fn open(state: &Path, list: &Address, now: OffsetDateTime) -> Result<Self, Problem> {
        let directory = Self::directory(state, list);
        let mut index = HashMap::new();
        let mut sequence = None;
        let (journal, damage) = Journal::open(
            &directory.join("seen"),
            *b"listseal seen 1\n",
            PAYLOAD,
            |number, payload| match Entry::from_payload(payload) {
                Some(Entry::Seen { key, .. }) => {
                    index.insert(short(&key.mac), number);
                }
                Some(Entry::Number { number, id, .. }) => sequence = Some((number, id)),
                None => {}
            },
        )?;
        let secret = secret(&directory.join("secret"), journal.count() == 0)?;
        let mut store = Self {
            journal,
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            index,
            sequence,
            damage,
        };
        store.tidy(now)?;
        Ok(store)
    }

    /// Returns the directory of `list`'s memory.
    #[must_use]
    pub fn directory(state: &Path, list: &Address) -> PathBuf {
        state.join("replay").join(file_name(list.key()))
    }

    /// Returns what was damaged when the memory was opened.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.damage
    }

    /// Returns the key of a content-encryption key.
    #[must_use]
    pub fn content_key(&self, cek: &[u8]) -> Key {
        self.mac(What::ContentKey, b"content key", &[cek])
    }

    /// Returns the key of a Message-ID, with or without its angle brackets.
    #[must_use]
    pub fn message_id(&self, id: &str) -> Key {
        let bare = id.trim().trim_start_matches('<').trim_end_matches('>');
        self.mac(What::MessageId, b"message-id", &[bare.as_bytes()])
    }

    /// Returns the key of a message as handed in: envelope sender and bytes, without the trace
    /// fields that a mail server puts in front of each copy (window W1).
    #[must_use]
    pub fn bytes(&self, sender: &str, message: &[u8]) -> Key {
        let message = without_trace(message);
        self.mac(What::Bytes, b"bytes", &[sender.as_bytes(), message])
    }

    /// Returns the message that brought this before, unless it is the message `own` itself.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn seen(
        &self,
        key: &Key,
        own: SpoolId,
        now: OffsetDateTime,
    ) -> Result<Option<Seen>, Problem> {
        let Some(number) = self.index.get(&short(&key.mac)) else {
            return Ok(None);
        };
        let payload = self.journal.read(*number)?;
        let found = match payload.as_deref().and_then(Entry::from_payload) {
            Some(
                entry @ Entry::Seen {
                    key: found, seen, ..
                },
            ) => {
                let counts = found == *key && seen.id != own && !entry.is_expired(now);
                counts.then_some(seen)
            }
            _ => None,
        };
        Ok(found)
    }

    /// Notes down that the message `id` was admitted, and returns its number on the list, the same
    /// one when asked again for the newest message.
    ///
    /// # Errors
    ///
    /// The file system refused; nothing may be distributed then.
    pub fn admit(
        &mut self,
        id: SpoolId,
        proven: bool,
        keys: &[Key],
        now: OffsetDateTime,
    ) -> Result<u64, Problem> {
        let mut entries = self.missing(id, proven, keys, now)?;
        let number = match self.sequence {
            Some((number, owner)) if owner == id => number,
            last => {
                let next = last.map_or(1, |(number, _)| number.saturating_add(1));
                entries.push(Entry::Number {
                    number: next,
                    id,
                    at: now,
                });
                next
            }
        };
        self.append(&entries)?;
        Ok(number)
    }

    fn missing(
        &self,
        id: SpoolId,
        proven: bool,
        keys: &[Key],
        now: OffsetDateTime,
    ) -> Result<Vec<Entry>, Problem> {
        let mut entries = Vec::new();
        for key in keys {
            if !self.is_noted(key, id)? {
                entries.push(Entry::Seen {
                    key: *key,
                    seen: Seen { id, proven },
                    at: now,
                });
            }
        }
        Ok(entries)
    }

    fn is_noted(&self, key: &Key, id: SpoolId) -> Result<bool, Problem> {
        let Some(number) = self.index.get(&short(&key.mac)) else {
            return Ok(false);
        };
        let payload = self.journal.read(*number)?;
        let entry = payload.as_deref().and_then(Entry::from_payload);
        Ok(matches!(entry, Some(Entry::Seen { key: found, seen, .. })
            if found == *key && seen.id == id))
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), Problem> {
        let payloads: Vec<_> = entries.iter().map(|entry| entry.to_payload()).collect();
        let first = self.journal.append(&payloads)?;
        for (entry, number) in entries.iter().zip(first..) {
            match entry {
                Entry::Seen { key, .. } => {
                    self.index.insert(short(&key.mac), number);
                }
                Entry::Number { number, id, .. } => self.sequence = Some((*number, *id)),
            }
        }
        Ok(())
    }

    /// Rewrites the file where more than half of a thousand and more records are dead.
    fn tidy(&mut self, now: OffsetDateTime) -> Result<(), Problem> {
        if self.journal.count() < WORTH_TIDYING {
            return Ok(());
        }
        let mut numbers: Vec<u64> = self.index.values().copied().collect();
        numbers.sort_unstable();
        let mut alive = Vec::new();
        for number in numbers {
            let payload = self.journal.read(number)?;
            if let Some(entry) = payload.as_deref().and_then(Entry::from_payload)
                && !entry.is_expired(now)
            {
                alive.push(entry);
            }
        }
        if (alive.len() as u64).saturating_mul(2) > self.journal.count() {
            return Ok(());
        }
        if let Some((number, id)) = self.sequence {
            alive.push(Entry::Number {
                number,
                id,
                at: now,
            });
        }
        let payloads: Vec<_> = alive.iter().map(|entry| entry.to_payload()).collect();
        self.journal.replace(&payloads)?;
        self.index = alive
            .iter()
            .zip(0..)
            .filter_map(|(entry, number)| match entry {
                Entry::Seen { key, .. } => Some((short(&key.mac), number)),
                Entry::Number { .. } => None,
            })
            .collect();
        Ok(())
    }

    fn mac(&self, what: What, label: &[u8], parts: &[&[u8]]) -> Key {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            // Lengths in front: no two lists of parts are the same bytes.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.update(label);
        let mut mac = [0; 32];
        for (to, from) in mac.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Key { what, mac }
    }
}

fn short(mac: &[u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(mac) {
        *to = *from;
    }
    out
}

/// Reads the secret, or makes it where nothing was noted down under one yet.
pub(super) fn secret(path: &Path, may_create: bool) -> Result<Zeroizing<Vec<u8>>, Problem> {
    if may_create && !path.exists() {
        create_secret(path)?;
    }
    let bytes = read_private(path, RelayUser::current())?;
    if bytes.len() == SECRET {
        return Ok(bytes);
    }
    Err(Problem::error(
        path,
        format!("has {} bytes instead of {SECRET}", bytes.len()),
        "bring it back from a backup; without it the list does not know what it distributed",
    ))
}

fn create_secret(path: &Path) -> Result<(), Problem> {
    let failed = |e: std::io::Error| trouble(path, "cannot be written", &e);
    let mut secret = Zeroizing::new([0_u8; SECRET]);
    getrandom::fill(&mut *secret)
        .map_err(|_| failed(std::io::Error::other("the system gives no random numbers")))?;
    let new = path.with_extension("new");
    let _ = disk::unlink(&new);
    let file = disk::create_new(&new, 0o600).map_err(failed)?;
    disk::write_all(&file, &*secret)
        .and_then(|()| disk::sync_file(&file))
        .and_then(|()| disk::rename(&new, path))
        .map_err(failed)?;
    sync_directory(path)
}

/// Length of the secret in bytes.
const SECRET: usize = 32;
/// Fewer records are not worth a rewrite.
const WORTH_TIDYING: u64 = 1000;

impl What {
    /// Returns how long an entry counts.
    pub(super) fn lifetime(self) -> Option<Duration> {
        match self {
            Self::Bytes => Some(Duration::days(7)),
            Self::ContentKey => None,
            Self::MessageId => Some(Duration::days(400)),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 10:00 UTC);

    fn id(n: u64) -> SpoolId {
        SpoolId::new(n, n, [0; 8])
    }

    fn list() -> Address {
        Address::parse("team@example.org").unwrap()
    }

    fn open(state: &Path) -> ReplayStore {
        ReplayStore::open(state, &list(), NOW).unwrap()
    }

    /// Keys of a message without its number: one record each.
    fn note(store: &mut ReplayStore, n: u64, keys: &[Key]) {
        let entries = store.missing(id(n), true, keys, NOW).unwrap();
        store.append(&entries).unwrap();
    }

    fn by(n: u64, proven: bool) -> Option<Seen> {
        Some(Seen { id: id(n), proven })
    }

    #[test]
    fn s19_content_key_is_known_again_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let mut store = open(state.path());
        let key = store.content_key(&[7; 32]);
        assert_eq!(store.seen(&key, id(1), NOW).unwrap(), None);
        assert_eq!(store.admit(id(1), true, &[key], NOW).unwrap(), 1);
        assert_eq!(store.seen(&key, id(2), NOW).unwrap(), by(1, true));
        drop(store);
        let store = open(state.path());
        assert_eq!(store.content_key(&[7; 32]), key, "the secret is the same");
        let later = NOW + Duration::days(40_000);
        assert_eq!(
            store.seen(&key, id(2), later).unwrap(),
            by(1, true),
            "content keys never expire"
        );
        assert_eq!(
            store
                .seen(&store.content_key(&[8; 32]), id(2), NOW)
                .unwrap(),
            None
        );
    }

    #[test]
    fn d4_own_id_may_pass_again_and_keeps_its_number() {
        let state = tempfile::tempdir().unwrap();
        let mut store = open(state.path());
        let keys = [store.content_key(&[1; 16]), store.message_id("<a@b>")];
        assert_eq!(store.admit(id(1), false, &keys, NOW).unwrap(), 1);
        drop(store);
        let mut store = open(state.path());
        for key in &keys {
            assert_eq!(store.seen(key, id(1), NOW).unwrap(), None);
        }
        assert_eq!(store.admit(id(1), false, &keys, NOW).unwrap(), 1);
        assert_eq!(store.admit(id(2), false, &[], NOW).unwrap(), 2);
        drop(store);
        assert_eq!(open(state.path()).admit(id(3), false, &[], NOW).unwrap(), 3);
    }

    #[test]
    fn decision_4_two_lists_are_two_mails() {
        let state = tempfile::tempdir().unwrap();
        let mut team = open(state.path());
        let other = Address::parse("club@example.org").unwrap();
        let club = ReplayStore::open(state.path(), &other, NOW).unwrap();
        let key = team.content_key(&[1; 16]);
        team.admit(id(1), true, &[key], NOW).unwrap();
        assert_ne!(
            club.content_key(&[1; 16]),
            key,
            "each list has its own secret"
        );
        assert_eq!(
            club.seen(&club.content_key(&[1; 16]), id(2), NOW).unwrap(),
            None
        );
    }

    #[test]
    fn message_ids_count_400_days_and_exact_bytes_7() {
        let state = tempfile::tempdir().unwrap();
        let mut store = open(state.path());
        let message_id = store.message_id(" <A@b> ");
        assert_eq!(message_id, store.message_id("A@b"));
        let bytes = store.bytes("a@x.org", b"A: b\r\n\r\nx");
        store
            .admit(id(1), false, &[message_id, bytes], NOW)
            .unwrap();
        for (key, days) in [(message_id, 400), (bytes, 7)] {
            let last = NOW + Duration::days(days);
            assert_eq!(store.seen(&key, id(2), last).unwrap(), by(1, false));
            assert_eq!(
                store.seen(&key, id(2), last + Duration::SECOND).unwrap(),
                None
            );
            assert_eq!(
                store.seen(&key, id(2), NOW - Duration::days(3650)).unwrap(),
                by(1, false)
            );
        }
    }

    #[test]
    fn w1_trace_fields_of_a_second_hand_in_do_not_matter() {
        let state = tempfile::tempdir().unwrap();
        let store = open(state.path());
        let one = b"Return-Path: <a@x.org>\r\nReceived: from a\r\n\tby b; today\r\nreceived: x\r\nFrom: a\r\n\r\nReceived: y\r\n";
        let two = b"Received: from a\r\n by b; tomorrow\r\nFrom: a\r\n\r\nReceived: y\r\n";
        assert_eq!(store.bytes("s@x.org", one), store.bytes("s@x.org", two));
        assert_ne!(store.bytes("s@x.org", one), store.bytes("t@x.org", one));
        assert_ne!(
            store.bytes("", two),
            store.bytes("", b"From: a\r\n\r\nReceived: z\r\n")
        );
        assert_eq!(
            without_trace(b"Received: without line end"),
            b"Received: without line end"
        );
        assert_ne!(
            store.bytes("ab", b"c"),
            store.bytes("a", b"bc"),
            "parts cannot slide"
        );
    }

    #[test]
    fn truncation_at_every_offset_forgets_the_torn_entry_alone() {
        let state = tempfile::tempdir().unwrap();
        let mut store = open(state.path());
        let keys: Vec<Key> = (0..4).map(|n| store.content_key(&[n; 16])).collect();
        for (key, n) in keys.iter().zip(1..) {
            note(&mut store, n, &[*key]);
        }
        drop(store);
        let path = ReplayStore::directory(state.path(), &list()).join("seen");
        let bytes = std::fs::read(&path).unwrap();
        let size = bytes.len() / 5;
        // From one whole record on: before that the store is empty and says nothing.
        for cut in (0..=bytes.len()).rev() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let store = open(state.path());
            let kept = (cut / size).saturating_sub(1);
            for (key, n) in keys.iter().zip(1..) {
                let found = store.seen(key, id(99), NOW).unwrap().is_some();
                assert_eq!(found, n <= kept, "cut at {cut}, entry {n}");
            }
        }
    }

    #[test]
    fn expired_entries_go_when_most_of_the_file_is_dead() {
        let state = tempfile::tempdir().unwrap();
        let mut store = open(state.path());
        let forever = store.content_key(&[1; 32]);
        store.admit(id(1), true, &[forever], NOW).unwrap();
        for n in 0..60 {
            let keys: Vec<Key> = (0..20)
                .map(|m| store.bytes(&format!("{n} {m}"), b""))
                .collect();
            note(&mut store, n, &keys);
        }
        drop(store);
        let path = ReplayStore::directory(state.path(), &list()).join("seen");
        let before = std::fs::metadata(&path).unwrap().len();
        let later = NOW + Duration::days(8);
        let mut store = ReplayStore::open(state.path(), &list(), later).unwrap();
        let after = std::fs::metadata(&path).unwrap().len();
        assert!(after * 100 < before, "{before} {after}");
        assert_eq!(store.seen(&forever, id(2), later).unwrap(), by(1, true));
        assert_eq!(
            store.admit(id(2), true, &[], later).unwrap(),
            2,
            "the number goes on"
        );
        drop(store);
        assert_eq!(
            open(state.path()).seen(&forever, id(2), NOW).unwrap(),
            by(1, true)
        );
    }

    #[test]
    fn lost_or_open_secret_stops_the_list_instead_of_forgetting() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        let mut store = open(state.path());
        let key = store.content_key(&[1; 32]);
        store.admit(id(1), true, &[key], NOW).unwrap();
        drop(store);
        let path = ReplayStore::directory(state.path(), &list()).join("secret");
        let mode =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let problem = ReplayStore::open(state.path(), &list(), NOW).unwrap_err();
        assert!(problem.remedy.contains("chmod"), "{problem:?}");
        mode(0o600);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..31]).unwrap();
        let problem = ReplayStore::open(state.path(), &list(), NOW).unwrap_err();
        assert!(problem.problem.contains("31 bytes"), "{problem:?}");
        std::fs::remove_file(&path).unwrap();
        let problem = ReplayStore::open(state.path(), &list(), NOW).unwrap_err();
        assert_eq!(problem.file, path);
        assert!(!path.exists());
    }

    #[test]
    fn file_shows_neither_key_nor_message_id() {
        let state = tempfile::tempdir().unwrap();
        let mut store = open(state.path());
        let keys = [
            store.content_key(b"CANARY-CANARY-16"),
            store.message_id("<CANARY@x.org>"),
        ];
        store.admit(id(1), true, &keys, NOW).unwrap();
        let path = ReplayStore::directory(state.path(), &list()).join("seen");
        let bytes = std::fs::read(path).unwrap();
        assert!(memchr::memmem::find(&bytes, b"CANARY").is_none());
        assert!(!format!("{store:?}").contains("CANARY"));
    }
}
