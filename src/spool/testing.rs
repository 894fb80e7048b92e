//! For tests against the real kernel: system calls seen from outside, disks that fill up.

use std::path::Path;
use std::process::{Command, Output};

/// Variable that tells the test it is the child, and where to work.
pub(crate) const CHILD: &str = "LISTSEAL_TEST_CHILD_DIR";

/// Runs the test named `test` as a process of its own under strace, with further arguments for
/// strace, and returns how it ended and its trace, one call a line with the paths of descriptors.
pub(crate) fn strace(test: &str, dir: &Path, arguments: &[&str]) -> (Output, String) {
    let trace = dir.join("trace");
    let calls = "openat,write,pwrite64,fsync,fdatasync,syncfs,linkat,rename,renameat,renameat2,unlinkat,exit_group";
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

/// True where this process is root. Otherwise the test is named past the capture of the harness:
/// `tests/run` counts these lines, and fails for them in CI (contract decision 22).
#[track_caller]
pub(crate) fn is_root(why: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        // Without threads of its own a test has no name, but it always has a place.
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        let place = std::panic::Location::caller();
        let text = format!("\nskipped: needs root {why}: {name} ({place})\n");
        std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
    }
    root
}

/// A small tmpfs, unmounted when dropped; `None` where this process may not mount.
pub(crate) struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    #[track_caller]
    pub(crate) fn of(kib: u32) -> Option<Self> {
        if !is_root("to mount a tmpfs") {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={kib}k,mode=0700"))
            .arg("tmpfs")
            .arg(dir.path())
            .output()
            .expect("mount is needed for this test");
        assert!(mounted.status.success(), "{mounted:?}");
        Some(Self { dir })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes until nothing more fits.
    pub(crate) fn fill(&self) {
        use std::io::Write as _;
        let mut ballast = std::fs::File::create(self.path().join("ballast")).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    /// Takes the ballast away and waits until the room is free: a process that another test is just
    /// starting may hold a copy of its descriptor for a moment.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
        for _ in 0..500 {
            let stat = rustix::fs::statvfs(self.path()).unwrap();
            if stat.f_bavail * 10 > stat.f_blocks * 5 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the room of the ballast was not freed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
