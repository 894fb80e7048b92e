//! The form of text that signatures cover and SMTP carries: every line ends in CRLF.
//!
//! # See also
//!
//! RFC 8551 section 3.1.1, RFC 5321 section 2.3.8.

use std::borrow::Cow;
use std::ops::Deref;

use zeroize::Zeroize as _;

/// Plaintext in canonical form. What had to be copied for it is overwritten when it goes (contract
/// S44); what is borrowed is its owner's.
pub struct Wiped<'a>(Cow<'a, [u8]>);

impl<'a> Wiped<'a> {
    /// Takes over what may be a copy.
    #[must_use]
    pub fn new(bytes: Cow<'a, [u8]>) -> Self {
        Self(bytes)
    }

    /// As [`crlf`].
    #[must_use]
    pub fn crlf(bytes: &'a [u8]) -> Self {
        Self(crlf(bytes))
    }
}

impl Deref for Wiped<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(bytes) = &mut self.0 {
            bytes.zeroize();
        }
    }
}

/// Returns `bytes` with CRLF for every bare LF; text that is already canonical is not copied.
///
/// A bare CR is no line end and stays.
#[must_use]
pub fn crlf(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bare = bare_line_feeds(bytes);
    if bare == 0 {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len().saturating_add(bare));
    append(&mut out, bytes);
    Cow::Owned(out)
}

/// Returns how long [`crlf`] makes `bytes`.
#[must_use]
pub fn crlf_size(bytes: &[u8]) -> usize {
    bytes.len().saturating_add(bare_line_feeds(bytes))
}

/// Appends `bytes` as [`crlf`] makes them, without a copy between.
pub fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', bytes) {
        let line = bytes.get(from..at).unwrap_or_default();
        out.extend_from_slice(line);
        if line.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(b'\n');
        from = at.saturating_add(1);
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
}

fn bare_line_feeds(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes)
        .filter(|at| {
            at.checked_sub(1)
                .and_then(|before| bytes.get(before))
                .is_none_or(|b| *b != b'\r')
        })
        .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bare_line_feeds_become_crlf_and_nothing_else_changes() {
        for (from, to) in [
            ("", ""),
            ("\n", "\r\n"),
            ("a\nb", "a\r\nb"),
            ("a\r\nb\n\n", "a\r\nb\r\n\r\n"),
            ("a\rb", "a\rb"),
            ("a\r\r\n", "a\r\r\n"),
            ("\0\n", "\0\r\n"),
        ] {
            assert_eq!(&*crlf(from.as_bytes()), to.as_bytes(), "{from:?}");
        }
    }

    #[test]
    fn canonical_text_is_not_copied() {
        assert!(matches!(crlf(b"a\r\nb\r\n"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn canonical_form_has_no_bare_line_feed_and_is_stable(text in "[a\r\n]{0,40}") {
            let once = crlf(text.as_bytes()).into_owned();
            prop_assert_eq!(bare_line_feeds(&once), 0);
            prop_assert_eq!(&*crlf(&once), &once[..]);
            let strip = |bytes: &[u8]| -> Vec<u8> {
                bytes.iter().copied().filter(|b| *b != b'\r').collect()
            };
            prop_assert_eq!(strip(&once), strip(text.as_bytes()));
        }
    }
}
