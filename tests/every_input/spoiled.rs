//! Mail cut short, changed, and made of nothing that means anything.

use super::common::lab::{lab, openssl};
use super::common::mail::Parsed;
use super::{Bench, made};

/// Mails with every kind of layer; the objects a second time in binary, where a change of one byte
/// is one of the object.
fn kinds() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, steps) in [
        ("detached", &["sign alice"][..]),
        ("opaque", &["sign alice opaque"]),
        ("sealed", &["encrypt team"]),
        (
            "streamed",
            &["sign alice opaque stream", "encrypt team stream"],
        ),
        (
            "authenticated",
            &["sign alice", "encrypt team cipher aes-256-gcm"],
        ),
        ("agreed", &["encrypt team erin-ec"]),
        (
            "wrapped",
            &["sign erin-ec opaque", "encrypt team", "sign bob opaque"],
        ),
    ] {
        let mail = made(steps);
        if name != "detached" {
            let der = openssl(lab().dir(), "base64 -d", Parsed::of(&mail).body);
            let head = "From: alice@example.org\nContent-Type: application/pkcs7-mime\n\
                        Content-Transfer-Encoding: binary\n\n";
            all.push((
                format!("{name} in binary"),
                [head.as_bytes(), &der].concat(),
            ));
        }
        all.push((name.to_owned(), mail));
    }
    all
}

#[test]
fn mail_cut_short_anywhere_is_reported() {
    let mut bench = Bench::new();
    for (name, mail) in kinds() {
        let whole = bench.inspect(&name, &mail).unwrap();
        assert_ne!(whole["layers"].as_array().unwrap().len(), 0, "{name}");
        // Every byte of the header, and steps through what follows that meet all remainders.
        let cuts = (0..mail.len()).step_by(mail.len() / 40 + 1);
        for cut in cuts.chain((0..120).step_by(7)).chain([mail.len() - 1]) {
            bench.inspect(&format!("{name} cut at {cut}"), &mail[..cut]);
        }
    }
    bench.end(500);
}

#[test]
fn changed_mail_is_reported_a_thousand_times() {
    let mut bench = Bench::new();
    let mails = kinds();
    let mut dice = Dice(0x5eed);
    for round in 0..1_500 {
        let (name, mail) = &mails[round % mails.len()];
        let mut mail = mail.clone();
        for _ in 0..=dice.below(3) {
            change(&mut mail, &mut dice);
        }
        bench.inspect(&format!("{name}, change {round}"), &mail);
    }
    bench.end(1_500);
}

#[test]
fn bytes_without_meaning_are_reported() {
    let mut bench = Bench::new();
    let mut dice = Dice(0xd1ce);
    for (name, head) in [
        ("alone", ""),
        ("as a mail", "From: alice@example.org\n\n"),
        ("as an object", "Content-Type: application/pkcs7-mime\n\n"),
        (
            "as a signature",
            "Content-Type: application/pkcs7-signature\n\n",
        ),
        (
            "as a signed part",
            "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\n\n--b\n",
        ),
    ] {
        for size in [0, 1, 2, 10, 100, 10_000, 900_000] {
            for (kind, range) in [("any", 256), ("ASCII", 128), ("telling", 0)] {
                let bytes: Vec<u8> = (0..size).map(|_| dice.byte(range)).collect();
                let mail = [head.as_bytes(), &bytes].concat();
                bench.inspect(&format!("{size} {kind} bytes {name}"), &mail);
            }
        }
    }
    bench.end(100);
}

/// Sets, swaps, repeats, removes or inserts something.
fn change(mail: &mut Vec<u8>, dice: &mut Dice) {
    if mail.len() < 8 {
        return mail.extend_from_slice(b"From: a\n");
    }
    let at = dice.below(mail.len());
    let other = dice.below(mail.len());
    let run = at..(at + 1 + dice.below(60)).min(mail.len());
    match dice.below(7) {
        0 => mail[at] ^= 1 << dice.below(8),
        1 => mail[at] = dice.byte(0),
        2 => mail[at] = dice.byte(256),
        3 => mail.swap(at, other),
        4 => drop(mail.drain(run)),
        5 => {
            let piece = mail[run].to_vec();
            mail.splice(other..other, piece).for_each(drop);
        }
        _ => {
            let byte = dice.byte(0);
            mail.insert(at, byte);
        }
    }
}

/// The same numbers in every run, so that a failure comes again (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    /// One of the first `range` bytes; of those that mean something where it is 0.
    fn byte(&mut self, range: usize) -> u8 {
        if range == 0 {
            TELLING[self.below(TELLING.len())]
        } else {
            u8::try_from(self.below(range)).unwrap()
        }
    }
}

const TELLING: &[u8] =
    b"\0\x01\x02\x04\x05\x06\x30\x31\x80\x81\x82\x84\x88\x9f\xa0\xa1\xbf\xff\r\n=-:;\"( ";
