//! What makes two handed-in messages the same one (contract D1).

use sha2::{Digest as _, Sha256};

use crate::model::Envelope;
use crate::model::trace::without_trace;

/// Returns what is looked up for seven days: recipient, sender and content together.
#[must_use]
pub fn fingerprint(envelope: &Envelope, data: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(envelope.recipient().key().as_bytes());
    hash.update([0]);
    hash.update(envelope.sender_text().as_bytes());
    hash.update([0]);
    if envelope.is_own() {
        // What is handed in never takes the place of a report.
        hash.update(b"own");
    }
    hash.update(Sha256::digest(without_trace(data)));
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(whole) {
        *to = from;
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    #[test]
    fn d1_other_trace_fields_do_not_make_another_message() {
        let team = Address::parse("team@example.org").unwrap();
        let of = |data: &[u8]| fingerprint(&Envelope::new("a@x.org", team.clone()), data);
        let plain = b"From: a@x.org\r\n\r\nbody\r\n";
        let mut traced = b"Received: from x\r\n\tby y; Sat\r\nDelivered-To: t@x.org\r\n".to_vec();
        traced.extend_from_slice(plain);
        assert_eq!(of(plain), of(&traced));
        assert_ne!(of(plain), of(b"From: a@x.org\r\n\r\nbody2\r\n"));
    }

    #[test]
    fn what_is_handed_in_never_takes_the_place_of_a_report() {
        let owner = Address::parse("team-owner@example.org").unwrap();
        let report = Envelope::own(owner.clone());
        let handed_in = Envelope::new(report.sender_text(), owner.clone());
        assert_eq!(handed_in.sender_text(), report.sender_text());
        assert_ne!(fingerprint(&report, b"x"), fingerprint(&handed_in, b"x"));
        let same = Envelope::own(owner);
        assert_eq!(fingerprint(&report, b"x"), fingerprint(&same, b"x"));
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
}
