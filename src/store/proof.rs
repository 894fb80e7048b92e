//! Names each copy so that only who saw it can name it again.
//!
//! # Place in the flow
//!
//! The daemon gives every copy a name: in a field of its header, and as ENVID where the next hop
//! reports deliveries (RFC 3461). A report that brings the name back is about that copy.
//!
//! # Trust
//!
//! The member and the mail servers on his way see the names of his own copies, and nobody those of
//! others. So nobody can report a failure in another's name; who reports one in his own suspends
//! himself.
//!
//! # Invariants
//!
//! * A name is an HMAC over list, post and member under a secret of the site: nothing has to be kept
//!   of a copy to know its name again.

use std::path::Path;

use aws_lc_rs::{constant_time, hmac};

use crate::config::Problem;
use crate::disk;
use crate::model::{Address, SpoolId, hex};
use crate::store::bounces::DIRECTORY;
use crate::store::journal::trouble;
use crate::store::replay::secret;

/// The secret that copies are named under.
#[derive(Debug)]
pub struct CopyNames {
    key: hmac::Key,
}

impl CopyNames {
    /// Reads the secret under `paths.state`, or makes it.
    ///
    /// # Errors
    ///
    /// It cannot be read, written or trusted.
    pub fn open(state: &Path) -> Result<Self, Problem> {
        let directory = state.join(DIRECTORY);
        disk::make_directories(&directory, 0o700)
            .map_err(|e| trouble(&directory, "cannot be created", &e))?;
        let secret = secret(&directory.join(SECRET), true)?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    /// Returns the name of the copy of the post `id` for `member`: letters, digits and a dot, fit for
    /// a header field and an ENVID of at most 100 characters.
    #[must_use]
    pub fn name(&self, list: &Address, id: SpoolId, member: &Address) -> String {
        format!("{id}.{}", self.tag(list, id, member))
    }

    /// Returns the post, where `name` is that of its copy for `member`; in a header it has white space
    /// in place of the dot.
    #[must_use]
    pub fn post(&self, name: &str, list: &Address, member: &Address) -> Option<SpoolId> {
        let mut parts = name.split(|c: char| c == '.' || c.is_ascii_whitespace());
        let mut part = || parts.find(|one| !one.is_empty());
        let (id, tag) = (part()?.parse().ok()?, part()?);
        if part().is_some() {
            return None;
        }
        let known = self.tag(list, id, member);
        constant_time::verify_slices_are_equal(known.as_bytes(), tag.as_bytes()).ok()?;
        Some(id)
    }

    fn tag(&self, list: &Address, id: SpoolId, member: &Address) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [list.key(), &id.to_string(), member.key()] {
            // Lengths in front: no two lists of parts are the same bytes.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(b"copy");
        let tag = context.sign();
        hex(tag.as_ref().get(..TAG).unwrap_or_default())
    }
}

/// Not the name of a list: those have an `@`.
const SECRET: &str = "secret";
/// 128 bits: nobody guesses them.
const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn name_is_known_again_after_a_restart_for_its_own_copy_alone() {
        let state = tempfile::tempdir().unwrap();
        let [team, other, bob, eve] =
            ["team@x.org", "other@x.org", "bob@x.org", "eve@x.org"].map(address);
        let id = SpoolId::new(7, 8, [9; 8]);
        let name = CopyNames::open(state.path()).unwrap().name(&team, id, &bob);
        assert!(name.len() <= 100 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'));
        let names = CopyNames::open(state.path()).unwrap();
        assert_eq!(names.post(&name, &team, &address("BOB@x.org")), Some(id));
        assert_eq!(names.post(&name.replace('.', "\t "), &team, &bob), Some(id));
        assert_eq!(names.post(&format!("{name} x"), &team, &bob), None);
        assert_eq!(names.post(&name, &other, &bob), None);
        assert_eq!(names.post(&name, &team, &eve), None);
        let another = SpoolId::new(7, 8, [1; 8]);
        let moved = name.replace(&id.to_string(), &another.to_string());
        assert_eq!(names.post(&moved, &team, &bob), None);
        for at in 0..name.len() {
            let mut bad = name.clone().into_bytes();
            bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
            let bad = String::from_utf8(bad).unwrap();
            assert_eq!(names.post(&bad, &team, &bob), None, "{at}");
            assert_eq!(names.post(&name[..at], &team, &bob), None, "{at}");
        }
        let foreign = CopyNames::open(tempfile::tempdir().unwrap().path()).unwrap();
        assert_eq!(foreign.post(&name, &team, &bob), None);
    }
}
