//! The program ends at every row of the contract's table of crash points, by `kill -9` and by a
//! panic; what the row predicts is what comes of it.

use std::collections::BTreeMap;

use super::figures::Figures;
use super::relay::{End, MEMBERS, Relay};

/// What a row predicts of a crash in intake: does the daemon see the message?
const INTAKE: [(&str, bool); 9] = [
    ("I0", false),
    ("I1", false),
    ("I2", false),
    ("I3", false),
    ("I4", false),
    ("I5", true),
    ("I6", true),
    ("I7", true),
    ("I8", true),
];
/// What a row predicts of a crash in the daemon: how many mails come twice.
const DAEMON: [(&str, u64); 12] = [
    ("D1", 0),
    ("D2", 0),
    ("D3", 0),
    ("D4", 0),
    ("D5", 0),
    ("D6", 0),
    ("D7", 1),
    ("D8", 1),
    ("D9", 0),
    ("D12", 0),
    ("D13", 0),
    ("Q1", 0),
];
/// Rows of notices, as above.
const NOTICES: [(&str, u64); 2] = [("D10", 0), ("D11", 1)];

const WAYS: [&str; 2] = ["kill9", "panic"];

fn ended(way: &str, end: End) {
    match way {
        "kill9" => assert_eq!(end, End::Killed),
        _ => assert!(matches!(end, End::Code(_)), "{end:?}"),
    }
}

