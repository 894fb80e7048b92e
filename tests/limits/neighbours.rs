//! Good mail while a list is attacked or full: it does not wait behind the other mail (G9, 7.6).
//! `LISTSEAL_BOMBS` sets how many hostile mails, `LISTSEAL_GOOD` how many good ones.

use std::time::{Duration, Instant};

use super::bombs::{bombs, site};
use super::figures::{Row, count};
use super::process::Daemon;
use super::sink::Sink;

/// What good mail may take at p99 of the program as it is installed (G9).
const GOOD: Duration = Duration::from_secs(5);

fn good(list: &str, number: u64) -> Vec<u8> {
    format!(
        "From: Alice <alice@example.org>\r\nTo: {list}@example.org\r\nSubject: {number}\r\n\
         Message-ID: <{number}.good@example.org>\r\n\r\nAll is well, for the {number}th time.\r\n"
    )
    .into_bytes()
}

/// Hands in good mail to `calm` while the daemon works on what waits for `team`; returns how long
/// each took, sorted, and how many of the others waited still when the last good one was there.
fn latencies(site: &super::common::site::Site, sink: &Sink, goods: u64) -> (Vec<Duration>, usize) {
    let daemon = Daemon::start(site);
    let mut taken = Vec::new();
    for number in 0..goods {
        let ended = site.queue(
            "calm@example.org",
            "alice@example.org",
            &good("calm", number),
        );
        let accepted = Instant::now();
        assert_eq!(ended.code, 0, "{ended:?}");
        let id = format!("<{number}.good@example.org>");
        daemon.wait("good mail is not delivered", || {
            sink.taken().first.contains_key(&id)
        });
        let first = sink.taken().first[&id];
        taken.push(first.saturating_duration_since(accepted));
    }
    let left = std::fs::read_dir(site.path("spool/new")).unwrap().count();
    taken.sort();
    daemon.wait("the other mail is not done", || {
        std::fs::read_dir(site.path("spool/new")).unwrap().count() == 0
    });
    daemon.stop();
    assert_eq!(site.command(&["audit"], b"").code, 0);
    (taken, left)
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

#[test]
fn g9_good_mail_does_not_wait_behind_the_bombs_of_another_list() {
    let wanted = count("LISTSEAL_BOMBS", 60) as usize;
    let goods = count("LISTSEAL_GOOD", 20);
    let sink = Sink::listen();
    let site = site("", &sink.url);
    // Those that cost most, several times where more are wanted: a changed Subject makes another.
    let costly = [
        "line-50mb-header",
        "parts-1000",
        // Where all are wanted:
        "base64-50mb-lines",
        "lines-50mb-signed",
        "depth-700000",
        "recipients-ours-9999",
        "foreign-",
        "signers-8",
        "path-",
        "names-",
        "inflated-",
    ];
    let costly: Vec<_> = bombs()
        .iter()
        .filter(|(name, _)| costly.iter().any(|one| name.starts_with(one)))
        .collect();
    let mut handed = 0;
    while handed < wanted {
        for (name, file) in &costly {
            let mail = [
                format!("X-Round: {handed}\r\n").as_bytes(),
                &std::fs::read(file).unwrap(),
            ]
            .concat();
            if handed == wanted || (mail.len() > 5_000_000 && handed > costly.len()) {
                continue;
            }
            let ended = site.queue("team@example.org", "mallory@elsewhere.example", &mail);
            assert_eq!(ended.code, 0, "{name}: {ended:?}");
            handed += 1;
        }
    }
    let (taken, left) = latencies(&site, &sink, goods);
    let (middle, most) = (at(&taken, 50), at(&taken, 99));
    if cfg!(debug_assertions) {
        assert!(left > 0, "good mail came behind all {wanted} bombs");
    } else {
        assert!(most <= GOOD, "{most:?}");
    }
    Row::new("G9: good mail while bombs for another list wait")
        .put("bombs", wanted)
        .put("good", goods)
        .put("p50, ms", middle.as_millis())
        .put("p99, ms", most.as_millis())
        .put("bombs that waited still", left)
        .tell(&format!("LISTSEAL_BOMBS={wanted} LISTSEAL_GOOD={goods} cargo test --release --test limits g9_good"));
}
