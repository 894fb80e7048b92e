//! The loop: finds what is due, keeps a few messages in work, knows when to stop.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};

use super::ahead::{self, A_GLANCE, A_LOOK, Beyond};
use super::carry::{blocking, died};
use super::end::{End, Pause, Report};
use super::parked::{Parked, Standing, Until};
use super::set_aside;
use super::site::{Site, lock};
use super::tell::{Trouble, tell};
use super::turns::Turns;
use super::work::work;
use super::world::Obstacle;
use super::{DaemonError, Hands, Pace, Summary};
use crate::model::SpoolId;
use crate::spool::{SpoolError, Watch};

/// One run of the daemon.
pub(super) struct Run {
    hands: Arc<Hands>,
    pace: Pace,
    stop: watch::Receiver<bool>,
    /// Tells those at work to begin nothing more.
    halt: watch::Sender<bool>,
    watch: Watch,
    /// Messages whose list was not looked up yet.
    found: VecDeque<SpoolId>,
    turns: Turns,
    parked: Parked,
    /// Something may have come since the last scan.
    hinted: bool,
    scanned: Option<Instant>,
    beyond: Beyond,
    /// Messages that people sent back and that were taken up since.
    resent: HashSet<SpoolId>,
    /// Messages that were set aside and that people have to be told of, and when to begin.
    aside: (Instant, VecDeque<SpoolId>),
    tasks: JoinSet<Report>,
    /// Which message a task works on.
    works_on: HashMap<Id, SpoolId>,
    tellers: JoinSet<Option<Trouble>>,
    /// Troubles that people could not be told of yet, and when to try again.
    untold: Vec<(Instant, Trouble)>,
    summary: Summary,
    fatal: Option<SpoolError>,
}

/// Messages in work at once. Each waits for the disk and for receivers most of its time.
const AT_ONCE: usize = 4;
/// While there is work the spool is not looked through more often: it may be long.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// How long a stopping daemon waits for answers (contract R16).
const GRACE: Duration = Duration::from_secs(30);
/// Pause after the disk was full or a message's thread died.
const BREATHER: Duration = Duration::from_secs(60);
/// What waits for a list is tried again after this, mended or not: owners who could not be told of
/// the trouble are told then.
const REMINDER: Duration = Duration::from_secs(600);

impl Run {
    pub fn new(hands: Arc<Hands>, pace: Pace, stop: watch::Receiver<bool>) -> Self {
        Self {
            watch: hands.spool.watch(),
            hands,
            pace,
            stop,
            halt: watch::Sender::new(false),
            found: VecDeque::new(),
            turns: Turns::new(AT_ONCE),
            parked: Parked::default(),
            hinted: true,
            scanned: None,
            beyond: Beyond::default(),
            resent: HashSet::new(),
            aside: (Instant::now(), VecDeque::new()),
            tasks: JoinSet::new(),
            works_on: HashMap::new(),
            tellers: JoinSet::new(),
            untold: Vec::new(),
            summary: Summary::default(),
            fatal: None,
        }
    }

    pub async fn run(mut self) -> Result<Summary, DaemonError> {
        systemd(&[NotifyState::Ready]);
        let own = self.hands.clone();
        match blocking(move || own.spool.planned()).await {
            Ok(ids) => self.found.extend(ids),
            Err(pause) => self.trouble(pause),
        }
        let own = self.hands.clone();
        match blocking(move || own.spool.untold()).await {
            Ok(ids) => self.aside.1.extend(ids),
            Err(pause) => self.trouble(pause),
        }
        let settings = &self.hands.site.settings;
        info!(
            version = env!("CARGO_PKG_VERSION"),
            config = %settings.file.display(),
            unfinished = self.found.len(),
            watched = self.watch.is_armed(),
            "at work"
        );
        let pulse = sd_notify::watchdog_enabled().map(|period| period / 3);
        let mut beat = Instant::now();
        while self.fatal.is_none() && !*self.stop.borrow() {
            if let Some(pulse) = pulse
                && beat <= Instant::now()
            {
                systemd(&[NotifyState::Watchdog]);
                beat = Instant::now() + pulse;
            }
            self.look().await;
            self.begin();
            if self.is_idle() && self.is_once() {
                break;
            }
            let next = self.parked.next(Instant::now());
            let longest = next.filter(|_| !self.is_once()).unwrap_or(Duration::MAX);
            let again = Instant::now() + BETWEEN_LOOKS;
            // A hint that was not followed yet needs no other one.
            tokio::select! {
                Some(report) = self.tasks.join_next_with_id() => self.ended(report),
                () = self.watch.changed_within(longest), if !self.hinted => self.hinted = true,
                () = sleep_until(again), if self.hinted || !self.found.is_empty() => {}
                Some(told) = self.tellers.join_next() => {
                    let later = told.ok().flatten();
                    self.untold.extend(later.map(|one| (Instant::now() + REMINDER, one)));
                }
                _ = self.stop.changed() => {}
                () = sleep_until(beat), if pulse.is_some() => {}
            }
        }
        self.wind_up().await
    }

