//! The daemon and its next hop over SMTP: orderly stops, refusals, members kept apart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::site::Site;

/// A server with PIPELINING and CHUNKING that answers mails when it is let.
#[derive(Clone, Default)]
struct Hop {
    port: u16,
    /// Whether it answers where it is slow.
    answers: Arc<AtomicBool>,
    /// Where it is slow: at a command, or at the greeting.
    slow: Arc<Mutex<&'static str>>,
    /// Answers that are waited for.
    pending: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// RCPT commands, whatever the answer.
    asked: Arc<AtomicUsize>,
    /// Recipients of mails that came whole, in order, whether answered or not.
    whole: Arc<Mutex<Vec<Vec<String>>>>,
    /// Who is refused, and with which reply.
    refused: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Hop {
    /// A server that answers at once, or holds mails back.
    fn start(answers: bool) -> Self {
        Self::slow_at("BDAT", answers)
    }

    fn slow_at(step: &'static str, answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hop = Self {
            port: listener.local_addr().unwrap().port(),
            ..Self::default()
        };
        hop.answers.store(answers, Ordering::SeqCst);
        *hop.slow.lock().unwrap() = step;
        let serving = hop.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let hop = serving.clone();
                hop.connections.fetch_add(1, Ordering::SeqCst);
                // A client that hangs up ends the conversation.
                std::thread::spawn(move || hop.serve(stream.unwrap()).ok());
            }
        });
        hop
    }

    fn serve(&self, mut out: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(out.try_clone()?);
        let mut to: Vec<String> = Vec::new();
        self.dawdle("greeting");
        out.write_all(b"220 hop\r\n")?;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            let reply = match line.get(..4).unwrap_or_default() {
                "EHLO" => "250-hop\r\n250-PIPELINING\r\n250 CHUNKING".to_owned(),
                "MAIL" => {
                    to.clear();
                    "250 ok".to_owned()
                }
                "RCPT" => {
                    self.asked.fetch_add(1, Ordering::SeqCst);
                    let address = line["RCPT TO:<".len()..].trim_end_matches('>').to_owned();
                    let refused = self.refused.lock().unwrap().get(&address).cloned();
                    if refused.is_none() {
                        to.push(address);
                    }
                    refused.unwrap_or_else(|| "250 ok".to_owned())
                }
                "BDAT" => {
                    let size = line.split(' ').nth(1).unwrap().parse().unwrap();
                    lines.read_exact(&mut vec![0; size])?;
                    self.whole.lock().unwrap().push(to.clone());
                    "250 kept".to_owned()
                }
                _ => "250 ok".to_owned(),
            };
            self.dawdle(line.get(..4).unwrap_or_default());
            out.write_all(format!("{reply}\r\n").as_bytes())?;
        }
    }

    /// Holds an answer back until it may go, where it is slow.
    fn dawdle(&self, step: &str) {
        if *self.slow.lock().unwrap() != step {
            return;
        }
        self.pending.fetch_add(1, Ordering::SeqCst);
        while !self.answers.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.pending.fetch_sub(1, Ordering::SeqCst);
    }

    /// How often each member was sent the post; no transaction had two recipients (S41).
    fn copies(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for to in self.whole.lock().unwrap().iter() {
            assert_eq!(to.len(), 1, "{to:?}");
            *count.entry(to[0].clone()).or_insert(0) += 1;
        }
        count
    }
}

/// A list of twelve behind this server, and a post in its spool.
fn site(hop: &Hop) -> Site {
    let site = Site::new();
    let url = format!("smtp://127.0.0.1:{}", hop.port);
    site.configure(&url, "connections = 4\n");
    let members: String = (1..=MEMBERS).map(|n| format!("m{n}@x.example\n")).collect();
    let settings = "owners = [\"olga@x.example\"]\nsend = \"public\"\n";
    site.list("team", settings, &members);
    let post = b"From: alice@x.example\nTo: team@example.org\nMessage-ID: <1@x.example>\n\nhello\n";
    let ended = site.queue("team@example.org", "alice@x.example", post);
    assert_eq!(ended.code, 0, "{ended:?}");
    site
}

const MEMBERS: usize = 12;

