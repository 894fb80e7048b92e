//! Content-Type and Content-Disposition: a kind and its parameters.
//!
//! # Trust
//!
//! The value is hostile. Where two readers could see two values, the security-relevant accessors
//! ([`ContentType::boundary`]) return nothing.
//!
//! # See also
//!
//! RFC 2045 section 5.1, RFC 2231 (continuations, character sets), RFC 8551 section 3.2.1 (names).

use std::collections::{HashMap, HashSet};

use mail_parser::decoders::charsets::map::charset_decoder;

use super::encoding::hex;
use super::field::decode_words;

/// A kind (`multipart/signed`, `attachment`) with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// Lower-case type and subtype, without white space or comments.
    pub kind: String,
    parameters: Vec<(String, String)>,
}

impl ContentType {
    /// Returns what a field value says; odd parameters are passed over.
    ///
    /// A value without a usable kind is `application/octet-stream` (RFC 2046 section 4.5.1).
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let pieces = pieces(value);
        let mut pieces = pieces.iter();
        let kind = pieces
            .next()
            .map(|piece| piece.split_whitespace().collect::<String>())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let usable = kind.split('/').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b'"')
        });
        Self {
            kind: if usable {
                kind
            } else {
                "application/octet-stream".to_owned()
            },
            parameters: joined(pieces.filter_map(|piece| parameter(piece)).collect()),
        }
    }

    /// Returns the kind of an entity without Content-Type (RFC 2045 section 5.2).
    #[must_use]
    pub fn plain_text() -> Self {
        Self {
            kind: "text/plain".to_owned(),
            parameters: Vec::new(),
        }
    }

    /// Returns the first parameter with this name, decoded; case of the name does not matter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// True when the kind is `multipart/...`.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.kind.starts_with("multipart/")
    }

    /// Returns the boundary of a multipart, if there is exactly one and it is usable.
    #[must_use]
    pub fn boundary(&self) -> Option<&str> {
        let mut all = self
            .parameters
            .iter()
            .filter(|(name, _)| name == "boundary");
        let (_, only) = all.next()?;
        if all.next().is_some() {
            return None;
        }
        let only = only.trim_end();
        let fine = !only.is_empty()
            && only.len() <= MAX_BOUNDARY
            && only.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        fine.then_some(only)
    }

    /// Returns a file name parameter (`name` or `filename`), encoded words decoded.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        self.parameter("filename")
            .or_else(|| self.parameter("name"))
            .map(decode_words)
            .filter(|name| !name.is_empty())
    }
}

/// Cuts a value at its semicolons; comments are dropped, quoted strings stay quoted.
fn pieces(value: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = value.chars();
    let mut quoted = false;
    let mut comments = 0_usize;
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' && (quoted || comments > 0) {
            chars.next()
        } else {
            None
        };
        match c {
            _ if comments > 0 => match c {
                '(' => comments = comments.saturating_add(1),
                ')' => comments = comments.saturating_sub(1),
                _ => {}
            },
            ';' if !quoted => pieces.push(String::new()),
            // Only between words: some mailers leave brackets in unquoted boundaries.
            '(' if !quoted && between_words(&pieces) => comments = 1,
            _ => {
                quoted ^= c == '"';
                if let Some(piece) = pieces.last_mut() {
                    piece.push(c);
                    piece.extend(escaped);
                }
            }
        }
    }
    pieces
}

fn between_words(pieces: &[String]) -> bool {
    pieces.last().is_none_or(|piece| {
        piece.is_empty() || piece.ends_with(char::is_whitespace) || piece.ends_with('"')
    })
}

/// One parameter as written: name with its RFC 2231 marks, value unquoted.
fn parameter(piece: &str) -> Option<(String, String)> {
    let (name, value) = piece.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim();
    if name.is_empty() {
        return None;
    }
    let Some(quoted) = value.strip_prefix('"') else {
        let word = value.split_whitespace().next().unwrap_or_default();
        return Some((name, word.to_owned()));
    };
    let mut out = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    Some((name, out))
}

/// Joins RFC 2231 continuations and decodes their character sets.
fn joined(written: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut known: HashMap<&str, &str> = HashMap::new();
    for (name, value) in &written {
        known.entry(name).or_insert(value);
    }
    let mut done = HashSet::new();
    let mut assembled = HashSet::new();
    let mut extended = Vec::new();
    for (base, _) in written.iter().filter_map(|(name, _)| name.split_once('*')) {
        if !base.is_empty()
            && done.insert(base)
            && let Some(value) = assemble(base, &known)
        {
            assembled.insert(base);
            extended.push((base.to_owned(), value));
        }
    }
    // The extended form wins over a plain one kept for old readers.
    let stays = |name: &str| !assembled.contains(name) || name == "boundary";
    let plain = written.iter().filter(|(name, _)| !name.contains('*'));
    let mut out: Vec<_> = plain.filter(|(name, _)| stays(name)).cloned().collect();
    out.append(&mut extended);
    out
}

