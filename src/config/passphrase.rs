//! Where the passphrase of encrypted private keys is.
//!
//! # Trust
//!
//! The configuration says where it is; whoever needs it reads it then, so that a changed file
//! counts at once and nothing is kept longer than it is used.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::findings::Findings;
use super::table::Table;

/// Where a passphrase is.
#[derive(Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// `key_passwd_file`: its first line.
    File(PathBuf),
    /// `key_passwd`: written into the configuration.
    Inline {
        /// The passphrase.
        text: Zeroizing<String>,
        /// The file it stands in, for messages about that file's mode.
        file: PathBuf,
    },
}

impl fmt::Debug for PassphraseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Inline { file, .. } => write!(f, "Inline {{ file: {file:?} }}"),
        }
    }
}

/// Reads `key_passwd` or `key_passwd_file`.
pub(super) fn passphrase(
    table: &mut Table<'_>,
    findings: &mut Findings<'_>,
) -> Option<PassphraseSource> {
    let inline = table.text("key_passwd", "\"...\"", findings).map(|found| {
        let text = Zeroizing::new(found.value);
        if text.is_empty() {
            findings.error(
                found.line,
                "key_passwd is empty",
                "delete the line: a key without passphrase needs none",
            );
        }
        (text, found.line)
    });
    let file = table.path("key_passwd_file", findings);
    match (inline, file) {
        (Some((_, line)), Some(_)) => {
            findings.error(
                line,
                "key_passwd and key_passwd_file are both set",
                "delete one of the two lines",
            );
            None
        }
        (Some((text, _)), None) => Some(PassphraseSource::Inline {
            text,
            file: findings.file.to_owned(),
        }),
        (None, Some(path)) => Some(PassphraseSource::File(path)),
        (None, None) => None,
    }
}
