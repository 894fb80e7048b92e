//! `kill -9` of intake and daemon at random moments. `LISTSEAL_KILLS` sets how many.

use std::time::Duration;

use super::figures::{Dice, rounds};
use super::relay::{End, Relay};

/// Posts handed in before each kill of the daemon.
const EACH: u64 = 2;
const CONNECTIONS: u64 = 3;

#[test]
fn nothing_is_lost_while_intake_and_daemon_are_killed() {
    let wanted = rounds("LISTSEAL_KILLS", 200);
    let relay = Relay::new(CONNECTIONS);
    let mut dice = Dice::new();
    let (mut number, mut accepted) = (0, Vec::new());
    let (mut intakes, mut daemons) = (0, 0);
    while intakes + daemons < wanted {
        for _ in 0..EACH {
            number += 1;
            let post = relay.post(number);
            let mut intake = relay.begin(
                &["queue", "team@example.org", "--sender", "alice@example.org"],
                &[],
            );
            let _ = std::io::Write::write_all(&mut intake.stdin.take().unwrap(), &post);
            if dice.below(2) == 0 {
                std::thread::sleep(Duration::from_millis(dice.below(60)));
                intake.kill().unwrap();
            }
            if intake.wait().unwrap().code() == Some(0) {
                accepted.push(number);
                continue;
            }
            intakes += 1;
            // The MTA was not told, and hands it in again.
            assert_eq!(relay.queue("team", &post, &[]).0, End::Code(0));
            accepted.push(number);
        }
        let mut daemon = relay.begin(&["run"], &[]);
        std::thread::sleep(Duration::from_millis(dice.below(400)));
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        daemons += 1;
    }
    relay.finish();
    let figures = relay.judge(&accepted);
    figures.tell(
        "kill -9",
        &format!("{intakes} of intake, {daemons} of the daemon"),
        &relay.site.path("disk"),
        &format!("LISTSEAL_KILLS={wanted} cargo test --features faults --test crash kills"),
    );
    assert_eq!((figures.lost, figures.torn), (0, 0), "{figures:?}");
    assert!(figures.duplicated <= CONNECTIONS * daemons, "{figures:?}");

    // Without a crash nothing comes twice.
    let calm: Vec<u64> = (number + 1..number + 21).collect();
    for one in &calm {
        assert_eq!(relay.queue("team", &relay.post(*one), &[]).0, End::Code(0));
    }
    relay.finish();
    assert_eq!(relay.judge(&calm).duplicated, 0);
}
