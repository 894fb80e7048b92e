//! Small file systems that are filled up, and what needs root.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// True where this process is root; otherwise the test is named past the capture of the harness, and
/// `tests/run` counts it.
pub fn is_root(why: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        say(&format!("\nskipped: needs root {why}: {name}\n"));
    }
    root
}

/// Says something that is shown when all is well, too.
pub fn say(text: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
}

/// Runs a program that must succeed, and returns what it said.
pub fn run(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output();
    let output = output.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A mounted file system of its own, unmounted when dropped.
pub struct Disk {
    pub at: PathBuf,
    /// How much a file takes at least.
    pub block: u64,
}

impl Disk {
    /// Mounts `kib` KiB of memory at `at`.
    pub fn tmpfs(at: PathBuf, kib: u64) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        let options = format!("size={kib}k,nr_inodes=4k,mode=0700");
        let place = at.to_str().unwrap();
        run(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs", place]);
        Self { at, block: 4096 }
    }

    /// Mounts an ext4 of `mib` MiB, with blocks of 1 KiB, whose image lies beside `at`.
    pub fn ext4(at: PathBuf, mib: u64) -> Self {
        let image = at.with_extension("image");
        std::fs::create_dir_all(&at).unwrap();
        File::create(&image).unwrap().set_len(mib << 20).unwrap();
        let (image, place) = (image.to_str().unwrap(), at.to_str().unwrap());
        // No blocks are kept for root, who runs the tests.
        run(&[
            "mkfs.ext4",
            "-q",
            "-F",
            "-b",
            "1024",
            "-m",
            "0",
            "-N",
            "4096",
            image,
        ]);
        run(&["mount", "-o", "loop", image, place]);
        rustix::fs::chmod(&at, rustix::fs::Mode::from_raw_mode(0o700)).unwrap();
        Self { at, block: 1024 }
    }

    /// Mounts an ext4 that folds case at `at`; `None` where the kernel has none.
    pub fn folding(at: PathBuf) -> Option<Self> {
        let image = at.with_extension("image");
        File::create(&image).unwrap().set_len(32 << 20).unwrap();
        let (image, place) = (image.to_str().unwrap(), at.to_str().unwrap());
        run(&["mkfs.ext4", "-q", "-F", "-O", "casefold", image]);
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-o", "loop", image, place]).output();
        if !mounted.unwrap().status.success() {
            return None;
        }
        // An empty directory alone can be told to.
        let below = at.join("disk");
        std::fs::create_dir(&below).unwrap();
        run(&["chattr", "+F", below.to_str().unwrap()]);
        run(&["mount", "--bind", below.to_str().unwrap(), place]);
        Some(Self { at, block: 4096 })
    }

    /// Mounts an ext4 anew, once nobody has a file of it open.
    pub fn remount(&mut self) {
        let (image, place) = (self.at.with_extension("image"), self.at.to_str().unwrap());
        super::owners::wait_until("it cannot be unmounted", || {
            let unmounted = Command::new("umount").arg(&self.at).output().unwrap();
            unmounted.status.success()
        });
        run(&["mount", "-o", "loop", image.to_str().unwrap(), place]);
    }

    pub fn free(&self) -> u64 {
        let stat = statvfs(&self.at).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    fn free_inodes(&self) -> u64 {
        statvfs(&self.at).unwrap().f_ffree
    }

    /// Fills the disk up but for `bytes` and, where it says so, but for so many files.
    pub fn fill(&self, bytes: u64, files: Option<u64>) {
        let ballast = self.ballast();
        std::fs::create_dir(&ballast).unwrap();
        if let Some(left) = files {
            for number in left..self.free_inodes() - 2 {
                File::create(ballast.join(format!("{number}"))).unwrap();
            }
        }
        let (file, small) = (ballast.join("room"), ballast.join("rest"));
        let (file, small) = (File::create(file).unwrap(), File::create(small).unwrap());
        for (file, step) in [(&file, 1 << 16), (&small, self.block)] {
            let mut length = 0;
            while self.free() >= bytes + step {
                if fallocate(file, FallocateFlags::empty(), length, step).is_err() {
                    break;
                }
                length += step;
            }
        }
        self.settle();
        let free = self.free();
        assert!(free < bytes + self.block, "{free} bytes are still free");
    }

    /// What is allocated or freed late is so now.
    fn settle(&self) {
        rustix::fs::syncfs(File::open(&self.at).unwrap()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Takes the ballast away and waits until the room is free: a process that another test is just
    /// starting may hold a copy of its descriptor for a moment.
    pub fn empty(&self) {
        let before = self.free();
        std::fs::remove_dir_all(self.ballast()).unwrap();
        self.settle();
        for _ in 0..500 {
            if self.free() > before + (64 << 10) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the room of the ballast was not freed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // One may lie upon another.
        for _ in 0..2 {
            let _ = Command::new("umount").arg("-l").arg(&self.at).output();
        }
    }
}

/// Names below `directory`, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
