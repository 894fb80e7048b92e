//! What the list writes on the outside of a copy.
//!
//! # Invariants
//!
//! * Fields that name hops, folders or blind recipients of the received mail are never copied.
//! * A copy that is sealed carries an allow-list of the author's fields, and none that a signature
//!   of the author's provider covers in vain (DKIM, ARC: decision 13).
//! * Loop marks and Received fields stay: that is how loops are found.
//! * Where From is the list, the author stands in Author (RFC 9057), whatever Reply-To says.
//!
//! # See also
//!
//! RFC 2369 (List-*), RFC 2919 (List-Id), RFC 6068 (mailto), RFC 9788 section 3.2.1 (`[...]`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::Cover;
use crate::mime::write::{Header, WriteError};
use crate::mime::{Entity, Field};
use crate::model::Address;
use crate::model::list::{ListPolicy, SubjectPolicy};

/// What the outside of a copy is made from.
#[derive(Clone, Copy)]
pub struct Outer<'a> {
    /// The fields of the received mail.
    pub fields: &'a [Field<'a>],
    /// The Subject that the author protected, where he did (RFC 9788). Plaintext, where the mail was
    /// encrypted.
    pub protected_subject: Option<Field<'a>>,
    /// True where he kept it from the world.
    pub subject_is_hidden: bool,
    /// The list.
    pub policy: &'a ListPolicy,
    /// Number of the post.
    pub sequence: Option<u64>,
    /// The author, where the list speaks for him: From becomes the list (`sign = true`).
    pub via: Option<&'a Address>,
}

