//! One MIME entity: its fields, its kind, its body, all as received.
//!
//! # Trust
//!
//! The input is hostile; contract E8 and E9 hold for the whole tree before an [`Entity`] exists.
//!
//! # Invariants
//!
//! * Everything returned borrows the input; decoding gives a copy and leaves the view alone.
//!
//! # See also
//!
//! RFC 2045 section 2.4, RFC 8551 section 3.1, contract S26.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;

use super::content_type::ContentType;
use super::field::{self, Field};
use super::{MimeError, encoding, parts};

/// A MIME entity: a whole mail or a part of one.
#[derive(Clone)]
pub struct Entity<'a> {
    raw: &'a [u8],
    header: &'a [u8],
    body: &'a [u8],
    fields: Vec<Field<'a>>,
    content_type: ContentType,
}

impl<'a> Entity<'a> {
    /// Reads an entity; nothing is copied but field positions.
    ///
    /// # Errors
    ///
    /// [`MimeError::Empty`] for no bytes at all, [`MimeError::Header`] for a header line that is no
    /// field, [`MimeError::Ambiguous`] for a doubled Content-Type or Content-Transfer-Encoding,
    /// [`MimeError::Limit`] beyond contract E8 or E9.
    ///
    /// # Examples
    ///
    /// ```
    /// use listseal::mime::Entity;
    ///
    /// let mail = Entity::parse(b"Subject: hello\r\n\r\nbody\r\n")?;
    /// assert_eq!(mail.first("subject").map(|f| f.value()), Some("hello".to_owned()));
    /// assert_eq!(mail.body(), b"body\r\n");
    /// # Ok::<(), listseal::mime::MimeError>(())
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MimeError> {
        if bytes.is_empty() {
            return Err(MimeError::Empty);
        }
        let split = field::split(bytes)?;
        let mut types = split.fields.iter().filter(|f| f.is("Content-Type"));
        let content_type = types.next().map_or_else(ContentType::plain_text, |field| {
            ContentType::parse(&field.value())
        });
        let encodings = split
            .fields
            .iter()
            .filter(|f| f.is("Content-Transfer-Encoding"));
        if types.next().is_some() || encodings.count() > 1 {
            return Err(MimeError::Ambiguous);
        }
        if content_type.is_multipart() || content_type.kind == "message/rfc822" {
            parts::check_tree(&content_type, split.body)?;
        }
        Ok(Self {
            raw: bytes,
            header: split.header,
            body: split.body,
            fields: split.fields,
            content_type,
        })
    }