fn each(rows: &[&'static str], case: &(dyn Fn(&'static str, &'static str) -> Figures + Sync)) {
    let mut sum = BTreeMap::new();
    for row in rows {
        for way in WAYS {
            let figures = case(row, way);
            assert_eq!(
                (figures.lost, figures.torn),
                (0, 0),
                "{row}:{way}: {figures:?}"
            );
            sum.insert((row, way), figures);
        }
    }
    let mut all = Figures::default();
    for figures in sum.values() {
        all.join(figures);
    }
    let name = format!("Crash points {} to {}", rows[0], rows[rows.len() - 1]);
    let command = "cargo test --features faults --test crash points";
    all.tell(
        &name,
        &format!("{} crashes", sum.len()),
        std::path::Path::new("/tmp"),
        command,
    );
}

#[test]
fn intake_that_ends_at_any_row_leaves_nothing_or_all_of_the_message() {
    each(&INTAKE.map(|(row, _)| row), &|row, way| {
        let relay = Relay::new(1);
        let seen = INTAKE.iter().find(|one| one.0 == row).unwrap().1;
        let post = relay.post(1);
        let (end, said) = relay.queue("team", &post, &[("FAIL", &format!("{row}:{way}"))]);
        let expected = if way == "kill9" {
            End::Killed
        } else {
            End::Code(75)
        };
        assert_eq!(end, expected, "{row}:{way}: {said}");
        assert_eq!(relay.waiting(), usize::from(seen), "{row}:{way}");
        // The MTA has no 0 and tries again.
        assert_eq!(relay.queue("team", &post, &[]).0, End::Code(0));
        relay.finish();
        let figures = relay.judge(&[1]);
        assert_eq!(
            figures.duplicated, 0,
            "{row}:{way}: the same bytes came twice"
        );
        figures
    });
}

#[test]
fn daemon_that_ends_at_any_row_loses_nothing_and_sends_twice_what_the_row_says() {
    each(&DAEMON.map(|(row, _)| row), &|row, way| {
        let relay = Relay::new(1);
        let twice = DAEMON.iter().find(|one| one.0 == row).unwrap().1;
        let mut accepted = vec![1];
        if row == "D7" {
            let address = super::sink::listen(relay.site.path("outbox"));
            relay.send_to(&format!("smtp://{address}"));
        }
        assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
        if row == "Q1" {
            // To be set aside, and what is lost is not ours.
            relay.cut_short();
            accepted.clear();
        }
        let (end, said) = relay.daemon(&[("FAIL", &format!("{row}:{way}"))]);
        ended(way, end);
        assert!(
            way == "kill9" || said.contains(&format!("stopped at {row}")),
            "{row}:{way}: {said}"
        );
        if row == "Q1" {
            // The reason first, then the move: a message in bad/ is never there without its reason.
            let files = |shelf: &str| relay.site.files(&format!("disk/spool/{shelf}"));
            let [inbox, bad] = ["new", "bad"].map(files);
            assert_eq!((inbox.len(), bad.len()), (1, 1), "{way}");
            assert!(bad[0].0.ends_with(".why"), "{way}: {}", bad[0].0);
            assert_eq!(relay.daemon(&[]).0, End::Code(0));
            let rows = relay.site.spool();
            assert_eq!(
                (rows.len(), rows[0].reason.as_deref()),
                (1, Some("damaged")),
                "{way}"
            );
        } else {
            relay.finish();
        }
        let figures = relay.judge(&accepted);
        assert_eq!(figures.duplicated, twice, "{row}:{way}");
        figures
    });
}

#[test]
fn notices_come_once_and_twice_only_where_they_were_on_their_way() {
    each(&NOTICES.map(|(row, _)| row), &|row, way| {
        let relay = Relay::new(1);
        let twice = NOTICES.iter().find(|one| one.0 == row).unwrap().1;
        assert_eq!(relay.queue("closed", &relay.post(1), &[]).0, End::Code(0));
        let (end, _) = relay.daemon(&[("FAIL", &format!("{row}:{way}"))]);
        ended(way, end);
        relay.finish();
        let told: u64 = relay.copies().values().sum();
        assert_eq!(told, 1 + twice, "{row}:{way}: {:?}", relay.copies());
        relay.judge(&[])
    });
}

/// How often each report to owners may come once more: both may be on their way, or answered and not on
/// record, while the post is being closed. They are kept before N1, and the post is closed after it.
const REPORTS: [(&str, u64); 6] = [
    ("D9", 0),
    ("N1", 1),
    ("D10", 1),
    ("D11", 1),
    ("D12", 1),
    ("D13", 1),
];
/// Rows of a message that is set aside: its report is kept between Q2 and Q3.
const SET_ASIDE: [(&str, u64); 5] = [("Q1", 0), ("Q2", 0), ("Q3", 0), ("D10", 0), ("D11", 1)];

#[test]
fn owners_hear_of_refused_copies_and_suspended_members_wherever_the_daemon_ends() {
    each(&REPORTS.map(|(row, _)| row), &|row, way| {
        let relay = Relay::new(1);
        let twice = REPORTS.iter().find(|one| one.0 == row).unwrap().1;
        relay.refuse("carol");
        assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
        let (end, _) = relay.daemon(&[("FAIL", &format!("{row}:{way}"))]);
        ended(way, end);
        relay.finish();
        for what in ["Report of", "Suspended"] {
            let told = relay.notices(what);
            let fitting = (1..=1 + twice).contains(&told);
            assert!(fitting, "{row}:{way}: {what} came {told} times");
        }
        let rows = relay
            .site
            .json(&["subscriber", "ls", "team@example.org", "--json"]);
        assert_eq!(rows[2]["state"], "suspended", "{row}:{way}: {rows}");
        let figures = relay.judge(&[1]);
        assert_eq!(
            (figures.failed, figures.duplicated),
            (1, 0),
            "{row}:{way}: {figures:?}"
        );
        figures
    });
}

#[test]
fn people_hear_of_a_message_that_is_set_aside_wherever_the_daemon_ends() {
    each(&SET_ASIDE.map(|(row, _)| row), &|row, way| {
        let relay = Relay::new(1);
        let twice = SET_ASIDE.iter().find(|one| one.0 == row).unwrap().1;
        assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
        relay.cut_short();
        let (end, _) = relay.daemon(&[("FAIL", &format!("{row}:{way}"))]);
        ended(way, end);
        for _ in 0..3 {
            let (end, said) = relay.daemon(&[]);
            assert_eq!(end, End::Code(0), "{said}");
        }
        let told: u64 = relay.copies().values().sum();
        assert_eq!(told, 1 + twice, "{row}:{way}: {:?}", relay.copies());
        let rows = relay.site.spool();
        assert_eq!(rows.len(), 1, "{row}:{way}: {rows:?}");
        relay.judge(&[])
    });
}

#[test]
fn certificate_is_the_old_one_or_the_new_one_wherever_it_is_replaced() {
    use super::common::mail::Made;
    each(&["C1", "C2"], &|row, way| {
        let relay = Relay::new(1);
        let file = relay.site.path("disk/certificates/carol@example.org");
        assert!(!file.exists());
        let text = b"! sign carol\nFrom: Carol <carol@example.org>\nTo: team@example.org\nSubject: me\n\
            Message-ID: <1.crash@example.org>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\nMIME-Version: 1.0\n\
            Content-Type: text/plain\n\nHere I am.\n";
        let post = Made::from_text(text, &|name| panic!("there is no mail {name}")).bytes;
        let members = MEMBERS.map(|name| format!("{name}@example.org\n")).concat();
        relay.site.write(
            "lists/example.org/team/subscribers",
            format!("{members}carol@example.org\n"),
        );
        assert_eq!(relay.queue("team", &post, &[]).0, End::Code(0));
        let (end, said) = relay.daemon(&[("FAIL", &format!("{row}:{way}"))]);
        ended(way, end);
        assert!(way == "kill9" || said.contains("stopped at"), "{said}");
        relay.finish();
        assert!(
            std::fs::read(&file)
                .unwrap()
                .starts_with(b"-----BEGIN CERTIFICATE"),
            "{row}:{way}"
        );
        let figures = relay.judge(&[1]);
        assert_eq!(figures.duplicated, 0, "{row}:{way}");
        figures
    });
}
