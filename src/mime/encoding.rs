//! Undoes content transfer encodings.
//!
//! # Trust
//!
//! The input is hostile; output is never longer than input.
//!
//! # See also
//!
//! RFC 2045 section 6.

use std::borrow::Cow;

use super::MimeError;

/// Returns `body` decoded from the transfer encoding `name`, as written in the header.
///
/// # Errors
///
/// [`MimeError::Encoding`] for an unknown encoding or a body that is not in it.
pub fn decode<'a>(name: &str, body: &'a [u8]) -> Result<Cow<'a, [u8]>, MimeError> {
    match name.trim().to_ascii_lowercase().as_str() {
        "" | "7bit" | "8bit" | "binary" => Ok(Cow::Borrowed(body)),
        "base64" => base64(body).map(Cow::Owned),
        "quoted-printable" => Ok(Cow::Owned(quoted_printable(body))),
        _ => Err(MimeError::Encoding),
    }
}

/// Decodes base64, passing over white space and stray empty lines and ending at the padding;
/// what a gateway appended behind it is not part of the content.
///
/// # Errors
///
/// [`MimeError::Encoding`] for any other byte outside the alphabet or a truncated last group.
pub fn base64(body: &[u8]) -> Result<Vec<u8>, MimeError> {
    let end = memchr::memchr(b'=', body).unwrap_or(body.len());
    let digits = body.get(..end).unwrap_or(body);
    base64_simd::forgiving_decode_to_vec(digits).map_err(|_| MimeError::Encoding)
}

/// Decodes quoted-printable; what is not in it stays as it is (RFC 2045 section 6.7, note on
/// robust decoders).
#[must_use]
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|b| *b == b'\n') {
        let text = super::field::without_line_end(line);
        let end = line.get(text.len()..).unwrap_or_default();
        let text = text.trim_ascii_end();
        match text.strip_suffix(b"=") {
            Some(soft) => quoted_line(soft, &mut out),
            None => {
                quoted_line(text, &mut out);
                out.extend_from_slice(end);
            }
        }
    }
    out
}

fn quoted_line(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        let decoded = match (first, after) {
            (b'=', [high, low, tail @ ..]) => hex(*high)
                .zip(hex(*low))
                .map(|(high, low)| (high << 4 | low, tail)),
            _ => None,
        };
        let (byte, tail) = decoded.unwrap_or((*first, after));
        out.push(byte);
        rest = tail;
    }
}

/// Returns the value of a hexadecimal digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_is_read_through_blank_lines_and_ends_at_the_padding() {
        for text in [
            "aGVsbG8=",
            "aGVs\r\nbG8=\r\n",
            "\r\n\r\naGVs\n\n\n bG8=\n",
            "aGVsbG8",
            "aGVsbG8=\n-- \nfooter of a gateway\n",
        ] {
            assert_eq!(base64(text.as_bytes()).unwrap(), b"hello", "{text:?}");
        }
        assert_eq!(base64(b"").unwrap(), b"");
        assert_eq!(base64(b"aGV\0sbG8="), Err(MimeError::Encoding));
        assert_eq!(base64(b"aGVsb"), Err(MimeError::Encoding));
    }

    #[test]
    fn quoted_printable_joins_soft_breaks_and_keeps_line_ends() {
        for (from, to) in [
            (&b"a=3Db"[..], &b"a=b"[..]),
            (b"caf=C3=A9\r\n", b"caf\xc3\xa9\r\n"),
            (b"one=\r\ntwo", b"onetwo"),
            (b"one= \ntwo", b"onetwo"),
            (b"trail  \t\nx\n", b"trail\nx\n"),
            (b"a=20\n", b"a \n"),
            (b"odd=ZZ=", b"odd=ZZ"),
            (b"=4", b"=4"),
            (b"", b""),
        ] {
            assert_eq!(quoted_printable(from), to, "{from:?}");
        }
    }

    #[test]
    fn unknown_encoding_is_an_error() {
        assert_eq!(decode("x-uuencode", b"x"), Err(MimeError::Encoding));
        assert_eq!(&*decode(" 8BIT ", b"\xff").unwrap(), b"\xff");
    }

    proptest! {
        #[test]
        fn nothing_makes_the_decoders_panic_or_grow(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(quoted_printable(&bytes).len() <= bytes.len());
            if let Ok(decoded) = base64(&bytes) {
                prop_assert!(decoded.len() <= bytes.len());
            }
        }
    }
}
