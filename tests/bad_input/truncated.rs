//! S/MIME mail cut off at every offset.
//!
//! In process, where it is fast enough, at every single offset: `open` finds nothing to believe in
//! a cut mail, and `intake` with the spool carries it. Through the program, with queue, daemon and
//! delivery: at every place where something begins or ends, a few hundred mails in one run.

use std::collections::BTreeSet;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use listseal::model::list::{Legacy, Revocation};
use listseal::open::{Context, Opened, Verdict, open};
use listseal::pki::anchors::Anchors;
use listseal::pki::key::{KeyPair, PrivateKey};
use listseal::pki::pem;
use listseal::pki::revocation::Crls;

use super::common::lab::lab;
use super::common::mail::find;
use super::house::{GOOD, House, made};

const TEXT: &str = "Cut me if you can, says Erin.";

/// How mail is protected; EC keys make it small.
const FORMS: &[&[&str]] = &[
    &["sign erin-ec"],
    &["sign erin-ec opaque"],
    &["encrypt crew-ec"],
    &["sign erin-ec", "encrypt crew-ec"],
    &["sign erin-ec", "encrypt crew-ec stream"],
    &["encrypt crew-ec", "sign erin-ec"],
];

#[test]
fn nothing_is_believed_of_a_mail_that_is_cut_at_any_offset() {
    let world = World::new();
    for steps in FORMS {
        let whole = made(steps, "crew", TEXT);
        let whole = String::from_utf8(whole)
            .unwrap()
            .replace("alice@", "erin@")
            .into_bytes();
        let full = world.open(&whole);
        assert!(full.is_processable(), "{steps:?}");
        let mut same = 0;
        for end in 0..whole.len() {
            let cut = world.open(&whole[..end]);
            // What follows the last byte of the object does not matter, nor does the end of the
            // last boundary line.
            let complete = cut.is_processable()
                && cut.signature() == full.signature()
                && full.sealing_entity().starts_with(cut.sealing_entity())
                && (steps == &["encrypt crew-ec", "sign erin-ec"]
                    || steps == &["sign erin-ec opaque"]
                    || find(cut.sealing_entity(), TEXT.as_bytes()).is_some());
            if complete {
                same += 1;
                continue;
            }
            let signed = steps.iter().any(|step| step.starts_with("sign"));
            assert!(
                !cut.encrypted() || !cut.is_processable(),
                "{steps:?} cut at {end} opens as something else"
            );
            assert!(
                !signed || (cut.signature() != Verdict::Valid && cut.author().is_none()),
                "{steps:?} cut at {end} is still Erin's"
            );
        }
        // The end of a base64 line, of a boundary line and of the mail.
        assert!(
            same < 120,
            "{steps:?}: {same} of {} cuts change nothing",
            whole.len()
        );
    }
}

#[test]
fn inner_object_that_is_cut_before_it_is_encrypted_is_not_believed() {
    let world = World::new();
    let signed = made(&["sign erin-ec opaque"], "crew", "Cut me inside.");
    let at = find(&signed, b"MIME-Version").unwrap();
    let entity = &signed[at..];
    // Each takes a run of openssl.
    for end in (0..entity.len()).step_by(37) {
        let head = b"From: Erin <erin@example.org>\nTo: crew@example.org\n";
        let sealed = world.encrypt(&entity[..end]);
        let cut = world.open(&[&head[..], &sealed].concat());
        assert!(cut.signature() != Verdict::Valid, "cut at {end}");
        assert!(cut.author().is_none(), "cut at {end}");
    }
}

#[test]
fn cut_mail_through_the_whole_program_reaches_nobody() {
    let house = House::new();
    let text = house.text();
    let mail = made(&["sign alice", "encrypt team"], GOOD, &text);
    let cuts = ends(&mail);
    for end in &cuts {
        let ended = house.hand_in(GOOD, &mail[..*end]);
        assert_eq!(ended.code, 0, "cut at {end}: {ended:?}");
    }
    let good = house.post(GOOD);
    house.run();
    house.delivered(&good);
    house.undelivered(&text);
    assert_eq!(house.waiting(), 0, "{}", house.site.log());
    // Bob got the good one and nothing else; Alice may have been told, not once for every mail.
    let outbox = house.site.outbox();
    let to = |who: &str| outbox.iter().filter(|mail| mail.to == who).count();
    assert_eq!(to("bob@example.org"), 1, "{outbox:?}");
    assert!(
        to("alice@example.org") < 8,
        "{} answers",
        to("alice@example.org")
    );
    assert!(
        to("olga@example.org") < 8,
        "{} reports",
        to("olga@example.org")
    );
    house.adds_up();
    // The whole one still passes: none of its parts counts as sent before.
    assert_eq!(house.hand_in(GOOD, &mail).code, 0);
    house.run();
    house.delivered(&text);
    house.adds_up();
}

/// Where to cut: all of the header, around the ends of lines, the first and the last bytes of
/// the object. Not the last quantum of base64, without which the object may still be whole.
fn ends(mail: &[u8]) -> Vec<usize> {
    let body = find(mail, b"\n\n").unwrap() + 2;
    let last = mail.len() - 10;
    let mut ends: BTreeSet<usize> = (1..body).step_by(4).collect();
    ends.extend(body..body + 64);
    let lines = (body..last).filter(|at| mail[*at] == b'\n');
    ends.extend(lines.flat_map(|at| [at - 1, at, at + 1]).step_by(2));
    ends.extend(last - 40..last);
    ends.into_iter().collect()
}

/// The key of the list and the trust, as the daemon has them.
struct World {
    keys: Vec<KeyPair>,
    anchors: Anchors,
    crls: Crls,
}

impl World {
    fn new() -> Self {
        let crew = lab().identity("crew-ec");
        let certificates = |file| pem::certificates(&std::fs::read(file).unwrap()).unwrap();
        let key = std::fs::read(&crew.key).unwrap();
        let pair = KeyPair {
            certificate: certificates(crew.certificate).remove(0),
            chain: Vec::new(),
            key: PrivateKey::from_pem(&key, None).unwrap(),
            suffix: String::new(),
        };
        Self {
            keys: vec![pair],
            anchors: Anchors::new(certificates(lab().authority())),
            crls: Crls::new(Vec::new()),
        }
    }

    fn open(&self, mail: &[u8]) -> Opened {
        let context = Context {
            now: time::OffsetDateTime::now_utc(),
            keys: &self.keys,
            known: &[],
            untrusted: &[],
            anchors: &self.anchors,
            crls: &self.crls,
            legacy: Legacy::NONE,
            revocation: Revocation::Soft,
            max_inflated: 1 << 20,
        };
        open(mail, &context, &mut UnwrapErr(SysRng))
    }

    fn encrypt(&self, entity: &[u8]) -> Vec<u8> {
        assert_eq!(self.keys.len(), 1);
        let list = lab().identity("crew-ec").certificate;
        let line = format!("cms -encrypt -aes-256-cbc -recip {}", list.display());
        super::common::lab::openssl(lab().dir(), &line, entity)
    }
}
