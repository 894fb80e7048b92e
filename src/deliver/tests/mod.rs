//! The transports against servers and programs that behave and misbehave.

mod auth;
mod fair;
mod hostile;
mod matrix;
mod program;
mod real;
mod sink;
mod smtp;
mod talk;
mod tls;

use std::time::Duration;

use super::*;
use crate::config::Settings;

fn settings(transport: &str) -> Delivery {
    let mut delivery = Settings::defaults(std::path::Path::new("/test.toml")).delivery;
    delivery.transport = Transport::parse(transport).unwrap();
    delivery.hostname = Some("relay.example.org".to_owned());
    delivery
}

fn parcel(bytes: &[u8]) -> Parcel {
    Parcel {
        reverse_path: Address::parse("team-bounces@example.org").ok(),
        to: Address::parse("bob@member.example").unwrap(),
        cargo: Cargo::of_bytes(bytes),
        name: None,
    }
}

fn addresses(all: &[&str]) -> Vec<Address> {
    all.iter().map(|one| Address::parse(one).unwrap()).collect()
}

/// Carries one mail to several in one transaction.
async fn to_all(courier: &Courier, to: &[Address], bytes: &[u8]) -> Vec<Outcome> {
    let Way::Smtp(pool) = &courier.way else {
        panic!("not SMTP");
    };
    let cargo = Cargo::of_bytes(bytes);
    let mail = wire::Mail::new(&cargo).unwrap();
    let from = Address::parse("team-bounces@example.org").unwrap();
    pool.deliver(Some(&from), to, &mail).await.unwrap()
}

/// An outcome without its words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Sent,
    Deferred(u16),
    Failed(Reason, u16),
    Untried,
}

fn kind(outcome: &Outcome) -> Kind {
    match outcome {
        Outcome::Sent(_) => Kind::Sent,
        Outcome::Deferred { code, .. } => Kind::Deferred(*code),
        Outcome::Failed { reason, code, .. } => Kind::Failed(*reason, *code),
        Outcome::Untried => Kind::Untried,
    }
}

/// So impatient that a test of silence is short; whoever is to answer may be slow on a busy machine.
fn impatient() -> Patience {
    each(Duration::from_millis(300))
}

/// For servers that answer, sooner or later.
fn patient() -> Patience {
    each(Duration::from_secs(60))
}

fn each(step: Duration) -> Patience {
    Patience {
        connect: step,
        command: step,
        data: step,
        block: step,
        pace: step,
        transaction: step,
        dot: step,
    }
}

const MAIL: &[u8] = b"Subject: x\r\n\r\n.hidden\r\n..\r\nbody\r\n";
