//! For tests that look at system calls from outside: a test of this very binary, run under strace.

use std::path::Path;
use std::process::{Command, Output};

/// Variable that tells the test it is the child, and where to work.
pub(crate) const CHILD: &str = "LISTSEAL_TEST_CHILD_DIR";

/// Runs the test named `test` as a process of its own under strace, with further arguments for
/// strace, and returns how it ended and its trace, one call a line with the paths of descriptors.
pub(crate) fn strace(test: &str, dir: &Path, arguments: &[&str]) -> (Output, String) {
    let trace = dir.join("trace");
    let calls = "openat,write,pwrite64,fsync,fdatasync,syncfs,linkat,renameat,renameat2,unlinkat,exit_group";
    let output = Command::new("strace")
        .args(["-f", "-qq", "-y", "-s", "8", "-o"])
        .arg(&trace)
        .args(["-e", &format!("trace={calls}")])
        .args(arguments)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env(CHILD, dir)
        .output()
        .expect("strace is needed for this test");
    (output, std::fs::read_to_string(&trace).unwrap_or_default())
}
