//! What can lie in the place of a file, and what a trace tells of who touched it.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use super::disks::{names, run};
use super::relay::Relay;

/// What lies in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    BlockDevice,
    CharDevice,
    Dangling,
    Directory,
    Foreign,
    GroupWritable,
    HardLink,
    Link,
    LinkToSecret,
    Pipe,
    Socket,
    WorldWritable,
}

use Kind::{
    BlockDevice, CharDevice, Dangling, Directory, Foreign, GroupWritable, HardLink, Link,
    LinkToSecret, Pipe, Socket, WorldWritable,
};

/// Every one of them.
pub const KINDS: [Kind; 12] = [
    BlockDevice,
    CharDevice,
    Dangling,
    Directory,
    Foreign,
    GroupWritable,
    HardLink,
    Link,
    LinkToSecret,
    Pipe,
    Socket,
    WorldWritable,
];
/// Somebody else.
const STRANGER: u32 = 64_001;

impl Kind {
    /// Puts it at `path`; what it leads to lies in `outside` and holds `content`.
    pub fn plant(self, path: &Path, outside: &Path, content: &[u8]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(path);
        let target = outside.join(format!("{self:?}-{}", names(outside).len()));
        let text = path.to_str().unwrap();
        let put = |path: &Path, mode| {
            std::fs::write(path, content).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        match self {
            BlockDevice => drop(run(&["mknod", text, "b", "7", "99"])),
            // Who reads it never comes to an end.
            CharDevice => drop(run(&["mknod", text, "c", "1", "5"])),
            Dangling => symlink(outside.join("not-there").join("file"), path).unwrap(),
            Directory => {
                std::fs::create_dir(path).unwrap();
                put(&path.join("file"), 0o600);
            }
            Foreign => {
                put(path, 0o600);
                lchown(path, Some(STRANGER), Some(STRANGER)).unwrap();
            }
            GroupWritable => put(path, 0o660),
            HardLink => {
                put(&target, 0o600);
                std::fs::hard_link(&target, path).unwrap();
            }
            Link | LinkToSecret => {
                put(&target, if self == Link { 0o644 } else { 0o600 });
                symlink(&target, path).unwrap();
            }
            Pipe => drop(run(&["mkfifo", "-m", "600", text])),
            Socket => drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
            WorldWritable => put(path, 0o666),
        }
        // A link of root's is an administrator's own.
        if matches!(self, Dangling | Link | LinkToSecret) {
            lchown(path, Some(STRANGER), Some(STRANGER)).unwrap();
        }
    }
}

/// Everything about the files of a directory that reading or writing would change.
pub fn state(directory: &Path) -> BTreeMap<String, (Vec<u8>, i64, i64, u32, u32)> {
    let all = names(directory).into_iter();
    all.map(|name| {
        let path = directory.join(&name);
        let meta = path.symlink_metadata().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        (
            name,
            (
                bytes,
                meta.mtime(),
                meta.mtime_nsec(),
                meta.mode(),
                meta.uid(),
            ),
        )
    })
    .collect()
}

/// Runs a command under strace; returns how it ended, what it said, and what it did to files.
pub fn traced(relay: &Relay, words: &[&str]) -> (Option<i32>, String, String) {
    let trace = relay.site.path("trace");
    let runner = [
        "timeout",
        "100",
        "strace",
        "-f",
        "-y",
        "-qq",
        "-s",
        "0",
        "--seccomp-bpf",
        "-e",
        "trace=%file,read,pread64,write,pwrite64",
        "-o",
        trace.to_str().unwrap(),
    ];
    let output = relay.site.prepared(&runner, words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        output.status.code(),
        said,
        std::fs::read_to_string(trace).unwrap(),
    )
}

/// No call opened what lies outside, read what must not be read, or opened a device.
pub fn untouched(trace: &str, outside: &Path, planted: &[PathBuf]) {
    let outside = format!("<{}", outside.display());
    let mut planted: Vec<String> = planted
        .iter()
        .map(|path| format!("<{}", path.display()))
        .collect();
    for line in trace.lines() {
        // What took the place of a planted file is the program's own.
        if line.contains("link") || line.contains("rename") {
            planted.retain(|path| {
                let name = Path::new(path).file_name().unwrap().to_str().unwrap();
                !line.contains(&format!("{name}\""))
            });
        }
        assert!(!line.contains(&outside), "opened what lies outside: {line}");
        let is_io = ["read(", "pread64(", "write(", "pwrite64("]
            .iter()
            .any(|call| line.contains(call));
        if is_io {
            let hit = planted.iter().any(|path| {
                line.contains(&format!("{path}>")) || line.contains(&format!("{path}<"))
            });
            assert!(!hit, "read or wrote: {line}");
        }
        assert!(
            !line.contains("<char 1:5>") && !line.contains("<block 7:99>"),
            "opened a device: {line}"
        );
    }
}

/// Nothing of a file name reaches a terminal as it is.
pub fn harmless(text: &str) {
    let odd = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(odd, None, "{text:?}");
}
