//! Wrong files in the certificate directory: that member gets the notice, the others their copies.

use super::house::{GOOD, House, SETTINGS, SUBSCRIBERS, one_line_says};
use super::spoil::{Spoil, mend, spoil};

/// The member, what lies at his certificate, and what is said about it.
const CASES: &[(&str, Spoil, &str)] = &[
    ("empty", Spoil::Bytes(b""), "is empty"),
    (
        "doubled",
        Spoil::Twice("doubled", "alice"),
        "holds more than one certificate",
    ),
    (
        "garbage",
        Spoil::Bytes(b"\x30\x82\xff\xff nothing"),
        "is not PEM",
    ),
    (
        "halved",
        Spoil::Bytes(b"-----BEGIN CERTIFICATE-----\nMIIDETCCAfmgAwIBAgIU\n"),
        "cut off",
    ),
    ("secret", Spoil::Key("secret"), "holds no certificate"),
    (
        "directory",
        Spoil::Directory,
        "is a directory where a certificate file is expected",
    ),
    ("fifo", Spoil::Fifo, "is not a regular file"),
    ("unreadable", Spoil::Mode(0), "may not be read by this user"),
    ("dangling", Spoil::Dangling, "is a symbolic link"),
    ("link", Spoil::Link, "is a symbolic link"),
    (
        "hardlink",
        Spoil::HardLink,
        "has a second name elsewhere (hard link)",
    ),
    (
        "writable",
        Spoil::Mode(0o666),
        "can be written by group or others",
    ),
];

#[test]
fn member_with_a_wrong_file_gets_the_notice_and_the_others_their_copies() {
    let mut house = House::new();
    let mut subscribers = SUBSCRIBERS.to_owned();
    for (name, how, _) in CASES {
        subscribers += &format!("{name}@example.org\n");
        house.site.certificate(name, None);
        spoil(&house.site, &file(name), *how);
    }
    house.site.list(GOOD, SETTINGS, &subscribers);
    let text = house.post(GOOD);
    house.give_away();
    let log = house.run().stderr;
    house.delivered(&text);
    let check = house.check(78);
    for (name, _, problem) in CASES {
        let path = house.site.path(&file(name)).display().to_string();
        one_line_says(&check, &[&path, problem]);
        one_line_says(&log, &[&path, problem]);
        let letters = house.letters(&format!("{name}@example.org"));
        assert_eq!(letters.len(), 1, "{name}: {letters:#?}");
        assert!(letters[0].contains("certificate"), "{name}: {letters:#?}");
        assert!(!letters[0].contains(&text), "{name}: {letters:#?}");
        // Where files lie is not for members.
        assert!(!letters[0].contains(&path), "{name}: {letters:#?}");
    }
    house.adds_up();

    for (name, ..) in CASES {
        mend(&house.site, &file(name));
    }
    let text = house.post(GOOD);
    house.run();
    house.delivered(&text);
    let outbox = house.site.outbox();
    for (name, ..) in CASES {
        let to = format!("{name}@example.org");
        let last = outbox.iter().rfind(|mail| mail.to == to).unwrap();
        let who = super::common::lab::lab().identity(name);
        let opened = super::common::foreign::Reader::new().open(&last.bytes, &who);
        let inside = opened.unwrap().inside;
        assert!(String::from_utf8_lossy(&inside).contains(&text), "{name}");
    }
    house.adds_up();
}

#[test]
fn wrong_files_of_the_authorities_are_named_and_mail_waits() {
    let house = House::new();
    for (how, problem) in [
        (Spoil::Missing, "No such file"),
        (Spoil::Bytes(b"nothing like a certificate"), "is not PEM"),
        (Spoil::Bytes(b""), "is empty"),
        (Spoil::Directory, "directory"),
    ] {
        let text = house.post(GOOD);
        spoil(&house.site, "ca.pem", how);
        let path = house.site.path("ca.pem").display().to_string();
        let log = house.run().stderr;
        house.undelivered(&text);
        assert_eq!(house.waiting(), 1, "{how:?}: {log}");
        one_line_says(&log, &[&path, problem]);
        one_line_says(&house.check(78), &[&path, problem]);
        mend(&house.site, "ca.pem");
        house.run();
        house.delivered(&text);
    }
    house.adds_up();
}

fn file(name: &str) -> String {
    format!("certificates/{name}@example.org")
}
