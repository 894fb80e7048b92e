//! Days of waiting, simulated: a next hop that refuses everything, a clock that somebody sets, a
//! daemon that is stopped and started (contract R13).

use std::io::Cursor;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Daemon, Event, Observer, Pace};
use crate::config::Settings;
use crate::intake;
use crate::model::SpoolId;
use crate::spool::Desk;
use crate::spool::audit::Audit;
use crate::store::lists::Lists;

/// What happens to the daemon.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody sets the clock of the machine by so many seconds.
    Set(i64),
    Restart,
}

/// A site whose next hop is a directory that is not there, and one mail in its spool.
struct Simulation {
    dir: tempfile::TempDir,
    id: Option<SpoolId>,
    began: Instant,
    epoch: OffsetDateTime,
    /// Seconds by which the machine's clock is wrong.
    wrong: Arc<AtomicI64>,
    /// When each attempt ended, in true time.
    tries: Arc<Mutex<Vec<Duration>>>,
}

impl Simulation {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("lists/example.org/team");
        std::fs::create_dir_all(&list).unwrap();
        std::fs::write(
            list.join("list.toml"),
            "owners = [\"olga@example.org\"]\nsend = \"public\"\n",
        )
        .unwrap();
        std::fs::write(list.join("subscribers"), "bob@example.org\n").unwrap();
        for name in ["spool", "state", "certificates", "templates", "crls"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let outbox = dir.path().join("outbox");
        std::fs::write(
            dir.path().join("listseal.toml"),
            format!(
                "[paths]\nlists = \"lists\"\nspool = \"spool\"\ncertificates = \"certificates\"\n\
                 templates = \"templates\"\nstate = \"state\"\n\
                 [delivery]\ntransport = \"dir://{}\"\n",
                outbox.display()
            ),
        )
        .unwrap();
        let mut simulation = Self {
            dir,
            id: None,
            began: Instant::now(),
            epoch: OffsetDateTime::now_utc(),
            wrong: Arc::default(),
            tries: Arc::default(),
        };
        let mail =
            b"From: alice@x.org\nTo: team-owner@example.org\nMessage-ID: <1@x.org>\n\nhello\n";
        let lists = Lists::new(simulation.settings());
        let to = "team-owner@example.org";
        let id = intake::accept(&lists, to, Some("alice@x.org"), &mut Cursor::new(mail));
        simulation.id = Some(id.unwrap());
        simulation
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::new(Settings::load(&self.dir.path().join("listseal.toml")).unwrap())
    }

    fn start(&self) -> Daemon {
        let (began, epoch, wrong) = (self.began, self.epoch, self.wrong.clone());
        let wall =
            move || epoch + began.elapsed() + time::Duration::seconds(wrong.load(Ordering::SeqCst));
        let (began, tries, id) = (self.began, self.tries.clone(), self.id.unwrap());
        let observer: Observer = Arc::new(move |event| {
            // What the owners are told at the end is another message.
            if matches!(event, Event::Ended { id: of, .. } if *of == id) {
                tries.lock().unwrap().push(began.elapsed());
            }
        });
        let daemon = Daemon::with_clock(self.settings(), observer, Box::new(wall)).unwrap();
        std::fs::remove_dir_all(self.dir.path().join("outbox")).unwrap();
        daemon
    }

    /// Lives for so long, with these steps on the way.
    async fn live(&self, whole: Duration, steps: &[(Duration, Step)]) {
        let mut steps = steps.iter();
        let mut over = false;
        while !over {
            let daemon = self.start();
            let (stop, stopped) = watch::channel(false);
            let mut run = std::pin::pin!(daemon.run(Pace::Forever, stopped));
            loop {
                let next = steps.next();
                let until = next.map_or(whole, |(at, _)| *at);
                tokio::select! {
                    end = &mut run => panic!("the daemon ended by itself: {end:?}"),
                    () = sleep_until(self.began + until) => {}
                }
                match next {
                    Some((_, Step::Set(seconds))) => {
                        self.wrong.fetch_add(*seconds, Ordering::SeqCst);
                    }
                    Some((_, Step::Restart)) => break,
                    None => {
                        over = true;
                        break;
                    }
                }
            }
            stop.send(true).unwrap();
            run.await.unwrap();
        }
    }

    fn audit(&self) -> Audit {
        let spool = self.dir.path().join("spool");
        Desk::open(&spool).unwrap().unwrap().audit().unwrap()
    }
}

/// The plain pause after this many attempts, in seconds.
fn pause(attempts: usize) -> f64 {
    f64::min(
        60.0 * f64::powi(2.0, i32::try_from(attempts).unwrap() - 1),
        3600.0,
    )
}

