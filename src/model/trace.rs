//! A message without what mail servers put in front of it, each time anew.
//!
//! # Place in the flow
//!
//! intake → spool (same bytes within seven days, D1) and store (replay of a whole message, W1): both
//! ask what makes two handed-in messages the same one.
//!
//! # Does not
//!
//! Parse headers: these fields are taken off the top alone, as bytes.

/// Returns `message` behind the trace fields at its begin.
///
/// An MTA that did not learn of our success hands the same message in again, possibly with other
/// trace fields; everything from the first other header field on must be equal.
#[must_use]
pub fn without_trace(message: &[u8]) -> &[u8] {
    let mut rest = message;
    while let Some(end) = trace_field(rest) {
        rest = rest.get(end..).unwrap_or_default();
    }
    rest
}

/// Returns the length of the trace field that `text` begins with, folded lines included.
fn trace_field(text: &[u8]) -> Option<usize> {
    let is_trace = TRACE.iter().any(|name| {
        let begin = text.get(..name.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
            && text.get(name.len()) == Some(&b':')
    });
    if !is_trace {
        return None;
    }
    let mut end = 0_usize;
    loop {
        let length = memchr::memchr(b'\n', text.get(end..)?)?.saturating_add(1);
        end = end.saturating_add(length);
        if !matches!(text.get(end), Some(b' ' | b'\t')) {
            return Some(end);
        }
    }
}

/// What Postfix, Exim and sendmail put on top at final delivery, and their filters with them.
const TRACE: [&str; 9] = [
    "Authentication-Results",
    "Delivered-To",
    "Delivery-Date",
    "Envelope-To",
    "Received",
    "Received-SPF",
    "Return-Path",
    "X-Envelope-To",
    "X-Original-To",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trace_field_on_top_is_taken_off_and_none_below() {
        let plain = b"From: a@x.org\r\nReceived: kept, not on top\r\n\r\nbody\r\n";
        for name in TRACE {
            for line_end in ["\r\n", "\n"] {
                let mut traced = format!(
                    "Return-Path: <a@x.org>{line_end}{}: x{line_end}\ty{line_end}",
                    name.to_lowercase()
                )
                .into_bytes();
                traced.extend_from_slice(plain);
                assert_eq!(without_trace(&traced), plain, "{name}");
            }
        }
        for other in ["Receive: x\n\n", "Received-By: x\n\n", "Received x\n\n"] {
            assert_eq!(without_trace(other.as_bytes()), other.as_bytes());
        }
    }

    #[test]
    fn headers_that_never_end_are_survived() {
        for odd in ["", "Received:", "Received: x", "Received: x\n y", ":\n"] {
            assert_eq!(without_trace(odd.as_bytes()), odd.as_bytes());
        }
        assert_eq!(without_trace(b"Received: x\n"), b"");
    }
}
