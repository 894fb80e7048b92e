//! Wakes the daemon when something may have come in; scanning tells what (contract R4).
//!
//! # Invariants
//!
//! * Losing every event costs at most [`PERIOD`]: the watch also wakes without one (contract E20).
//! * A watch that broke (moved, unmounted, overflown, limits) is set up again at the next wake-up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use crate::disk;

/// A source of wake-ups for one directory.
#[derive(Debug)]
pub struct Watch {
    dir: PathBuf,
    events: bool,
    watcher: Option<RecommendedWatcher>,
    broken: Arc<AtomicBool>,
    hints: Receiver<()>,
    sender: Sender<()>,
}

impl Watch {
    /// Watches `dir`; without inotify (limits, network file systems, `events` false) it only ticks.
    #[must_use]
    pub fn new(dir: &Path, events: bool) -> Self {
        // One waiting hint is as good as a thousand.
        let (sender, hints) = channel(1);
        let mut watch = Self {
            dir: dir.to_owned(),
            events,
            watcher: None,
            broken: Arc::new(AtomicBool::new(false)),
            hints,
            sender,
        };
        watch.arm();
        watch
    }

    /// True while events are delivered, false when only the clock wakes.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.watcher.is_some()
    }

    /// Returns when something may have changed, after [`PERIOD`] at the latest.
    pub async fn changed(&mut self) {
        self.changed_within(PERIOD).await;
    }

    /// Returns when something may have changed, after `longest` or [`PERIOD`] at the latest.
    pub async fn changed_within(&mut self, longest: Duration) {
        // Both ends of the channel are ours, so the only other end of waiting is the clock.
        let _ = timeout(longest.min(period()), self.hints.recv()).await;
        if self.broken.swap(false, Ordering::AcqRel) {
            self.watcher = None;
        }
        self.arm();
    }

    /// Sets the watch up where there is none.
    fn arm(&mut self) {
        if !self.events || self.watcher.is_some() {
            return;
        }
        let (sender, broken, dir) = (self.sender.clone(), self.broken.clone(), self.dir.clone());
        let tell = move |event: notify::Result<notify::Event>| {
            let (lost, arrived) = match event {
                // Looking through the directory is an event too: it must not wake the one who looks.
                Ok(event) if event.kind.is_access() => (false, false),
                // An event about the directory itself: moved, removed, unmounted; or an overflow.
                Ok(event) => (
                    event.need_rescan() || event.paths.contains(&dir),
                    event.kind.is_create() || event.kind.is_modify(),
                ),
                Err(_) => (true, true),
            };
            if lost {
                broken.store(true, Ordering::Release);
            }
            if !lost && !arrived {
                return;
            }
            // Full means that a hint waits already.
            let _ = sender.try_send(());
        };
        let armed = notify::recommended_watcher(tell).and_then(|mut watcher| {
            watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        // Without events the clock is enough: a hint is never needed, only quick.
        self.watcher = armed.ok();
    }
}

/// How often the spool is scanned without any hint.
pub const PERIOD: Duration = Duration::from_secs(30);

fn period() -> Duration {
    disk::asked("RESCAN").map_or(PERIOD, Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn r4_new_file_wakes_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(dir.path(), true);
        assert!(watch.is_armed());
        let started = Instant::now();
        std::fs::write(dir.path().join("x"), b"").unwrap();
        watch.changed().await;
        assert!(started.elapsed() < PERIOD - Duration::from_secs(5));
    }

    #[tokio::test]
    async fn looking_through_the_directory_wakes_nobody() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), b"").unwrap();
        let mut watch = Watch::new(dir.path(), true);
        for _ in 0..3 {
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
            std::fs::read(dir.path().join("x")).unwrap();
        }
        let hint = timeout(Duration::from_millis(300), watch.hints.recv()).await;
        assert!(hint.is_err(), "woken by its own look");
        assert!(!watch.broken.load(Ordering::Acquire));
    }

    #[tokio::test(start_paused = true)]
    async fn r4_without_any_event_it_wakes_within_thirty_seconds() {
        // E20: inotify that is missing.
        let mut watch = Watch::new(Path::new("/nonexistent/listseal"), true);
        assert!(!watch.is_armed());
        let started = tokio::time::Instant::now();
        watch.changed().await;
        assert_eq!(started.elapsed(), PERIOD);
    }

    #[tokio::test]
    async fn r4_directory_that_was_replaced_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = dir.path().join("new");
        std::fs::create_dir(&inbox).unwrap();
        let mut watch = Watch::new(&inbox, true);
        std::fs::rename(&inbox, dir.path().join("old")).unwrap();
        std::fs::create_dir(&inbox).unwrap();
        watch.changed().await;
        while timeout(Duration::from_millis(200), watch.hints.recv())
            .await
            .is_ok()
        {}
        watch.changed_within(Duration::from_millis(1)).await;
        assert!(watch.is_armed());
        let started = Instant::now();
        std::fs::write(inbox.join("x"), b"").unwrap();
        watch.changed().await;
        assert!(started.elapsed() < PERIOD - Duration::from_secs(5));
    }
}
