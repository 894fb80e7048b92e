//! Writes headers and bodies of mail that this program makes itself.
//!
//! # Invariants
//!
//! * A value with CR, LF or NUL is refused, so that no text can add a field (contract S39).
//! * Lines end in CRLF and are folded at 78 characters where the text allows it.
//! * A boundary never occurs in the parts it separates.
//!
//! # See also
//!
//! RFC 5322 section 2.2, RFC 2047, RFC 2045 section 6.8.

use rand_core::CryptoRng;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use zeroize::Zeroizing;

use super::Field;
use crate::model::Address;

/// Why a header field cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The value has CR, LF or NUL.
    #[error("the value of the header field {0} has a line break or a NUL")]
    Control(String),
    /// No date of RFC 5322: a year before 1900 or beyond 9999.
    #[error("the clock shows a date that mail cannot carry")]
    Date,
    /// The name is no field name.
    #[error("{0:?} is not the name of a header field")]
    Name(String),
}

/// A header that grows field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Wiped: a Subject may have been encrypted.
    bytes: Zeroizing<Vec<u8>>,
}

impl Header {
    /// Returns a header without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds free text (Subject and the like): encoded words where it is not plain ASCII.
    ///
    /// # Errors
    ///
    /// [`WriteError::Name`], [`WriteError::Control`].
    pub fn push(&mut self, name: &str, text: &str) -> Result<&mut Self, WriteError> {
        check(name, text)?;
        let text = text.trim();
        if reads_as_itself(text) {
            self.folded(name, text);
        } else {
            let words = encoded_words(text, name.len().saturating_add(2));
            self.folded(name, &words);
        }
        Ok(self)
    }

    /// Adds a value that has a syntax of its own (Content-Type, List-Post, Message-ID); it is
    /// folded at its spaces and never encoded.
    ///
    /// # Errors
    ///
    /// [`WriteError::Name`], [`WriteError::Control`].
    pub fn push_value(&mut self, name: &str, value: &str) -> Result<&mut Self, WriteError> {
        check(name, value)?;
        self.folded(name, value.trim());
        Ok(self)
    }

    /// Adds one mailbox with its display name, which may be empty.
    ///
    /// # Errors
    ///
    /// [`WriteError::Name`], [`WriteError::Control`].
    pub fn push_mailbox(
        &mut self,
        name: &str,
        display: &str,
        address: &Address,
    ) -> Result<&mut Self, WriteError> {
        let bare = display.trim().is_empty();
        let spelled = if bare {
            address.to_string()
        } else {
            format!("<{address}>")
        };
        self.push_phrase(name, display, &spelled)
    }

    /// Adds a phrase, which may be empty, and something with a syntax of its own behind it
    /// (List-Id).
    ///
    /// # Errors
    ///
    /// [`WriteError::Name`], [`WriteError::Control`].
    pub fn push_phrase(
        &mut self,
        name: &str,
        display: &str,
        value: &str,
    ) -> Result<&mut Self, WriteError> {
        check(name, display)?;
        check(name, value)?;
        let phrase = phrase(display.trim(), name.len().saturating_add(2));
        self.folded(name, format!("{phrase} {value}").trim_start());
        Ok(self)
    }

    /// Adds a list of bare addresses; nothing for an empty one.
    ///
    /// # Errors
    ///
    /// [`WriteError::Name`].
    pub fn push_addresses(
        &mut self,
        name: &str,
        addresses: &[Address],
    ) -> Result<&mut Self, WriteError> {
        check(name, "")?;
        let list: Vec<String> = addresses.iter().map(Address::to_string).collect();
        if !list.is_empty() {
            self.folded(name, &list.join(", "));
        }
        Ok(self)
    }

