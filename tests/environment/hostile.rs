//! Links, pipes, sockets, devices, foreign and open files wherever the program looks: none is opened
//! that must not be, nothing behind them is read or changed, nothing hangs, and the rest goes on
//! (contract E4, E5; T-FS).

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use listseal::model::SpoolId;

use super::disks::{is_root, names};
use super::planted::Kind::{
    BlockDevice, CharDevice, Dangling, Directory, Foreign, GroupWritable, HardLink, Link, Pipe,
    Socket,
};
use super::planted::{KINDS, Kind, harmless, state, traced, untouched};
use super::relay::{End, MEMBERS, Relay};

fn id(number: u64) -> String {
    SpoolId::new(1_700_000_000_000_000 + number, number, [7; 8]).to_string()
}

#[test]
fn e5_nothing_planted_in_the_spool_is_opened_and_all_else_goes_on() {
    if !is_root("to make devices and foreign files") {
        return;
    }
    let relay = Relay::new(2);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let spool = relay.spool();
    let outside = relay.site.path("outside");
    std::fs::create_dir(&outside).unwrap();
    let mut planted = Vec::new();
    let (mut number, mut accepted) = (0, Vec::new());
    // Names of messages, and names of nobody's, on each shelf.
    for kind in KINDS {
        for (shelf, ends) in [
            ("new", &[".msg", ""][..]),
            ("tmp", &["", ".msg"]),
            ("work", &[".plan", ".slots", ".again", ""]),
            ("hold", &[".msg", ".why", ""]),
            ("bad", &[".msg", ".why", ""]),
        ] {
            for end in ends {
                number += 1;
                let name = if end.is_empty() {
                    format!("odd{number}")
                } else {
                    format!("{}{end}", id(number))
                };
                let path = spool.join(shelf).join(name);
                kind.plant(&path, &outside, b"secret");
                planted.push(path);
            }
        }
        // Beside messages that are there.
        for end in [".plan", ".slots", ".again"] {
            number += 1;
            let before = names(&spool.join("new"));
            assert_eq!(
                relay.queue("team", &relay.post(number), &[]).0,
                End::Code(0)
            );
            accepted.push(number);
            let fresh = names(&spool.join("new"))
                .into_iter()
                .find(|name| !before.contains(name))
                .unwrap();
            let path = spool.join("work").join(fresh.replace(".msg", end));
            kind.plant(&path, &outside, b"secret");
            planted.push(path);
        }
    }
    // Junk: whatever bytes a name can have, as long as it can be.
    for n in 0..1000_u32 {
        let mut name = format!("{n}-\u{1b}[2J\n\r\u{7}").into_bytes();
        name.extend([0xff, 0xfe, 0x80]);
        name.resize(if n % 7 == 0 { 255 } else { 40 }, b'%');
        let shelf = ["new", "work", "hold", "bad", "tmp"][n as usize % 5];
        std::fs::write(
            spool.join(shelf).join(std::ffi::OsStr::from_bytes(&name)),
            b"junk",
        )
        .unwrap();
    }
    let before = state(&outside);
    accepted.extend([9001, 9002]);
    for good in [9001, 9002] {
        assert_eq!(relay.queue("team", &relay.post(good), &[]).0, End::Code(0));
    }

    // Messages whose plan must not be touched are left alone, the good ones go out.
    let (code, said, trace) = traced(&relay, &["run", "--once"]);
    assert_eq!(code, Some(0), "{said}");
    harmless(&said);
    untouched(&trace, &outside, &planted);
    for member in MEMBERS {
        for good in [9001, 9002] {
            let key = (
                format!("{member}@example.org"),
                format!("<{good}.crash@example.org>"),
            );
            assert_eq!(relay.copies().get(&key), Some(&1), "{said}");
        }
    }
    for words in [&["spool", "ls"][..], &["audit"], &["check"]] {
        let (code, said, trace) = traced(&relay, words);
        assert!(
            code.is_some_and(|code| code < 2),
            "{words:?}: {code:?} {said}"
        );
        harmless(&said);
        untouched(&trace, &outside, &planted);
    }
    assert_eq!(state(&outside), before);

    // Once they are gone, what waited for it goes out.
    for path in &planted {
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            std::fs::remove_file(path).unwrap();
        }
    }
    relay.finish();
    let figures = relay.judge(&accepted);
    figures.tell(
        "Hostile files in the spool",
        &format!("{} planted, 1000 of junk", planted.len()),
        &spool,
        "cargo test --features faults --test environment hostile",
    );
    assert_eq!(
        (figures.lost, figures.torn, figures.duplicated),
        (0, 0, 0),
        "{figures:?}"
    );
}