    /// Finds messages that nobody works on.
    async fn look(&mut self) {
        let (site, now) = (self.hands.site.clone(), Instant::now());
        if self.aside.0 <= now {
            self.report_set_aside().await;
        }
        // Once means once: a slow server's retries would never end (they are due again meanwhile).
        if !self.parked.is_empty() && !self.is_once() {
            self.release(site, now).await;
        }
        let due = self.untold.extract_if(.., |(at, _)| *at <= now);
        for (_, trouble) in due {
            self.tellers.spawn(tell(self.hands.clone(), trouble));
        }
        let idle = self.turns.waiting() == 0 && self.found.is_empty();
        let recent = (self.scanned).is_some_and(|at| now.duration_since(at) < BETWEEN_LOOKS);
        let full = self.turns.waiting() + self.found.len() >= ahead::MOST;
        // A long queue is not looked for again after each message of it (contract E25).
        if idle || (self.hinted && !recent && !full) {
            self.hinted = false;
            self.scanned = Some(now);
            let fresh = self.scan(A_LOOK, None).await;
            // There may be more than were asked for.
            self.hinted |= fresh.len() >= A_LOOK;
            self.found.extend(fresh);
        } else if full && self.beyond.is_due(now) {
            self.glance(now).await;
        }
        self.sort().await;
    }

    /// Looks up whose turn the messages found wait for, some at a time.
    async fn sort(&mut self) {
        let some: Vec<SpoolId> = self.found.drain(..self.found.len().min(A_LOOK)).collect();
        if some.is_empty() {
            return;
        }
        match ahead::lists_of(self.hands.clone(), some).await {
            Ok(sorted) => {
                for (id, list) in sorted {
                    self.turns.wait(list, id);
                }
            }
            // They are found again by the scan, or at the next start.
            Err(error) => self.trouble(died(error)),
        }
    }

    /// Takes up what waits for lists that have no more than a few of the many that are known.
    async fn glance(&mut self, now: Instant) {
        let last = self.beyond.next(now);
        let fresh = self.scan(A_GLANCE, last).await;
        self.beyond.seen(&fresh);
        match ahead::lists_of(self.hands.clone(), fresh).await {
            Ok(sorted) => {
                for (id, list) in sorted {
                    if self.turns.waiting_for(&list) < AT_ONCE {
                        self.turns.wait(list, id);
                    }
                }
            }
            Err(error) => self.trouble(died(error)),
        }
    }

    /// Keeps reports on what was set aside; a full disk passes.
    async fn report_set_aside(&mut self) {
        while let Some(id) = self.aside.1.pop_front() {
            let own = self.hands.clone();
            if let Err(pause) = blocking(move || set_aside::report(&own, id)).await {
                self.aside.1.push_front(id);
                self.aside.0 = Instant::now() + BREATHER;
                return self.trouble(pause);
            }
            self.hinted = true;
        }
    }

    /// Takes up what has waited long enough.
    async fn release(&mut self, site: Arc<Site>, now: Instant) {
        let mut parked = std::mem::take(&mut self.parked);
        let released = spawn_blocking(move || {
            let free = parked.release(&site, now);
            (parked, free)
        });
        match released.await {
            Ok((parked, free)) => {
                self.parked = parked;
                self.found.extend(free);
            }
            // What was parked is found again by the scan.
            Err(error) => self.trouble(died(error)),
        }
    }

    /// Looks for so many messages behind `last` that nobody knows, and for those sent back.
    async fn scan(&mut self, limit: usize, last: Option<SpoolId>) -> Vec<SpoolId> {
        let own = self.hands.clone();
        let known: HashSet<SpoolId> = (self.turns.ids())
            .chain(self.found.iter().copied())
            .chain(self.parked.ids())
            .collect();
        let known = move |id| Some(id) <= last || known.contains(&id);
        match blocking(move || own.spool.scan(limit, &known)).await {
            Ok(scan) => {
                for name in &scan.odd {
                    warn!(
                        spool = name,
                        "is not a message of ours; it stays where it is"
                    );
                }
                self.resent.retain(|id| scan.again.contains(id));
                for id in scan.again {
                    // People sent it back: what was known of it is over. The decision lies there
                    // until the message has a new plan, which may take a while.
                    if self.resent.insert(id) && !self.turns.is_at_work(id) {
                        self.parked.forget(id);
                        self.found.push_back(id);
                    }
                }
                scan.fresh
            }
            Err(pause) => {
                self.trouble(pause);
                Vec::new()
            }
        }
    }