    /// Adds a received field as it is, with CRLF line ends; a NUL or bare CR in it becomes a space,
    /// because a mail server could take it for a line end.
    pub fn push_received(&mut self, field: &Field) -> &mut Self {
        // No growth on the way, which would leave what is written behind unwiped (contract S44).
        self.bytes
            .reserve(field.raw().len().saturating_mul(2).saturating_add(4));
        self.bytes.extend_from_slice(field.name().as_bytes());
        self.bytes.push(b':');
        // Most fields are clean: one look, one copy.
        let body = field.body();
        if memchr::memchr3(b'\r', b'\n', 0, body).is_none() {
            self.bytes.extend_from_slice(body);
        } else {
            self.received_lines(body);
        }
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    fn received_lines(&mut self, body: &[u8]) {
        for (index, line) in body.split(|b| *b == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            // A fold that is white space alone could end the header for some readers.
            if index > 0 && line.trim_ascii().is_empty() {
                continue;
            }
            if index > 0 {
                self.bytes.extend_from_slice(b"\r\n");
            }
            self.bytes.extend(line.iter().map(|b| match b {
                0 | b'\r' => b' ',
                other => *other,
            }));
        }
    }

    /// Adds `Date`.
    ///
    /// # Errors
    ///
    /// [`WriteError::Date`].
    pub fn push_date(&mut self, now: OffsetDateTime) -> Result<&mut Self, WriteError> {
        let date = now
            .to_offset(time::UtcOffset::UTC)
            .format(&Rfc2822)
            .map_err(|_| WriteError::Date)?;
        self.folded("Date", &date);
        Ok(self)
    }

    /// Adds all fields of another header.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        self.bytes.extend_from_slice(&other.bytes);
        self
    }

    /// Returns the fields, each with CRLF, without the empty line that ends a header.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns header, empty line and `body` as one mail.
    #[must_use]
    pub fn with_body(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            self.bytes
                .len()
                .saturating_add(2)
                .saturating_add(body.len()),
        );
        out.extend_from_slice(&self.bytes);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        out
    }

    /// Writes `name: value`, breaking before a space where the line would get longer than 78.
    fn folded(&mut self, name: &str, value: &str) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b':');
        let mut column = name.len().saturating_add(1);
        let mut gap = String::from(" ");
        for word in value.split_inclusive([' ', '\t']) {
            let text = word.trim_end_matches([' ', '\t']);
            if !text.is_empty() {
                let width = gap.len().saturating_add(text.len());
                let first = column == name.len().saturating_add(1);
                if column.saturating_add(width) > LINE && !first {
                    self.bytes.extend_from_slice(b"\r\n");
                    column = 0;
                }
                self.bytes.extend_from_slice(gap.as_bytes());
                self.bytes.extend_from_slice(text.as_bytes());
                column = column.saturating_add(width);
                gap.clear();
            }
            gap.push_str(word.get(text.len()..).unwrap_or_default());
        }
        self.bytes.extend_from_slice(b"\r\n");
    }
}

fn check(name: &str, value: &str) -> Result<(), WriteError> {
    let fine = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if !fine {
        return Err(WriteError::Name(name.to_owned()));
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err(WriteError::Control(name.to_owned()));
    }
    Ok(())
}

/// True for ASCII text that no reader takes for encoded words and that folding keeps.
fn reads_as_itself(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~'))
        && !text.contains("=?")
        && text.split(' ').all(|word| word.len() <= MAX_WORD)
}

/// Returns a display name as it stands in front of an address.
fn phrase(display: &str, column: usize) -> String {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b" !#$%&'*+-/=?^_`{|}~".contains(&b);
    if !reads_as_itself(display) {
        encoded_words(display, column)
    } else if display.bytes().all(atom) {
        display.to_owned()
    } else {
        let escaped = display.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    }
}

/// Returns `text` as encoded words that fit lines of 76 characters (RFC 2047 section 2).
fn encoded_words(text: &str, column: usize) -> String {
    let mut words = Vec::new();
    let mut piece = String::new();
    let mut room = LINE
        .saturating_sub(column.saturating_add(WORD_FRAME))
        .div_euclid(4)
        .saturating_mul(3)
        .clamp(4, WORD_BYTES);
    for c in text.chars() {
        if piece.len().saturating_add(c.len_utf8()) > room {
            words.push(encoded_word(&piece));
            piece.clear();
            room = WORD_BYTES;
        }
        piece.push(c);
    }
    words.push(encoded_word(&piece));
    words.join(" ")
}

fn encoded_word(piece: &str) -> String {
    format!(
        "=?utf-8?B?{}?=",
        base64_simd::STANDARD.encode_to_string(piece.as_bytes())
    )
}

/// Returns base64 in lines of 76 characters, each ended by CRLF; empty for nothing.
#[must_use]
pub fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_base64(&mut out, bytes);
    out
}

