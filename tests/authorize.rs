//! Deciding on mail that openssl signed and encrypted: open and authorize together.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    missing_docs
)]

mod common;
#[path = "open/lab.rs"]
mod lab;

use std::sync::OnceLock;

use lab::{TEXT, World, lab, mail};
use listseal::authorize::builtin::builtin;
use listseal::authorize::scenario::Scenario;
use listseal::authorize::{Binding, Earlier, Outcome, Replay, Rules, authorize};
use listseal::model::list::*;
use listseal::model::plan::Form;
use listseal::model::roster::Roster;
use listseal::model::{Address, Envelope, Reason};
use time::{Duration, OffsetDateTime};

const ALICE: &str = "alice@example.org";

fn policy() -> ListPolicy {
    ListPolicy {
        owners: vec![Address::parse("olga@example.org").unwrap()],
        ..ListPolicy::new(Address::parse("list@example.org").unwrap())
    }
}

/// Opens `message` with the list's key and decides under the scenario `send`.
fn decide_with(
    send: &str,
    message: &[u8],
    change: impl for<'a> FnOnce(Rules<'a>) -> Rules<'a>,
) -> Outcome {
    let opened = World::of(&["list"]).open(message);
    let policy = policy();
    let scenario = builtin(send).unwrap();
    let (roster, bad) = Roster::parse("alice@example.org\nbob@example.org\n");
    assert!(bad.is_empty());
    let envelope = Envelope::new(ALICE, policy.address.clone());
    let rules = change(Rules {
        policy: &policy,
        roster: &roster,
        scenario: Some(&scenario),
        envelope: &envelope,
        replay: Replay::default(),
        is_list: &|address| address.local().starts_with("other-list"),
        key_unavailable: false,
        released: false,
        now: OffsetDateTime::now_utc(),
    });
    authorize(opened, message, &rules)
}

fn decide(send: &str, message: &[u8]) -> Outcome {
    decide_with(send, message, |rules| rules)
}

fn form(outcome: &Outcome) -> (Form, bool) {
    match outcome {
        Outcome::Admitted(post) => (post.form(), post.author().is_some()),
        other => panic!("not admitted: {other:?}"),
    }
}

fn refused(outcome: &Outcome) -> (Reason, bool) {
    match outcome {
        Outcome::Refused(refusal) => (refusal.reason, refusal.tell.is_some()),
        other => panic!("not refused: {other:?}"),
    }
}

fn signed(entity: &[u8]) -> Vec<u8> {
    lab().sign("alice", "", entity)
}

fn sealed(entity: &[u8]) -> Vec<u8> {
    lab().encrypt("list.pem", "-aes-256-cbc", entity)
}

#[test]
fn signed_post_passes_private_smime_in_clear_and_sealed_as_it_came() {
    let clear = decide("private_smime", &mail(ALICE, &signed(TEXT)));
    assert_eq!(form(&clear), (Form::Clear, true));
    let both = decide("private_smime", &mail(ALICE, &sealed(&signed(TEXT))));
    assert_eq!(form(&both), (Form::Seal, true));
}

#[test]
fn s16_signature_around_the_ciphertext_alone_proves_no_author() {
    let captured = sealed(TEXT);
    let message = mail(ALICE, &signed(&captured));
    assert_eq!(
        refused(&decide("private_smime", &message)),
        (Reason::NotSigned, true)
    );
    assert_eq!(form(&decide("private", &message)), (Form::Seal, false));
    let triple = mail(ALICE, &signed(&sealed(&signed(TEXT))));
    assert_eq!(form(&decide("private_smime", &triple)), (Form::Seal, true));
}

#[test]
fn s24_unsigned_forged_and_foreign_mail_is_refused_with_the_reason_that_may_be_told() {
    let plain = mail(ALICE, TEXT);
    let mut tampered = mail(ALICE, &signed(TEXT));
    let at = tampered.windows(5).position(|w| w == b"world").unwrap();
    tampered[at] = b'W';
    let foreign = mail(ALICE, &lab().sign("mallory", "", TEXT));
    let borrowed = mail(ALICE, &lab().sign("bob", "", TEXT));
    let stranger = mail("eve@example.com", &signed(TEXT));
    for (message, expected) in [
        (&plain, (Reason::NotSigned, true)),
        (&tampered, (Reason::BadSignature, true)),
        (&foreign, (Reason::UnknownIssuer, true)),
        (&borrowed, (Reason::FromMismatch, true)),
        (&stranger, (Reason::NotMember, false)),
    ] {
        assert_eq!(refused(&decide("private_smime", message)), expected);
    }
    for message in [&plain, &tampered, &foreign, &borrowed] {
        assert_eq!(form(&decide("private", message)), (Form::Clear, false));
    }
}

