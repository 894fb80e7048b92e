//! What the benchmarks share: rounds that take turns, and a post with people to seal it for.

#![allow(dead_code, reason = "each benchmark takes what it needs")]

use listseal::asn1::reader::tag;
use listseal::asn1::{oid, writer};
use listseal::pki::PrivateKey;

/// What two ways reached.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// The median of the first way's rounds.
    pub ours: f64,
    /// And of the other's.
    pub theirs: f64,
    /// The median of what the first reached for each that the other did in the round beside it.
    pub ratio: f64,
}

/// Lets two ways take turns, so that other work on the machine falls on both.
pub fn in_turn(
    rounds: usize,
    mut ours: impl FnMut() -> f64,
    mut theirs: impl FnMut() -> f64,
) -> Rates {
    let pairs: Vec<(f64, f64)> = (0..rounds)
        .map(|round| {
            if round % 2 == 0 {
                let first = ours();
                (first, theirs())
            } else {
                let second = theirs();
                (ours(), second)
            }
        })
        .collect();
    Rates {
        ours: median(pairs.iter().map(|(ours, _)| *ours)),
        theirs: median(pairs.iter().map(|(_, theirs)| *theirs)),
        ratio: median(pairs.iter().map(|(ours, theirs)| ours / theirs)),
    }
}

/// The value in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The header of a post.
pub const HEADER: &[u8] = b"Received: from mx.example.org by mail.example.org; Fri, 20 Nov 2026 10:00:00 +0000\r\n\
From: Alice Example <alice@example.org>\r\nTo: team@example.org\r\nSubject: Minutes of the meeting\r\n\
Message-ID: <8d7c1f6e@example.org>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\n";

/// A certificate as far as encrypting looks at one: its own signature is never checked.
pub fn certificate(key: &PrivateKey, serial_length: usize) -> Vec<u8> {
    let algorithm = writer::algorithm(&oid::SHA256_RSA, &writer::null());
    let name = writer::sequence(&[&writer::set_of(&[&writer::sequence(&[
        &writer::oid(&oid::EMAIL_ADDRESS),
        &writer::element(tag::IA5_STRING, &[b"member@example.org"]),
    ])])]);
    let time = |text: &[u8]| writer::element(tag::UTC_TIME, &[text]);
    let body = writer::sequence(&[
        &writer::element(tag::context(0), &[&writer::small_uint(2)]),
        &writer::unsigned(&vec![0x55; serial_length]),
        &algorithm,
        &name,
        &writer::sequence(&[&time(b"260101000000Z"), &time(b"491231235959Z")]),
        &name,
        &key.public_key().spki_der(),
    ]);
    writer::sequence(&[&body, &algorithm, &writer::bit_string(&[0; 256])])
}