/// Appends what [`base64_lines`] returns.
pub fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start.saturating_add(base64_size(bytes.len())), 0);
    let space = out.get_mut(start..).unwrap_or_default();
    // Encoded in place, line by line: this runs over every attachment once.
    for (line, source) in space
        .chunks_mut(BASE64_LINE)
        .zip(bytes.chunks(BASE64_SOURCE))
    {
        let digits = line.len().saturating_sub(2);
        let (text, end) = line.split_at_mut(digits);
        let _ = base64_simd::STANDARD.encode(source, base64_simd::Out::from_slice(text));
        end.copy_from_slice(b"\r\n");
    }
}

/// Returns the number of bytes that [`base64_lines`] makes of `length` bytes.
#[must_use]
pub fn base64_size(length: usize) -> usize {
    let lines = length.div_ceil(BASE64_SOURCE);
    let digits = length.div_ceil(3).saturating_mul(4);
    digits.saturating_add(lines.saturating_mul(2))
}

/// Joins parts behind `head`, which ends in its empty line; the line break in front of a delimiter
/// is not part of the part before it (RFC 2046 section 5.1.1).
///
/// The room is made at once: a part may be plaintext, of which growing would leave copies behind
/// (contract S44).
#[must_use]
pub fn multipart(head: &[u8], boundary: &str, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let between = format!("--{boundary}\r\n");
    let end = format!("--{boundary}--\r\n");
    let mut pieces = vec![head];
    for part in parts {
        pieces.extend([between.as_bytes(), part, b"\r\n"]);
    }
    pieces.push(end.as_bytes());
    Zeroizing::new(pieces.concat())
}

/// Returns a boundary that occurs in none of `parts`.
#[must_use]
pub fn boundary(rng: &mut dyn CryptoRng, parts: &[&[u8]]) -> String {
    let mut counter = 0_u64;
    loop {
        // `=_` never occurs in quoted-printable or base64 (RFC 2045 section 6.7); the counter ends
        // the search even if the random numbers repeat.
        let candidate = format!(
            "=_{:016x}{:016x}{counter:x}",
            rng.next_u64(),
            rng.next_u64()
        );
        let taken = |part: &&[u8]| memchr::memmem::find(part, candidate.as_bytes()).is_some();
        if !parts.iter().any(taken) {
            return candidate;
        }
        counter = counter.wrapping_add(1);
    }
}

/// Returns a new Message-ID with its angle brackets, under `domain`.
#[must_use]
pub fn message_id(now: OffsetDateTime, rng: &mut dyn CryptoRng, domain: &str) -> String {
    format!(
        "<{:x}.{:016x}@{domain}>",
        now.unix_timestamp(),
        rng.next_u64()
    )
}

