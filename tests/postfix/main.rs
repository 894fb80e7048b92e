//! Listseal behind a real Postfix, set up with the snippets of `etc/postfix/`: mail goes in through
//! the pipe, LMTP or the aliases, and copies come back to the members' mailboxes.
//!
//! Needs root and Debian's `postfix`; each test runs an instance of its own in a scratch directory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
// Tests read and write files.
#![allow(clippy::disallowed_methods)]

#[path = "../common/mod.rs"]
mod common;
mod instance;
mod lmtp;
mod secure;
mod world;

use common::foreign::Reader;
use common::lab::lab;
use common::mail::Parsed;
use instance::MEMBERS;
use world::{World, post};

/// The text inside what Alice writes.
pub(crate) const LUNCH: &str =
    "Lunch is at noon in the garden, and this line is not for the postman.";

#[test]
fn sealed_copies_come_back_to_the_mailboxes_of_the_members() {
    let world = World::pipe("", &["alice", "bob", "carol"]);
    let mail = post(&["sign alice-elsewhere", "encrypt team"], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "team@example.org", &mail);
    world.taken(1);
    world.work();
    each_has_what_is_due(&world);
    world.nothing_lost();
}

/// Alice and Bob have sealed copies, Carol a notice.
fn each_has_what_is_due(world: &World) {
    for name in ["alice", "bob"] {
        let mails = world.postfix.mailbox(name, 1);
        let who = lab().identity(&format!("{name}-elsewhere"));
        let opened = Reader::new().open(&mails[0], &who).unwrap();
        assert_eq!(opened.recipients, 1);
        let inside = Reader::new()
            .verify(&opened.inside, &lab().identity("alice-elsewhere"))
            .unwrap();
        assert!(String::from_utf8(inside).unwrap().contains(LUNCH));
        let head = Parsed::of(&mails[0]);
        // What Postfix made of the envelope.
        assert_eq!(
            head.value("Return-Path").unwrap(),
            format!("<team-bounces+{name}={MEMBERS}@example.org>")
        );
        assert_eq!(
            head.value("List-Id")
                .map(|id| id.contains("team.example.org")),
            Some(true)
        );
    }
    // Carol has no certificate and is told so, without a word of the post.
    let notice = world.postfix.mailbox("carol", 1).remove(0);
    assert_eq!(Parsed::of(&notice).value("Return-Path").unwrap(), "<>");
    let notice = String::from_utf8(notice).unwrap();
    assert!(!notice.contains("noon"), "{notice}");
    assert!(notice.contains("certificate"), "{notice}");
}

#[test]
fn what_cannot_be_taken_comes_back_with_the_reason() {
    let world = World::pipe("[intake]\nmax_size = \"64 KiB\"\n", &["alice"]);
    // No list; Postfix has not heard of it yet.
    world.site.remove("lists/example.org/team");
    let small = post(&[], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "team@example.org", &small);
    let bounce = world.postfix.mailbox("alice", 1).remove(0);
    let bounce = String::from_utf8(bounce).unwrap();
    assert!(
        bounce.contains("there is no list with the address team@example.org"),
        "{bounce}"
    );
    assert!(bounce.contains("Status: 5.1.1"), "{bounce}");
    // Too large for Listseal, not for Postfix.
    let large = post(&[&format!("fill {}", 65 << 10)], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "listseal@example.org", &large);
    let bounce = world.postfix.mailbox("alice", 2);
    let bounce = bounce
        .into_iter()
        .find(|one| common::mail::find(one, b"the message is larger").is_some());
    let bounce = bounce.unwrap();
    let bounce = String::from_utf8(bounce).unwrap();
    assert!(
        bounce.contains("the message is larger than the 65536 bytes"),
        "{bounce}"
    );
    assert!(bounce.contains("Status: 5.3.4"), "{bounce}");
    world.taken(0);
    // And what is no address of a list is refused while the sender is still there.
    let said = world.say(&[
        "EHLO client.example",
        "MAIL FROM:<alice@elsewhere.example>",
        "RCPT TO:<teamwork@example.org>",
        "QUIT",
    ]);
    assert!(said[3].starts_with("550 5.1.1"), "{said:?}");
}

#[test]
fn local_trouble_keeps_mail_in_the_queue_until_it_is_mended() {
    let world = World::pipe("", &["alice", "bob"]);
    let good = std::fs::read_to_string(world.site.path("listseal.toml")).unwrap();
    let spoilt = good.replace("[trust]", "[trust]\ncaflie = \"ca.pem\"");
    for (what, spoil, said) in [
        ("listseal.toml", spoilt.as_str(), "unknown key"),
        ("spool", "", "Not a directory"),
    ] {
        let place = world.site.path(what);
        let aside = world.site.path("aside");
        std::fs::rename(&place, &aside).unwrap();
        world.site.write(what, spoil);
        let mail = post(&["sign alice-elsewhere"], &format!("{LUNCH} {what}"));
        world
            .postfix
            .sendmail(&member("alice"), "team@example.org", &mail);
        world.postfix.until("a deferred mail", || {
            world
                .postfix
                .queue()
                .iter()
                .any(|row| row["queue_name"] == "deferred")
        });
        let queue = world.postfix.queue();
        let reason = queue[0]["recipients"][0]["delay_reason"].as_str().unwrap();
        assert!(reason.contains(said), "{what}: {reason}");
        assert!(reason.contains(what), "{what} is not named: {reason}");
        std::fs::remove_file(&place).unwrap();
        std::fs::rename(&aside, &place).unwrap();
        world.postfix.flush();
        world.postfix.settle();
    }
    world.taken(2);
    world.work();
    assert_eq!(world.postfix.mailbox("bob", 2).len(), 2);
    world.nothing_lost();
}

