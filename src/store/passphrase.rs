//! The passphrase of encrypted private keys, read when it is needed.
//!
//! # Trust
//!
//! A file with a passphrase is used only if nobody else can read it (contract S43).
//!
//! # Invariants
//!
//! * What the configuration names is used or it is an error; the systemd credential is for those
//!   who name nothing.

use std::path::Path;

use zeroize::Zeroizing;

use crate::config::permission::{RelayUser, quoted, read_private};
use crate::config::{PassphraseSource, Problem};
use crate::pki::key::Passphrase;

/// Returns the passphrase, `None` where none is set.
///
/// # Errors
///
/// The file it is in cannot be used.
pub fn read(
    source: Option<&PassphraseSource>,
    user: RelayUser,
) -> Result<Option<Passphrase>, Problem> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    read_from(source, credentials.as_ref().map(Path::new), user)
}

fn read_from(
    source: Option<&PassphraseSource>,
    credentials: Option<&Path>,
    user: RelayUser,
) -> Result<Option<Passphrase>, Problem> {
    match source {
        Some(PassphraseSource::Inline { text, file }) => {
            closed(file)?;
            let bytes = Zeroizing::new(text.as_bytes().to_vec());
            Ok(Some(Passphrase::new(bytes)))
        }
        Some(PassphraseSource::File(path)) => {
            first_line(path, &read_private(path, user)?).map(Some)
        }
        None => match credentials.map(|directory| directory.join(CREDENTIAL)) {
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
        },
    }
}

fn first_line(path: &Path, bytes: &[u8]) -> Result<Passphrase, Problem> {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(Problem::error(
            path,
            "is empty",
            "write the passphrase into its first line",
        ));
    }
    Ok(Passphrase::new(Zeroizing::new(line.to_vec())))
}

/// A configuration file with a passphrase in it must not be everybody's to read. Its group may be
/// the one that the MTA's side runs under.
fn closed(file: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.mode() & 0o7777);
    if mode & 0o007 != 0 {
        return Err(Problem::error(
            file,
            format!("holds key_passwd and is open to everybody (mode {mode:04o})"),
            format!("chmod o-rwx {}, or use key_passwd_file", quoted(file)),
        ));
    }
    Ok(())
}

const CREDENTIAL: &str = "key_passwd";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(
        source: Option<&PassphraseSource>,
        directory: &Path,
    ) -> Result<Option<String>, Problem> {
        read_from(source, Some(directory), RelayUser::current())
            .map(|found| found.map(|one| String::from_utf8(one.as_bytes().to_vec()).unwrap()))
    }

    #[test]
    fn first_line_of_a_closed_file_is_the_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let source = PassphraseSource::File(path.clone());
        write(&path, "open sesame \r\nsecond\n", 0o600);
        assert_eq!(
            read(Some(&source), dir.path()),
            Ok(Some("open sesame ".to_owned()))
        );
        write(&path, "\n", 0o600);
        assert_eq!(
            read(Some(&source), dir.path()).unwrap_err().problem,
            "is empty"
        );
        write(&path, "open sesame", 0o640);
        let problem = read(Some(&source), dir.path()).unwrap_err();
        assert!(problem.remedy.starts_with("chmod 600 "), "{problem}");
        std::fs::remove_file(&path).unwrap();
        assert!(
            read(Some(&source), dir.path()).is_err(),
            "missing is not none"
        );
    }

    #[test]
    fn credential_is_used_when_nothing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(None, dir.path()), Ok(None));
        // As systemd leaves it where it needs an access list.
        write(&dir.path().join("key_passwd"), "from systemd\n", 0o440);
        assert_eq!(read(None, dir.path()), Ok(Some("from systemd".to_owned())));
        assert!(matches!(
            read_from(None, None, RelayUser::current()),
            Ok(None)
        ));
    }

    #[test]
    fn s43_passphrase_in_a_readable_configuration_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("list.toml");
        let source = PassphraseSource::Inline {
            text: Zeroizing::new("open sesame".to_owned()),
            file: file.clone(),
        };
        write(&file, "", 0o640);
        assert_eq!(
            read(Some(&source), dir.path()),
            Ok(Some("open sesame".to_owned()))
        );
        write(&file, "", 0o644);
        let problem = read(Some(&source), dir.path()).unwrap_err();
        assert!(problem.remedy.starts_with("chmod o-rwx "), "{problem}");
    }
}