/// RFC 5322 section 2.1.1.
const LINE: usize = 78;
/// Longer words are encoded, because encoded words can be broken (RFC 5322 section 2.1.1: 998).
const MAX_WORD: usize = 900;
/// `=?utf-8?B?` and `?=`.
const WORD_FRAME: usize = 12;
/// An encoded word has at most 75 characters.
const WORD_BYTES: usize = 45;
/// Bytes in a line of base64.
const BASE64_SOURCE: usize = 57;
/// Characters in a line of base64, with CRLF.
const BASE64_LINE: usize = 78;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::super::Entity;
    use super::*;

    fn text(header: &Header) -> String {
        String::from_utf8(header.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn s39_line_breaks_and_nul_never_reach_a_header() {
        let mut header = Header::new();
        for bad in ["a\rb", "a\nb", "a\r\nX: y", "a\0", "\n"] {
            assert_eq!(
                header.push("Subject", bad).err(),
                Some(WriteError::Control("Subject".to_owned()))
            );
            assert!(header.push_value("Content-Type", bad).is_err());
            let to = Address::parse("a@x.org").unwrap();
            assert!(header.push_mailbox("From", bad, &to).is_err());
        }
        for bad in ["", "A B", "A:", "\u{e9}", "A\r\n"] {
            assert!(header.push(bad, "x").is_err(), "{bad:?}");
        }
        assert_eq!(header, Header::new());
    }

    #[test]
    fn names_are_quoted_or_encoded_as_they_need() {
        let to = Address::parse("a@x.org").unwrap();
        let shown = |name: &str| {
            let mut header = Header::new();
            header.push_mailbox("From", name, &to).unwrap();
            text(&header)
        };
        assert_eq!(shown(""), "From: a@x.org\r\n");
        assert_eq!(shown("Alice"), "From: Alice <a@x.org>\r\n");
        assert_eq!(
            shown("Example, \"A\""),
            "From: \"Example, \\\"A\\\"\" <a@x.org>\r\n"
        );
        assert_eq!(
            shown("Alic\u{e9}"),
            "From: =?utf-8?B?QWxpY8Op?= <a@x.org>\r\n"
        );
        assert_eq!(
            shown("=?utf-8?q?x?="),
            "From: =?utf-8?B?PT91dGYtOD9xP3g/PQ==?= <a@x.org>\r\n"
        );
    }

    #[test]
    fn s44_joined_parts_never_outgrow_their_room() {
        for parts in [&[&b"one"[..]][..], &[&[b'x'; 100_000], b"two"]] {
            let made = multipart(b"Content-Type: multipart/mixed\r\n\r\n", "=_b", parts);
            assert!(made.ends_with(b"\r\n--=_b--\r\n"));
            assert_eq!(made.capacity(), made.len());
        }
        let mail = Header::new().with_body(b"plaintext");
        assert_eq!(mail.capacity(), mail.len());
    }

    #[test]
    fn dates_and_message_ids_have_their_form() {
        let mut header = Header::new();
        let now = datetime!(2026-11-20 11:00:00 +1);
        header.push_date(now).unwrap();
        assert_eq!(text(&header), "Date: Fri, 20 Nov 2026 10:00:00 +0000\r\n");
        assert!(header.push_date(datetime!(1800-01-01 0:00 UTC)).is_err());
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let id = message_id(now, &mut rng, "example.org");
        assert!(id.starts_with('<') && id.ends_with("@example.org>"), "{id}");
        assert_ne!(id, message_id(now, &mut rng, "example.org"));
    }

    #[test]
    fn received_fields_keep_their_text_but_no_stray_line_ends() {
        let mail = b"A: 1\n  2\nB:x\rC: y\0\r\n \r\n\tz\r\n\r\n";
        let entity = Entity::parse(mail).unwrap();
        let mut header = Header::new();
        for field in entity.fields() {
            header.push_received(field);
        }
        assert_eq!(text(&header), "A: 1\r\n  2\r\nB:x C: y \r\n\tz\r\n");
    }

    /// Returns the same numbers for ever.
    struct Stuck;

    impl rand_core::TryRng for Stuck {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
            dst.fill(0);
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Stuck {}

    proptest! {
        #[test]
        fn boundary_never_occurs_in_its_parts(noise in proptest::collection::vec("[0-3]", 0..20)) {
            let zeros = "0".repeat(32);
            let part: String = noise.iter().map(|n| format!("--=_{zeros}{n}\r\n")).collect();
            let found = boundary(&mut Stuck, &[b"x", part.as_bytes()]);
            prop_assert!(!part.contains(&found));
            prop_assert!(found.len() <= 70);
        }

        #[test]
        fn any_text_survives_folding_and_encoding(value in "[ a-z=?\u{e9}\u{1f600}\t\"]{0,300}") {
            let mut header = Header::new();
            header.push("Subject", &value).unwrap();
            header.push("X-Next", "y").unwrap();
            let bytes = header.with_body(b"");
            for line in String::from_utf8(bytes.clone()).unwrap().split("\r\n") {
                prop_assert!(line.is_ascii());
                prop_assert!(line.len() <= LINE || !line.trim().contains(' '), "{:?}", line);
                prop_assert!(line.is_empty() || !line.trim().is_empty());
            }
            let entity = Entity::parse(&bytes).unwrap();
            prop_assert_eq!(entity.fields().len(), 2);
            let read = entity.first("Subject").unwrap().text();
            prop_assert_eq!(read, value.trim());
        }

        #[test]
        fn base64_lines_are_76_wide_and_decode(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let lines = base64_lines(&bytes);
            prop_assert_eq!(lines.len(), base64_size(bytes.len()));
            prop_assert!(lines.is_empty() || lines.ends_with(b"\r\n"));
            for line in lines.split(|b| *b == b'\n') {
                prop_assert!(line.len() <= 77);
            }
            prop_assert_eq!(super::super::encoding::base64(&lines).unwrap(), bytes);
        }
    }
}
