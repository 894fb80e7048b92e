//! Runs `listseal inspect --json` on files and says what each cost, as the kernel tells its parent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::Value;

use crate::common::hostile::python;
use crate::common::lab::lab;

/// A program that runs `listseal inspect` again and again; Rust alone cannot ask what a child cost.
pub struct Meter {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What became of one file.
pub struct Cost {
    /// Exit code; negative where a signal ended it.
    pub code: i64,
    /// Seconds, of the program and the kernel for it.
    pub cpu: f64,
    /// Most memory at one time, in bytes.
    pub memory: u64,
    pub said: String,
    pub complained: String,
}

impl Meter {
    /// Opens mail as the list `team` would, without a configuration.
    pub fn new() -> Self {
        let team = lab().identity("team");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/every_input/measure.py");
        let mut child = python(script)
            .arg(env!("CARGO_BIN_EXE_listseal"))
            .args(["inspect", "--json", "--key"])
            .arg(&team.key)
            .arg("--cert")
            .arg(&team.certificate)
            .arg("--cafile")
            .arg(lab().authority())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            ask: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Inspects the file.
    pub fn measure(&mut self, file: &Path) -> Cost {
        writeln!(self.ask, "{}", file.display()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let cost: Value = serde_json::from_str(&line)
            .unwrap_or_else(|e| panic!("{e}: nothing was measured: {line:?}"));
        let text = |name: &str| cost[name].as_str().unwrap().to_owned();
        Cost {
            code: cost["code"].as_i64().unwrap(),
            cpu: cost["cpu"].as_f64().unwrap(),
            memory: cost["memory"].as_u64().unwrap(),
            said: text("said"),
            complained: text("complained"),
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