    /// Returns the whole entity as received.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns all fields with their line ends, without the empty line after them.
    #[must_use]
    pub fn header_bytes(&self) -> &'a [u8] {
        self.header
    }

    /// Returns everything after the empty line, in its transfer encoding.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Returns the fields in order.
    #[must_use]
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// Returns the fields with this name, in order; case does not matter.
    pub fn all<'s, 'n>(
        &'s self,
        name: &'n str,
    ) -> impl Iterator<Item = &'s Field<'a>> + use<'s, 'n, 'a> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    /// Returns the first field with this name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.is(name))
    }

    /// Returns the kind of the entity; `text/plain` where it does not say.
    #[must_use]
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// Returns the file name from Content-Disposition, else from Content-Type.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        self.first("Content-Disposition")
            .and_then(|field| ContentType::parse(&field.value()).file_name())
            .or_else(|| self.content_type.file_name())
    }

    /// Returns the body with the transfer encoding undone.
    ///
    /// # Errors
    ///
    /// [`MimeError::Encoding`] for an unknown encoding or a body that is not in it.
    pub fn decoded_body(&self) -> Result<Cow<'a, [u8]>, MimeError> {
        let name = self
            .first("Content-Transfer-Encoding")
            .map(Field::value)
            .unwrap_or_default();
        // RFC 2045 section 6.4: a multipart is never encoded; what claims so is read as it stands.
        if self.content_type.is_multipart() {
            return Ok(Cow::Borrowed(self.body));
        }
        let word = name.split([';', ' ', '\t', '(']).next().unwrap_or_default();
        encoding::decode(word, self.body)
    }

    /// Returns the body as text: transfer encoding and character set undone, odd bytes replaced.
    ///
    /// # Errors
    ///
    /// As [`Entity::decoded_body`].
    pub fn decoded_text(&self) -> Result<String, MimeError> {
        let bytes = self.decoded_body()?;
        let charset = self.content_type.parameter("charset").unwrap_or("utf-8");
        let utf8 = ["utf-8", "utf8", "us-ascii", "ascii"];
        match charset_decoder(charset.as_bytes()) {
            Some(decoder) if !utf8.contains(&charset.to_ascii_lowercase().as_str()) => {
                Ok(decoder(&bytes))
            }
            _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Returns the exact parts of a multipart; a missing close delimiter is tolerated. Empty for
    /// any other kind.
    ///
    /// # Errors
    ///
    /// [`MimeError::Structure`] without a usable boundary, [`MimeError::Limit`] for too many.
    pub fn parts(&self) -> Result<Vec<&'a [u8]>, MimeError> {
        if !self.content_type.is_multipart() {
            return Ok(Vec::new());
        }
        let boundary = self.content_type.boundary().ok_or(MimeError::Structure)?;
        parts::cut(self.body, boundary).map(|found| found.parts)
    }

    /// Returns the two parts of a multipart/signed: the signed one as exact bytes, without the line
    /// break in front of the delimiter, and the signature (contract S26). A missing close delimiter
    /// is tolerated: where the signature ends it says itself.
    ///
    /// # Errors
    ///
    /// [`MimeError::Structure`] unless there are exactly two parts, with nothing like a third one
    /// behind; else as [`Entity::parse`] for the second part.
    pub fn signed_parts(&self) -> Result<(&'a [u8], Entity<'a>), MimeError> {
        let boundary = self.content_type.boundary().ok_or(MimeError::Structure)?;
        let found = parts::cut(self.body, boundary)?;
        match found.parts.as_slice() {
            [signed, signature] if !found.resumed => Ok((signed, Entity::parse(signature)?)),
            _ => Err(MimeError::Structure),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNED: &str = "From: a@x.org\nContent-Type: multipart/signed; boundary=\"b\"; protocol=\"application/pkcs7-signature\"\n\npreamble\n--b\nContent-Type: text/plain\n\nhello  \n\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n\nAAEC\n\n--b--\nepilogue\n";

    #[test]
    fn s26_signed_part_is_exact_and_agrees_with_mail_parser() {
        for text in [SIGNED.to_owned(), SIGNED.replace('\n', "\r\n")] {
            let mail = Entity::parse(text.as_bytes()).unwrap();
            let (signed, signature) = mail.signed_parts().unwrap();
            let other = mail_parser::MessageParser::default()
                .parse(text.as_bytes())
                .unwrap();
            let part = &other.parts[1];
            let range = part.raw_header_offset() as usize..part.raw_end_offset() as usize;
            assert_eq!(signed, &text.as_bytes()[range]);
            assert_eq!(&*signature.decoded_body().unwrap(), [0, 1, 2]);
            assert_eq!(signature.file_name().as_deref(), Some("smime.p7s"));
        }
    }

    #[test]
    fn s26_boundary_with_a_bare_cr_is_none_and_doubled_ones_end_a_line() {
        let inside = SIGNED.replace("boundary=\"b\"", "boundary=\"\rb\"");
        let mail = Entity::parse(inside.as_bytes()).unwrap();
        assert_eq!(mail.content_type().boundary(), None);
        assert!(mail.signed_parts().is_err());
        let ends = SIGNED.replacen("\"b\"; ", "b;\r\r\n ", 1);
        let mail = Entity::parse(ends.as_bytes()).unwrap();
        assert!(mail.signed_parts().is_ok());
    }

    #[test]
    fn s26_anything_but_two_parts_is_refused() {
        let third = SIGNED.replace("--b--", "--b\n\nthird\n--b--");
        let resumed = SIGNED.replace("epilogue", "--b\n\nmore");
        let one = "Content-Type: multipart/signed; boundary=b\n\n--b\n\nx\n--b--\n".to_owned();
        let none = "Content-Type: multipart/signed\n\n--b\n\nx\n--b--\n".to_owned();
        for text in [third, resumed, one, none] {
            let mail = Entity::parse(text.as_bytes()).unwrap();
            assert_eq!(
                mail.signed_parts().err(),
                Some(MimeError::Structure),
                "{text}"
            );
        }
    }

    #[test]
    fn doubled_mime_fields_are_refused() {
        for name in ["Content-Type", "content-transfer-encoding"] {
            let text = format!("{name}: 7bit\nX: y\n{name}: 7bit\n\n");
            assert_eq!(
                Entity::parse(text.as_bytes()).err(),
                Some(MimeError::Ambiguous)
            );
        }
    }

    #[test]
    fn bodies_are_decoded_by_their_header() {
        let read = |text: &str| {
            Entity::parse(text.as_bytes())
                .unwrap()
                .decoded_text()
                .unwrap()
        };
        assert_eq!(read("A: b\n\nplain\n"), "plain\n");
        assert_eq!(
            read("Content-Transfer-Encoding: Base64 (x)\n\naGk=\n"),
            "hi"
        );
        assert_eq!(
            read(
                "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ncaf=E9"
            ),
            "caf\u{e9}"
        );
        let odd = Entity::parse(b"Content-Transfer-Encoding: x-uue\n\nx").unwrap();
        assert_eq!(odd.decoded_body().err(), Some(MimeError::Encoding));
    }

    #[test]
    fn empty_and_headless_mail_gives_errors_not_panics() {
        assert_eq!(Entity::parse(b"").err(), Some(MimeError::Empty));
        assert_eq!(Entity::parse(b"hello").err(), Some(MimeError::Header));
        assert_eq!(
            Entity::parse(b"\0\0\0\0\n\0").err(),
            Some(MimeError::Header)
        );
        let bare = Entity::parse(b"\nhello").unwrap();
        assert_eq!(bare.content_type().kind, "text/plain");
        assert_eq!(bare.body(), b"hello");
    }

    #[test]
    fn s26_truncation_at_any_offset_never_changes_the_signed_part() {
        let whole = Entity::parse(SIGNED.as_bytes()).unwrap();
        let (expected, _) = whole.signed_parts().unwrap();
        let mut found = 0;
        for cut in 0..SIGNED.len() {
            if let Ok(mail) = Entity::parse(&SIGNED.as_bytes()[..cut])
                && let Ok((signed, _)) = mail.signed_parts()
            {
                assert_eq!(signed, expected, "cut at {cut}");
                found += 1;
            }
        }
        assert!(found > "--b--".len());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Entity::parse(&bytes).map(|e| e.signed_parts().is_ok());
        }

        #[test]
        fn arbitrary_multiparts_never_panic(body in "(--b|--|b|\r\n|\n|: |x|Content-Type: multipart/mixed; boundary=c){0,40}") {
            let text = format!("Content-Type: multipart/signed; boundary=b\n\n{body}");
            if let Ok(mail) = Entity::parse(text.as_bytes()) {
                let _ = mail.signed_parts().is_ok();
                for part in mail.parts().unwrap() {
                    prop_assert!(body.len() >= part.len());
                }
            }
        }
    }
}
