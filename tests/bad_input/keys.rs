//! Wrong key files: the mail of that list stays open, its owner is told once, and everything goes
//! out when the file is mended (contract decision 3, S43).

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::common::lab::lab;
use super::house::{House, one_line_says};
use super::spoil::{Spoil, mend, spoil};

/// Name of the list, what lies at `private_key`, what is said about it, and the remedy.
const CASES: &[(&str, Spoil, &str, &str)] = &[
    (
        "garbage",
        Spoil::Bytes(b"\x00\xff nothing like a key"),
        "is not PEM",
        "",
    ),
    ("empty", Spoil::Bytes(b""), "is empty", ""),
    (
        "swapped",
        Spoil::Certificate("swapped"),
        "holds a certificate",
        "",
    ),
    (
        "anothers",
        Spoil::Key("mallory"),
        "does not belong to cert.pem",
        "put the two files of one pair there",
    ),
    (
        "readable",
        Spoil::Mode(0o640),
        "is open to group or others (mode 0640)",
        "chmod 600 ",
    ),
    (
        "unreadable",
        Spoil::Mode(0),
        "may not be read by this user",
        "chmod u+r ",
    ),
    (
        "directory",
        Spoil::Directory,
        "is not a regular file",
        "mv ",
    ),
    ("fifo", Spoil::Fifo, "is not a regular file", "mv "),
    (
        "dangling",
        Spoil::Dangling,
        "is a symbolic link",
        "put the file itself there",
    ),
    (
        "link",
        Spoil::Link,
        "is a symbolic link",
        "put the file itself there",
    ),
    (
        "hardlink",
        Spoil::HardLink,
        "has a second name elsewhere (hard link)",
        "cp -p ",
    ),
    ("missing", Spoil::Missing, "does not exist", ""),
    (
        "locked",
        Spoil::Key("locked-locked"),
        "no passphrase is set",
        "key_passwd",
    ),
    (
        "halved",
        Spoil::Bytes(b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"),
        "cut off",
        "",
    ),
];

#[test]
fn mail_waits_for_a_usable_key_and_the_owner_is_told_once() {
    let mut house = House::new();
    let mut posts = Vec::new();
    for (name, how, ..) in CASES {
        house.list(name);
        posts.push(house.post(name));
        spoil(&house.site, &key(name), *how);
    }
    let good = house.post(super::house::GOOD);
    house.give_away();
    let log = house.run().stderr;
    house.delivered(&good);
    assert_eq!(house.waiting(), CASES.len(), "{log}");
    let check = house.check(78);
    for ((name, _, problem, remedy), post) in CASES.iter().zip(&posts) {
        house.undelivered(post);
        let file = house.site.path(&key(name)).display().to_string();
        one_line_says(&log, &[&file, problem, remedy]);
        one_line_says(&check, &[&file, problem, remedy]);
    }
    // Nothing new to say on the next runs, nor about a second post.
    house.post("garbage");
    house.run();
    house.run();
    let letters = house.letters("olga@example.org");
    for (name, _, problem, _) in CASES {
        let file = house.site.path(&key(name)).display().to_string();
        let about: Vec<&String> = letters.iter().filter(|one| one.contains(&file)).collect();
        assert_eq!(about.len(), 1, "{name}: {letters:#?}");
        let letter = about[0].split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(letter.contains(problem), "{name}: {letter}");
        assert!(letter.contains("nothing is lost"), "{name}: {letter}");
    }
    assert_eq!(letters.len(), CASES.len(), "{letters:#?}");
    house.adds_up();

    for (name, ..) in CASES {
        mend(&house.site, &key(name));
    }
    house.run();
    assert_eq!(house.waiting(), 0, "{}", house.site.log());
    for post in &posts {
        house.delivered(post);
    }
    house.adds_up();
}

#[test]
fn locked_key_opens_once_its_passphrase_is_set() {
    let house = House::new();
    house.list("vault");
    house
        .site
        .key("lists/example.org/vault", "", "vault-locked");
    let steps = ["sign alice", "encrypt vault-locked"];
    let text = house.text();
    house.hand_in("vault", &super::house::made(&steps, "vault", &text));
    house.run();
    house.undelivered(&text);
    let settings = |line: &str| format!("{}{line}\n", super::house::SETTINGS);
    let file = "lists/example.org/vault/passphrase";
    for (secret, mode) in [
        ("battery horse", 0o600),
        (super::common::lab::PASSPHRASE, 0o644),
    ] {
        house.site.write_with_mode(file, secret, mode);
        house.site.write(
            "lists/example.org/vault/list.toml",
            settings("key_passwd_file = \"passphrase\""),
        );
        let log = house.run().stderr;
        house.undelivered(&text);
        let named = if mode == 0o644 {
            file
        } else {
            "lists/example.org/vault/private_key"
        };
        one_line_says(&log, &[&house.site.path(named).display().to_string()]);
        assert!(!log.contains(secret), "the passphrase is in the log");
    }
    house
        .site
        .write_with_mode(file, super::common::lab::PASSPHRASE, 0o600);
    house.run();
    house.delivered(&text);
    house.adds_up();
    assert!(lab().identity("vault-locked").key.exists());
}

#[test]
fn running_daemon_goes_on_once_the_key_is_mended() {
    let house = House::new();
    house.list("vault");
    let text = house.post("vault");
    spoil(&house.site, &key("vault"), Spoil::Mode(0o644));
    let log = house.site.path("daemon.log");
    let mut daemon = house
        .site
        .prepared(&["timeout", "300"], &["run"])
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let until = |what: &str, done: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while !done() {
            let log = std::fs::read_to_string(&log).unwrap();
            assert!(begin.elapsed().as_secs() < 120, "waited for {what}: {log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let owner = || !house.letters("olga@example.org").is_empty();
    until("a word to the owner", &owner);
    // Others do not wait for it.
    let good = house.post(super::house::GOOD);
    until("the good post", &|| house.copies(&good) == [1, 1]);
    house.undelivered(&text);
    mend(&house.site, &key("vault"));
    until("the post that waited", &|| house.copies(&text) == [1, 1]);
    let status = Command::new("kill").arg(daemon.id().to_string()).status();
    assert!(status.unwrap().success());
    assert_eq!(daemon.wait().unwrap().code(), Some(0), "stopped in order");
    house.adds_up();
}

#[test]
fn certificate_of_the_list_is_named_when_it_is_what_is_wrong() {
    let house = House::new();
    let cases: &[(&str, Spoil, &str)] = &[
        ("c-empty", Spoil::Bytes(b""), "is empty"),
        ("c-key", Spoil::Key("mallory"), "holds no certificate"),
        ("c-missing", Spoil::Missing, "does not exist"),
        ("c-fifo", Spoil::Fifo, "is not a regular file"),
    ];
    let mut posts = Vec::new();
    for (name, how, _) in cases {
        house.list(name);
        posts.push(house.post(name));
        spoil(&house.site, &certificate(name), *how);
    }
    let good = house.post(super::house::GOOD);
    let log = house.run().stderr;
    house.delivered(&good);
    let check = house.check(78);
    for (name, _, problem) in cases {
        let file = house.site.path(&certificate(name)).display().to_string();
        one_line_says(&log, &[&file, problem]);
        one_line_says(&check, &[&file, problem]);
        mend(&house.site, &certificate(name));
    }
    house.run();
    for post in &posts {
        house.delivered(post);
    }
    house.adds_up();
}

fn key(list: &str) -> String {
    format!("lists/example.org/{list}/private_key")
}

fn certificate(list: &str) -> String {
    format!("lists/example.org/{list}/cert.pem")
}