fn assemble(base: &str, known: &HashMap<&str, &str>) -> Option<String> {
    let find = |mark: &str| known.get(format!("{base}{mark}").as_str()).copied();
    let mut bytes = Vec::new();
    let mut charset = String::new();
    if let Some(whole) = find("*") {
        extended(whole, true, &mut charset, &mut bytes);
    } else {
        for index in 0..MAX_CONTINUATIONS {
            if let Some(part) = find(&format!("*{index}*")) {
                extended(part, index == 0, &mut charset, &mut bytes);
            } else if let Some(part) = find(&format!("*{index}")) {
                bytes.extend_from_slice(part.as_bytes());
            } else {
                break;
            }
        }
    }
    if bytes.is_empty() {
        return None;
    }
    let utf8 = charset.is_empty() || charset.eq_ignore_ascii_case("utf-8");
    match charset_decoder(charset.as_bytes()) {
        Some(decoder) if !utf8 => Some(decoder(&bytes)),
        _ => Some(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Appends one `charset'language'percent-encoded` segment.
fn extended(text: &str, first: bool, charset: &mut String, bytes: &mut Vec<u8>) {
    let mut encoded = text;
    if first {
        let mut marks = text.splitn(3, '\'');
        if let (Some(set), Some(_), Some(rest)) = (marks.next(), marks.next(), marks.next()) {
            set.clone_into(charset);
            encoded = rest;
        }
    }
    let mut rest = encoded.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let decoded = match (byte, after) {
            (b'%', [high, low, tail @ ..]) => hex(*high)
                .zip(hex(*low))
                .map(|(high, low)| (high << 4 | low, tail)),
            _ => None,
        };
        let (byte, tail) = decoded.unwrap_or((*byte, after));
        bytes.push(byte);
        rest = tail;
    }
}

/// RFC 2046 allows 70; a few mailers go beyond.
const MAX_BOUNDARY: usize = 200;
/// More segments than any name needs.
const MAX_CONTINUATIONS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds_and_parameters_of_real_mailers_are_read() {
        let signed = ContentType::parse(
            "Multipart/Signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; \
             boundary=\"----A\\\"B=_1 (x); y\"",
        );
        assert_eq!(signed.kind, "multipart/signed");
        assert_eq!(
            signed.parameter("Protocol"),
            Some("application/pkcs7-signature")
        );
        assert_eq!(signed.parameter("micalg"), Some("sha-256"));
        assert_eq!(signed.boundary(), Some("----A\"B=_1 (x); y"));

        let commented = ContentType::parse(
            "application/pkcs7-mime (a ; (nested) \\) comment) (x); smime-type = enveloped-data (y) ;;; name=smime.p7m",
        );
        assert_eq!(commented.parameter("smime-type"), Some("enveloped-data"));
        assert_eq!(commented.file_name().as_deref(), Some("smime.p7m"));

        let sloppy = ContentType::parse("multipart/mixed; boundary=----=_Part_1(2)");
        assert_eq!(sloppy.boundary(), Some("----=_Part_1(2)"));
    }

    #[test]
    fn unusable_kinds_are_octet_streams() {
        for value in ["", ";", "text/", "/plain", "a\"/b", "\u{e9}/x"] {
            assert_eq!(
                ContentType::parse(value).kind,
                "application/octet-stream",
                "{value:?}"
            );
        }
    }

    #[test]
    fn rfc_2231_values_are_joined_and_decoded() {
        let name = |value: &str| ContentType::parse(value).file_name();
        assert_eq!(
            name("attachment; filename*=iso-8859-1'fr'caf%E9.p7m"),
            Some("caf\u{e9}.p7m".to_owned())
        );
        assert_eq!(
            name("attachment; filename=cafe.p7m; filename*=utf-8''caf%C3%A9.p7m"),
            Some("caf\u{e9}.p7m".to_owned())
        );
        assert_eq!(
            name("attachment; filename*0=\"sm\"; filename*1*=%69me; filename*2=.p7m"),
            Some("smime.p7m".to_owned())
        );
        assert_eq!(
            name("x/y; name=\"=?utf-8?q?caf=C3=A9?=\""),
            Some("caf\u{e9}".to_owned())
        );
        assert_eq!(name("x/y; name*5=late"), None);
    }

    #[test]
    fn doubled_or_impossible_boundaries_are_none() {
        for value in [
            "multipart/mixed",
            "multipart/mixed; boundary=a; boundary=b",
            "multipart/mixed; boundary=a; boundary*0=b",
            "multipart/mixed; boundary=\"\"",
            "multipart/mixed; boundary=\"a\u{7}\"",
        ] {
            assert_eq!(ContentType::parse(value).boundary(), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(value in "[a-z;=*0-9'%\"\\\\() \u{e9}/]{0,80}") {
            let parsed = ContentType::parse(&value);
            prop_assert!(!parsed.kind.is_empty());
            let _ = (parsed.file_name(), parsed.boundary().map(str::len));
        }
    }
}