#[test]
fn s10_what_cannot_be_processed_is_refused_or_forwarded_intact_alike() {
    let for_another = lab().encrypt("bob.pem", "-aes-256-cbc", &signed(TEXT));
    let garbage = b"Content-Type: application/pkcs7-mime\r\n\r\nbm90IGEgY21z\r\n".to_vec();
    let signed_outside = signed(&for_another);
    for entity in [&for_another, &garbage, &signed_outside] {
        let message = mail(ALICE, entity);
        assert_eq!(
            refused(&decide("private_smime", &message)),
            (Reason::Undecryptable, true)
        );
        assert_eq!(form(&decide("private", &message)), (Form::Intact, false));
    }
    let mut tampered = signed(TEXT);
    let at = tampered.windows(5).position(|w| w == b"world").unwrap();
    tampered[at] = b'W';
    let inside = decide("private_smime", &mail(ALICE, &sealed(&tampered)));
    assert_eq!(refused(&inside), (Reason::Undecryptable, true));
}

#[test]
fn s21_post_signed_for_another_list_is_withheld_and_for_this_one_bound() {
    let to = |name: &str| {
        let entity = format!(
            "Content-Type: text/plain; hp=\"cipher\"\r\nFrom: {ALICE}\r\nTo: {name}@example.org\r\n\r\nx\r\n"
        );
        mail(ALICE, &sealed(&signed(entity.as_bytes())))
    };
    match decide("private_smime", &to("list")) {
        Outcome::Admitted(post) => assert_eq!(post.binding(), Binding::Bound),
        other => panic!("{other:?}"),
    }
    // The message wrapped whole, as its transfer encoding hides it.
    let wrapped = |name: &str, parameter: &str| {
        let whole = format!("From: {ALICE}\r\nTo: {name}@example.org\r\n\r\nx\r\n");
        let whole = lab().feed("base64 -e", whole.as_bytes());
        let entity = format!(
            "Content-Type: message/rfc822{parameter}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            String::from_utf8(whole).unwrap()
        );
        decide(
            "private_smime",
            &mail(ALICE, &sealed(&signed(entity.as_bytes()))),
        )
    };
    for (name, parameter, binding) in [
        ("list", "", Binding::Bound),
        ("list", "; forwarded=no", Binding::Bound),
        // Somebody's words are passed on, whoever wrote them to whom.
        ("list", "; forwarded=yes", Binding::None),
        ("other-list", "; forwarded=yes", Binding::None),
    ] {
        match wrapped(name, parameter) {
            Outcome::Admitted(post) => assert_eq!(post.binding(), binding, "{name}{parameter}"),
            other => panic!("{name}{parameter}: {other:?}"),
        }
    }
    assert!(matches!(
        wrapped("other-list", ""),
        Outcome::Withheld {
            reason: Reason::OtherList,
            ..
        }
    ));
    assert!(matches!(
        decide("private_smime", &to("other-list")),
        Outcome::Withheld {
            reason: Reason::OtherList,
            tell_owners: true
        }
    ));
    assert!(matches!(
        decide("private_smime", &to("bob")),
        Outcome::Held(held) if held.reason == Reason::OtherList
    ));
}

#[test]
fn s21_old_signature_waits_for_a_person() {
    let message = mail(ALICE, &signed(TEXT));
    let later = OffsetDateTime::now_utc() + Duration::days(8);
    let outcome = decide_with("private_smime", &message, |rules| Rules {
        now: later,
        ..rules
    });
    assert!(matches!(outcome, Outcome::Held(held) if held.reason == Reason::SigningTime));
}

