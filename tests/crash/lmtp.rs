//! The same rows where mail comes in over LMTP, one message for two recipients; and `kill -9` of a
//! daemon that several clients hand mail to. `LISTSEAL_LMTP_KILLS` sets how many.

use std::sync::Mutex;
use std::time::Duration;

use super::common::lmtp::{Client, Daemon, listen, socket};
use super::figures::{Dice, Figures, rounds};
use super::relay::Relay;

/// Clients at once.
const CLIENTS: u64 = 4;
/// Posts of each before a kill, at most.
const EACH: u64 = 8;
const CONNECTIONS: u64 = 2;

/// Two addresses that are judged apart: the posts of a list, and mail for its owner.
const TO: [&str; 2] = ["team@example.org", "team-owner@example.org"];

fn relay() -> Relay {
    let relay = Relay::new(CONNECTIONS);
    let config = std::fs::read_to_string(relay.site.path("listseal.toml")).unwrap();
    let listening = listen(&relay.site, "");
    relay
        .site
        .write("listseal.toml", format!("{config}{listening}"));
    relay
}

/// Hands a post in for all of `to`; true where each was accepted.
fn hand_in(relay: &Relay, to: &[&str], number: u64) -> bool {
    let Ok((mut client, greeting)) = Client::connect(&socket(&relay.site)) else {
        return false;
    };
    let greeted = greeting.starts_with("220 ")
        && client
            .ask("LHLO client.example\r\n")
            .is_ok_and(|line| line.starts_with("250 "));
    if !greeted {
        return false;
    }
    let replies = client.send("alice@example.org", to, &relay.post(number));
    replies.is_ok_and(|all| all.len() == to.len() && all.iter().all(|one| one.starts_with("250 ")))
}

#[test]
fn crash_at_any_row_between_the_recipients_of_a_message_loses_and_doubles_nothing() {
    let mut sum = Figures::default();
    let mut crashes = 0;
    for row in ["I0", "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"] {
        for way in ["kill9", "panic"] {
            let relay = relay();
            let fail = format!("{row}:{way}");
            let mut daemon = Daemon::start_with(&relay.site, &[("FAIL", &fail)]);
            assert!(
                !hand_in(&relay, &TO, 1),
                "{fail}: 250 in spite of the crash"
            );
            if way == "kill9" {
                assert_eq!(daemon.wait(), None, "{fail}: {}", daemon.log());
                let seen = relay.waiting() + relay.site.outbox().len();
                assert_eq!(seen > 0, row >= "I5", "{fail}: {seen}");
                daemon = Daemon::start(&relay.site);
            } else {
                // One message's panic is not the daemon's end.
                assert!(
                    daemon.log().contains(&format!("stopped at {row}")),
                    "{fail}"
                );
            }
            // The MTA has no 250 and tries again.
            assert!(hand_in(&relay, &TO, 1), "{fail}: {}", daemon.log());
            daemon.stop();
            relay.finish();
            let figures = relay.judge(&[1]);
            assert_eq!(
                (figures.lost, figures.torn, figures.duplicated),
                (0, 0, 0),
                "{fail}: {figures:?}"
            );
            let owner = relay.site.outbox();
            let owner = owner
                .iter()
                .filter(|mail| mail.to == "olga@example.org")
                .count();
            assert_eq!(owner, 1, "{fail}: mail for the owner came {owner} times");
            sum.join(&figures);
            crashes += 1;
        }
    }
    sum.tell(
        "LMTP I0 to I8",
        &format!("{crashes} crashes"),
        std::path::Path::new("/tmp"),
        "cargo test --features faults --test crash lmtp",
    );
}

#[test]
fn nothing_is_lost_while_the_daemon_that_takes_mail_in_is_killed() {
    let wanted = rounds("LISTSEAL_LMTP_KILLS", 12);
    let relay = relay();
    let mut dice = Dice::new();
    let next = Mutex::new(0);
    let refused = Mutex::new(Vec::new());
    let accepted = Mutex::new(Vec::new());
    for _ in 0..wanted {
        let mut daemon = Daemon::start(&relay.site);
        let pause = Duration::from_millis(20 + dice.below(200));
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let number = {
                            let mut next = next.lock().unwrap();
                            *next += 1;
                            *next
                        };
                        if hand_in(&relay, &TO[..1], number) {
                            accepted.lock().unwrap().push(number);
                        } else {
                            refused.lock().unwrap().push(number);
                            return;
                        }
                    }
                });
            }
            std::thread::sleep(pause);
            daemon.kill();
        });
    }
    let daemon = Daemon::start(&relay.site);
    let mut all = accepted.into_inner().unwrap();
    let killed = all.len();
    for number in refused.into_inner().unwrap() {
        assert!(hand_in(&relay, &TO[..1], number), "{}", daemon.log());
        all.push(number);
    }
    assert!(killed > 0, "no message was ever accepted");
    daemon.stop();
    relay.finish();
    let figures = relay.judge(&all);
    figures.tell(
        "LMTP kill -9",
        &format!("{wanted} of the daemon under {CLIENTS} clients"),
        &relay.site.path("disk"),
        &format!("LISTSEAL_LMTP_KILLS={wanted} cargo test --features faults --test crash lmtp"),
    );
    assert_eq!((figures.lost, figures.torn), (0, 0), "{figures:?}");
    assert!(figures.duplicated <= CONNECTIONS * wanted, "{figures:?}");
}