impl Outer<'_> {
    /// Header of a sealed copy: the fields of the list and an allow-list of the author's.
    pub(super) fn sealed(&self) -> Result<Header, WriteError> {
        let mut header = self.list_fields()?;
        let mut seen = BTreeSet::new();
        for field in self.fields {
            let name = field.name().to_ascii_lowercase();
            let repeats = name == "received" || name == "x-loop";
            // Receivers refuse mail with two of a kind (RFC 5322 section 3.6).
            if !SEALED.contains(&name.as_str())
                || self.replaced_by_via(&name)
                || !(seen.insert(name.clone()) || repeats)
            {
                continue;
            }
            let hide = self.subject_is_hidden || self.policy.subject == SubjectPolicy::Hide;
            if name == "subject" && hide {
                header.push("Subject", HIDDEN)?;
            } else {
                header.push_received(field);
            }
        }
        header.push_value("MIME-Version", "1.0")?;
        Ok(header)
    }

    /// Header of a copy that passes as it came: all fields but those that are replaced or private.
    ///
    /// DKIM and ARC fields stay, because body and author's fields do: they still prove the author's
    /// domain to receivers that ask for it.
    pub(super) fn passed(&self) -> Result<Header, WriteError> {
        let mut header = self.list_fields()?;
        for field in self.fields {
            let name = field.name().to_ascii_lowercase();
            let list = name.starts_with("list-") || name.starts_with("x-sympa-");
            if !list && !REMOVED.contains(&name.as_str()) && !self.replaced_by_via(&name) {
                header.push_received(field);
            }
        }
        Ok(header)
    }

    /// Header of a mail that goes on to people behind the list: as received, with the loop mark. No
    /// List-* field, because an answer belongs to the sender and not to the list.
    pub(super) fn forwarded(&self) -> Result<Header, WriteError> {
        let mut header = Header::new();
        header.push_value("X-Loop", &self.policy.address.to_string())?;
        for field in self.fields {
            if !PRIVATE.contains(&field.name().to_ascii_lowercase().as_str()) {
                header.push_received(field);
            }
        }
        Ok(header)
    }

    /// Header around an entity that the list has signed: like [`Outer::passed`], without the fields
    /// that describe the received body or sign it.
    pub(super) fn around_new_body(&self) -> Result<Header, WriteError> {
        let mut header = self.list_fields()?;
        for field in self.fields {
            let name = field.name().to_ascii_lowercase();
            let other = name.starts_with("list-")
                || name.starts_with("x-sympa-")
                || name.starts_with("content-")
                || name.starts_with("arc-")
                || name == "mime-version"
                || name == "dkim-signature";
            if !other && !REMOVED.contains(&name.as_str()) && !self.replaced_by_via(&name) {
                header.push_received(field);
            }
        }
        header.push_value("MIME-Version", "1.0")?;
        Ok(header)
    }

    /// Fields to repeat inside the list's signature, as they are shown outside, but with the true
    /// Subject; a sealed copy notes the outer ones in HP-Outer (RFC 9788 section 2).
    pub(super) fn protected(&self, cover: Cover) -> Result<Zeroizing<Vec<u8>>, WriteError> {
        let outside = match cover {
            Cover::Clear => self.around_new_body()?,
            Cover::Sealed => self.sealed()?,
        };
        let outside = outside.with_body(b"");
        let mut header = Header::new();
        let mut noted = Header::new();
        // What could not be read as a header would not leave as one either.
        let Ok(outside) = Entity::parse(&outside) else {
            return Ok(Zeroizing::default());
        };
        // By itself: the others may outgrow their room, and this one is to leave nothing behind.
        let mut subject = Header::new();
        let inner = self
            .protected_subject
            .filter(|_| cover == Cover::Sealed)
            .or_else(|| self.fields.iter().find(|real| real.is("Subject")).copied());
        if let Some(field) = inner {
            subject.push_received(&field);
        }
        for name in PROTECTED {
            let Some(field) = outside.first(name) else {
                continue;
            };
            if name != "Subject" {
                header.push_received(field);
            }
            if cover == Cover::Sealed {
                noted.push_value("HP-Outer", &format!("{name}: {}", field.value()))?;
            }
        }
        header.append(&noted);
        let all = [subject.as_bytes(), header.as_bytes()].concat();
        Ok(Zeroizing::new(all))
    }

    fn replaced_by_via(&self, name: &str) -> bool {
        self.via.is_some() && matches!(name, "author" | "from")
            || self.writes_reply_to() && name == "reply-to"
    }

    /// The author stays reachable when From is the list, unless he said where to answer.
    fn writes_reply_to(&self) -> bool {
        self.via.is_some() && !self.fields.iter().any(|field| field.is("Reply-To"))
    }

    fn list_fields(&self) -> Result<Header, WriteError> {
        let list = &self.policy.address;
        let mut header = Header::new();
        if let Some(author) = self.via {
            let shown = self.author_name().unwrap_or_else(|| author.to_string());
            header.push_mailbox("From", &format!("{shown} via {}", list.local()), list)?;
            if self.writes_reply_to() {
                header.push_addresses("Reply-To", std::slice::from_ref(author))?;
            }
            header.push_mailbox("Author", &self.author_name().unwrap_or_default(), author)?;
        }
        header.push_addresses("Sender", std::slice::from_ref(list))?;
        header.push_value("Precedence", "list")?;
        header.push_value("X-Loop", &list.to_string())?;
        if let Some(sequence) = self.sequence {
            header.push_value("X-Sequence", &sequence.to_string())?;
        }
        let id = format!("<{}.{}>", list_id_label(list.local()), list.domain());
        // A line break in a title is no reason to lose a post.
        let title: String = self
            .policy
            .title
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        header.push_phrase("List-Id", &title, &id)?;
        header.push_value("List-Post", &format!("<{}>", mailto(list, "")))?;
        // A list name of more than 57 characters leaves no room for these addresses; it has no
        // such addresses then.
        if let Ok(request) = list.with_suffix("-request") {
            for (name, command) in COMMANDS {
                header.push_value(name, &format!("<{}>", mailto(&request, command)))?;
            }
        }
        if let Ok(owner) = list.with_suffix("-owner") {
            header.push_value("List-Owner", &format!("<{}>", mailto(&owner, "")))?;
            header.push_addresses("Errors-To", std::slice::from_ref(&owner))?;
        }
        Ok(header)
    }

    /// The display name in From, without anything that looks like an address.
    fn author_name(&self) -> Option<String> {
        let from = self.fields.iter().find(|field| field.is("From"))?.text();
        let (name, _) = from.rsplit_once('<')?;
        let name = name.trim().trim_matches('"').trim();
        let plain = !name.is_empty()
            && name.chars().count() <= MAX_NAME
            && !name.contains('@')
            && !name.chars().any(char::is_control);
        plain.then(|| name.to_owned())
    }
}