    /// Takes up as many messages as there are hands.
    fn begin(&mut self) {
        while let Some(id) = self.turns.next() {
            let work = work(self.hands.clone(), id, self.halt.subscribe());
            self.works_on.insert(self.tasks.spawn(work).id(), id);
        }
    }

    fn is_once(&self) -> bool {
        self.pace == Pace::Once
    }

    fn is_idle(&self) -> bool {
        self.tasks.is_empty()
            && self.found.is_empty()
            && self.turns.waiting() == 0
            && self.tellers.is_empty()
    }

    fn ended(&mut self, report: Result<(Id, Report), JoinError>) {
        let task = report.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let worked_on = self.works_on.remove(&task);
        if let Some(id) = worked_on {
            self.turns.ended(id);
        }
        let Report { id, end } = match (report, worked_on) {
            (Ok((_, report)), _) => report,
            (Err(error), Some(id)) => Report {
                id,
                end: End::Paused(None, Box::new(died(error))),
            },
            (Err(error), None) => return self.trouble(died(error)),
        };
        if !matches!(end, End::Paused(..)) {
            self.resent.remove(&id);
        }
        match end {
            End::Deferred(pause) => self.parked.park(id, Until::Due(Instant::now() + pause)),
            End::Finished => self.summary.finished = self.summary.finished.saturating_add(1),
            End::Stopped => {}
            End::Gone => {
                lock(&self.hands.said).remove(&id);
            }
            End::SetAside => {
                lock(&self.hands.said).remove(&id);
                self.aside.1.push_back(id);
            }
            End::Paused(standing, pause) => match (standing, *pause) {
                (Some(standing), Pause::Trouble(obstacle)) => self.wait(id, standing, &obstacle),
                (_, pause) => {
                    self.trouble(pause);
                    self.parked.park(id, Until::Due(Instant::now() + BREATHER));
                }
            },
        }
    }

    /// Lets a message wait for its list, and tells those who can mend it.
    fn wait(&mut self, id: SpoolId, standing: Standing, obstacle: &Obstacle) {
        let reason = obstacle.reason.code();
        info!(spool = %id, list = %obstacle.of, authorize = "wait", reason);
        self.hands.site.complain(&obstacle.problems);
        let trouble = Trouble {
            recipient: standing.address.clone(),
            obstacle: obstacle.clone(),
        };
        self.tellers.spawn(tell(self.hands.clone(), trouble));
        let pause = if standing.obstacle.is_some() {
            REMINDER
        } else {
            BREATHER
        };
        let latest = Instant::now() + pause;
        self.parked.park(id, Until::Mended(standing, latest));
    }

    fn trouble(&mut self, pause: Pause) {
        if let Pause::Spool(error) = pause {
            error!("{error}");
            if error.is_fatal() {
                self.fatal = Some(error); // R7
            }
        }
    }

    /// Lets what is under way come to its end (contract R16).
    async fn wind_up(mut self) -> Result<Summary, DaemonError> {
        systemd(&[NotifyState::Stopping]);
        self.halt.send_replace(true); // R7, R16
        if self.fatal.is_some() || *self.stop.borrow() {
            self.hands.rest();
        }
        let all = async {
            while let Some(report) = self.tasks.join_next_with_id().await {
                self.ended(report);
            }
            while self.tellers.join_next().await.is_some() {}
        };
        if timeout(GRACE, all).await.is_err() {
            warn!("stopped before every receiver had answered; a copy may be sent twice");
            self.tasks.shutdown().await;
        }
        if timeout(GRACE, self.hands.courier.close()).await.is_err() {
            warn!("a connection did not close in time");
        }
        let (deferred, waiting) = self.parked.count();
        let summary = Summary {
            deferred,
            waiting,
            ..self.summary
        };
        match self.fatal {
            Some(error) => Err(error.into()),
            None => Ok(summary),
        }
    }
}

/// Tells systemd, where it listens.
fn systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!("systemd cannot be told: {error}");
    }
}
