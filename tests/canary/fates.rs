//! Everything that can become of an encrypted post, and its words in no file.

use super::common::mail::find;
use super::common::site::{OUTBOX, list_directory};
use super::posts::{LOUD, MEMBERS, World};

#[test]
fn words_of_encrypted_posts_reach_no_file_whatever_becomes_of_them() {
    let mut world = World::new();
    world.list("team", "");
    world.list("signing", "sign = true\nsubject = \"hide\"\n");
    world.list(
        "always",
        "encrypt = \"always\"\ncontent_cipher = \"aes-256-gcm\"\n",
    );
    world.list("easy", "send = \"private\"\n");
    world.list("never", "encrypt = \"never\"\n");
    world.list(
        "strict",
        "send = \"private\"\non_undecryptable = \"reject\"\n",
    );
    world.list(
        "judged",
        "send = \"editorkey\"\nmoderators = [\"mona@example.org\"]\n",
    );
    world.list(
        "blind",
        "send = \"editorkey\"\nmoderators = [\"nora@example.org\"]\n",
    );
    world.list("notes", "");
    world.site.write(
        &format!("{}/subscribers", list_directory("notes")),
        format!("{MEMBERS}carol@example.org\nmona@example.org mode=notice\n"),
    );
    world.list("locked", "");
    let key = world.site.path("lists/example.org/locked/private_key");
    let aside = world.site.path("aside");

    let sealed = |list: &str| ["sign alice", &format!("encrypt {list}")].map(str::to_owned);
    let make = |list: &str, number, steps: &[String]| {
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        world.words.post(list, number, &steps)
    };
    let one = |list: &str| make(list, 1, &sealed(list));
    for list in [
        "team", "signing", "always", "easy", "never", "judged", "blind", "notes", "locked",
    ] {
        world.queue(list, &one(list));
    }
    let own = |steps: &[&str]| steps.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    // Not signed, signed on the outside, signed by nobody we know or by one who is no member.
    world.queue("team", &make("team", 2, &own(&["encrypt team"])));
    world.queue("easy", &make("easy", 2, &own(&["encrypt easy"])));
    world.queue(
        "team",
        &make("team", 3, &own(&["encrypt team", "sign alice"])),
    );
    world.queue(
        "team",
        &make("team", 4, &own(&["sign alice-untrusted", "encrypt team"])),
    );
    let stranger = make("team", 5, &own(&["sign mona", "encrypt team"]));
    world.queue(
        "team",
        &String::from_utf8(stranger)
            .unwrap()
            .replace("alice@", "mona@")
            .into_bytes(),
    );
    // Changed inside, no MIME inside, for another list, to another key, to a key of nobody.
    let broken = [
        "sign alice",
        &format!("replace {} Changed", &world.words.body[20..]),
        "encrypt team",
    ];
    world.queue("team", &make("team", 6, &own(&broken)));
    let other = ["field To: easy@example.org", "sign alice", "encrypt team"];
    let other = make("easy", 7, &own(&other));
    world.queue("team", &other);
    for list in ["team", "easy", "strict"] {
        world.queue(list, &make(list, 8, &own(&["sign alice", "encrypt bob"])));
    }
    // Twice the same ciphertext under another name, and cut off.
    let again = String::from_utf8(one("team")).unwrap();
    world.queue("team", again.replace("<1.team@", "<again.team@").as_bytes());
    world.queue("team", &again.as_bytes()[..again.len() / 2]);
    // The other addresses.
    for role in [
        "team-request",
        "team-owner",
        "team-editor",
        "team-register",
        "team-bounces+bob=example.org",
    ] {
        world.queue(role, &make("team", 9, &sealed("team")));
    }
    world.queue("listseal", &make("listseal", 10, &sealed("listseal")));
    world.is_silent("before the daemon");

    // What cannot be delivered at first, and a key that cannot be used at first.
    std::fs::rename(&key, &aside).unwrap();
    world.site.configure("smtp://127.0.0.1:1", LOUD);
    let log = world.run_once().stderr;
    assert!(log.contains("deferred"), "{log}");
    world.is_silent("while deliveries are put off");
    std::fs::rename(&aside, &key).unwrap();
    world.site.configure(OUTBOX, LOUD);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    world.run_once();
    world.is_silent("after delivery");

    for list in ["team", "signing", "always", "easy", "notes", "locked"] {
        for member in ["alice", "bob"] {
            assert!(
                world.copies(member, list) >= 1,
                "{member} {list}\n{}",
                world.site.log()
            );
        }
    }
    for list in ["judged", "blind", "never", "strict"] {
        assert_eq!(world.copies("bob", list), 0, "{list}");
    }
    // Somebody without certificate, and one whose moderators have none, are told without it.
    let outbox = world.site.outbox();
    for one in ["carol@example.org", "nora@example.org"] {
        assert!(
            outbox.iter().any(|mail| mail.to == one),
            "{one}\n{}",
            world.site.log()
        );
    }
    let mona = super::common::lab::lab().identity("mona");
    let shown = outbox
        .iter()
        .filter(|mail| mail.to == mona.address)
        .any(|mail| {
            let opened = super::common::foreign::Reader::new().open(&mail.bytes, &mona);
            opened.is_ok_and(|one| find(&one.inside, world.words.body.as_bytes()).is_some())
        });
    assert!(
        shown,
        "the moderator was not shown the held post\n{}",
        world.site.log()
    );

    // What people look at and decide.
    let rows = world.site.spool();
    let held: Vec<_> = rows.iter().filter(|row| row.state == "held").collect();
    assert!(held.len() >= 2, "{rows:?}");
    for row in &rows {
        let shown = world.site.command(&["spool", "show", &row.id], b"");
        assert_eq!(shown.code, 0, "{shown:?}");
        let hits = world
            .scanner
            .bytes(std::path::Path::new("spool show"), shown.stdout.as_bytes());
        assert!(hits.is_empty(), "{hits:?}");
    }
    for row in &held {
        world.site.command(&["spool", "release", &row.id], b"");
    }
    for words in [&["check"][..], &["audit"], &["spool", "ls"]] {
        let said = world.site.command(words, b"");
        let hits = world
            .scanner
            .bytes(std::path::Path::new("command"), said.stdout.as_bytes());
        assert!(hits.is_empty(), "{words:?}: {hits:?}");
    }
    world.run_once();
    assert_eq!(world.copies("bob", "judged"), 1, "{}", world.site.log());
    world.is_silent("after people have decided");
    world.adds_up();
    // The log was as loud as it can be.
    assert!(world.site.log().contains("DEBUG"), "{}", world.site.log());
}