#[test]
fn s19_s20_seen_content_key_is_withheld_or_held() {
    let message = mail(ALICE, &sealed(&signed(TEXT)));
    for (earlier, held) in [(true, false), (false, true)] {
        let outcome = decide_with("private_smime", &message, |rules| Rules {
            replay: Replay {
                duplicate: false,
                content_key: Some(Earlier { proven: earlier }),
            },
            ..rules
        });
        match outcome {
            Outcome::Held(post) => assert!(held && post.reason == Reason::Replay),
            Outcome::Withheld { reason, .. } => assert!(!held && reason == Reason::Replay),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn s18_signed_part_below_a_mixed_root_signs_nothing() {
    let inner = String::from_utf8(signed(TEXT)).unwrap();
    let entity = format!(
        "Content-Type: multipart/mixed; boundary=outer-b\r\n\r\n--outer-b\r\n{inner}\r\n--outer-b--\r\n"
    );
    let outcome = decide("private_smime", &mail(ALICE, entity.as_bytes()));
    assert_eq!(refused(&outcome), (Reason::NotSigned, true));
}

#[test]
fn nothing_of_the_message_shows_in_debug_output() {
    let message = mail(
        ALICE,
        &signed(b"Content-Type: text/plain\r\n\r\nCANARY\r\n"),
    );
    let outcome = decide("private_smime", &message);
    assert!(!format!("{outcome:?}").contains("CANARY"));
    let held = decide("editorkey", &message);
    assert!(!format!("{held:?}").contains("CANARY"));
}

#[test]
fn s30_rules_judge_the_subject_that_the_protection_covers() {
    static SERIOUS: OnceLock<Scenario> = OnceLock::new();
    let serious = SERIOUS.get_or_init(|| {
        let text =
            "match([header->Subject],/joke/) smtp,smime -> reject\ntrue() smtp,smime -> do_it\n";
        Scenario::parse(text, "send.serious").unwrap()
    });
    let rejected = |message: &[u8]| {
        let outcome = decide_with("private", message, |rules| Rules {
            scenario: Some(serious),
            ..rules
        });
        match outcome {
            Outcome::Refused(_) => true,
            Outcome::Admitted(_) => false,
            other => panic!("{other:?}"),
        }
    };
    let entity = |subject: &str, parameter: &str| {
        format!(
            "From: {ALICE}\r\nSubject: {subject}\r\nHP-Outer: Subject: [...]\r\n\
             Content-Type: text/plain{parameter}\r\n\r\nhello\r\n"
        )
    };
    let wrapped = |subject: &str, parameter: &str| {
        let inner = entity(subject, "");
        format!("Content-Type: message/rfc822{parameter}\r\n\r\n{inner}")
    };
    for (entity, expected) in [
        (entity("a joke", "; hp=\"cipher\""), true),
        (entity("a joke", "; hp=clear"), true),
        (entity("a joke", "; protected-headers=\"v1\""), true),
        (wrapped("a joke", "; forwarded=no"), true),
        (wrapped("a joke", ""), true),
        (entity("work", "; hp=\"cipher\""), false),
        // Not protected: what everybody sees counts.
        (entity("a joke", ""), false),
        (entity("a joke", "; hp=other"), false),
        (wrapped("a joke", "; forwarded=yes"), false),
    ] {
        for message in [
            mail(ALICE, &signed(entity.as_bytes())),
            mail(ALICE, &sealed(&signed(entity.as_bytes()))),
        ] {
            assert_eq!(rejected(&message), expected, "{entity}");
        }
    }
    // Compression protects nothing: what stands outside is what everybody sees.
    let compressed = lab().compress(entity("work", "; hp=clear").as_bytes());
    let outer = String::from_utf8(mail(ALICE, &compressed)).unwrap();
    let outer = outer.replacen("Subject: outer", "Subject: a joke", 1);
    assert!(rejected(outer.as_bytes()));
    assert!(!rejected(&mail(
        ALICE,
        &lab().compress(entity("a joke", "; hp=clear").as_bytes())
    )));
    // The other way round: an outer Subject that the author did not write rejects nothing.
    let meant = mail(ALICE, &signed(entity("work", "; hp=clear").as_bytes()));
    let outer = String::from_utf8(meant).unwrap();
    let outer = outer.replacen("Subject: outer", "Subject: a joke", 1);
    assert!(!rejected(outer.as_bytes()));
}
