//! What the mail clients of subscribers can read, as they last announced it.
//!
//! One small file an address, `.listseal/<name>/capabilities.json` beside the certificates.
//!
//! # Invariants
//!
//! * The newest signing time wins, whatever order mail arrives in.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::config::Problem;
use crate::model::Address;
use crate::model::list::Readable;
use crate::store::certificates::CertificateStore;
use crate::store::pem_file;

/// The content of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Announced {
    address: Address,
    /// Seconds since 1970.
    signed: i64,
    #[serde(flatten)]
    reads: Readable,
}

impl CertificateStore {
    /// Returns what the client of `address` announced that it reads; `None` where it never did,
    /// or what was kept of it cannot be read: then mail is sealed as for an unknown client.
    #[must_use]
    pub fn capabilities(&self, address: &Address) -> Option<Readable> {
        self.announced(address).map(|announced| announced.reads)
    }

    /// Keeps what a verified signature announced that was made at `signed`; false where a newer
    /// announcement is known.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn note_capabilities(
        &self,
        address: &Address,
        signed: OffsetDateTime,
        reads: &Readable,
    ) -> Result<bool, Problem> {
        let signed = signed.unix_timestamp();
        if let Some(known) = self.announced(address) {
            if signed < known.signed {
                return Ok(false);
            }
            if known.reads == *reads {
                return Ok(true);
            }
        }
        let path = self.capabilities_path(address);
        let announced = Announced {
            address: address.clone(),
            signed,
            reads: reads.clone(),
        };
        let text = serde_json::to_vec(&announced)
            .map_err(|e| Problem::error(&path, format!("cannot be written: {e}"), "report this"))?;
        self.put_aside(address, CAPABILITIES, &text)?;
        Ok(true)
    }

    fn capabilities_path(&self, address: &Address) -> std::path::PathBuf {
        self.aside(address).join(CAPABILITIES)
    }

    fn announced(&self, address: &Address) -> Option<Announced> {
        let (_, bytes) = pem_file::read(&self.capabilities_path(address), self.user()).ok()??;
        let announced: Announced = serde_json::from_slice(&bytes).ok()?;
        // The record repeats whose it is (contract E19, S37).
        (announced.address == *address).then_some(announced)
    }
}

const CAPABILITIES: &str = "capabilities.json";

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::config::permission::RelayUser;
    use crate::model::list::ContentCipher;

    #[test]
    fn newest_announcement_wins_and_bad_files_count_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let store = CertificateStore::new(directory.path(), RelayUser::current());
        let alice = Address::parse("alice@example.org").unwrap();
        let (old, new) = (
            datetime!(2026-01-01 0:00 UTC),
            datetime!(2026-02-01 0:00:00.5 UTC),
        );
        use ContentCipher::{Aes128Cbc, Aes256Gcm};
        let reads = |ciphers: &[ContentCipher]| Readable {
            ciphers: ciphers.to_vec(),
            oaep: true,
        };
        assert_eq!(store.capabilities(&alice), None);
        let note = |at, ciphers: &[_]| {
            let noted = store.note_capabilities(&alice, at, &reads(ciphers));
            noted.unwrap()
        };
        assert!(note(new, &[Aes256Gcm]));
        assert!(!note(old, &[Aes128Cbc]));
        assert_eq!(store.capabilities(&alice), Some(reads(&[Aes256Gcm])));
        assert!(note(new, &[Aes256Gcm, Aes128Cbc]));
        let known = Some(reads(&[Aes256Gcm, Aes128Cbc]));
        assert_eq!(store.capabilities(&alice), known);
        let bob = Address::parse("bob@example.org").unwrap();
        // E19: found under another's name.
        std::fs::rename(store.aside(&alice), store.aside(&bob)).unwrap();
        assert_eq!(store.capabilities(&bob), None);
        std::fs::write(store.capabilities_path(&bob), "{").unwrap();
        assert_eq!(store.capabilities(&bob), None);
    }
}