/// Returns a `mailto:` URL (RFC 6068) for an address, with a command as its subject.
fn mailto(address: &Address, command: &str) -> String {
    let mut url = String::from("mailto:");
    for byte in address.local().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$'*+".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url.push('@');
    url.push_str(address.domain());
    if !command.is_empty() {
        url.push_str("?subject=");
        url.push_str(command);
    }
    url
}

/// The list's part of its List-Id, which is made of dot-atom characters (RFC 2919 section 2).
fn list_id_label(local: &str) -> String {
    local
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .collect::<String>()
        .to_ascii_lowercase()
}

/// What stands outside instead of a hidden Subject (RFC 9788 section 3.2.1).
pub(super) const HIDDEN: &str = "[...]";
/// Commands that `-request` understands, under the field that offers them.
const COMMANDS: [(&str, &str); 3] = [
    ("List-Help", "help"),
    ("List-Subscribe", "subscribe"),
    ("List-Unsubscribe", "unsubscribe"),
];
/// Longer display names are not repeated.
const MAX_NAME: usize = 128;
/// Fields of the author that a sealed copy shows outside.
const SEALED: [&str; 14] = [
    "cc",
    "date",
    "from",
    "importance",
    "in-reply-to",
    "message-id",
    "priority",
    "received",
    "references",
    "reply-to",
    "subject",
    "to",
    "x-loop",
    "x-priority",
];
/// Fields that a list's signature covers.
const PROTECTED: [&str; 10] = [
    "From",
    "Author",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
];
/// Fields of the received mail that say how it came here, and nothing to anybody else.
const PRIVATE: [&str; 7] = [
    "apparently-to",
    "bcc",
    "delivered-to",
    "envelope-to",
    "resent-bcc",
    "return-path",
    "x-original-to",
];
/// Fields of the received mail that no copy carries: written anew by the list, private, or true of
/// the way to the list only.
const REMOVED: [&str; 19] = [
    "apparently-to",
    "authentication-results",
    "bcc",
    "delivered-to",
    "disposition-notification-to",
    "envelope-to",
    "errors-to",
    "precedence",
    "received-spf",
    "resent-bcc",
    "resent-sender",
    "return-path",
    "return-receipt-to",
    "sender",
    "x-envelope-from",
    "x-envelope-to",
    // Names another list's copy for this one: members could report in its name.
    "x-listseal-copy",
    "x-original-to",
    "x-sequence",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::Entity;
    use crate::model::list::*;

    fn policy(address: &str, title: &str) -> ListPolicy {
        ListPolicy {
            title: title.to_owned(),
            ..ListPolicy::new(Address::parse(address).unwrap())
        }
    }

    fn lines(policy: &ListPolicy, mail: &str, via: Option<&Address>) -> Vec<String> {
        let entity = Entity::parse(mail.as_bytes()).unwrap();
        let outer = Outer {
            fields: entity.fields(),
            protected_subject: None,
            subject_is_hidden: false,
            policy,
            sequence: None,
            via,
        };
        let bytes = outer.passed().unwrap().with_body(b"");
        let copy = Entity::parse(&bytes).unwrap();
        let line = |f: &Field| format!("{}: {}", f.name(), f.value());
        copy.fields().iter().map(line).collect()
    }

    #[test]
    fn passed_copy_replaces_the_fields_of_other_lists_and_hops() {
        let mail = "Received: a\nReturn-Path: <x>\nDelivered-To: team@example.org\n\
                    DKIM-Signature: v=1\nX-Loop: other@x.org\nList-Archive: <old>\n\
                    Precedence: bulk\nErrors-To: x@y.org\nBcc: b@x.org\nX-Sequence: 99\n\
                    Disposition-Notification-To: spy@x.org\nFrom: a@x.org\nX-Mailer: m\n\n";
        let found = lines(&policy("team@example.org", ""), mail, None);
        assert_eq!(
            found,
            [
                "Sender: team@example.org",
                "Precedence: list",
                "X-Loop: team@example.org",
                "List-Id: <team.example.org>",
                "List-Post: <mailto:team@example.org>",
                "List-Help: <mailto:team-request@example.org?subject=help>",
                "List-Subscribe: <mailto:team-request@example.org?subject=subscribe>",
                "List-Unsubscribe: <mailto:team-request@example.org?subject=unsubscribe>",
                "List-Owner: <mailto:team-owner@example.org>",
                "Errors-To: team-owner@example.org",
                "Received: a",
                "DKIM-Signature: v=1",
                "X-Loop: other@x.org",
                "From: a@x.org",
                "X-Mailer: m",
            ]
        );
    }

    #[test]
    fn odd_list_names_and_titles_give_valid_fields() {
        let odd = policy(
            "a/b&c=d@example.org",
            "Caf\u{e9}, \"the\" list\r\nBcc: x@y.org",
        );
        let found = lines(&odd, "From: a@x.org\n\n", None);
        assert!(
            found.contains(&"List-Post: <mailto:a%2Fb%26c%3Dd@example.org>".to_owned()),
            "{found:?}"
        );
        assert!(!found.iter().any(|line| line.starts_with("Bcc")));
        let id = found
            .iter()
            .find(|line| line.starts_with("List-Id"))
            .unwrap();
        assert!(id.ends_with(" <a/b&c=d.example.org>"), "{id}");
        let long = policy(&format!("{}@example.org", "x".repeat(64)), "");
        let found = lines(&long, "From: a@x.org\n\n", None);
        assert!(!found.iter().any(|line| line.contains("-owner@")));
    }

    #[test]
    fn list_speaks_for_the_author_without_repeating_a_false_name() {
        let author = Address::parse("alice@example.org").unwrap();
        let team = policy("team@example.org", "");
        for (from, shown) in [
            ("Alice <alice@example.org>", "Alice via team"),
            (
                "\"boss@example.org\" <alice@example.org>",
                "\"alice@example.org via team\"",
            ),
            ("alice@example.org", "\"alice@example.org via team\""),
            (
                "=?utf-8?q?boss=40example.org?= <alice@example.org>",
                "\"alice@example.org via team\"",
            ),
        ] {
            let mail = format!("From: {from}\n\n");
            let found = lines(&team, &mail, Some(&author));
            assert_eq!(found[0], format!("From: {shown} <team@example.org>"));
            assert_eq!(found[1], "Reply-To: alice@example.org");
            let name = if shown == "Alice via team" {
                "Alice <alice@example.org>"
            } else {
                "alice@example.org"
            };
            assert_eq!(found[2], format!("Author: {name}"));
            assert_eq!(found.iter().filter(|l| l.starts_with("From")).count(), 1);
        }
        let answer = "From: alice@example.org\nReply-To: other@x.org\n\n";
        let found = lines(&team, answer, Some(&author));
        let replies: Vec<&String> = found.iter().filter(|l| l.starts_with("Reply")).collect();
        assert_eq!(replies, ["Reply-To: other@x.org"]);
    }

    #[test]
    fn s42_hidden_subject_stands_once_and_only_where_there_was_one() {
        let mut team = policy("team@example.org", "");
        team.subject = SubjectPolicy::Hide;
        for (mail, count) in [("Subject: a\nSubject: b\n\n", 1), ("From: a@x.org\n\n", 0)] {
            let entity = Entity::parse(mail.as_bytes()).unwrap();
            let outer = Outer {
                fields: entity.fields(),
                protected_subject: None,
                subject_is_hidden: false,
                policy: &team,
                sequence: None,
                via: None,
            };
            let bytes = outer.sealed().unwrap().with_body(b"");
            let copy = Entity::parse(&bytes).unwrap();
            let found: Vec<String> = copy.all("Subject").map(Field::value).collect();
            assert_eq!(found, vec![HIDDEN; count]);
        }
    }
}
