//! For whom a signed entity was written, as far as the signature covers it.
//!
//! # Trust
//!
//! The fields are inside the signature: the author wrote them, the world could not change them.
//!
//! # See also
//!
//! Contract S21; RFC 9788 (protected header fields), RFC 8551 section 3.1 (message/rfc822 wrapping).

use mail_parser::parsers::MessageStream;
use mail_parser::{Address as Parsed, HeaderValue};

use crate::mime::{Entity, Field};
use crate::model::Address;

/// Returns the To and Cc addresses of the signed entity, empty where it has no such fields.
///
/// They are its own fields, else the `protected` ones that opening has found, which are those of the
/// message it wraps: by the same author, because a forwarded message of somebody else says nothing.
#[must_use]
pub fn named(signed: &[u8], protected: &[Field<'_>], author: &Address) -> Vec<Address> {
    let Ok(entity) = Entity::parse(signed) else {
        return Vec::new();
    };
    let own = recipients(entity.fields());
    if !own.is_empty() {
        return own;
    }
    let from: Vec<Address> = of("From", protected).collect();
    if from == [author.clone()] {
        recipients(protected)
    } else {
        Vec::new()
    }
}

fn recipients(fields: &[Field<'_>]) -> Vec<Address> {
    of("To", fields).chain(of("Cc", fields)).collect()
}

fn of<'a>(name: &'a str, fields: &'a [Field<'a>]) -> impl Iterator<Item = Address> + 'a {
    let same = move |field: &&Field<'_>| field.is(name);
    fields.iter().filter(same).flat_map(addresses)
}

/// Returns every address of a field; what cannot be read is left out.
fn addresses(field: &Field<'_>) -> Vec<Address> {
    let mut line = field.body().to_vec();
    line.extend_from_slice(b"\n");
    let HeaderValue::Address(parsed) = MessageStream::new(&line).parse_address() else {
        return Vec::new();
    };
    let members = match parsed {
        Parsed::List(list) => list,
        Parsed::Group(groups) => groups.into_iter().flat_map(|g| g.addresses).collect(),
    };
    members
        .iter()
        .filter_map(|one| Address::parse(one.address.as_deref()?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(signed: &str, protected: &str) -> Vec<String> {
        let author = Address::parse("alice@example.org").unwrap();
        let protected = format!("{protected}\r\n");
        let protected = Entity::parse(protected.as_bytes()).unwrap();
        named(signed.as_bytes(), protected.fields(), &author)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn s21_protected_fields_name_the_readers() {
        let text = "Content-Type: text/plain; hp=\"cipher\"\r\nTo: Team <team@example.org>,\r\n \
            \"B, ob\" <bob@example.org>\r\nCc: g: carol@example.org, dan@example.org;\r\n\r\nx\r\n";
        assert_eq!(
            names(text, "From: alice@example.org\r\nTo: other@example.org\r\n"),
            [
                "team@example.org",
                "bob@example.org",
                "carol@example.org",
                "dan@example.org"
            ]
        );
    }

    #[test]
    fn s21_wrapped_message_of_the_author_names_them_and_of_others_does_not() {
        let wrapped = |from: &str| {
            names(
                "Content-Type: message/rfc822\r\n\r\nTo: read@elsewhere.example\r\n\r\nx",
                &format!("{from}To: team@example.org\r\n"),
            )
        };
        assert_eq!(
            wrapped("From: Alice <Alice@example.org>\r\n"),
            ["team@example.org"]
        );
        for from in [
            "From: eve@example.com\r\n",
            "From: alice@example.org, eve@example.com\r\n",
            "",
        ] {
            assert!(wrapped(from).is_empty(), "{from}");
        }
    }

    #[test]
    fn signature_over_content_alone_names_nobody() {
        for text in [
            "Content-Type: text/plain\r\n\r\nTo: team@example.org\r\n",
            "Content-Type: text/plain\r\nTo: undisclosed-recipients:;\r\n\r\nx",
            "",
        ] {
            assert!(names(text, "Subject: x\r\n").is_empty(), "{text}");
        }
    }
}
