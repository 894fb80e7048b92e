//! Whether a message may be answered at all.
//!
//! # Place in the flow
//!
//! Asked before any notice that goes to the sender of a message; who may be told of what is decided
//! by authorize.
//!
//! # Invariants
//!
//! * What cannot be told for sure is not answered: a missing answer costs a question, a wrong one
//!   can cost a mail loop (contract S38).
//!
//! # See also
//!
//! RFC 3834 section 2, RFC 5230 section 4.6.

use crate::model::{Address, Envelope};

/// Why a message is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Silence {
    /// `Auto-Submitted` is not `no`, or another mark of automatic mail.
    Automatic,
    /// `Precedence` is bulk, list or junk.
    Bulk,
    /// It came through a list.
    FromList,
    /// It carries a loop mark of ours.
    Loop,
    /// The sender is empty.
    NullSender,
    /// The sender is one of our own addresses.
    Own,
    /// The sender is a role that no person reads answers at.
    Role,
}

/// A message that could be answered.
pub struct Incoming<'a> {
    /// Its outer header.
    pub header: &'a dyn Fn(&str) -> Vec<String>,
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// Its From address.
    pub from: &'a Address,
    /// Where the answer would go.
    pub to: &'a Address,
    /// Whether an address is one of ours: list, role of a list, site.
    pub is_own: &'a dyn Fn(&Address) -> bool,
}

/// Returns whether the message may be answered.
///
/// # Errors
///
/// [`Silence`]: the first reason not to.
pub fn may_answer(incoming: &Incoming<'_>) -> Result<(), Silence> {
    if incoming.envelope.is_null_sender() {
        return Err(Silence::NullSender);
    }
    by_header(incoming)?;
    let sender = incoming.envelope.sender();
    let people = [Some(incoming.from), Some(incoming.to), sender.as_ref()];
    for address in people.into_iter().flatten() {
        if is_role(address.local()) {
            return Err(Silence::Role);
        }
        if (incoming.is_own)(address) {
            return Err(Silence::Own);
        }
    }
    Ok(())
}

fn by_header(incoming: &Incoming<'_>) -> Result<(), Silence> {
    let all = |name: &str| (incoming.header)(name);
    let word = |value: &String| {
        let word = value.split([';', '(', ' ']).next().unwrap_or_default();
        word.trim().to_ascii_lowercase()
    };
    let own_loop = all("X-Loop")
        .iter()
        .flat_map(|value| value.split([' ', ',', ';']))
        .filter_map(|text| Address::parse(text.trim_matches(['<', '>'])).ok())
        .any(|address| (incoming.is_own)(&address));
    if own_loop {
        return Err(Silence::Loop);
    }
    let automatic = all("Auto-Submitted").iter().any(|v| word(v) != "no")
        || AUTOMATIC.iter().any(|name| !all(name).is_empty())
        || all("Return-Path").iter().any(|value| value.trim() == "<>")
        || all("Content-Type").iter().any(|v| {
            v.trim()
                .to_ascii_lowercase()
                .starts_with("multipart/report")
        });
    if automatic {
        return Err(Silence::Automatic);
    }
    let bulk = ["bulk", "junk", "list"];
    if all("Precedence")
        .iter()
        .any(|v| bulk.contains(&word(v).as_str()))
    {
        return Err(Silence::Bulk);
    }
    if LIST_FIELDS.iter().any(|name| !all(name).is_empty()) {
        return Err(Silence::FromList);
    }
    Ok(())
}

/// RFC 3834 section 2: addresses that are programs or that many people read.
fn is_role(local: &str) -> bool {
    let local = local.to_ascii_lowercase();
    let (before_tag, _) = local.split_once('+').unwrap_or((&local, ""));
    NAMES.contains(&before_tag)
        || local.starts_with("owner-")
        || SUFFIXES.iter().any(|suffix| before_tag.ends_with(suffix))
}

