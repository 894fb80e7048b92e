//! Deliveries per second of sealed copies to Postfix's `smtp-sink`, beside what Postfix's
//! `smtp-source` reaches against the same sink in the same run.
//!
//! `cargo bench --bench delivery` prints the table. Both keep four connections open and send a mail
//! of the same size to one recipient in each transaction. `smtp-source` makes its mail of nothing
//! and does not read what it sends; the copies are looked through for line ends and dots, and each
//! reply is matched and told apart. Rounds take turns, and medians count.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

mod common;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{HEADER, certificate, in_turn};
use listseal::config::{Delivery, Settings, Transport};
use listseal::deliver::{Cargo, Courier, Outcome, Parcel};
use listseal::mime::Entity;
use listseal::model::Address;
use listseal::model::list::{ContentCipher, ListPolicy};
use listseal::pki::{Certificate, KeyKind, PrivateKey};
use listseal::seal::{KeyTransport, Outer, Recipient, Sealed, Sealing};
use rand_core::UnwrapErr;

/// Mails a round.
const MAILS: u32 = 4_000;
const ROUNDS: usize = 5;
const CONNECTIONS: usize = 4;
/// What is sealed; the copy is 7 KB.
const TEXT: usize = 4_300;

fn main() {
    // What cargo says to benchmarks of its own harness is not for this one.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let copy = copy();
    let size = copy.size();
    println!("deliveries per second of {size}-byte copies over {CONNECTIONS} connections");
    println!(
        "{:<32} {:>12} {:>12} {:>7}",
        "sink", "listseal", "smtp-source", "ratio"
    );
    for (name, scheme, words) in [
        ("smtp, PIPELINING", "smtp", &[][..]),
        ("smtp without PIPELINING", "smtp", &["-p"]),
        ("lmtp, PIPELINING", "lmtp", &["-L"]),
    ] {
        let sink = Sink::start(words);
        let rates = in_turn(
            ROUNDS,
            || runtime.block_on(deliver(&copy, scheme, sink.port)),
            || source(size, scheme, sink.port),
        );
        println!(
            "{name:<32} {:>12.0} {:>12.0} {:>6.2}x",
            rates.ours, rates.theirs, rates.ratio
        );
    }
}

/// Delivers a round and returns how many a second.
async fn deliver(copy: &Sealed, scheme: &str, port: u16) -> f64 {
    let courier = Arc::new(Courier::new(&settings(scheme, port)).unwrap());
    let left = Arc::new(AtomicU32::new(MAILS));
    let begin = Instant::now();
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (courier, left, cargo) = (courier.clone(), left.clone(), Cargo::from(copy.clone()));
            tokio::spawn(async move {
                let parcel = Parcel {
                    reverse_path: Address::parse("team-bounces+bob=member.example@example.org")
                        .ok(),
                    to: Address::parse("bob@member.example").unwrap(),
                    cargo,
                    name: None,
                };
                let one = |n: u32| n.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one)
                    .is_ok()
                {
                    let outcome = courier.deliver(&parcel).await;
                    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    courier.close().await;
    f64::from(MAILS) / begin.elapsed().as_secs_f64()
}

/// Lets `smtp-source` send a round and returns how many a second.
fn source(size: usize, scheme: &str, port: u16) -> f64 {
    let mut command = Command::new("smtp-source");
    command
        .args([
            "-d",
            "-s",
            &CONNECTIONS.to_string(),
            "-m",
            &MAILS.to_string(),
        ])
        .args(["-l", &size.to_string(), "-f", "team-bounces@example.org"])
        .args(["-t", "bob@member.example"]);
    if scheme == "lmtp" {
        command.arg("-L");
    }
    let begin = Instant::now();
    let output = command.arg(format!("127.0.0.1:{port}")).output().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    assert!(output.status.success(), "{output:?}");
    f64::from(MAILS) / seconds
}

fn settings(scheme: &str, port: u16) -> Delivery {
    Delivery {
        transport: Transport::parse(&format!("{scheme}://127.0.0.1:{port}")).unwrap(),
        connections: CONNECTIONS,
        ..Settings::defaults(std::path::Path::new("/bench.toml")).delivery
    }
}

/// `smtp-sink`, stopped when it goes out of scope.
struct Sink {
    child: Child,
    port: u16,
}

impl Sink {
    fn start(words: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = Command::new("smtp-sink");
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet
            .args(words)
            .args([&format!("127.0.0.1:{port}"), "100"])
            .spawn()
            .expect("smtp-sink and smtp-source are needed: apt-get install postfix");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A copy as the daemon makes them.
fn copy() -> Sealed {
    let policy = ListPolicy::new(Address::parse("team@example.org").unwrap());
    let post = Entity::parse(HEADER).unwrap();
    let outer = Outer {
        fields: post.fields(),
        protected_subject: None,
        subject_is_hidden: false,
        policy: &policy,
        sequence: Some(1),
        via: None,
    };
    let mut entity = b"Content-Type: text/plain\r\n\r\n".to_vec();
    entity.resize(TEXT, b'x');
    let cipher = ContentCipher::Aes256Cbc;
    let mut rng = UnwrapErr(getrandom::SysRng);
    let sealing = Sealing::new(&entity, &outer, &[cipher], &mut rng).unwrap();
    let key = PrivateKey::generate(KeyKind::Rsa2048).unwrap();
    let certificate = Certificate::from_der(&certificate(&key, 8)).unwrap();
    let member = Recipient::new(&certificate, KeyTransport::default()).unwrap();
    sealing.copy_for(&member, cipher).unwrap()
}
