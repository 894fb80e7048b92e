//! A message without what mail servers put in front of it, each time anew.
//!
//! Used for the exact-bytes digest: the same message handed in twice differs in these fields alone
//! (window W1).

/// Returns `message` behind the trace fields at its begin.
pub(super) fn without_trace(message: &[u8]) -> &[u8] {
    let mut rest = message;
    while let Some(end) = trace_field(rest) {
        rest = rest.get(end..).unwrap_or_default();
    }
    rest
}

/// Returns the length of a trace field with its folded lines, if `text` begins with one.
fn trace_field(text: &[u8]) -> Option<usize> {
    let is_trace = TRACE.iter().any(|name| {
        let begin = text.get(..name.len());
        begin.is_some_and(|b| b.eq_ignore_ascii_case(name.as_bytes()))
            && text.get(name.len()) == Some(&b':')
    });
    if !is_trace {
        return None;
    }
    let mut end = 0_usize;
    loop {
        let line = text.get(end..)?;
        let length = memchr::memchr(b'\n', line)?.saturating_add(1);
        end = end.saturating_add(length);
        if !matches!(text.get(end), Some(b' ' | b'\t')) {
            return Some(end);
        }
    }
}

/// What mail servers put in front of a message, each time anew.
const TRACE: [&str; 6] = [
    "Delivered-To",
    "Envelope-To",
    "Received",
    "Return-Path",
    "X-Envelope-To",
    "X-Original-To",
];
