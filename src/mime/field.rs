//! Cuts a header into its fields, each with the exact bytes it was received in.
//!
//! # Trust
//!
//! The header is hostile; contract E9 bounds its size and the number and size of fields.
//!
//! # See also
//!
//! RFC 5322 sections 2.2 and 4.5.

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::MimeError;

/// One header field as received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    raw: &'a [u8],
    name: &'a str,
    /// After the colon, with folds, without the last line end.
    body: &'a [u8],
}

impl<'a> Field<'a> {
    /// Returns the name as written.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// True when the field has this name; case does not matter.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Returns name, colon, value, folds and line end as received.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns everything between the colon and the line end, folds included.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Returns the value on one line: folds undone, white space trimmed, encoded words left as they
    /// are, bytes that are not UTF-8 replaced.
    ///
    /// A CR within a line is replaced too: it ends the line for some readers and is nothing to
    /// others, who would see another boundary.
    #[must_use]
    pub fn value(&self) -> String {
        let mut unfolded = Vec::with_capacity(self.body.len());
        for line in self.body.split(|b| *b == b'\n') {
            let end = line
                .iter()
                .rposition(|b| *b != b'\r')
                .map_or(0, |at| at + 1);
            let line = line.get(..end).unwrap_or_default();
            // No UTF-8, and not what white space is trimmed for.
            unfolded.extend(line.iter().map(|b| if *b == b'\r' { 0xff } else { *b }));
        }
        String::from_utf8_lossy(&unfolded).trim().to_owned()
    }

    /// Returns the value for people: like [`Field::value`] with encoded words (RFC 2047) decoded.
    #[must_use]
    pub fn text(&self) -> String {
        decode_words(&self.value())
    }
}

/// Returns `text` with its encoded words (RFC 2047) decoded.
#[must_use]
pub fn decode_words(text: &str) -> String {
    if !text.contains("=?") {
        return text.to_owned();
    }
    let line = format!("{text}\n");
    match MessageStream::new(line.as_bytes()).parse_unstructured() {
        HeaderValue::Text(decoded) => decoded.into_owned(),
        _ => text.to_owned(),
    }
}

/// A message cut at the empty line.
pub(super) struct Split<'a> {
    /// The fields with their line ends, without the empty line.
    pub(super) header: &'a [u8],
    /// Everything after the empty line.
    pub(super) body: &'a [u8],
    pub(super) fields: Vec<Field<'a>>,
}

/// Cuts `bytes` into fields and body.
pub(super) fn split(bytes: &[u8]) -> Result<Split<'_>, MimeError> {
    let start = mailbox_line(bytes);
    let mut fields = Vec::new();
    let mut at = start;
    let mut field = start;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let line = first_line(rest);
        let continues = matches!(line.first(), Some(b' ' | b'\t')) && at > start;
        let ends = matches!(line, b"" | b"\n" | b"\r\n");
        // A line of white space alone is a fold to some readers and the end to others; as a fold it
        // is harmless, because what follows has to be a field again.
        if !continues && at > field {
            fields.push(one(bytes.get(field..at).unwrap_or_default())?);
            field = at;
        }
        let size = at.saturating_sub(start);
        if size > MAX_HEADER || fields.len() > MAX_FIELDS || at.saturating_sub(field) > MAX_FIELD {
            return Err(MimeError::Limit);
        }
        if ends {
            let body = at.saturating_add(line.len());
            return Ok(Split {
                header: bytes.get(start..at).unwrap_or_default(),
                body: bytes.get(body..).unwrap_or_default(),
                fields,
            });
        }
        if line.len() > MAX_FIELD {
            return Err(MimeError::Limit);
        }
        at = at.saturating_add(line.len());
    }
}

/// Returns how far [`split`] looks at most: behind the empty line, or to where it has given up.
pub(super) fn reach(bytes: &[u8]) -> usize {
    let start = mailbox_line(bytes);
    let most = start.saturating_add(MAX_HEADER + MAX_FIELD + 2);
    let window = bytes.get(..most).unwrap_or(bytes);
    let mut at = start;
    while let Some(line) = window
        .get(at..)
        .map(first_line)
        .filter(|line| !line.is_empty())
    {
        at = at.saturating_add(line.len());
        if matches!(line, b"\n" | b"\r\n") {
            return at;
        }
    }
    window.len()
}

/// Returns the length of a leading `From ` line, which some pipes put in front of a mail.
fn mailbox_line(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"From ") || bytes.starts_with(b">From ") {
        first_line(bytes).len()
    } else {
        0
    }
}

/// Returns the first line with its line end; empty at the end of the text.
pub(super) fn first_line(bytes: &[u8]) -> &[u8] {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => bytes.get(..=end).unwrap_or(bytes),
        None => bytes,
    }
}

