//! Suspended, resumed, forgiven, gone and back again.

use super::common::mail::Made;
use super::common::site::list_directory;
use super::world::{GONE, World, dsn, notices};

#[test]
fn proven_failure_suspends_once_and_people_resume() {
    let world = World::new(1);
    let copy = world.copy(1, "bob");
    assert_eq!(copy.bounces, "team-bounces+bob=example.org@example.org");
    assert_eq!(world.state("bob"), "active");
    let report = dsn(&copy.bounces, GONE, &copy.header());
    let told = notices(&world.report(&copy.bounces, &report));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "olga@example.org");
    assert!(told[0].1.contains("Suspended: 1 member"), "{told:?}");
    let row = world.row("bob");
    assert_eq!(row["state"], "suspended", "{row}");
    assert_eq!(row["suspended"]["status"], "5.1.1", "{row}");
    assert_eq!(row["bounces"]["text"], "550 5.1.1 no such user", "{row}");
    // The same again, in other bytes: nobody is told again.
    let again = dsn(
        &copy.bounces,
        &GONE.replace("no such", "no"),
        &copy.header(),
    );
    assert!(world.report(&copy.bounces, &again).is_empty());
    let mut to: Vec<String> = world
        .post("team", 2)
        .into_iter()
        .map(|(to, _)| to)
        .collect();
    to.sort();
    assert_eq!(to, ["alice@example.org", "carol@example.org"]);
    let text = world
        .site
        .command(&["subscriber", "ls", "team@example.org"], b"")
        .stdout;
    assert!(
        text.contains("suspended  mail    bob@example.org  since 20"),
        "{text}"
    );
    let check = world.site.command(&["check", "team@example.org"], b"");
    assert!(
        (check.stdout + &check.stderr)
            .contains("bob@example.org is suspended: mail came back on 1 day(s)"),
    );
    world.resume("bob");
    assert_eq!(world.post("team", 3).len(), 3);
    // What led to the suspension is over, however late it is told.
    let late = dsn(
        &copy.bounces,
        &GONE.replace("no such", "late"),
        &copy.header(),
    );
    assert!(world.report(&copy.bounces, &late).is_empty());
    assert_eq!(world.state("bob"), "active");
    let stranger = [
        "subscriber",
        "resume",
        "team@example.org",
        "eve@example.org",
    ];
    assert_eq!(world.site.command(&stranger, b"").code, 66);
}

#[test]
fn half_a_bounce_does_not_suspend_and_delay_is_only_shown() {
    let world = World::new(1);
    let copy = world.copy(1, "bob");
    for (n, (action, status)) in [
        ("failed", "4.4.1"),
        ("failed", "5.2.2"),
        ("delayed", "4.4.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let fields = format!("Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: x; {n}\r\n");
        let report = dsn(&copy.bounces, &fields, &copy.header());
        assert!(world.report(&copy.bounces, &report).is_empty());
    }
    let row = world.row("bob");
    assert_eq!(row["state"], "bouncing", "{row}");
    assert_eq!(
        (&row["bounces"]["score"], &row["bounces"]["delayed"]),
        (&0.5.into(), &1.into())
    );
    let delivered = dsn(
        &copy.bounces,
        "Action: delivered\r\nStatus: 2.0.0\r\n",
        &copy.header(),
    );
    assert!(world.report(&copy.bounces, &delivered).is_empty());
    assert_eq!(world.row("bob")["bounces"]["score"], 0.5);
}

#[test]
fn member_who_is_taken_out_and_put_in_again_begins_anew() {
    let world = World::new(1);
    let copy = world.copy(1, "bob");
    world.report(&copy.bounces, &dsn(&copy.bounces, GONE, &copy.header()));
    assert_eq!(world.state("bob"), "suspended");
    let file = format!("{}/subscribers", list_directory("team"));
    // A mistake in the file takes nobody out.
    world
        .site
        .write(&file, "alice@example.org\nbob@example,org\n");
    world.post("team", 2);
    world
        .site
        .write(&file, "alice@example.org\nbob@example.org\n");
    assert_eq!(world.state("bob"), "suspended");
    world.site.write(&file, "alice@example.org\n");
    world.post("team", 3);
    world
        .site
        .write(&file, "alice@example.org\nbob@example.org\n");
    assert_eq!(world.state("bob"), "active");
    assert_eq!(world.post("team", 4).len(), 2);
}

#[test]
fn proven_mail_of_the_member_forgives_and_lifts_no_suspension() {
    let world = World::new(2);
    let copy = world.copy(1, "bob");
    world.report(&copy.bounces, &dsn(&copy.bounces, GONE, &copy.header()));
    assert_eq!(world.state("bob"), "bouncing");
    let write = |number: u32, step: &str| {
        let text = format!(
            "{step}From: Bob <bob@example.org>\nTo: team@example.org\nSubject: {number}\n\
             Message-ID: <{number}.bob@example.org>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n\
             MIME-Version: 1.0\nContent-Type: text/plain\n\nHere I am {number}.\n"
        );
        let made = Made::from_text(text.as_bytes(), &|name| panic!("there is no mail {name}"));
        let ended = world
            .site
            .queue("team@example.org", "bob@example.org", &made.bytes);
        assert_eq!(ended.code, 0, "{ended:?}");
        let copies = world
            .work()
            .into_iter()
            .filter(|sent| !sent.from.is_empty());
        assert_eq!(copies.count(), 3);
    };
    write(2, "");
    assert_eq!(world.state("bob"), "bouncing", "anybody can write From");
    write(3, "! sign bob\n");
    assert_eq!(world.state("bob"), "active");
    // The failure of before does not count when it is told again.
    let late = dsn(
        &copy.bounces,
        &GONE.replace("no such", "late"),
        &copy.header(),
    );
    world.report(&copy.bounces, &late);
    assert_eq!(world.state("bob"), "active");
}

#[test]
fn post_that_the_next_hop_refuses_for_everybody_is_nobodys_failure() {
    let world = World::new(1);
    world.site.write_with_mode(
        "sendmail",
        "#!/bin/sh\necho '5.7.1 relay access denied' >&2\nexit 67\n",
        0o755,
    );
    let url = format!("sendmail://{}", world.site.path("sendmail").display());
    world.site.configure(&url, "");
    assert!(world.post("team", 1).is_empty());
    for member in ["alice", "bob", "carol"] {
        assert_eq!(world.state(member), "active");
    }
}
