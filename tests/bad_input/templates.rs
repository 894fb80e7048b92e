//! Templates that cannot be used: the built-in text is sent, and the log names file and line.

use super::house::{House, SETTINGS, one_line_says};
use super::spoil::{Spoil, spoil};

const NOTICE: &str = "templates/x509-user-cert-missing.txt";
/// Stands in every template here, and so in no notice.
const MARK: &str = "Grandmother's own words";

/// Carol has no certificate, and so gets the notice.
const MEMBERS: &str = "carol@example.org\nalice@example.org\n";

/// Name of the list, its template, and what is said about it.
const CASES: &[(&str, &str, &str)] = &[
    (
        "unclosed",
        "Subject: x\n\nGrandmother's own words\n{% if reason %}\n",
        ":4",
    ),
    (
        "nonsense",
        "Subject: x\n\nGrandmother's own words {{ reason_text\n",
        ":3",
    ),
    (
        "unknown",
        "Subject: x\n\nGrandmother's own words\n{{ body }}\n",
        ":4",
    ),
    (
        "include",
        "Subject: x\n\n{% include \"/etc/passwd\" %}\nGrandmother's own words\n",
        ":3",
    ),
    (
        "bcc",
        "Subject: x\nBcc: mallory@elsewhere.example\n\nGrandmother's own words\n",
        ":1",
    ),
    ("empty", "", ":1"),
    (
        "headless",
        "Grandmother's own words\nand no subject\n",
        ":1",
    ),
];

/// Name of the list and what lies in the place of its template.
const ODD: &[(&str, Spoil)] = &[
    ("directory", Spoil::Directory),
    ("fifo", Spoil::Fifo),
    ("dangling", Spoil::Dangling),
    (
        "binary",
        Spoil::Bytes(b"Subject: x\n\nGrandmother's own words \xff\xfe\n"),
    ),
    ("unreadable", Spoil::Mode(0)),
];

#[test]
fn built_in_text_stands_in_for_a_template_that_cannot_be_used() {
    let mut house = House::new();
    let names = CASES
        .iter()
        .map(|case| case.0)
        .chain(ODD.iter().map(|case| case.0));
    for name in names.clone() {
        house.site.list(name, SETTINGS, MEMBERS);
        house
            .site
            .write(&template(name), "Subject: x\n\nGrandmother's own words\n");
    }
    for (name, text, _) in CASES {
        house.site.write(&template(name), text);
    }
    for (name, how) in ODD {
        spoil(&house.site, &template(name), *how);
    }
    house.give_away();
    for name in names.clone() {
        house.post(name);
    }
    let log = house.run().stderr;
    let check = house.check(78);
    let letters = house.letters("carol@example.org");
    assert_eq!(letters.len(), CASES.len() + ODD.len(), "{letters:#?}");
    for name in names {
        let path = house.site.path(&template(name)).display().to_string();
        let line = CASES
            .iter()
            .find(|case| case.0 == name)
            .map_or("", |case| case.2);
        let place = format!("{path}{line}");
        one_line_says(&log, &[&place]);
        one_line_says(&check, &[&place]);
        let about = format!("[{name}]");
        let letter = letters.iter().find(|one| one.contains(&about));
        let letter = letter.unwrap_or_else(|| panic!("{about}: {letters:#?}"));
        assert!(
            letter.contains("so you get this notice instead"),
            "{letter}"
        );
        assert!(!letter.contains(MARK), "{letter}");
        assert!(!letter.contains("mallory"), "{letter}");
    }
    let outbox = house.site.outbox();
    assert!(
        outbox.iter().all(|mail| !mail.to.contains("mallory")),
        "{outbox:?}"
    );
    house.adds_up();
}

#[test]
fn template_in_order_is_what_is_sent() {
    let house = House::new();
    house.site.list("plain", SETTINGS, MEMBERS);
    house
        .site
        .write(&template("plain"), format!("Subject: x\n\n{MARK}\n"));
    house.post("plain");
    house.run();
    let letters = house.letters("carol@example.org");
    assert!(
        letters.len() == 1 && letters[0].contains(MARK),
        "{letters:#?}"
    );
    house.adds_up();
}

fn template(list: &str) -> String {
    format!("lists/example.org/{list}/{NOTICE}")
}