/// A running daemon, killed when the test ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    fn start(site: &Site) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_listseal"))
            .arg("--config")
            .arg(site.path("listseal.toml"))
            .arg("run")
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn terminate(&self) {
        let pid = self.0.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.unwrap().success());
    }

    fn end(&mut self) -> Option<i32> {
        let begin = Instant::now();
        until("the daemon's end", || {
            self.0.try_wait().unwrap().is_some() || begin.elapsed() > Duration::from_secs(100)
        });
        self.0.try_wait().unwrap().and_then(|status| status.code())
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < Duration::from_secs(110),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Everybody has the post, nobody more often than `most`, and the books are right.
fn all_settled(site: &Site, hop: &Hop, most: usize) {
    let ended = site.run_once();
    assert_eq!(ended.code, 0, "{ended:?}");
    let copies = hop.copies();
    assert_eq!(copies.len(), MEMBERS, "{copies:?}");
    assert!(copies.values().all(|n| *n <= most), "{copies:?}");
    let ended = site.command(&["audit"], b"");
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn r16_orderly_stop_waits_for_the_answers_and_sends_nothing_twice() {
    let hop = Hop::start(false);
    let site = site(&hop);
    let mut daemon = Daemon::start(&site);
    until("four mails on their way", || {
        hop.pending.load(Ordering::SeqCst) == 4
    });
    daemon.terminate();
    // Nothing new is begun, and nobody is given up.
    std::thread::sleep(Duration::from_millis(500));
    assert!(daemon.0.try_wait().unwrap().is_none());
    assert_eq!(hop.copies().len(), 4);
    hop.answers.store(true, Ordering::SeqCst);
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(hop.copies().len(), 4);
    all_settled(&site, &hop, 1);
}

#[test]
fn r16_stop_in_a_transaction_finishes_it_and_begins_no_other() {
    for step in ["MAIL", "RCPT"] {
        let hop = Hop::slow_at(step, false);
        let site = site(&hop);
        let mut daemon = Daemon::start(&site);
        until("four transactions", || {
            hop.pending.load(Ordering::SeqCst) == 4
        });
        daemon.terminate();
        std::thread::sleep(Duration::from_millis(300));
        hop.answers.store(true, Ordering::SeqCst);
        assert_eq!(daemon.end(), Some(0), "{step}");
        assert_eq!(hop.copies().len(), 4, "{step}");
        all_settled(&site, &hop, 1);
    }
}

#[test]
fn r16_stop_before_any_transaction_waits_for_nobody() {
    for step in ["greeting", "EHLO"] {
        let hop = Hop::slow_at(step, false);
        let site = site(&hop);
        let mut daemon = Daemon::start(&site);
        until("four conversations", || {
            hop.pending.load(Ordering::SeqCst) == 4
        });
        let begin = Instant::now();
        daemon.terminate();
        assert_eq!(daemon.end(), Some(0), "{step}");
        // The server never answered: waiting for it would have taken half a minute.
        assert!(begin.elapsed() < Duration::from_secs(25), "{step}");
        assert!(hop.copies().is_empty(), "{step}");
        hop.answers.store(true, Ordering::SeqCst);
        all_settled(&site, &hop, 1);
    }
}

#[test]
fn r16_stop_while_a_message_is_opened_or_waits_leaves_it_to_the_next_run() {
    let hop = Hop::start(true);
    let site = site(&hop);
    let begin = Instant::now();
    for pause in [0, 2, 5, 10, 20, 40, 80] {
        let mut daemon = Daemon::start(&site);
        until("the lock", || site.path("spool/lock").exists());
        std::thread::sleep(Duration::from_millis(pause));
        daemon.terminate();
        // Before it listens for signals the signal ends it, which is no orderly stop and harms none.
        assert!(matches!(daemon.end(), Some(0) | None));
    }
    assert!(begin.elapsed() < Duration::from_secs(100));
    all_settled(&site, &hop, 1);
}

#[test]
fn r16_stop_waits_half_a_minute_and_the_copies_in_flight_may_come_twice() {
    let hop = Hop::start(false);
    let site = site(&hop);
    let mut daemon = Daemon::start(&site);
    until("four mails on their way", || {
        hop.pending.load(Ordering::SeqCst) == 4
    });
    let begin = Instant::now();
    daemon.terminate();
    assert_eq!(daemon.end(), Some(0));
    let took = begin.elapsed();
    assert!((25..60).contains(&took.as_secs()), "{took:?}");
    hop.answers.store(true, Ordering::SeqCst);
    all_settled(&site, &hop, 2);
    let sent: usize = hop.copies().values().sum();
    assert!((MEMBERS..=MEMBERS + 4).contains(&sent), "{sent} mails");
}

#[test]
fn once_is_once_however_long_the_server_takes_to_put_copies_off() {
    let hop = Hop::slow_at("RCPT", false);
    let site = site(&hop);
    for number in 2..=6 {
        let post = format!(
            "From: alice@x.example\nTo: team@example.org\nMessage-ID: <{number}@x.example>\n\nhello\n"
        );
        let ended = site.queue("team@example.org", "alice@x.example", post.as_bytes());
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    for member in 1..=MEMBERS {
        let mut refused = hop.refused.lock().unwrap();
        refused.insert(format!("m{member}@x.example"), "450 4.2.0 later".to_owned());
    }
    // A quarter of a second for each of 72 copies, four at once: all are due again after one second,
    // while others still wait for their first attempt.
    let pulse = hop.clone();
    std::thread::spawn(move || {
        for _ in 0..600 {
            std::thread::sleep(Duration::from_millis(240));
            pulse.answers.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(15));
            pulse.answers.store(false, Ordering::SeqCst);
        }
    });
    let ended = site.run_once();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(hop.asked.load(Ordering::SeqCst), 6 * MEMBERS);
    assert_eq!(site.command(&["audit"], b"").code, 0);
}

#[test]
fn refused_members_fail_or_wait_alone_and_the_owner_hears_of_those_who_failed() {
    let hop = Hop::start(true);
    let site = site(&hop);
    for (who, reply) in [
        ("m3@x.example", "550 5.1.1 nobody"),
        ("m5@x.example", "450 4.2.0 later"),
    ] {
        let mut refused = hop.refused.lock().unwrap();
        refused.insert(who.to_owned(), reply.to_owned());
    }
    assert_eq!(site.run_once().code, 0);
    let copies = hop.copies();
    assert_eq!(copies.len(), MEMBERS - 2, "{copies:?}");
    assert_eq!(site.command(&["audit"], b"").code, 0);
    // A refusal costs no connection.
    assert!(hop.connections.load(Ordering::SeqCst) <= 4);
    hop.refused.lock().unwrap().remove("m5@x.example");
    until("the second attempt", || {
        assert_eq!(site.run_once().code, 0);
        hop.copies().contains_key("m5@x.example")
    });
    until("the report", || {
        assert_eq!(site.run_once().code, 0);
        hop.copies().contains_key("olga@x.example")
    });
    let copies = hop.copies();
    assert!(copies.values().all(|n| *n == 1), "{copies:?}");
    assert!(!copies.contains_key("m3@x.example"));
    assert_eq!(site.command(&["audit"], b"").code, 0);
}
