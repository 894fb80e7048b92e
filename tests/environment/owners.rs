//! Ten daemons at once on one spool (contract R5).

use std::process::Child;
use std::time::{Duration, Instant};

use super::disks::run;
use super::figures::Figures;
use super::relay::{MEMBERS, Relay};

const CONNECTIONS: u64 = 2;
/// Far longer than any of them needs, on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done`, or fails with what `what` tells.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends a daemon in order, and returns what it said.
pub fn stop(daemon: Child) -> String {
    run(&["kill", &daemon.id().to_string()]);
    let output = daemon.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// Starts ten; nine end, the one that goes on is returned.
fn contest(relay: &Relay) -> Child {
    let mut daemons: Vec<Child> = (0..10).map(|_| relay.begin(&["run"], &[])).collect();
    let mut ended = Vec::new();
    wait_until("nine of ten daemons do not give up", || {
        let (out, on) = std::mem::take(&mut daemons).into_iter().partition(is_over);
        daemons = on;
        let _: &Vec<Child> = &out;
        ended.extend(out);
        ended.len() >= 9
    });
    assert_eq!(daemons.len(), 1, "nobody has the spool");
    for one in ended {
        let output = one.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{said}");
        assert!(
            said.contains("another listseal works on this spool"),
            "{said}"
        );
    }
    daemons.remove(0)
}

/// True for a process that has ended and was not waited for.
fn is_over(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('Z')
}

#[test]
fn r5_of_ten_daemons_one_works_and_a_killed_one_is_followed_at_once() {
    // Not even the spool is there yet.
    let relay = Relay::in_memory(CONNECTIONS);
    let (mut number, mut kills) = (0, 0);
    let mut sum = Figures::default();
    for round in 0..4 {
        let mut owner = contest(&relay);
        let posts = if round == 0 { 3 } else { 12 };
        for _ in 0..posts {
            number += 1;
            let code = relay.queue("team", &relay.post(number), &[]).0;
            assert_eq!(code, super::relay::End::Code(0));
        }
        if round == 0 {
            // Killed with nothing on its way, it leaves nothing to be sent twice.
            wait_until("mail does not go out", || {
                relay.waiting() == 0 && relay.site.outbox().len() == 3 * MEMBERS.len()
            });
        }
        owner.kill().unwrap();
        kills += u64::from(round > 0);
        // The next one has the spool although the last one never let go of it.
        let mut next = relay.begin(&["run"], &[]);
        owner.wait().unwrap();
        number += 1;
        let code = relay.queue("team", &relay.post(number), &[]).0;
        assert_eq!(code, super::relay::End::Code(0));
        wait_until("the next daemon does not work", || {
            assert!(!is_over(&next), "the lock of a killed daemon is in the way");
            relay.waiting() == 0
        });
        if round % 2 == 0 {
            stop(next);
        } else {
            next.kill().unwrap();
            next.wait().unwrap();
        }
    }
    relay.finish();
    let figures = relay.judge(&(1..=number).collect::<Vec<_>>());
    sum.join(&figures);
    sum.tell(
        "Ten daemons at once",
        "4 times",
        &relay.spool(),
        "cargo test --features faults --test environment owners",
    );
    assert_eq!((sum.lost, sum.torn), (0, 0), "{sum:?}");
    assert!(sum.duplicated <= CONNECTIONS * kills, "{sum:?}");
}
