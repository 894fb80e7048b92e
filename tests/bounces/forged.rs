//! Reports that outsiders and members write in another's name suspend nobody.

use std::sync::Arc;

use listseal::config::Settings;
use listseal::intake::accept;
use listseal::store::lists::Lists;

use super::world::{GONE, World, dsn};

#[test]
fn whatever_others_can_know_of_a_post_suspends_nobody() {
    let world = World::new(1);
    world.list("other", "bouncing_count = 1\n", &["alice", "bob"]);
    let copies = world.post("team", 1);
    let of = |member: &str| {
        let to = format!("{member}@example.org");
        &copies.iter().find(|(found, _)| *found == to).unwrap().1
    };
    let bounces = &of("bob").bounces;
    let elsewhere = world.post("other", 1);
    let elsewhere = &elsewhere
        .iter()
        .find(|(to, _)| to == "bob@example.org")
        .unwrap()
        .1;
    // What a member has: his own copy, with Message-ID and everything else of the post.
    let own = of("carol").header();
    let name = of("bob").name.clone();
    let (id, tag) = name.split_once('.').unwrap();
    let mut guesses = vec![
        own.clone(),
        own.replace(&of("carol").name, id),
        own.replace(&of("carol").name, &format!("{id}.")),
        own.replace(&of("carol").name, &format!("{id}.{}", "0".repeat(32))),
        // The name of another post that never was, and of another list's copy for Bob.
        own.replace(&of("carol").name, &format!("{}.{tag}", flipped(id))),
        elsewhere.header(),
        "Message-ID: <1.team@example.org>\r\n".to_owned(),
        String::new(),
    ];
    // Names in rows.
    guesses.push(format!("X-Listseal-Copy: {id}.00\r\n").repeat(500));
    for (n, returned) in guesses.iter().enumerate() {
        let fields = format!("Original-Envelope-Id: {id}.{n:032x}\r\n{GONE}");
        for fields in [GONE, &fields] {
            let sent = world.report(bounces, &dsn(bounces, fields, returned));
            assert!(sent.is_empty(), "{n}: an outsider wrote to the owners");
        }
    }
    let row = world.row("bob");
    assert_eq!(row["state"], "active", "{row}");
    assert_eq!(row["bounces"]["unproven"], guesses.len() * 2, "{row}");
    assert_eq!(row["bounces"]["failures"], 0, "{row}");
    assert_eq!(row["bounces"]["text"], serde_json::Value::Null, "{row}");
    // Nobody's bounces are nobody's.
    let eve = "team-bounces+eve=example.org@example.org";
    assert!(world.report(eve, &dsn(eve, GONE, &own)).is_empty());
    assert_eq!(world.post("team", 2).len(), 3);
    // The very name counts, so what was missing above is the name.
    let own = own.replace(&of("carol").name, &name);
    assert_eq!(world.report(bounces, &dsn(bounces, GONE, &own)).len(), 1);
    assert_eq!(world.state("bob"), "suspended");
}

/// Another id: its last digit is another one.
fn flipped(id: &str) -> String {
    let (rest, last) = id.split_at(id.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

#[test]
fn name_of_a_copy_leaves_no_copy_again() {
    let world = World::new(1);
    world.list("outer", "", &["alice"]);
    let copy = world.copy(1, "bob");
    // A list that is a member of a list passes on what it got.
    let ended = world
        .site
        .queue("outer@example.org", "team@example.org", &copy.mail);
    assert_eq!(ended.code, 0);
    let sent = world.work();
    assert_eq!(sent.len(), 1);
    let text = String::from_utf8(sent[0].bytes.clone()).unwrap();
    let (_, tag) = copy.name.split_once('.').unwrap();
    assert!(!text.contains(tag), "{text}");
    assert_eq!(text.matches("X-Listseal-Copy: ").count(), 1, "{text}");
}

/// `LISTSEAL_FORGED` sets how many.
#[test]
fn flood_of_forged_and_replayed_reports_suspends_nobody_and_fills_nothing() {
    let count = std::env::var("LISTSEAL_FORGED").ok();
    let count: u32 = count.map_or(300, |text| text.parse().unwrap());
    let world = World::new(2);
    let copies = world.post("team", 1);
    let of = |member: &str| {
        &copies
            .iter()
            .find(|(to, _)| to.starts_with(member))
            .unwrap()
            .1
    };
    let file = world.site.path("listseal.toml");
    let settings = Settings::load(&file).unwrap();
    let lists = Lists::new(Arc::new(settings));
    let (bob, carol) = (of("bob"), of("carol"));
    for n in 0..count {
        // One in two is real, and always the same failure.
        let (to, returned) = if n % 2 == 0 {
            (&bob.bounces, bob.header())
        } else {
            (&carol.bounces, bob.header())
        };
        let fields = GONE.replace("no such", &n.to_string());
        let mail = dsn(to, &fields, &returned);
        accept(&lists, to, Some(""), &mut &mail[..]).unwrap();
    }
    // A command has two minutes, in which a slow disk does not take ten thousand.
    while world.site.run_once().code == 124 {}
    assert!(world.work().is_empty(), "nobody hears of it");
    let (bob, carol) = (world.row("bob"), world.row("carol"));
    assert_eq!(
        (&bob["state"], &carol["state"]),
        (&"bouncing".into(), &"active".into())
    );
    assert_eq!(
        (&bob["bounces"]["score"], &bob["bounces"]["failures"]),
        (&1.0.into(), &count.div_ceil(2).into())
    );
    assert_eq!(carol["bounces"]["unproven"], count / 2);
    let kept = world.site.files("state/bounces");
    let bytes: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes < 4096, "{bytes} bytes of {:?}", kept.len());
}
