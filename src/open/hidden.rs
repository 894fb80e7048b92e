//! Tells which protected header fields an author kept from the world.
//!
//! # Trust
//!
//! HP-Outer is the author's word about what he showed, not what stands outside now: fields are
//! changed on the way. It counts inside the protection alone.
//!
//! # See also
//!
//! RFC 9788 sections 2.1, 2.2.1 and 4.2 (`hp`, HP-Outer, and what is confidential by them).

use crate::mime::{Entity, Field};

/// Returns the fields of the protected `header` of an encrypted mail that no HP-Outer shows.
///
/// Only `hp="cipher"` hides: with `hp="clear"` the author wrote for everybody, and the conventions
/// before RFC 9788 do not tell.
pub(super) fn hidden(header: &[u8]) -> Vec<Field<'_>> {
    let Ok(entity) = Entity::parse(header) else {
        return Vec::new();
    };
    let hp = entity.content_type().parameter("hp");
    if !hp.is_some_and(|hp| hp.eq_ignore_ascii_case("cipher")) {
        return Vec::new();
    }
    let shown: Vec<(String, String)> = entity.all("HP-Outer").filter_map(shown).collect();
    let is_shown = |field: &Field<'_>| {
        let text = plain(&field.text());
        shown
            .iter()
            .any(|(name, value)| field.is(name) && *value == text)
    };
    entity
        .fields()
        .iter()
        .filter(|field| !field.is("HP-Outer") && !is_structural(field) && !is_shown(field))
        .copied()
        .collect()
}

/// Returns name and value of the field that an HP-Outer repeats.
fn shown(field: &Field<'_>) -> Option<(String, String)> {
    let text = field.text();
    let (name, value) = text.split_once(':')?;
    Some((name.trim().to_owned(), plain(value)))
}

/// Returns `text` as it compares: folds differ between the two places.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True for fields that describe the entity (RFC 9788 section 1.2).
fn is_structural(field: &Field<'_>) -> bool {
    let name = field.name().to_ascii_lowercase();
    name == "mime-version" || name.starts_with("content-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(header: &str) -> Vec<String> {
        hidden(format!("{header}\r\n\r\n").as_bytes())
            .iter()
            .map(|field| field.name().to_ascii_lowercase())
            .collect()
    }

    const ALL: &str = "From: a@example.org\r\nTo: b@example.org\r\nSubject: caf\u{e9} one\r\n\
        MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain";

    #[test]
    fn field_is_hidden_unless_hp_outer_repeats_it() {
        for (noted, expected) in [
            ("", &["from", "to", "subject"][..]),
            ("HP-Outer: From: a@example.org", &["to", "subject"]),
            (
                "hp-outer: from:  a@example.org\r\nHP-Outer: To: b@example.org\r\n\
                 HP-Outer: Subject: [...]",
                &["subject"],
            ),
            // Encoded and folded otherwise, it is the same text.
            (
                "HP-Outer: From: a@example.org\r\nHP-Outer: To:\r\n b@example.org\r\n\
                 HP-Outer: Subject: =?utf-8?q?caf=C3=A9?=\r\n\tone",
                &[],
            ),
            ("HP-Outer: nothing\r\nHP-Outer:", &["from", "to", "subject"]),
        ] {
            let noted = if noted.is_empty() {
                String::new()
            } else {
                format!("{noted}\r\n")
            };
            assert_eq!(
                names(&format!("{noted}{ALL}; hp=\"cipher\"")),
                expected,
                "{noted}"
            );
        }
    }

    #[test]
    fn nothing_is_hidden_by_those_who_do_not_say_so() {
        for parameter in ["", "; hp=clear", "; hp=other", "; protected-headers=v1"] {
            assert!(names(&format!("{ALL}{parameter}")).is_empty());
        }
    }
}
