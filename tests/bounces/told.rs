//! What the owners hear of failures, and what refusals at the mail server's door count for.

use super::world::{GONE, World, dsn, notices};

/// A mail server's program: refuses whom `refusals` names, with these words.
fn refuse(world: &World, refusals: &[(&str, &str)]) {
    let cases: String = refusals
        .iter()
        .map(|(who, words)| format!("{who}@*) echo '{words}' >&2; exit 67;;\n"))
        .collect();
    let script = format!(
        "#!/bin/sh\nfor to; do :; done\ndir=$(dirname \"$0\")/taken\nmkdir -p \"$dir\"\n\
         case $to in\n{cases}esac\ncat >\"$dir/$to.$$\"\n"
    );
    world.site.write_with_mode("sendmail", &script, 0o755);
    let url = format!("sendmail://{}", world.site.path("sendmail").display());
    world.site.configure(&url, "");
}

/// What was taken for this address.
fn taken(world: &World, who: &str) -> Vec<String> {
    let entries = std::fs::read_dir(world.site.path("taken"));
    let entries = entries.into_iter().flatten().map(|entry| entry.unwrap());
    let own = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with(who));
    own.map(|entry| std::fs::read_to_string(entry.path()).unwrap())
        .collect()
}

#[test]
fn each_post_with_refused_copies_is_reported_with_what_tells_whose() {
    let world = World::new(0);
    refuse(&world, &[("bob", "550 5.1.1 gone")]);
    world.post("team", 1);
    refuse(&world, &[("carol", "550 5.1.6 moved")]);
    world.post("team", 2);
    let reports = taken(&world, "olga");
    let about = |what: &str| reports.iter().filter(|one| one.contains(what)).count();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert_eq!(about("1 of 3 copies"), 2, "{reports:?}");
    assert_eq!(
        about("listseal subscriber ls team@example.org"),
        2,
        "{reports:?}"
    );
}

#[test]
fn r11_each_message_that_is_set_aside_is_told() {
    let world = World::new(0);
    for number in 1..=2 {
        let mail = format!("From: a@example.net\nSubject: {number}\n\nx\n");
        world
            .site
            .queue("team@example.org", "a@example.net", mail.as_bytes());
        for entry in std::fs::read_dir(world.site.path("spool/new")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let at = bytes.len() - 50;
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
        assert_eq!(world.site.run_once().code, 0);
    }
    assert_eq!(
        notices(&world.site.outbox()).len(),
        2,
        "{:?}",
        world.site.spool()
    );
}

#[test]
fn full_mailbox_is_half_a_bounce_through_sendmail_too() {
    let world = World::new(5);
    refuse(&world, &[("bob", "550 5.2.2 mailbox full")]);
    world.post("team", 1);
    assert_eq!(world.row("bob")["bounces"]["score"], 0.5);
    refuse(&world, &[("bob", "550 no such user")]);
    world.post("team", 2);
    // The same day: the worse of the two counts.
    assert_eq!(world.row("bob")["bounces"]["score"], 1.0);
}

#[test]
fn only_member_of_a_list_is_not_suspended_by_a_mail_server_that_takes_nothing() {
    let world = World::new(1);
    world.list("team", "bouncing_count = 1\n", &["bob"]);
    refuse(&world, &[("bob", "550 5.1.1 nobody passes")]);
    world.post("team", 1);
    assert_eq!(world.state("bob"), "active");
}

#[test]
fn roster_that_is_empty_for_a_moment_lifts_no_suspension() {
    let world = World::new(1);
    let copy = world.copy(1, "bob");
    world.report(&copy.bounces, &dsn(&copy.bounces, GONE, &copy.header()));
    assert_eq!(world.state("bob"), "suspended");
    let file = format!(
        "{}/subscribers",
        super::common::site::list_directory("team")
    );
    let members = std::fs::read_to_string(world.site.path(&file)).unwrap();
    world.site.write(&file, "");
    world.post("team", 2);
    world.site.write(&file, &members);
    assert_eq!(world.state("bob"), "suspended");
}
