//! `dir:///path`: every mail as a file, for the demo, trials and tests.
//!
//! `<n>.eml` is the mail, `<n>.json` its envelope `{"from": "...", "to": ["..."]}`.
//!
//! # Invariants
//!
//! * The envelope is there before the mail, and each appears whole: who sees an `.eml` can read both.
//! * Both are on the disk before the mail counts as sent.
//! * Numbers grow and are never used twice, by any number of writers.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::wire::Mail;
use super::{CourierError, Outcome, Parcel};

/// A directory that mail is put into.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
    last: Arc<AtomicU64>,
}

impl Directory {
    /// Opens the directory, making it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, CourierError> {
        let failed = |source| CourierError::Directory {
            place: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let mut last = 0;
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let stem = Path::new(&name).file_stem().unwrap_or_default();
            if let Some(number) = stem.to_str().and_then(|stem| stem.parse().ok()) {
                last = last.max(number);
            }
        }
        Ok(Self {
            path: path.to_owned(),
            last: Arc::new(AtomicU64::new(last)),
        })
    }

    pub(super) async fn deliver(&self, parcel: &Parcel, mail: &Mail<'_>) -> Outcome {
        let from = parcel.reverse_path.as_ref().map(ToString::to_string);
        let envelope = serde_json::json!({
            "from": from.unwrap_or_default(),
            "to": [parcel.to.to_string()],
        });
        let envelope = format!("{envelope}\n").into_bytes();
        let (directory, mail) = (self.clone(), mail.to_vec());
        let written = tokio::task::spawn_blocking(move || directory.write(&envelope, &mail)).await;
        match written {
            Ok(Ok(number)) => Outcome::Sent(format!("{number}.eml")),
            Ok(Err(error)) => deferred(&self.path, &error.to_string()),
            Err(error) => deferred(&self.path, &error.to_string()),
        }
    }

    fn write(&self, envelope: &[u8], mail: &[u8]) -> std::io::Result<u64> {
        loop {
            let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
            // The envelope's name is the claim to the number; another writer may be faster.
            match self.put(&format!("{number}.json"), envelope) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.put(&format!("{number}.eml"), mail)?;
                    std::fs::File::open(&self.path)?.sync_all()?;
                    return Ok(number);
                }
            }
        }
    }

    /// Makes a whole, synced file appear under a free name.
    fn put(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let draft = self.path.join(format!(
            ".{name}.{:016x}",
            getrandom::u64().map_err(std::io::Error::other)?
        ));
        let result = (|| {
            let mut file = std::fs::File::create_new(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::hard_link(&draft, self.path.join(name))
        })();
        // The draft is only a second name now, or rubbish.
        let removed = std::fs::remove_file(&draft);
        result.and(removed)
    }
}

fn deferred(path: &Path, problem: &str) -> Outcome {
    Outcome::Deferred {
        code: 0,
        text: format!("{}: {problem}", path.display()),
    }
}
