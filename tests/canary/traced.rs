//! What the daemon opens for writing while it handles encrypted mail, as strace sees it.

use std::path::{Component, Path, PathBuf};
use std::process::Stdio;

use super::posts::World;

/// Where the daemon may write.
const PLACES: [&str; 4] = ["spool", "state", "certificates", "outbox"];

#[test]
fn daemon_writes_nowhere_but_in_its_own_directories() {
    let mut world = World::new();
    world.list("team", "");
    world.list(
        "judged",
        "send = \"editorkey\"\nmoderators = [\"mona@example.org\"]\n",
    );
    world.site.write(
        "lists/example.org/team/subscribers",
        "alice@example.org\nbob@example.org\ncarol@example.org\n",
    );
    for list in ["team", "judged"] {
        let encrypt = format!("encrypt {list}");
        let post = world.words.post(list, 1, &["sign alice", &encrypt]);
        world.queue(list, &post);
    }
    let other = world.words.post("team", 2, &["sign alice", "encrypt bob"]);
    world.queue("team", &other);
    // Fresh, so that it has something to learn.
    world.site.remove("certificates/alice@example.org");

    let trace = tempfile::NamedTempFile::new().unwrap();
    let calls = "trace=open,openat,openat2,creat,memfd_create,rename,renameat,renameat2,link,linkat,\
                 symlink,symlinkat,mkdir,mkdirat,mknod,mknodat,truncate,socket,execve";
    let runner = [
        "strace",
        "-f",
        "-y",
        "-q",
        "-e",
        calls,
        "-o",
        trace.path().to_str().unwrap(),
    ];
    let status = world
        .site
        .prepared(&runner, &["run", "--once"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    for member in ["alice", "bob"] {
        assert_eq!(world.copies(member, "team"), 1);
    }
    let learnt = world.site.path("certificates/alice@example.org");
    assert!(
        learnt.exists(),
        "the certificate of the author was not learnt"
    );
    world.is_silent("after the trace");

    let text = std::fs::read_to_string(trace.path()).unwrap();
    let root = world.site.path("").canonicalize().unwrap();
    let mut seen = [0; PLACES.len()];
    let mut programs = 0;
    for line in text.lines().filter(|line| !line.contains("resumed>")) {
        let Some((call, rest)) = line.split_once('(') else {
            continue;
        };
        let call = call.split_whitespace().last().unwrap();
        match call {
            "execve" => programs += 1,
            "memfd_create" | "symlink" | "symlinkat" | "mknod" | "mknodat" | "truncate" => {
                panic!("{line}");
            }
            "socket" => assert!(rest.starts_with("AF_UNIX"), "{line}"),
            _ if call.starts_with("open") && !writes(rest) => {}
            _ => {
                for path in paths(rest, &root) {
                    if path == Path::new("/dev/null") {
                        continue;
                    }
                    let inside = path.strip_prefix(&root).ok();
                    let place = inside.and_then(|one| one.components().next());
                    let place = PLACES
                        .iter()
                        .position(|one| place == Some(Component::Normal(one.as_ref())));
                    seen[place.unwrap_or_else(|| panic!("{}: {line}", path.display()))] += 1;
                }
            }
        }
    }
    assert_eq!(programs, 1, "the daemon runs no other program");
    assert!(
        seen.iter().all(|count| *count > 0),
        "writes seen: {PLACES:?} {seen:?}"
    );
}

fn writes(rest: &str) -> bool {
    [
        "O_WRONLY",
        "O_RDWR",
        "O_CREAT",
        "O_TMPFILE",
        "O_TRUNC",
        "O_APPEND",
    ]
    .iter()
    .any(|flag| rest.contains(flag))
        || !rest.contains("O_")
}

/// The paths of a call; a name after a descriptor is within the directory that strace names.
fn paths(rest: &str, root: &Path) -> Vec<PathBuf> {
    let mut directory = root.to_owned();
    let mut found = Vec::new();
    for word in rest.split(", ") {
        if let Some((_, after)) = word.split_once('<')
            && !word.starts_with('"')
        {
            directory = PathBuf::from(after.split('>').next().unwrap());
        } else if let Some(name) = word.strip_prefix('"') {
            let name = name.split('"').next().unwrap();
            // A file without a name gets one: /proc/self/fd is what it was written as.
            if !name.starts_with("/proc/self/fd/") && !name.is_empty() {
                found.push(directory.join(name));
            }
        }
    }
    found
}