/// Lives through six days and checks every attempt and the end.
async fn six_days(steps: &[(Duration, Step)]) {
    let simulation = Simulation::new();
    simulation.live(DAY * 6, steps).await;
    let tries = simulation.tries.lock().unwrap().clone();
    let restarts: Vec<Duration> = steps
        .iter()
        .filter(|(_, step)| matches!(step, Step::Restart))
        .map(|(at, _)| *at)
        .collect();
    for (index, pair) in tries.windows(2).enumerate() {
        let gap = (pair[1] - pair[0]).as_secs_f64();
        let plain = pause(index + 1);
        assert!(
            gap <= 1.1 * plain + 1.0,
            "{steps:?}: {gap} s after {plain} s"
        );
        let restarted = restarts.iter().any(|at| (pair[0]..=pair[1]).contains(at));
        if !restarted {
            assert!(gap >= 0.9 * plain, "{steps:?}: {gap} s after {plain} s");
        }
    }
    // After a restart the clock's word is all there is; what it can do is bounded.
    let astray = HOUR * 3 * u32::try_from(restarts.len()).unwrap();
    let last = *tries.last().unwrap();
    assert!(
        last + astray >= DAY * 5,
        "{steps:?}: gave up after {last:?}"
    );
    assert!(last <= DAY * 5 + HOUR * 2 + astray, "{steps:?}: {last:?}");
    assert!(tries.len() > 100, "{steps:?}: {} attempts", tries.len());
    let audit = simulation.audit();
    assert!(audit.holds(), "{audit:?}");
    // What waits is the report to the owner, who cannot be reached either.
    let found = (audit.ended.forwarded, audit.ended.failed, audit.open);
    assert_eq!(found, (1, 1, 1), "{audit:?}");
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const YEARS: i64 = 10 * 365 * 86_400;

#[tokio::test(start_paused = true)]
async fn r13_refused_mail_is_tried_for_five_days_and_given_up() {
    six_days(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn r13_clock_that_is_set_every_half_hour_changes_nothing_in_a_run() {
    // Back, so that by the machine's clock the next attempt is never due; forth, so that it always
    // is and five days are over at once.
    let each = |hours: i64| {
        let set = move |n| (HOUR / 2 * n, Step::Set(hours * 3600));
        (1..288).map(set).collect::<Vec<_>>()
    };
    six_days(&each(-1)).await;
    six_days(&each(1)).await;
}

#[tokio::test(start_paused = true)]
async fn r13_clock_steps_and_restarts_at_any_moment_neither_expire_nor_stall() {
    for seed in 1..=3_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut steps: Vec<(Duration, Step)> = (0..10)
            .map(|_| {
                let at = Duration::from_millis(random(5 * 86_400_000));
                let choices = [
                    Step::Set(3600),
                    Step::Set(-3600),
                    Step::Set(YEARS),
                    Step::Set(-YEARS),
                    Step::Restart,
                    Step::Restart,
                ];
                (at, choices[usize::try_from(random(6)).unwrap()])
            })
            .collect();
        steps.sort_by_key(|(at, _)| *at);
        six_days(&steps).await;
    }
}

#[tokio::test]
async fn e25_mail_of_another_list_is_seen_behind_more_than_are_known_ahead() {
    const WAITING: usize = 200;
    let simulation = Simulation::new();
    let lists = simulation.dir.path().join("lists/example.org");
    std::fs::create_dir(lists.join("calm")).unwrap();
    for name in ["list.toml", "subscribers"] {
        std::fs::copy(lists.join("team").join(name), lists.join("calm").join(name)).unwrap();
    }
    let all = Lists::new(simulation.settings());
    let post = |number: usize, to: &str| {
        let mail = format!("From: alice@x.org\nTo: {to}\nMessage-ID: <n{number}@x.org>\n\nhello\n");
        let taken = intake::accept(&all, to, Some("alice@x.org"), &mut Cursor::new(mail));
        taken.unwrap()
    };
    for number in 0..WAITING {
        post(number, "team-owner@example.org");
    }
    let calm = post(WAITING, "calm-owner@example.org");
    let decided = Arc::new(Mutex::new(Vec::new()));
    let seen = decided.clone();
    let observer: Observer = Arc::new(move |event| {
        if let Event::Decided { id, .. } = event {
            seen.lock().unwrap().push(*id);
        }
    });
    let daemon = Daemon::start(simulation.settings(), observer).unwrap();
    let (_stop, stopped) = watch::channel(false);
    daemon.run(Pace::Once, stopped).await.unwrap();
    let decided = decided.lock().unwrap();
    assert_eq!(decided.len(), WAITING + 2, "one was there before");
    let place = decided.iter().position(|id| *id == calm).unwrap();
    assert!(place < 30, "it was number {place} of {WAITING}");
}