/// Returns `line` without its line end.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn one(raw: &[u8]) -> Result<Field<'_>, MimeError> {
    let colon = memchr::memchr(b':', raw).ok_or(MimeError::Header)?;
    let name = raw.get(..colon).unwrap_or_default().trim_ascii_end();
    let body = raw.get(colon.saturating_add(1)..).unwrap_or_default();
    let printable = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    match str::from_utf8(name) {
        Ok(name) if printable => Ok(Field {
            raw,
            name,
            body: without_line_end(body),
        }),
        _ => Err(MimeError::Header),
    }
}

/// Contract E9.
const MAX_FIELDS: usize = 1_000;
/// Contract E9, bytes.
const MAX_HEADER: usize = 256 * 1024;
/// Contract E9, bytes.
const MAX_FIELD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e9_what_is_beyond_the_reach_of_a_header_changes_nothing() {
        let field = format!("X: {}\r\n", "x".repeat(60_000));
        for text in [
            String::new(),
            "A: 1".to_owned(),
            "A: 1\n\nbody\n\n".to_owned(),
            "From me\nA: 1\r\n \r\n\r\nbody".to_owned(),
            "no field\nA: 1\n\n".to_owned(),
            field.repeat(4) + "\r\nbody",
            field.repeat(6) + "\r\nbody",
            "x".repeat(400_000),
            format!("A: {}\n\nbody", "x".repeat(400_000)),
            "a:\n".repeat(200_000),
        ] {
            let bytes = text.as_bytes();
            let reached = &bytes[..reach(bytes)];
            let seen =
                |bytes| split(bytes).map(|found| (found.header.to_vec(), found.fields.len()));
            assert_eq!(seen(bytes), seen(reached), "{} bytes", bytes.len());
        }
    }

    fn names(text: &str) -> Vec<&str> {
        split(text.as_bytes())
            .unwrap()
            .fields
            .iter()
            .map(Field::name)
            .collect()
    }

    #[test]
    fn fields_keep_their_exact_bytes() {
        let text = b"A: 1\r\nB:\tx\r\n  y\r\n\t z \r\nC : =?utf-8?q?=C3=A9?=\n\nbody\n";
        let split = split(text).unwrap();
        let raw: Vec<u8> = split.fields.iter().flat_map(|f| f.raw().to_vec()).collect();
        assert_eq!(raw, split.header);
        assert_eq!(split.body, b"body\n");
        assert_eq!(split.fields[1].value(), "x  y\t z");
        assert_eq!(split.fields[2].name(), "C");
        assert_eq!(split.fields[2].value(), "=?utf-8?q?=C3=A9?=");
        assert_eq!(split.fields[2].text(), "\u{e9}");
    }

    #[test]
    fn header_without_body_and_header_without_fields_are_read() {
        assert_eq!(names("A: 1"), ["A"]);
        assert_eq!(names("A: 1\r\n"), ["A"]);
        assert_eq!(names("\r\nbody"), Vec::<&str>::new());
        assert_eq!(split(b"\nbody").unwrap().body, b"body");
        assert_eq!(names("From olga Fri Nov 20 10:00:00 2026\nA: 1\n\n"), ["A"]);
    }

    #[test]
    fn line_that_is_no_field_is_refused() {
        for bad in [
            "hello\n",
            "A: 1\nhello\n\nx",
            ": x\n",
            " A: 1\n\n",
            "A B: 1\n",
            "\0: 1\n",
            "\u{e9}: 1\n",
        ] {
            assert_eq!(
                split(bad.as_bytes()).err(),
                Some(MimeError::Header),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn e9_header_bombs_are_refused() {
        let limit = |text: String| split(text.as_bytes()).err();
        assert_eq!(limit("A: 1\n".repeat(1_000)), None);
        assert_eq!(limit("A: 1\n".repeat(1_001)), Some(MimeError::Limit));
        assert_eq!(
            limit(format!("A: {}\n\n", "x".repeat(64 * 1024))),
            Some(MimeError::Limit)
        );
        assert_eq!(
            limit(format!("A: {}\n\n", "x\n ".repeat(30_000))),
            Some(MimeError::Limit)
        );
        assert_eq!(
            limit(format!("A: {}\n", "x".repeat(60_000)).repeat(5)),
            Some(MimeError::Limit)
        );
        assert_eq!(limit("x".repeat(10_000_000)), Some(MimeError::Limit));
    }

    #[test]
    fn encoded_words_are_decoded_for_people_only() {
        assert_eq!(decode_words("=?iso-8859-1?q?caf=E9?= x"), "caf\u{e9} x");
        assert_eq!(decode_words("no words"), "no words");
        assert_eq!(decode_words("=?broken"), "=?broken");
    }
}
