//! Mail that is made to cost much: written by the scripts of `tests/common/hostile` around keys and
//! certificates of the lab. What is encrypted is for the list `team`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::lab::lab;

/// Runs a script (`bombs.py`: hundreds of mails below 1 MB; `large.py`: some up to the size that is
/// taken in) and returns the mails it wrote to `out`, a file each, by name.
pub fn write(script: &str, out: &Path) -> Vec<PathBuf> {
    let people = tempfile::tempdir().unwrap();
    for (file, name) in [("list", "team"), ("alice", "alice"), ("ec", "erin-ec")] {
        let one = lab().identity(name);
        std::fs::copy(&one.certificate, people.path().join(format!("{file}.pem"))).unwrap();
        std::fs::copy(&one.key, people.path().join(format!("{file}.key"))).unwrap();
    }
    for end in ["pem", "key"] {
        let authority = lab().authority().with_extension(end);
        std::fs::copy(authority, people.path().join(format!("ca.{end}"))).unwrap();
    }
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/hostile");
    let status = python(&format!("{place}/{script}"))
        .arg(people.path())
        .arg(out)
        .status()
        .unwrap();
    assert!(status.success());
    let mut files: Vec<_> = std::fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// The Python program of the tests with a script.
pub fn python(script: &str) -> Command {
    let program = std::env::var_os("LISTSEAL_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    command.arg(script);
    command
}
