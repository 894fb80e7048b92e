//! Runs the program and what it prints.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_listseal");

/// A directory that goes with the test.
pub struct Scratch {
    pub dir: tempfile::TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub ok: bool,
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            ok: output.status.success(),
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

pub fn demo(words: &[&str]) -> Ended {
    let mut command = Command::new(PROGRAM);
    clean(&mut command).arg("demo").args(words);
    command.output().unwrap().into()
}

/// Runs a command of the page after `enter`, in a shell as people have it; a pipeline counts as
/// failed when any part of it fails.
pub fn shell(enter: &str, line: &str) -> Ended {
    let mut command = Command::new("bash");
    let script = format!("set -e -o pipefail\n{enter}\n{line}\n");
    clean(&mut command).arg("-c").arg(script);
    command.output().unwrap().into()
}

fn clean(command: &mut Command) -> &mut Command {
    command
        .env_remove("LISTSEAL_CONFIG")
        .env_remove("NO_COLOR")
        .stdin(std::process::Stdio::null())
}

/// Returns every file below a directory, with its bytes.
pub fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found
}

/// Returns how `text` looks in base64 at each of the three places where it may begin.
pub fn base64_forms(text: &[u8]) -> Vec<Vec<u8>> {
    (0..3)
        .map(|shift| {
            let padded = [&b"\0\0\0"[..shift], text].concat();
            let whole = base64_simd::STANDARD.encode_to_string(padded);
            // The first and the last group depend on what stands around.
            let from = if shift == 0 { 0 } else { 4 };
            whole.as_bytes()[from..whole.len() - 4].to_vec()
        })
        .collect()
}
