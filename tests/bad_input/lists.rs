//! A list whose own files are wrong waits; the others go on.

use super::house::{GOOD, House, one_line_says};
use super::spoil::{Spoil, mend, spoil};

/// Name of the list, the file, what lies there, where and what is said.
const CASES: &[(&str, &str, Spoil, &str, &str)] = &[
    (
        "key",
        "list.toml",
        Spoil::Bytes(b"owners = [\"olga@example.org\"]\nencrpyt = \"always\"\n"),
        ":2",
        "encrpyt",
    ),
    (
        "type",
        "list.toml",
        Spoil::Bytes(b"owners = [\"olga@example.org\"]\n\nsign = \"yes\"\n"),
        ":3",
        "sign",
    ),
    (
        "value",
        "list.toml",
        Spoil::Bytes(b"owners = [\"olga@example.org\"]\nfloor = \"rot13\"\n"),
        ":2",
        "floor",
    ),
    (
        "syntax",
        "list.toml",
        Spoil::Bytes(b"owners = [\"olga@example.org\"\n"),
        "",
        "list.toml",
    ),
    (
        "nulls",
        "list.toml",
        Spoil::Bytes(b"owners = [\"olga@example.org\"]\n\0\0\0"),
        "",
        "list.toml",
    ),
    (
        "latin",
        "list.toml",
        Spoil::Bytes(b"owners = [\"olga@example.org\"]\ntitle = \"caf\xe9\"\n"),
        ":2",
        "UTF-8",
    ),
    (
        "folder",
        "list.toml",
        Spoil::Directory,
        "",
        "is not a regular file",
    ),
    (
        "pipe",
        "list.toml",
        Spoil::Fifo,
        "",
        "is not a regular file",
    ),
    (
        "unreadable",
        "list.toml",
        Spoil::Mode(0),
        "",
        "may not be read by this user",
    ),
    (
        "shut",
        "subscribers",
        Spoil::Mode(0),
        "",
        "may not be read by this user",
    ),
    (
        "nobody",
        "subscribers",
        Spoil::Missing,
        "",
        "does not exist",
    ),
    (
        "binary",
        "subscribers",
        Spoil::Bytes(b"alice@example.org\nb\xff@example.org\n"),
        ":2",
        "is not UTF-8 text",
    ),
    (
        "members",
        "subscribers",
        Spoil::Directory,
        "",
        "is not a regular file",
    ),
    (
        "socket",
        "subscribers",
        Spoil::Fifo,
        "",
        "is not a regular file",
    ),
];

#[test]
fn list_with_a_wrong_file_waits_and_the_others_go_on() {
    let mut house = House::new();
    let settings = std::fs::read_to_string(house.site.path("listseal.toml")).unwrap();
    let settings = format!("listmasters = [\"max@example.org\"]\n{settings}");
    house.site.write("listseal.toml", settings);
    let mut posts = Vec::new();
    for (name, file, how, ..) in CASES {
        house.list(name);
        posts.push(house.post(name));
        spoil(&house.site, &place(name, file), *how);
    }
    let good = house.post(GOOD);
    house.give_away();
    let log = house.run().stderr;
    house.delivered(&good);
    let check = house.check(78);
    for ((name, file, _, line, problem), post) in CASES.iter().zip(&posts) {
        house.undelivered(post);
        let path = house.site.path(&place(name, file)).display().to_string();
        let spot = format!("{path}{line}");
        one_line_says(&log, &[&spot, problem]);
        one_line_says(&check, &[&spot, problem]);
    }
    assert_eq!(house.waiting(), CASES.len(), "{log}");
    // The owner hears of it once, or the listmaster where it cannot be known who that is.
    house.run();
    for (name, file, _, line, problem) in CASES {
        let path = house.site.path(&place(name, file)).display().to_string();
        let who = if *file == "list.toml" { "max" } else { "olga" };
        let letters = house.letters(&format!("{who}@example.org"));
        let spot = format!("{path}{line}");
        let about: Vec<_> = letters.iter().filter(|one| one.contains(&spot)).collect();
        assert_eq!(about.len(), 1, "{name}: {letters:#?}");
        assert!(about[0].contains(problem), "{name}: {}", about[0]);
    }
    let count = |who: &str| house.letters(&format!("{who}@example.org")).len();
    assert_eq!(count("max") + count("olga"), CASES.len());
    house.adds_up();

    for (name, file, ..) in CASES {
        mend(&house.site, &place(name, file));
    }
    house.run();
    for post in &posts {
        house.delivered(post);
    }
    assert_eq!(house.waiting(), 0, "{}", house.site.log());
    house.adds_up();
}

#[test]
fn wrong_line_of_subscribers_is_named_and_the_others_get_their_copies() {
    let house = House::new();
    house.site.write(
        &place(GOOD, "subscribers"),
        "alice@example.org\nnobody at all\ncarol@example.org colour=red\nbob@example.org\n",
    );
    let text = house.post(GOOD);
    let log = house.run().stderr;
    house.delivered(&text);
    let path = house
        .site
        .path(&place(GOOD, "subscribers"))
        .display()
        .to_string();
    for said in [&log, &house.check(78)] {
        one_line_says(said, &[&format!("{path}:2")]);
        one_line_says(said, &[&format!("{path}:3"), "colour"]);
    }
    house.adds_up();
}

#[test]
fn wrong_domain_file_stops_its_lists_until_it_is_mended() {
    let house = House::new();
    let text = house.post(GOOD);
    house.site.write(
        "lists/example.org/domain.toml",
        "lang = \"de\"\nencrpyt = 1\n",
    );
    let log = house.run().stderr;
    house.undelivered(&text);
    let path = house
        .site
        .path("lists/example.org/domain.toml")
        .display()
        .to_string();
    for said in [&log, &house.check(78)] {
        one_line_says(said, &[&format!("{path}:2"), "encrpyt"]);
    }
    house.site.remove("lists/example.org/domain.toml");
    house.run();
    house.delivered(&text);
    house.adds_up();
}

#[test]
fn wrong_scenario_is_named_and_the_list_denies() {
    let house = House::new();
    house.site.list(
        "own",
        "owners = [\"olga@example.org\"]\nsend = \"house\"\n",
        super::house::SUBSCRIBERS,
    );
    house.site.write(
        "lists/example.org/own/scenari/send.house",
        "title.gettext ours\n\nmoon_is_full() smime -> do_it\n",
    );
    let text = house.post("own");
    let good = house.post(GOOD);
    let log = house.run().stderr;
    house.delivered(&good);
    house.undelivered(&text);
    let path = house
        .site
        .path("lists/example.org/own/scenari/send.house")
        .display()
        .to_string();
    for said in [&log, &house.check(78)] {
        one_line_says(said, &[&format!("{path}:3"), "moon_is_full"]);
    }
    house.adds_up();
}

fn place(list: &str, file: &str) -> String {
    format!("lists/example.org/{list}/{file}")
}
