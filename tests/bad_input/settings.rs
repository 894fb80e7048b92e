//! A wrong `listseal.toml`: nothing starts, and the MTA keeps the mail.

use super::house::{GOOD, House, made, one_line_says};
use super::spoil::{Spoil, mend, spoil};

const FILE: &str = "listseal.toml";

#[test]
fn wrong_site_file_is_78_for_people_and_75_for_the_mta() {
    let house = House::new();
    let waiting = house.post(GOOD);
    let good = std::fs::read_to_string(house.site.path(FILE)).unwrap();
    let line = good.lines().count() + 1;
    let cases = [
        (format!("{good}speed = 3\n"), line, "speed"),
        (format!("{good}[lsit]\nlang = \"de\"\n"), line, "lsit"),
        (
            format!("{good}connections = \"many\"\n"),
            line,
            "connections",
        ),
        (format!("{good}connections = 0\n"), line, "connections"),
        (format!("{good}hostname = \n"), line, ""),
        (good.replace("dir://", "pigeon://"), 0, "pigeon"),
    ];
    for (text, line, word) in &cases {
        house.site.write(FILE, text);
        refused(&house, *line, word);
    }
    house.site.write(FILE, &good);
    for how in [
        Spoil::Missing,
        Spoil::Directory,
        Spoil::Fifo,
        Spoil::Dangling,
        Spoil::Bytes(b"\xff\xfe\0"),
    ] {
        spoil(&house.site, FILE, how);
        refused(&house, 0, "");
        mend(&house.site, FILE);
    }
    house.run();
    house.delivered(&waiting);
    house.adds_up();
}

/// Every command says what is wrong with the file, where, and does nothing.
fn refused(house: &House, line: usize, word: &str) {
    let path = house.site.path(FILE).display().to_string();
    let spot = if line == 0 {
        path
    } else {
        format!("{path}:{line}")
    };
    let mail = made(&["sign alice"], GOOD, &house.text());
    for (words, code) in [
        (&["run", "--once"][..], 78),
        (&["run"], 78),
        (&["check"], 78),
        (&["queue", "team@example.org"], 75),
        (&["queue", "nobody@example.org"], 75),
    ] {
        let ended = house.site.command(words, &mail);
        assert_eq!(ended.code, code, "{words:?} {word}: {ended:?}");
        one_line_says(&(ended.stdout + &ended.stderr), &[&spot, word]);
    }
}
