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

use crate::config::permission::{RelayUser, quoted};
use crate::config::{PassphraseSource, Problem, secret};
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
    let file = match source {
        Some(PassphraseSource::Inline { text, file }) => {
            closed(file)?;
            let bytes = Zeroizing::new(text.as_bytes().to_vec());
            return Ok(Some(Passphrase::new(bytes)));
        }
        Some(PassphraseSource::File(path)) => Some(path.as_path()),
        None => None,
    };
    Ok(secret(file, "key_passwd", user)?.map(Passphrase::new))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(source: &PassphraseSource) -> Result<Option<String>, Problem> {
        super::read(Some(source), RelayUser::current())
            .map(|found| found.map(|one| String::from_utf8(one.as_bytes().to_vec()).unwrap()))
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
        assert_eq!(read(&source), Ok(Some("open sesame".to_owned())));
        write(&file, "", 0o644);
        let problem = read(&source).unwrap_err();
        assert!(problem.remedy.starts_with("chmod o-rwx "), "{problem}");
    }
}