const NAMES: [&str; 12] = [
    "bounces",
    "listserv",
    "mailer-daemon",
    "mailman",
    "majordomo",
    "no-reply",
    "noreply",
    "do-not-reply",
    "donotreply",
    "postmaster",
    "smartlist",
    "sympa",
];
const SUFFIXES: [&str; 5] = ["-bounce", "-bounces", "-owner", "-relay", "-request"];
const AUTOMATIC: [&str; 4] = [
    "X-Autoreply",
    "X-Autorespond",
    "X-Auto-Response-Suppress",
    "X-Failed-Recipients",
];
const LIST_FIELDS: [&str; 7] = [
    "List-Help",
    "List-Id",
    "List-Owner",
    "List-Post",
    "List-Subscribe",
    "List-Unsubscribe",
    "Mailing-List",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(header: &[(&str, &str)], sender: &str, from: &str) -> Result<(), Silence> {
        let lookup = |name: &str| -> Vec<String> {
            let same = |n: &&(&str, &str)| n.0.eq_ignore_ascii_case(name);
            header
                .iter()
                .filter(same)
                .map(|(_, v)| (*v).to_owned())
                .collect()
        };
        let from = Address::parse(from).unwrap();
        let to = Address::parse("alice@example.org").unwrap();
        let own = |a: &Address| a.domain() == "lists.example.org";
        let recipient = Address::parse("team@lists.example.org").unwrap();
        may_answer(&Incoming {
            header: &lookup,
            envelope: &Envelope::new(sender, recipient),
            from: &from,
            to: &to,
            is_own: &own,
        })
    }

    const ALICE: &str = "alice@example.org";

    #[test]
    fn person_who_wrote_by_hand_is_answered() {
        assert_eq!(answer(&[], ALICE, ALICE), Ok(()));
        assert_eq!(answer(&[("Auto-Submitted", "no")], ALICE, ALICE), Ok(()));
        assert_eq!(answer(&[("Precedence", "normal")], ALICE, ALICE), Ok(()));
        assert_eq!(
            answer(&[("X-Loop", "other@example.com")], ALICE, ALICE),
            Ok(())
        );
    }

    #[test]
    fn s38_null_sender_is_never_answered() {
        for sender in ["", "<>", "MAILER-DAEMON"] {
            assert_eq!(
                answer(&[], sender, ALICE),
                Err(Silence::NullSender),
                "{sender}"
            );
        }
    }

    #[test]
    fn s38_automatic_and_list_mail_is_never_answered() {
        for (name, value, silence) in [
            ("Auto-Submitted", "auto-replied", Silence::Automatic),
            ("auto-submitted", "auto-generated (x)", Silence::Automatic),
            ("Auto-Submitted", "", Silence::Automatic),
            ("X-Autoreply", "yes", Silence::Automatic),
            ("X-Auto-Response-Suppress", "All", Silence::Automatic),
            ("X-Failed-Recipients", "a@x.org", Silence::Automatic),
            ("Return-Path", "<>", Silence::Automatic),
            (
                "Content-Type",
                "Multipart/Report; report-type=delivery-status",
                Silence::Automatic,
            ),
            ("Precedence", "bulk", Silence::Bulk),
            ("PRECEDENCE", "List", Silence::Bulk),
            ("Precedence", "junk ", Silence::Bulk),
            ("List-Id", "<x.example.com>", Silence::FromList),
            (
                "List-Unsubscribe",
                "<mailto:x@example.com>",
                Silence::FromList,
            ),
            ("Mailing-List", "list x", Silence::FromList),
            ("X-Loop", "team@lists.example.org", Silence::Loop),
            (
                "X-Loop",
                "x@y.org, <other@lists.example.org>",
                Silence::Loop,
            ),
        ] {
            assert_eq!(
                answer(&[(name, value)], ALICE, ALICE),
                Err(silence),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn s38_roles_and_own_addresses_are_never_answered() {
        for (sender, from, silence) in [
            ("postmaster@x.org", ALICE, Silence::Role),
            (ALICE, "Mailer-Daemon@x.org", Silence::Role),
            ("owner-team@x.org", ALICE, Silence::Role),
            ("team-request@x.org", ALICE, Silence::Role),
            ("team-owner@x.org", ALICE, Silence::Role),
            ("team-bounces+alice=example.org@x.org", ALICE, Silence::Role),
            ("no-reply@x.org", ALICE, Silence::Role),
            (ALICE, "team@lists.example.org", Silence::Own),
            ("other@lists.example.org", ALICE, Silence::Own),
        ] {
            assert_eq!(answer(&[], sender, from), Err(silence), "{sender} {from}");
        }
    }

    #[test]
    fn own_notices_are_never_answered() {
        use crate::notice::{Facts, Kind, Letter, Templates};
        let list = Address::parse("team@lists.example.org").unwrap();
        let to = Address::parse(ALICE).unwrap();
        let facts = Facts::for_list(&list, "");
        for kind in Kind::ALL {
            let letter = Letter {
                from: &list,
                to: &to,
                lang: "en",
                facts: &facts,
                token: "1",
                in_reply_to: None,
                now: time::OffsetDateTime::UNIX_EPOCH,
            };
            let bytes = Templates::builtin().render(*kind, &letter).unwrap().bytes();
            let entity = crate::mime::Entity::parse(&bytes).unwrap();
            let lookup = |name: &str| entity.all(name).map(|f| f.value()).collect();
            let incoming = Incoming {
                header: &lookup,
                envelope: &Envelope::new("someone@example.com", to.clone()),
                from: &to,
                to: &to,
                is_own: &|_| false,
            };
            assert!(may_answer(&incoming).is_err(), "{}", kind.name());
        }
    }
}