#[test]
fn smtp_source_hands_100_mails_through_the_pipe() {
    let world = World::pipe("", &["alice"]);
    world.postfix.source(100, 4, "team-owner@example.org");
    world.taken(100);
    world.work();
    world.postfix.mailbox("olga", 100);
    world.nothing_lost();
}

#[test]
fn bounce_of_a_copy_suspends_the_member_and_the_owner_hears_of_it_once() {
    let world = World::pipe("", &["alice", "gone"]);
    world.site.certificate("gone-elsewhere", None);
    let settings = format!("owners = [\"{}\"]\nbouncing_count = 1\n", member("olga"));
    world
        .site
        .write("lists/example.org/team/list.toml", settings);
    world.site.own("");
    let mail = post(&["sign alice-elsewhere", "encrypt team"], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "team@example.org", &mail);
    world.taken(1);
    world.work();
    // It may have come back while the daemon still worked.
    world.work();
    // Alice's copy arrives; the other one comes back, and only the owner hears of it.
    world.postfix.mailbox("alice", 1);
    let notice = world.postfix.mailbox("olga", 1).remove(0);
    assert_eq!(Parsed::of(&notice).value("Return-Path").unwrap(), "<>");
    let notice = String::from_utf8(notice).unwrap();
    let resume = format!(
        "listseal subscriber resume team@example.org {}",
        member("gone")
    );
    assert!(notice.contains("Suspended: 1 member"), "{notice}");
    assert!(notice.replace("=\n", "").contains(&resume), "{notice}");
    let rows = world
        .site
        .json(&["subscriber", "ls", "team@example.org", "--json"]);
    assert_eq!(rows[0]["state"], "active", "{rows}");
    assert_eq!(rows[1]["state"], "suspended", "{rows}");
    assert_eq!(rows[1]["suspended"]["status"], "5.3.0", "{rows}");
    assert_eq!(rows[1]["bounces"]["failures"], 1, "{rows}");
    // Nothing is sent to him any more, and nobody hears of it again.
    let mail = post(
        &["sign alice-elsewhere", "encrypt team"],
        &format!("{LUNCH} Supper too."),
    );
    world
        .postfix
        .sendmail(&member("alice"), "team@example.org", &mail);
    world.taken(1);
    world.work();
    world.work();
    world.postfix.mailbox("alice", 2);
    world.postfix.mailbox("olga", 1);
    let rows = world.site.json(&["audit", "--json"]);
    assert_eq!(
        (&rows[1]["withheld"], &rows[1]["sent"]),
        (&1.into(), &3.into()),
        "{rows}"
    );

    let to = format!("team-bounces+gone={MEMBERS}@example.org");

    world.postfix.sendmail("", &to, &post(&[], LUNCH));
    world.taken(1);
    let row = world.site.json(&["spool", "ls", "--json"]);
    assert_eq!(row[0]["sender"], "", "{row}");
    assert_eq!(row[0]["list"], to, "{row}");
    world.work();
    // It is no report: the owner reads it.
    world.postfix.mailbox("alice", 2);
    world.postfix.mailbox("olga", 2);
    world.nothing_lost();
}

#[test]
fn aliases_hand_mail_in_as_the_owner_of_their_file() {
    let world = World::aliases(&["alice", "bob"]);
    let mail = post(&["sign alice-elsewhere", "encrypt team"], LUNCH);
    world
        .postfix
        .sendmail(&member("alice"), "team@example.org", &mail);
    world.taken(1);
    let to = format!("team-bounces+bob={MEMBERS}@example.org");
    world.postfix.sendmail("", &to, &post(&[], LUNCH));
    world.taken(2);
    let rows = world.site.json(&["spool", "ls", "--json"]);
    let rows: Vec<(&str, &str)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["sender"].as_str().unwrap(),
                row["list"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(
        rows.contains(&(member("alice").as_str(), "team@example.org")),
        "{rows:?}"
    );
    assert!(rows.contains(&("", to.as_str())), "{rows:?}");
    world.work();
    for name in ["alice", "bob"] {
        let mails = world.postfix.mailbox(name, 1);
        let who = lab().identity(&format!("{name}-elsewhere"));
        let opened = Reader::new().open(&mails[0], &who).unwrap();
        assert!(String::from_utf8_lossy(&opened.inside).contains(LUNCH));
    }
    world.nothing_lost();
}

pub(crate) fn member(name: &str) -> String {
    format!("{name}@{MEMBERS}")
}
