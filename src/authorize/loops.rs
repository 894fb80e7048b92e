//! Which messages to a post address were made by machines or have been here before.
//!
//! # Place in the flow
//!
//! The first question of authorize: what is found here is dropped without a word (contract S38),
//! because every word could be the next turn of a loop.
//!
//! # Invariants
//!
//! * `Precedence` and `List-*` do not stop a post: a list may be a member of a list. They stop
//!   answers, in `notice::manners`.
//!
//! # See also
//!
//! RFC 3834 sections 2 and 5; Sympa's `loop_prevention_regex` and `reject_mail_from_automates_feature`.

use crate::authorize::condition::HeaderLookup;
use crate::model::{Address, Envelope, Reason};

/// Returns why the message is to be dropped, if it is.
#[must_use]
pub fn find(
    header: HeaderLookup<'_>,
    envelope: &Envelope,
    from: Option<&Address>,
    list: &Address,
) -> Option<Reason> {
    if carries_loop_mark(header, list) || header("Received").len() > MAX_RECEIVED {
        return Some(Reason::Loop);
    }
    let sender = envelope.sender();
    let automatic = envelope.is_null_sender()
        || is_auto_submitted(header)
        || has_value(header, "Content-Identifier", "auto-replied")
        || has_value(header, "X400-Content-Identifier", "auto reply to")
        || [from, sender.as_ref()]
            .into_iter()
            .flatten()
            .any(is_automatic);
    automatic.then_some(Reason::AutoReply)
}

/// True where an own `X-Loop` says that this list distributed the message before.
#[must_use]
pub fn carries_loop_mark(header: HeaderLookup<'_>, list: &Address) -> bool {
    header("X-Loop").iter().any(|value| {
        value
            .split([' ', '\t', ',', ';'])
            .any(|word| Address::parse(word.trim_matches(['<', '>'])).is_ok_and(|a| a == *list))
    })
}

/// True for any `Auto-Submitted` but `no` (RFC 3834 section 5).
#[must_use]
pub fn is_auto_submitted(header: HeaderLookup<'_>) -> bool {
    header("Auto-Submitted").iter().any(|value| {
        let word = value.split([';', '(']).next().unwrap_or_default().trim();
        !word.eq_ignore_ascii_case("no")
    })
}

fn has_value(header: HeaderLookup<'_>, name: &str, begin: &str) -> bool {
    header(name)
        .iter()
        .any(|value| value.trim().to_ascii_lowercase().starts_with(begin))
}

fn is_automatic(address: &Address) -> bool {
    AUTOMATIC
        .iter()
        .any(|name| address.local().eq_ignore_ascii_case(name))
}

/// Sympa's names, and our own site address.
const AUTOMATIC: [&str; 7] = [
    "listseal",
    "listserv",
    "mailer-daemon",
    "mailman",
    "majordomo",
    "smartlist",
    "sympa",
];

/// More hops than any real way through mail servers has (contract S38).
const MAX_RECEIVED: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(header: &[(&str, &str)], sender: &str, from: &str) -> Option<Reason> {
        let list = Address::parse("team@example.org").unwrap();
        let lookup = |name: &str| -> Vec<String> {
            header
                .iter()
                .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| (*v).to_owned())
                .collect()
        };
        let from = Address::parse(from).ok();
        let envelope = Envelope::new(sender, list.clone());
        find(&lookup, &envelope, from.as_ref(), &list)
    }

    #[test]
    fn s38_own_loop_mark_and_too_many_hops_are_loops() {
        for value in [
            "team@example.org",
            "<TEAM@Example.ORG>",
            "a@b.org team@example.org",
        ] {
            let found = reason(&[("x-loop", value)], "a@x.org", "a@x.org");
            assert_eq!(found, Some(Reason::Loop), "{value}");
        }
        let hops = vec![("Received", "from a by b"); 51];
        assert_eq!(reason(&hops, "a@x.org", "a@x.org"), Some(Reason::Loop));
        assert_eq!(reason(&hops[1..], "a@x.org", "a@x.org"), None);
    }

    #[test]
    fn loop_mark_of_another_list_is_no_loop() {
        for value in ["team@example.com", "team", "", "notteam@example.org"] {
            assert_eq!(
                reason(&[("X-Loop", value)], "a@x.org", "a@x.org"),
                None,
                "{value}"
            );
        }
    }

    #[test]
    fn s38_automatic_mail_is_recognised() {
        for (header, sender, from) in [
            (
                vec![("Auto-Submitted", "auto-replied")],
                "a@x.org",
                "a@x.org",
            ),
            (
                vec![("Auto-Submitted", "auto-generated; x=y")],
                "a@x.org",
                "a@x.org",
            ),
            (vec![("Auto-Submitted", "")], "a@x.org", "a@x.org"),
            (
                vec![("Content-Identifier", "Auto-replied")],
                "a@x.org",
                "a@x.org",
            ),
            (
                vec![("X400-Content-Identifier", "Auto Reply to x")],
                "a@x.org",
                "a@x.org",
            ),
            (vec![], "<>", "a@x.org"),
            (vec![], "MAILER-DAEMON", "a@x.org"),
            (vec![], "mailer-daemon@x.org", "a@x.org"),
            (vec![], "a@x.org", "Sympa@x.org"),
        ] {
            assert_eq!(
                reason(&header, sender, from),
                Some(Reason::AutoReply),
                "{header:?} {sender} {from}"
            );
        }
    }

    #[test]
    fn people_and_other_lists_may_post() {
        for header in [
            vec![("Auto-Submitted", "no")],
            vec![("Auto-Submitted", "No (a person)")],
            vec![("Precedence", "bulk")],
            vec![("List-Id", "<other.example.org>")],
        ] {
            assert_eq!(
                reason(&header, "b@x.org", "sympathy@x.org"),
                None,
                "{header:?}"
            );
        }
    }
}
