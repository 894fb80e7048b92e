//! Decisions on mail that needs no keys; signed and encrypted mail goes through the whole program in
//! `tests/flow/`.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use time::macros::datetime;

use super::people::{forward, send_key};
use super::register::register;
use super::*;
use crate::model::list::*;
use crate::model::route::Role;
use crate::open::{Context, open};

const NOW: OffsetDateTime = datetime!(2026-11-20 10:00 UTC);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn policy() -> ListPolicy {
    ListPolicy {
        title: "The team".to_owned(),
        owners: vec![address("olga@example.org")],
        moderators: vec![address("mod@example.org")],
        ..ListPolicy::new(address("team@example.org"))
    }
}

/// Calls `decide` with a message of `header` lines from `sender`.
fn decided(
    header: &str,
    sender: &str,
    decide: impl Fn(&Case<'_>, &ListPolicy) -> Ruling,
) -> Ruling {
    let policy = policy();
    let message = format!("{header}\n\nhello\n");
    let (anchors, crls) = (Anchors::new(Vec::new()), Crls::new(Vec::new()));
    let case = Case {
        speaker: Speaker {
            address: &policy.address,
            lang: "en",
            owners: &policy.owners,
        },
        message: message.as_bytes(),
        envelope: &Envelope::new(sender, address("team@example.org")),
        reference: "0123",
        now: NOW,
        belief: Belief {
            anchors: &anchors,
            crls: &crls,
            legacy: Legacy::NONE,
            revocation: Revocation::Soft,
        },
        is_own: &|address| address.local().starts_with("team"),
        in_force: &|_, _| None,
    };
    decide(&case, &policy)
}

fn plan(ruling: Ruling) -> Plan {
    match ruling {
        Ruling::Decided(decision) => decision.plan,
        Ruling::Wait(reason) => panic!("waits: {reason}"),
    }
}

/// Returns who gets what, by the name of the notice or `intact`.
fn items(plan: &Plan) -> Vec<(String, String)> {
    let name = |item: &Item| match &item.what {
        What::Notice { kind, .. } => kind.clone(),
        What::Intact => "intact".to_owned(),
        other => format!("{other:?}"),
    };
    let pairs = plan.items.iter();
    pairs
        .map(|item| (item.to.to_string(), name(item)))
        .collect()
}

fn registration(case: &Case<'_>, _: &ListPolicy) -> Ruling {
    let context = Context {
        now: NOW,
        keys: &[],
        known: &[],
        untrusted: &[],
        anchors: case.belief.anchors,
        crls: case.belief.crls,
        legacy: Legacy::NONE,
        revocation: Revocation::Soft,
        max_inflated: 1000,
    };
    let mut rng = UnwrapErr(SysRng);
    register(case, &open(case.message, &context, &mut rng), false)
}

#[test]
fn role_mail_reaches_its_people_unopened() {
    for (role, to) in [
        (Role::Owner, "olga@example.org"),
        (Role::Request, "olga@example.org"),
        (Role::Bounces(None), "olga@example.org"),
        (Role::Editor, "mod@example.org"),
    ] {
        let plan = plan(decided("From: a@x.org", "", |case, policy| {
            forward(case, &role, policy)
        }));
        assert_eq!(plan.disposition, Disposition::Forward);
        assert_eq!(
            items(&plan),
            [(to.to_owned(), "intact".to_owned())],
            "{role:?}"
        );
    }
}

#[test]
fn s38_what_the_list_sent_out_is_dropped_at_its_other_addresses() {
    let header = "From: a@x.org\nX-Loop: team@example.org";
    for decide in [
        (|case, policy| forward(case, &Role::Owner, policy))
            as fn(&Case<'_>, &ListPolicy) -> Ruling,
        |case, _| send_key(case, true),
        registration,
    ] {
        let plan = plan(decided(header, "a@x.org", decide));
        assert_eq!(plan.disposition, Disposition::Discard);
        assert_eq!(plan.reason, Some(Reason::Loop));
        assert_eq!(items(&plan), []);
    }
}

#[test]
fn s38_certificate_of_the_list_goes_to_the_envelope_sender_and_to_no_machine() {
    let answer = |header: &str, sender: &str| {
        let plan = plan(decided(header, sender, |case, _| send_key(case, true)));
        items(&plan)
    };
    let to = |text: &str| vec![(text.to_owned(), "list-certificate".to_owned())];
    assert_eq!(answer("From: a@x.org", "b@x.org"), to("b@x.org"));
    assert_eq!(answer("From: a@x.org", Envelope::UNKNOWN), to("a@x.org"));
    assert_eq!(answer("From: a@x.org", ""), []);
    assert_eq!(
        answer("From: a@x.org\nAuto-Submitted: auto-replied", "a@x.org"),
        []
    );
    assert_eq!(answer("From: a@x.org\nPrecedence: bulk", "a@x.org"), []);
    assert_eq!(answer("From: team-owner@x.org", "team-owner@x.org"), []);
}

#[test]
fn decision_3_request_for_a_certificate_waits_for_the_key() {
    let ruling = decided("From: a@x.org", "a@x.org", |case, _| send_key(case, false));
    assert!(matches!(ruling, Ruling::Wait(Reason::KeyUnavailable)));
}

#[test]
fn s38_failed_registration_is_told_only_where_sender_and_from_agree() {
    let failed = |header: &str, sender: &str| {
        let plan = plan(decided(header, sender, registration));
        (plan.reason, items(&plan))
    };
    let told = vec![("a@x.org".to_owned(), "registration-failed".to_owned())];
    let unsigned = Some(Reason::NotSigned);
    assert_eq!(failed("From: a@x.org", "A@x.org"), (unsigned, told.clone()));
    assert_eq!(failed("From: a@x.org", Envelope::UNKNOWN), (unsigned, told));
    assert_eq!(failed("From: a@x.org", "b@x.org"), (unsigned, vec![]));
    assert_eq!(failed("From: a@x.org", ""), (unsigned, vec![]));
}

#[test]
fn s10_registration_that_cannot_be_opened_has_one_reason() {
    let header = "From: a@x.org\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data";
    let plan = plan(decided(header, "a@x.org", registration));
    assert_eq!(plan.reason, Some(Reason::Undecryptable));
    assert!(plan.encrypted);
}

#[test]
fn decision_2_notices_are_counted_by_what_they_tell() {
    let item = |kind: Kind, facts: Noted| {
        decided("From: a@x.org", "a@x.org", |case, _| {
            let mut plan = case.plan(Disposition::Answer, None);
            plan.items = case.notices(&[address("a@x.org")], kind, &facts, false);
            Decision::of(plan)
        })
    };
    let topic_of = |kind, facts, proven| {
        let topic = topic(&plan(item(kind, facts)).items[0], proven);
        topic.map(|topic| (topic.heading, topic.counted))
    };
    let counted = |heading: &str| Some((heading.to_owned(), true));
    let none = Noted::default;
    assert_eq!(topic_of(Kind::Held, none(), false), None);
    assert_eq!(topic_of(Kind::CertMissing, none(), false), None);
    assert_eq!(topic_of(Kind::NewPost, none(), false), None);
    assert_eq!(topic_of(Kind::Waiting, none(), true), None);
    assert_eq!(topic_of(Kind::Waiting, none(), false), counted("waiting/"));
    let refused = none().reason(Reason::NotSigned);
    assert_eq!(
        topic_of(Kind::Rejected, refused, true),
        counted("rejected/not-signed")
    );
    let stored = none().with(Variable::Fingerprint, "ab");
    assert_eq!(
        topic_of(Kind::CertificatePending, stored.clone(), true),
        counted("certificate-pending/ab")
    );
    // A busy list owes every registrant his answer all the same.
    assert_eq!(
        topic_of(Kind::Registered, stored, true),
        Some(("registered/ab".to_owned(), false))
    );
}

#[test]
fn dates_are_shown_in_utc() {
    let date = datetime!(2026-01-02 03:04:05 +2);
    assert_eq!(lessons::shown(date), "2026-01-02 01:04 UTC");
}