#[test]
fn e5_nothing_planted_among_certificates_lists_and_memories_is_believed() {
    if !is_root("to make devices and foreign files") {
        return;
    }
    let relay = Relay::new(2);
    let site = &relay.site;
    let outside = site.path("outside");
    std::fs::create_dir(&outside).unwrap();
    let mut planted = Vec::new();
    let open = "owners = [\"olga@example.org\"]\nsend = \"public\"\nencrypt = \"always\"\n";
    let closed = "owners = [\"olga@example.org\"]\n";
    let members: String = MEMBERS.map(|name| format!("{name}@example.org\n")).concat();
    let certificate =
        std::fs::read(super::common::lab::lab().identity("alice").certificate).unwrap();
    let plant = |kind: Kind, name: &str, content: &[u8], planted: &mut Vec<PathBuf>| {
        let path = site.path(name);
        kind.plant(&path, &outside, content);
        planted.push(path);
    };
    let mut all_members = members.clone();
    let (mut number, mut posts) = (100, Vec::new());
    for (n, kind) in KINDS.into_iter().enumerate() {
        // A reader whose certificate is no file to be believed.
        let reader = format!("c{n}@example.org");
        plant(
            kind,
            &format!("disk/certificates/{reader}"),
            &certificate,
            &mut planted,
        );
        all_members.push_str(&format!("{reader}\n"));
        for what in ["config", "key", "memory", "roster", "words"] {
            let name = format!("{what}{n}");
            let directory = format!("lists/example.org/{name}");
            let settings = if what == "words" { closed } else { open };
            site.write(&format!("{directory}/list.toml"), settings);
            site.write(&format!("{directory}/subscribers"), &members);
            // Owners may edit these beside each other, and may have them from elsewhere.
            let edited = matches!(kind, Foreign | GroupWritable | HardLink);
            number += 1;
            assert_eq!(
                relay.queue(&name, &relay.post(number), &[]).0,
                End::Code(0),
                "{name}"
            );
            match what {
                "config" if !edited => plant(
                    kind,
                    &format!("{directory}/list.toml"),
                    open.as_bytes(),
                    &mut planted,
                ),
                "roster" if !edited => plant(
                    kind,
                    &format!("{directory}/subscribers"),
                    members.as_bytes(),
                    &mut planted,
                ),
                "key" => plant(
                    kind,
                    &format!("{directory}/private_key"),
                    b"secret",
                    &mut planted,
                ),
                "memory" => plant(
                    kind,
                    &format!("disk/state/replay/{name}@example.org/seen"),
                    b"secret",
                    &mut planted,
                ),
                "words" if !edited => plant(
                    kind,
                    &format!("{directory}/templates/rejected.txt"),
                    b"secret",
                    &mut planted,
                ),
                _ => {}
            }
            if what != "words" {
                posts.push(number);
            }
        }
    }
    site.write("lists/example.org/team/subscribers", &all_members);
    assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
    posts.push(1);
    let before = state(&outside);

    let (code, said, trace) = traced(&relay, &["run", "--once"]);
    assert_eq!(code, Some(0), "{said}");
    untouched(&trace, &outside, &planted);
    let sent = relay.copies();
    for member in MEMBERS {
        let key = (
            format!("{member}@example.org"),
            "<1.crash@example.org>".to_owned(),
        );
        assert_eq!(sent.get(&key), Some(&1), "{said}");
    }
    // Withheld, and told so, but never sealed to what somebody else put there.
    for (n, kind) in KINDS.into_iter().enumerate() {
        let key = (
            format!("c{n}@example.org"),
            "<1.crash@example.org>".to_owned(),
        );
        assert_eq!(sent.get(&key), None, "{kind:?}");
    }
    let secrets = site
        .outbox()
        .into_iter()
        .filter(|mail| mail.bytes.windows(6).any(|text| text == b"secret"));
    assert_eq!(secrets.count(), 0);
    let (code, said, trace) = traced(&relay, &["check"]);
    assert_eq!(code, Some(78), "{said}");
    // It may read what everybody can write, to tell all that is wrong with it.
    let hidden: Vec<_> = planted
        .iter()
        .filter(|path| {
            let mode = path.symlink_metadata().unwrap().permissions().mode();
            mode & 0o002 == 0 || path.is_symlink()
        })
        .cloned()
        .collect();
    untouched(&trace, &outside, &hidden);
    assert_eq!(state(&outside), before);

    for path in &planted {
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            std::fs::remove_file(path).unwrap();
        }
        let name = path
            .strip_prefix(site.path(""))
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        match path.file_name().unwrap().to_str().unwrap() {
            "list.toml" => site.write(&name, open),
            "subscribers" => site.write(&name, &members),
            _ => {}
        }
    }
    relay.finish();
    let figures = relay.judge(&posts);
    figures.tell(
        "Hostile files elsewhere",
        &format!("{} planted", planted.len()),
        &outside,
        "cargo test --features faults --test environment hostile",
    );
    assert_eq!(
        (figures.lost, figures.torn, figures.duplicated),
        (0, 0, 0),
        "{figures:?}"
    );
}

#[test]
fn e5_daemon_does_not_start_on_a_ledger_or_history_that_is_no_file_of_its_own() {
    if !is_root("to make devices and foreign files") {
        return;
    }
    let relay = Relay::new(1);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let outside = relay.site.path("outside");
    std::fs::create_dir(&outside).unwrap();
    for name in [
        "disk/spool/ledger",
        "disk/state/notices/history",
        "disk/state/told/troubles",
    ] {
        for kind in [
            BlockDevice,
            CharDevice,
            Dangling,
            Directory,
            Link,
            Pipe,
            Socket,
        ] {
            let path = relay.site.path(name);
            let kept = path.with_extension("kept");
            std::fs::rename(&path, &kept).unwrap();
            kind.plant(&path, &outside, b"secret");
            let before = state(&outside);
            let (code, said, trace) = traced(&relay, &["run", "--once"]);
            assert!(
                matches!(code, Some(75 | 78)),
                "{kind:?} as {name}: {code:?} {said}"
            );
            assert!(
                said.contains(path.to_str().unwrap()),
                "{kind:?} as {name}: {said}"
            );
            untouched(&trace, &outside, std::slice::from_ref(&path));
            assert_eq!(state(&outside), before, "{kind:?} as {name}");
            if kind == Directory {
                std::fs::remove_dir_all(&path).unwrap();
            } else {
                std::fs::remove_file(&path).unwrap();
            }
            std::fs::rename(&kept, &path).unwrap();
        }
    }
    assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
    relay.finish();
    let figures = relay.judge(&[1]);
    assert_eq!((figures.lost, figures.duplicated), (0, 0));
}
