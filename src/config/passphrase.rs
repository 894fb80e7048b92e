//! Where passphrases are: of encrypted private keys, and of the next hop.
//!
//! # Trust
//!
//! The configuration says where it is; whoever needs it reads it then, so that a changed file
//! counts at once and nothing is kept longer than it is used.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Problem;
use super::findings::Findings;
use super::permission::{RelayUser, read_private};
use super::table::Table;

/// Reads a passphrase: the first line of `file`, or of the systemd credential of this name where
/// no file is named.
///
/// # Errors
///
/// The file it is in cannot be used, or others can read it (contract S43).
pub fn secret(
    file: Option<&Path>,
    credential: &str,
    user: RelayUser,
) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    secret_in(file, credential, credentials.as_ref().map(Path::new), user)
}

/// As [`secret`], with the directory that systemd's credentials are in.
fn secret_in(
    file: Option<&Path>,
    credential: &str,
    directory: Option<&Path>,
    user: RelayUser,
) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
    if let Some(path) = file {
        return first_line(path, &read_private(path, user)?).map(Some);
    }
    match directory.map(|directory| directory.join(credential)) {
        // systemd guards this directory itself, with access lists where it has to, which look
        // like a mode that is too open.
        Some(path) if path.exists() => {
            let bytes = std::fs::read(&path).map(Zeroizing::new).map_err(|e| {
                let remedy = "see LoadCredentialEncrypted= in the unit";
                Problem::error(&path, format!("cannot be read: {e}"), remedy)
            })?;
            first_line(&path, &bytes).map(Some)
        }
        _ => Ok(None),
    }
}

fn first_line(path: &Path, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(Problem::error(
            path,
            "is empty",
            "write the passphrase into its first line",
        ));
    }
    Ok(Zeroizing::new(line.to_vec()))
}

/// Who logs in at the next hop: `delivery.user` and `delivery.passwd_file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The file that the passphrase is in; the systemd credential `delivery_passwd` where unset.
    pub passwd_file: Option<PathBuf>,
    /// The configuration file, for messages.
    file: PathBuf,
}

impl Login {
    pub(super) fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Option<Self> {
        let user = table.parsed("user", "\"listseal\"", findings, |text| {
            if text.is_empty() || text.contains(char::is_control) {
                return Err("is no user name");
            }
            Ok(text.to_owned())
        });
        let passwd_file = table.path("passwd_file", findings);
        if user.is_none() && passwd_file.is_some() {
            findings.error(
                1,
                "delivery.passwd_file is set and delivery.user is not",
                "write user = \"...\" under [delivery]",
            );
        }
        Some(Self {
            user: user?.value,
            passwd_file,
            file: findings.file.to_owned(),
        })
    }

    /// Reads the passphrase.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be used.
    pub fn secret(&self, user: RelayUser) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let found = secret(self.passwd_file.as_deref(), "delivery_passwd", user)?;
        found.ok_or_else(|| {
            Problem::error(
                &self.file,
                "delivery.user has no passphrase",
                "write passwd_file = \"...\" under [delivery], or give the unit the credential delivery_passwd",
            )
        })
    }
}

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(file: Option<&Path>, directory: Option<&Path>) -> Result<Option<String>, Problem> {
        secret_in(file, "key_passwd", directory, RelayUser::current())
            .map(|found| found.map(|one| String::from_utf8(one.to_vec()).unwrap()))
    }

    #[test]
    fn first_line_of_a_closed_file_is_the_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let read = || read(Some(&path), Some(dir.path()));
        write(&path, "open sesame \r\nsecond\n", 0o600);
        assert_eq!(read(), Ok(Some("open sesame ".to_owned())));
        write(&path, "\n", 0o600);
        assert_eq!(read().unwrap_err().problem, "is empty");
        write(&path, "open sesame", 0o640);
        let problem = read().unwrap_err();
        assert!(problem.remedy.starts_with("chmod 600 "), "{problem}");
        std::fs::remove_file(&path).unwrap();
        assert!(read().is_err(), "missing is not none");
    }

    #[test]
    fn credential_is_used_when_nothing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(None, Some(dir.path())), Ok(None));
        // As systemd leaves it where it needs an access list.
        write(&dir.path().join("key_passwd"), "from systemd\n", 0o440);
        assert_eq!(
            read(None, Some(dir.path())),
            Ok(Some("from systemd".to_owned()))
        );
        assert_eq!(read(None, None), Ok(None));
    }
}
