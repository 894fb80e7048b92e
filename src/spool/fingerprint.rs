//! What makes two handed-in messages the same one (contract D1).

use sha2::{Digest as _, Sha256};

use crate::model::Envelope;

/// Returns the SHA-256 of `data` without the trace fields that an MTA puts on top of it.
///
/// An MTA that did not learn of our success hands the same message in again, possibly with other
/// trace fields; everything from the first other header field on must be equal.
#[must_use]
pub fn digest_without_trace(data: &[u8]) -> [u8; 32] {
    let mut rest = data;
    while let Some(length) = trace_field(rest) {
        rest = rest.get(length..).unwrap_or_default();
    }
    Sha256::digest(rest).into()
}

/// Returns what is looked up for seven days: recipient, sender and content together.
#[must_use]
pub fn fingerprint(envelope: &Envelope, data: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(envelope.recipient().key().as_bytes());
    hash.update([0]);
    hash.update(envelope.sender_text().as_bytes());
    hash.update([0]);
    hash.update(digest_without_trace(data));
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(whole) {
        *to = from;
    }
    half
}

/// Returns the length of the trace field that `rest` begins with, continuation lines included.
fn trace_field(rest: &[u8]) -> Option<usize> {
    let colon = rest.iter().take(MAX_NAME).position(|b| *b == b':')?;
    let name = rest.get(..colon)?;
    if !TRACE
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    {
        return None;
    }
    let mut end = 0;
    loop {
        let line = rest.get(end..)?.iter().position(|b| *b == b'\n')? + 1;
        end += line;
        if !matches!(rest.get(end), Some(b' ' | b'\t')) {
            return Some(end);
        }
    }
}

/// What Postfix, Exim and sendmail put on top at final delivery, and their filters with them.
const TRACE: [&str; 8] = [
    "Return-Path",
    "Received",
    "Received-SPF",
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "Delivery-Date",
    "Authentication-Results",
];
const MAX_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    #[test]
    fn d1_other_trace_fields_do_not_make_another_message() {
        let plain = b"From: a@x.org\r\nReceived: kept, not on top\r\n\r\nbody\r\n";
        let mut traced = b"Return-Path: <a@x.org>\r\nReceived: from x\r\n\tby y; Sat\r\nDelivered-To: t@x.org\r\n".to_vec();
        traced.extend_from_slice(plain);
        assert_eq!(digest_without_trace(plain), digest_without_trace(&traced));
        let other = b"From: a@x.org\r\nReceived: kept, not on top\r\n\r\nbody2\r\n";
        assert_ne!(digest_without_trace(plain), digest_without_trace(other));
        let inner = b"From: a@x.org\r\n\r\nbody\r\n";
        assert_ne!(digest_without_trace(plain), digest_without_trace(inner));
    }

    #[test]
    fn d1_sender_and_recipient_count() {
        let team = Address::parse("team@example.org").unwrap();
        let other = Address::parse("other@example.org").unwrap();
        let a = fingerprint(&Envelope::new("a@x.org", team.clone()), b"x");
        assert_eq!(
            a,
            fingerprint(&Envelope::new("<a@x.org>", team.clone()), b"x")
        );
        assert_ne!(a, fingerprint(&Envelope::new("b@x.org", team), b"x"));
        assert_ne!(a, fingerprint(&Envelope::new("a@x.org", other), b"x"));
    }

    #[test]
    fn headers_that_never_end_are_survived() {
        for odd in [
            &b""[..],
            b"Received:",
            b"Received: x",
            b"Received: x\n y",
            b":\n",
        ] {
            assert_eq!(digest_without_trace(odd).len(), 32);
        }
    }
}
