//! The transports against servers and programs that behave and misbehave.

mod program;
mod sink;
mod smtp;
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
        dot: step,
        transaction: step,
    }
}

const MAIL: &[u8] = b"Subject: x\r\n\r\n.hidden\r\n..\r\nbody\r\n";
