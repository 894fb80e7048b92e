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
/// They are its own fields, or those of the message it wraps where that is by the same author:
/// a forwarded message of somebody else says nothing.
#[must_use]
pub fn named(signed: &[u8], author: &Address) -> Vec<Address> {
    let Ok(entity) = Entity::parse(signed) else {
        return Vec::new();
    };
    let own = recipients(&entity);
    if !own.is_empty() || entity.content_type().kind != "message/rfc822" {
        return own;
    }
    let Ok(inner) = Entity::parse(entity.body()) else {
        return Vec::new();
    };
    let same = crate::mime::sender::author(&inner).is_ok_and(|from| from == *author);
    if same { recipients(&inner) } else { Vec::new() }
}

fn recipients(entity: &Entity<'_>) -> Vec<Address> {
    ["To", "Cc"]
        .into_iter()
        .flat_map(|name| entity.all(name))
        .flat_map(addresses)
        .collect()
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

    fn names(signed: &str) -> Vec<String> {
        let author = Address::parse("alice@example.org").unwrap();
        named(signed.as_bytes(), &author)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn s21_protected_fields_name_the_readers() {
        let text = "Content-Type: text/plain; hp=\"cipher\"\r\nTo: Team <team@example.org>,\r\n \
            \"B, ob\" <bob@example.org>\r\nCc: g: carol@example.org, dan@example.org;\r\n\r\nx\r\n";
        assert_eq!(
            names(text),
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
            format!(
                "Content-Type: message/rfc822\r\n\r\nFrom: {from}\r\nTo: team@example.org\r\n\r\nx\r\n"
            )
        };
        assert_eq!(
            names(&wrapped("Alice <Alice@example.org>")),
            ["team@example.org"]
        );
        assert!(names(&wrapped("eve@example.com")).is_empty());
    }

    #[test]
    fn signature_over_content_alone_names_nobody() {
        assert!(names("Content-Type: text/plain\r\n\r\nTo: team@example.org\r\n").is_empty());
        assert!(
            names("Content-Type: text/plain\r\nTo: undisclosed-recipients:;\r\n\r\nx").is_empty()
        );
        assert!(names("").is_empty());
    }
}
