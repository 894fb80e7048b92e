//! Who a mail says it is from: one address, read strictly.
//!
//! # Trust
//!
//! The field is hostile. A certificate is compared with what is returned here, and members' mail
//! programs show what they read in the same bytes; so anything two readers could read differently
//! is refused (contract S28).
//!
//! # Invariants
//!
//! * Exactly one From field with exactly one address, no group.
//! * Display names and comments are passed over, and encoded words are never searched for addresses.
//! * Two readers, this one and mail-parser's, agree on the address.
//! * A display name may be in any character set, as long as no reading of its bytes could hold
//!   another address or end elsewhere.
//!
//! # Does not
//!
//! Look at Sender, Reply-To or Resent-From.
//!
//! # See also
//!
//! RFC 5322 section 3.4, RFC 6532.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{Address as Parsed, HeaderValue};

use super::{Entity, Field};
use crate::model::{Address, Reason};

/// Returns the one address in the one From field.
///
/// # Errors
///
/// [`Reason::FromMissing`] without a From field or an empty one, [`Reason::FromAmbiguous`] for more
/// than one field or address, [`Reason::FromMalformed`] for anything else that is not plainly one
/// address: a group, a route, control characters, an address that is not UTF-8, readers that disagree.
pub fn author(entity: &Entity) -> Result<Address, Reason> {
    let mut fields = entity.all("From");
    let field = fields.next().ok_or(Reason::FromMissing)?;
    if fields.next().is_some() {
        return Err(Reason::FromAmbiguous);
    }
    mailbox(field)
}

/// Returns the one address of an address field.
///
/// # Errors
///
/// As [`author`].
pub fn mailbox(field: &Field) -> Result<Address, Reason> {
    let text = unfolded(field)?;
    if text.trim().is_empty() {
        return Err(Reason::FromMissing);
    }
    let address = strict(&text)?;
    if other_reading(&text).as_ref() == Some(&address) {
        Ok(address)
    } else {
        Err(Reason::FromMalformed)
    }
}

/// The field on one line; control characters that are no fold are refused, NUL and bare CR included.
fn unfolded(field: &Field) -> Result<String, Reason> {
    let text = String::from_utf8_lossy(field.body());
    // The second octet of Shift_JIS, Big5 and GBK may be a backslash or an at sign: whoever knows
    // the character set would see quotes end, or an address begin, where others do not.
    let is_foreign = matches!(text, Cow::Owned(_));
    if is_foreign && (text.contains('\\') || text.matches('@').count() > 1) {
        return Err(Reason::FromMalformed);
    }
    let text = text
        .replace("\r\n", "\n")
        .replace("\n ", " ")
        .replace("\n\t", " ")
        .replace('\t', " ");
    if text.chars().any(char::is_control) {
        return Err(Reason::FromMalformed);
    }
    Ok(text)
}

/// What a mailbox has been read to so far.
#[derive(Default)]
struct Reading {
    /// Words outside quotes, comments and brackets.
    words: String,
    /// What stood in angle brackets.
    bracketed: Option<String>,
    /// A quoted display name was there.
    quoted: bool,
}

/// Reads `mailbox = [display-name] "<" addr-spec ">" / addr-spec` with comments.
fn strict(text: &str) -> Result<Address, Reason> {
    let mut reading = Reading::default();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '(' => skip_comment(&mut chars)?,
            '"' => {
                skip_quoted(&mut chars)?;
                reading.quoted = true;
                reading.words.push(' ');
            }
            '<' if reading.bracketed.is_none() => {
                reading.bracketed = Some(bracketed(&mut chars)?);
            }
            ',' => return Err(Reason::FromAmbiguous),
            ':' | ';' | '<' | '>' | ')' | '\\' => return Err(Reason::FromMalformed),
            c if reading.bracketed.is_some() && c != ' ' => return Err(Reason::FromMalformed),
            c => reading.words.push(c),
        }
    }
    let words = reading.words.trim();
    let spelled = match &reading.bracketed {
        // An address as unquoted display name: some readers take the first, some the second. Many
        // mailers write the same one twice.
        Some(inside) if words.contains('@') && !is_same(words, inside) => {
            return Err(Reason::FromMalformed);
        }
        Some(inside) => inside.trim(),
        None if reading.quoted => return Err(Reason::FromMalformed),
        None => words,
    };
    // An encoded word is no address, though its letters are allowed in one (contract S28).
    if spelled.contains("=?") || spelled.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Reason::FromMalformed);
    }
    Address::parse(spelled).map_err(|_| Reason::FromMalformed)
}

