//! The `send` scenarios that need no file, under Sympa's names and with their meaning.
//!
//! Where Sympa asks the sender to confirm by mail (`md5`), the message is held for the moderators:
//! the question is put to a person in either case, and nothing passes on a forged From.

use crate::authorize::condition::{Condition, Pattern, Role, Term};
use crate::authorize::scenario::{Action, Deciders, Methods, Rule, Ruling, Scenario};

/// Who a built-in rule is about.
#[derive(Clone, Copy)]
enum Who {
    Anybody,
    Editor,
    /// A message whose outer Content-Type matches.
    Kind(&'static str),
    Owner,
    Subscriber,
}

use Who::{Anybody, Editor, Kind, Owner, Subscriber};

const ASK: Action = Action::Ask(Deciders::Moderators);
const ANY: Methods = Methods::ALL;
const CLAIMED: Methods = Methods::SMTP;
const PROVEN: Methods = Methods::SMIME;
const PASS: Action = Action::DoIt;

/// A rule, and the label of its refusal where it is one; an empty label is a quiet refusal.
type Line = (Who, Methods, Result<Action, &'static str>);

/// Name, what it means in a few words, rules.
type Entry = (&'static str, &'static str, &'static [Line]);

const TABLE: &[Entry] = &[
    (
        "closed",
        "nobody may post",
        &[(Anybody, ANY, Err("send_closed"))],
    ),
    (
        "confidential",
        "members, moderators and owners; others are dropped without a word",
        &[
            (Subscriber, ANY, Ok(PASS)),
            (Editor, ANY, Ok(PASS)),
            (Owner, ANY, Ok(PASS)),
            (Anybody, ANY, Err("")),
        ],
    ),
    (
        "editorkey",
        "moderated; moderators post at once",
        &[(Editor, ANY, Ok(PASS)), (Anybody, ANY, Ok(ASK))],
    ),
    (
        "editorkeyauth",
        "moderated; moderators post at once when they sign",
        &[(Editor, PROVEN, Ok(PASS)), (Anybody, ANY, Ok(ASK))],
    ),
    (
        "editorkeyonly",
        "moderated, even for moderators",
        &[(Anybody, ANY, Ok(ASK))],
    ),
    (
        "editorkeyonlyauth",
        "moderated, even for moderators",
        &[(Anybody, ANY, Ok(ASK))],
    ),
    (
        "newsletter",
        "moderators only",
        &[(Editor, ANY, Ok(PASS)), (Anybody, ANY, Err("send_editor"))],
    ),
    (
        "newsletterkeyonly",
        "moderators only; without signature only after confirmation",
        &[
            (Editor, PROVEN, Ok(PASS)),
            (Editor, ANY, Ok(ASK)),
            (Anybody, ANY, Err("send_editor")),
        ],
    ),
    (
        "owner",
        "owners only",
        &[(Owner, ANY, Ok(PASS)), (Anybody, ANY, Err("send_owner"))],
    ),
    (
        "ownerauth",
        "owners only; without signature only after confirmation",
        &[
            (Owner, PROVEN, Ok(PASS)),
            (Owner, CLAIMED, Ok(ASK)),
            (Anybody, ANY, Err("send_owner")),
        ],
    ),
    (
        "private",
        "members, moderators and owners",
        &[
            (Subscriber, ANY, Ok(PASS)),
            (Editor, ANY, Ok(PASS)),
            (Owner, ANY, Ok(PASS)),
            (Anybody, ANY, Err("send_subscriber")),
        ],
    ),
    (
        "private_smime",
        "members, moderators and owners, proven by their signature",
        &[
            (Subscriber, PROVEN, Ok(PASS)),
            (Editor, PROVEN, Ok(PASS)),
            (Owner, PROVEN, Ok(PASS)),
            (Anybody, ANY, Err("send_subscriber_smime")),
        ],
    ),
    (
        "privateandeditorkey",
        "moderators post at once, members after moderation",
        &[
            (Editor, ANY, Ok(PASS)),
            (Subscriber, ANY, Ok(ASK)),
            (Anybody, ANY, Err("send_subscriber")),
        ],
    ),
    (
        "privateandnomultipartoreditorkey",
        "members at once, moderated for others and for multipart mail",
        &[
            (Kind("multipart"), ANY, Ok(ASK)),
            (Subscriber, ANY, Ok(PASS)),
            (Anybody, ANY, Ok(ASK)),
        ],
    ),
    (
        "privatekey",
        "members; without signature only after confirmation",
        &[
            (Subscriber, PROVEN, Ok(PASS)),
            (Subscriber, CLAIMED, Ok(ASK)),
            (Anybody, ANY, Err("send_subscriber")),
        ],
    ),
    (
        "privatekeyandeditorkeyonly",
        "members after moderation",
        &[
            (Subscriber, ANY, Ok(ASK)),
            (Editor, CLAIMED, Ok(ASK)),
            (Anybody, ANY, Err("send_subscriber")),
        ],
    ),
    (
        "privateoreditorkey",
        "members and moderators at once, others after moderation",
        &[
            (Subscriber, ANY, Ok(PASS)),
            (Editor, ANY, Ok(PASS)),
            (Anybody, ANY, Ok(ASK)),
        ],
    ),
    (
        "privateorpublickey",
        "members and everybody who signs at once, others after confirmation",
        &[
            (Anybody, PROVEN, Ok(PASS)),
            (Subscriber, CLAIMED, Ok(PASS)),
            (Anybody, CLAIMED, Ok(ASK)),
        ],
    ),
    ("public", "everybody", &[(Anybody, ANY, Ok(PASS))]),
    (
        "publickey",
        "everybody; without signature only after confirmation",
        &[(Anybody, PROVEN, Ok(PASS)), (Anybody, CLAIMED, Ok(ASK))],
    ),
    (
        "publicnoattachment",
        "everybody; mail with attachments after moderation",
        &[
            (Kind("multipart/mixed"), ANY, Ok(ASK)),
            (Anybody, ANY, Ok(PASS)),
        ],
    ),
    (
        "publicnomultipart",
        "everybody, but no multipart mail",
        &[
            (Kind("multipart"), ANY, Err("send_multipart")),
            (Anybody, ANY, Ok(PASS)),
        ],
    ),
];

/// Returns the built-in scenario of this name.
#[must_use]
pub fn builtin(name: &str) -> Option<Scenario> {
    let (_, _, lines) = TABLE.iter().find(|(known, _, _)| *known == name)?;
    let rules: Option<Vec<Rule>> = lines.iter().map(rule).collect();
    Some(Scenario::from_rules(name, rules?))
}

/// Returns name and meaning of every built-in scenario, by name.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|(name, meaning, _)| (*name, *meaning))
}

fn rule((who, methods, outcome): &Line) -> Option<Rule> {
    let condition = match who {
        Anybody => Condition::True,
        Editor => Condition::Is(Role::Editor, Term::Sender),
        Kind(kind) => Condition::Match(
            Term::Header("Content-Type".to_owned(), Some(0)),
            Pattern::parse(kind).ok()?,
        ),
        Owner => Condition::Is(Role::Owner, Term::Sender),
        Subscriber => Condition::Is(Role::Subscriber, Term::Sender),
    };
    let (action, label) = match outcome {
        Ok(action) => (*action, None),
        Err(label) => (Action::Reject, Some(*label)),
    };
    Some(Rule {
        line: 0,
        negated: false,
        condition,
        methods: *methods,
        ruling: Ruling {
            action,
            quiet: label == Some(""),
            label: label.filter(|text| !text.is_empty()).map(str::to_owned),
            line: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::condition::Subject;
    use crate::authorize::scenario::Method;
    use crate::authorize::tests::{policy, roster};
    use crate::model::Address;

    /// `+` passes, `?` asks, `-` is refused, for subscriber, editor, owner, stranger, first with
    /// `smtp`, then with `smime`.
    const EXPECTED: &[(&str, &str)] = &[
        ("closed", "---- ----"),
        ("confidential", "+++- +++-"),
        ("editorkey", "?+?? ?+??"),
        ("editorkeyauth", "???? ?+??"),
        ("editorkeyonly", "???? ????"),
        ("editorkeyonlyauth", "???? ????"),
        ("newsletter", "-+-- -+--"),
        ("newsletterkeyonly", "-?-- -+--"),
        ("owner", "--+- --+-"),
        ("ownerauth", "--?- --+-"),
        ("private", "+++- +++-"),
        ("private_smime", "---- +++-"),
        ("privateandeditorkey", "?+-- ?+--"),
        ("privateandnomultipartoreditorkey", "+??? +???"),
        ("privatekey", "?--- +---"),
        ("privatekeyandeditorkeyonly", "??-- ?---"),
        ("privateoreditorkey", "++?? ++??"),
        ("privateorpublickey", "+??? ++++"),
        ("public", "++++ ++++"),
        ("publickey", "???? ++++"),
        ("publicnoattachment", "++++ ++++"),
        ("publicnomultipart", "++++ ++++"),
    ];

    fn row(name: &str, kind: &str) -> String {
        let scenario = builtin(name).unwrap();
        let lookup = |field: &str| {
            if field.eq_ignore_ascii_case("content-type") {
                vec![kind.to_owned()]
            } else {
                Vec::new()
            }
        };
        let mut out = String::new();
        for method in [Method::Smtp, Method::Smime] {
            for sender in [
                "alice@example.org",
                "mod@example.org",
                "olga@example.org",
                "eve@x.org",
            ] {
                let subject = Subject {
                    sender: &Address::parse(sender).unwrap(),
                    encrypted: false,
                    header: &lookup,
                    policy: &policy(),
                    roster: &roster(),
                };
                out.push(match scenario.decide(&subject, method).action {
                    Action::Ask(_) => '?',
                    Action::DoIt => '+',
                    Action::Reject => '-',
                });
            }
            if method == Method::Smtp {
                out.push(' ');
            }
        }
        out
    }

    #[test]
    fn every_builtin_scenario_answers_every_author_as_sympa_does() {
        assert_eq!(names().count(), EXPECTED.len());
        for (name, expected) in EXPECTED {
            assert_eq!(row(name, "text/plain"), *expected, "{name}");
        }
    }

    #[test]
    fn scenarios_about_the_kind_of_mail_look_at_the_content_type() {
        for (name, kind, expected) in [
            (
                "publicnomultipart",
                "Multipart/Mixed; boundary=x",
                "---- ----",
            ),
            ("publicnoattachment", "multipart/mixed", "???? ????"),
            ("publicnoattachment", "multipart/signed", "++++ ++++"),
            (
                "privateandnomultipartoreditorkey",
                "multipart/alternative",
                "???? ????",
            ),
        ] {
            assert_eq!(row(name, kind), expected, "{name} {kind}");
        }
    }

    #[test]
    fn builtin_names_are_sorted_and_unknown_ones_unknown() {
        let names: Vec<_> = names().map(|(name, _)| name).collect();
        assert!(names.is_sorted());
        assert!(builtin("private-smime").is_none() && builtin("").is_none());
    }

    #[test]
    fn confidential_refuses_without_a_word() {
        let lookup = |_: &str| Vec::new();
        let subject = Subject {
            sender: &Address::parse("eve@x.org").unwrap(),
            encrypted: false,
            header: &lookup,
            policy: &policy(),
            roster: &roster(),
        };
        let quiet = |name| builtin(name).unwrap().decide(&subject, Method::Smtp).quiet;
        assert!(quiet("confidential") && !quiet("private"));
    }
}
