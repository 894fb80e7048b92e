//! What is said to a client, and how. Pure.
//!
//! # See also
//!
//! RFC 5321 section 4.2, RFC 2034 (the text begins with a status code of RFC 3463).

use std::borrow::Cow;

/// A code, and a text that begins with a status code where the reply is to have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    text: Cow<'static, str>,
}

impl Reply {
    /// Returns a reply with this text; what a line of SMTP cannot carry is replaced when it is said.
    #[must_use]
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self {
            code,
            text: Cow::Owned(text.into()),
        }
    }

    pub(super) const fn fixed(code: u16, text: &'static str) -> Self {
        Self {
            code,
            text: Cow::Borrowed(text),
        }
    }

    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns the text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Appends the reply to `out` as one line. Others' words may be part of the text: no line end
    /// of theirs is to make a second reply.
    pub(super) fn say(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{} ", self.code).as_bytes());
        let text = self.text.chars().take(MAX_TEXT);
        out.extend(text.map(|c| match c {
            ' '..='~' => u8::try_from(c).unwrap_or(b'?'),
            '\n' => b';',
            _ => b'?',
        }));
        out.extend_from_slice(b"\r\n");
    }
}

/// RFC 5321 section 4.5.3.1.5: 512 octets with code, blank and line end.
const MAX_TEXT: usize = 506;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_makes_two_lines_or_one_of_more_than_512_octets() {
        let mut out = Vec::new();
        let text = format!("5.1.1 a\r\n250 b\u{fc}{}", "x".repeat(600));
        Reply::new(550, text).say(&mut out);
        assert_eq!(out.len(), 512);
        assert!(out.starts_with(b"550 5.1.1 a?;250 b?x") && out.ends_with(b"x\r\n"));
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
    }
}