/// True when a display name spells the address behind it.
fn is_same(words: &str, inside: &str) -> bool {
    let bare = words
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .unwrap_or(words);
    Address::parse(bare).is_ok_and(|shown| Address::parse(inside.trim()) == Ok(shown))
}

fn skip_comment(chars: &mut std::str::Chars) -> Result<(), Reason> {
    let mut depth = 1_usize;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Ok(());
        }
    }
    Err(Reason::FromMalformed)
}

fn skip_quoted(chars: &mut std::str::Chars) -> Result<(), Reason> {
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '"' => return Ok(()),
            _ => {}
        }
    }
    Err(Reason::FromMalformed)
}

fn bracketed(chars: &mut std::str::Chars) -> Result<String, Reason> {
    let mut inside = String::new();
    for c in chars {
        if c == '>' {
            return Ok(inside);
        }
        inside.push(c);
    }
    Err(Reason::FromMalformed)
}

/// What mail-parser takes the field for.
fn other_reading(text: &str) -> Option<Address> {
    let line = format!("{text}\n");
    let HeaderValue::Address(Parsed::List(list)) =
        MessageStream::new(line.as_bytes()).parse_address()
    else {
        return None;
    };
    match list.as_slice() {
        [only] => only
            .address
            .as_deref()
            .and_then(|text| Address::parse(text).ok()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(value: &str) -> Result<String, Reason> {
        let text = format!("From: {value}\r\nSubject: x\r\n\r\n");
        author(&Entity::parse(text.as_bytes()).unwrap()).map(|a| a.to_string())
    }

    #[test]
    fn usual_spellings_of_one_address_are_read() {
        for value in [
            "alice@example.org",
            "<alice@example.org>",
            " < alice@example.org > ",
            "Alice <alice@example.org>",
            "Alice B. Example <alice@EXAMPLE.org>",
            "\"Example, Alice\" <alice@example.org>",
            "\"a \\\"b\\\" <mallory@example.net>\" <alice@example.org>",
            "=?utf-8?q?Alic=C3=A9?= <alice@example.org>",
            "=?utf-8?q?mallory=40example.net?= <alice@example.org>",
            "=?utf-8?b?PG1hbGxvcnlAZXhhbXBsZS5uZXQ+?= <alice@example.org>",
            "alice@example.org (Alice)",
            "Alic\u{e9} <alice@example.org>",
            "Alice\r\n <alice@example.org>",
            "alice@example.org <alice@example.org>",
            "'Alice@Example.ORG' <alice@example.org>",
        ] {
            assert_eq!(from(value), Ok("alice@example.org".to_owned()), "{value:?}");
        }
    }

    #[test]
    fn s28_more_than_one_address_is_refused() {
        for value in [
            "alice@example.org, mallory@example.net",
            "Alice <alice@example.org>, Mallory <mallory@example.net>",
            "alice@example.org,",
            ",alice@example.org",
        ] {
            assert_eq!(from(value), Err(Reason::FromAmbiguous), "{value:?}");
        }
        let two = Entity::parse(b"From: a@x.org\nfrom : a@x.org\n\n").unwrap();
        assert_eq!(author(&two), Err(Reason::FromAmbiguous));
    }

    #[test]
    fn s28_tricks_with_names_groups_and_controls_are_refused() {
        for value in [
            "team: alice@example.org;",
            "undisclosed:;",
            "mallory@example.net <alice@example.org>",
            "'mallory@example.net' <alice@example.org>",
            "alice@example.org mallory@example.net <alice@example.org>",
            "alice@home <alice@example.org>",
            "<alice@example.org> mallory@example.net",
            "<alice@example.org> <mallory@example.net>",
            "<@relay.example:alice@example.org>",
            "Alice",
            "\"alice@example.org\"",
            "alice@example.org <>",
            "<alice@example.org",
            "alice@example.org>",
            "alice@example.org\0",
            "alice@example.org\0 <mallory@example.net>",
            "alice@example.org\rFrom: mallory@example.net",
            "\u{7f}alice@example.org",
            "alice @example.org",
            "alice@example.org mallory@example.net",
            "\"alice\"@example.org",
            "=?utf-8?q?alice=40example.org?=",
            "=?utf-8?q?alice?=@example.org",
            "(unclosed alice@example.org",
            "\"unclosed <alice@example.org>",
            "Alice <alice@exam(x)ple.org>",
            "al(x)ice@example.org <",
        ] {
            assert_eq!(from(value), Err(Reason::FromMalformed), "{value:?}");
        }
    }

    #[test]
    fn display_names_in_other_character_sets_do_not_hide_the_address() {
        for value in [
            &b"Alic\xe9 <alice@example.org>"[..],
            b"\"M\xfcller, Alic\xe9\" <alice@example.org>",
            b"alice@example.org (Alic\xe9)",
            // GB 18030, KOI8-R, Shift_JIS.
            b"\xc0\xee\xcb\xc4 <alice@example.org>",
            b"\xe1\xcc\xc9\xd3\xc1 <alice@example.org>",
            b"\"\x8eR\x93c\" <alice@example.org>",
        ] {
            let text = [b"From: ", value, b"\n\n"].concat();
            let read = author(&Entity::parse(&text).unwrap()).map(|a| a.to_string());
            assert_eq!(read, Ok("alice@example.org".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn s28_octets_that_two_character_sets_read_differently_hide_no_author() {
        for value in [
            // A katakana in Shift_JIS ends in a backslash: where do the quotes end?
            &b"\"\x83\x5c\" <alice@example.org>, \" <mallory@example.net>"[..],
            b"\"\x83\x5c\" <alice@example.org>",
            b"\"alice@example.org\xe9\" <mallory@example.net>",
            b"alice@example.org\xe9 <mallory@example.net>",
            b"(alice@example.org \xe9) mallory@example.net",
            b"<alic\xe9@example.org>",
            b"alic\xe9@example.org",
            b"alice@ex\xe9mple.org",
            b"\xe9 <alice@example.org\xe9>",
            b"\xe9: alice@example.org;",
            "Alice <alic\u{fffd}@example.org>".as_bytes(),
            // An escape sequence of ISO-2022-JP.
            b"\x1b$B;3ED\x1b(B <alice@example.org>",
        ] {
            let text = [b"From: ", value, b"\n\n"].concat();
            let read = author(&Entity::parse(&text).unwrap());
            assert_eq!(read, Err(Reason::FromMalformed), "{text:?}");
        }
        let two = b"From: \xe9 <alice@example.org>, <mallory>\n\n";
        let read = author(&Entity::parse(two).unwrap());
        assert_eq!(read, Err(Reason::FromAmbiguous));
    }

    #[test]
    fn missing_or_empty_from_is_told_apart() {
        assert_eq!(from(""), Err(Reason::FromMissing));
        assert_eq!(from("  \r\n "), Err(Reason::FromMissing));
        let none = Entity::parse(b"Sender: a@x.org\nReply-To: a@x.org\n\n").unwrap();
        assert_eq!(author(&none), Err(Reason::FromMissing));
    }

    proptest! {
        #[test]
        fn s28_whatever_is_accepted_is_the_only_address_in_the_field(
            value in "(alice@example\\.org|mallory@example\\.net|<|>|,|;|:|\"|\\(|\\)|\\\\| |=\\?utf-8\\?q\\?|\\?=|x){0,10}"
        ) {
            if let Ok(address) = from(&value) {
                prop_assert!(value.contains(&address), "{} from {:?}", address, value);
            }
        }
    }
}
