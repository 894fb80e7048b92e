//! A running daemon, with what the kernel says it costs and what it says of each message.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::site::Site;

/// A daemon, killed when it goes out of scope.
pub struct Daemon {
    child: Child,
    said: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts it on a site whose log is JSON and waits until it is at work.
    pub fn start(site: &Site) -> Self {
        let mut child = site
            .prepared(&["env"], &["run"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = said.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                kept.lock().unwrap().push(event);
            }
        });
        let reader = Some(reader);
        let daemon = Self {
            child,
            said,
            reader,
        };
        daemon.wait("is not at work", || {
            let at_work = |event: &Value| field(event, "message") == Some(&"at work".into());
            daemon.said.lock().unwrap().iter().any(at_work)
        });
        daemon
    }

    /// Waits until `done` says so.
    pub fn wait(&self, what: &str, done: impl Fn() -> bool) {
        let begin = Instant::now();
        while !done() {
            assert!(
                begin.elapsed() < PATIENCE,
                "{what}: {:#?}",
                self.said
                    .lock()
                    .unwrap()
                    .iter()
                    .rev()
                    .take(9)
                    .collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Seconds of processor time, its own and the kernel's for it.
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }

    /// Most memory since [`Daemon::forget_peak`], in bytes.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() << 10
    }

    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// What it said since the last question.
    pub fn said(&self) -> Vec<Value> {
        std::mem::take(&mut *self.said.lock().unwrap())
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order.
    pub fn stop(self) {
        self.end();
    }

    /// Ends it in order; returns what it said since the last question, to its last word.
    pub fn end(mut self) -> Vec<Value> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.reader.take().unwrap().join().unwrap();
        self.said()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A field of a line of the log.
pub fn field<'a>(event: &'a Value, name: &str) -> Option<&'a Value> {
    event.get(name).or_else(|| event.get("fields")?.get(name))
}

/// Longer than anything takes on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(300);
