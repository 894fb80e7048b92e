//! Copies per second on one core: content encrypted once for all, beside whole encryption for each
//! member, in the same run.
//!
//! `cargo bench --bench copies` prints the table. "Shared" is what `seal` does: a copy is one
//! RecipientInfo, the CMS prefix and its base64, joined to bytes that all copies have in common.
//! "Whole" encrypts and encodes the content anew for every member, with the same code, ciphers and
//! ready-made public keys. Seconds are processor time of the one thread.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{HEADER, certificate};
use listseal::mime::Entity;
use listseal::model::Address;
use listseal::model::list::{ContentCipher, ListPolicy};
use listseal::pki::{Certificate, KeyKind, PrivateKey};
use listseal::seal::{KeyTransport, Outer, Recipient, Sealing};
use rand_core::UnwrapErr;

/// How long one figure is measured.
const SPAN: Duration = Duration::from_millis(1_500);
/// Members with certificates of their own, whose serial numbers differ in length.
const MEMBERS: usize = 20;

fn main() {
    let rsa = members(KeyKind::Rsa2048);
    let ec = members(KeyKind::P256);
    println!("copies per second on one core, {MEMBERS} members");
    println!(
        "{:>8}  {:<9} {:<12} {:>10} {:>12} {:>12} {:>9}",
        "body", "key", "cipher", "once (ms)", "shared (/s)", "whole (/s)", "ratio"
    );
    for (size, people, key, cipher) in [
        (5 << 10, &rsa, "RSA-2048", ContentCipher::Aes256Cbc),
        (100 << 10, &rsa, "RSA-2048", ContentCipher::Aes256Cbc),
        (10 << 20, &rsa, "RSA-2048", ContentCipher::Aes256Cbc),
        (100 << 10, &rsa, "RSA-2048", ContentCipher::Aes256Gcm),
        (100 << 10, &ec, "P-256", ContentCipher::Aes256Cbc),
    ] {
        row(size, people, key, cipher);
    }
}

fn row(size: usize, people: &[Recipient], key: &str, cipher: ContentCipher) {
    let policy = policy();
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
    entity.resize(size, b'x');
    let mut rng = UnwrapErr(getrandom::SysRng);
    let mut seal = || Sealing::new(&entity, &outer, &[cipher], &mut rng).unwrap();

    let clock = Clock::start();
    let sealing = seal();
    // The first copies make the shared base64.
    for person in people {
        black_box(sealing.copy_for(person, cipher).unwrap());
    }
    let once = clock.seconds();

    let shared = rate(people, |person| {
        black_box(sealing.copy_for(person, cipher).unwrap());
    });
    let whole = rate(people, |person| {
        black_box(seal().copy_for(person, cipher).unwrap());
    });
    let shown = if size < 1 << 20 {
        format!("{} KB", size >> 10)
    } else {
        format!("{} MB", size >> 20)
    };
    println!(
        "{shown:>8}  {key:<9} {:<12} {:>10.1} {shared:>12.0} {whole:>12.0} {:>8.1}x",
        cipher.name(),
        once * 1e3,
        shared / whole
    );
}

/// Does `work` for one member after the other and returns how often in a second of processor time.
fn rate(people: &[Recipient], mut work: impl FnMut(&Recipient)) -> f64 {
    let (begin, clock) = (Instant::now(), Clock::start());
    let mut done = 0_u32;
    for person in people.iter().cycle() {
        work(person);
        done += 1;
        if begin.elapsed() >= SPAN {
            break;
        }
    }
    f64::from(done) / clock.seconds()
}

/// Processor time of this thread, so that other work on the machine does not count.
struct Clock {
    wall: Instant,
    on_cpu: Option<u64>,
}

impl Clock {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            on_cpu: on_cpu(),
        }
    }

    fn seconds(&self) -> f64 {
        match (self.on_cpu, on_cpu()) {
            (Some(from), Some(to)) if to > from => Duration::from_nanos(to - from).as_secs_f64(),
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}

/// Nanoseconds this thread has run (proc(5), `schedstat`).
fn on_cpu() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn members(kind: KeyKind) -> Vec<Recipient> {
    (0..MEMBERS)
        .map(|index| {
            let key = PrivateKey::generate(kind).unwrap();
            let der = certificate(&key, 1 + index % 7);
            let certificate = Certificate::from_der(&der).unwrap();
            Recipient::new(&certificate, KeyTransport::default()).unwrap()
        })
        .collect()
}

fn policy() -> ListPolicy {
    ListPolicy {
        title: "The team".to_owned(),
        ..ListPolicy::new(Address::parse("team@example.org").unwrap())
    }
}
