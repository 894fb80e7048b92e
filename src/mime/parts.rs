//! Tells the parts of a multipart apart, byte by byte.
//!
//! # Trust
//!
//! The input is hostile. One pass over the bytes with a bounded stack; contract E8 bounds depth and
//! number of parts.
//!
//! # Invariants
//!
//! * A part is the exact bytes between two delimiter lines, without the line break that belongs to
//!   the second one (RFC 2046 section 5.1.1). Preamble and epilogue are part of nothing.
//!
//! # See also
//!
//! RFC 2046 section 5.1, RFC 1847 section 2.1, contract S26.

use super::field::{self, first_line, without_line_end};
use super::{ContentType, MimeError};

/// A line that begins with two hyphens and a boundary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Open,
    Close,
}

/// Returns what `line` is for `boundary`.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<Delimiter> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match without_line_end(rest).trim_ascii_end() {
        b"" => Some(Delimiter::Open),
        b"--" => Some(Delimiter::Close),
        _ => None,
    }
}

/// Calls `visit` with the offset of every line of `body` that begins with two hyphens.
fn hyphen_lines(body: &[u8]) -> impl Iterator<Item = usize> {
    let first = body.starts_with(b"--").then_some(0);
    let finder = memchr::memmem::find_iter(body, b"\n--");
    first
        .into_iter()
        .chain(finder.map(|at| at.saturating_add(1)))
}

/// The parts of one multipart, and how it ends.
pub(super) struct Parts<'a> {
    pub(super) parts: Vec<&'a [u8]>,
    /// The close delimiter is there.
    pub(super) closed: bool,
    /// A delimiter stands after the close delimiter.
    pub(super) resumed: bool,
}

/// Cuts the body of a multipart.
pub(super) fn cut<'a>(body: &'a [u8], boundary: &str) -> Result<Parts<'a>, MimeError> {
    let boundary = boundary.as_bytes();
    let mut found = Parts {
        parts: Vec::new(),
        closed: false,
        resumed: false,
    };
    let mut open: Option<usize> = None;
    for at in hyphen_lines(body) {
        let line = first_line(body.get(at..).unwrap_or_default());
        let Some(kind) = delimiter(line, boundary) else {
            continue;
        };
        if found.closed {
            found.resumed = true;
            break;
        }
        if let Some(start) = open {
            found.parts.push(before_delimiter(body, start, at));
        }
        if found.parts.len() > MAX_PARTS {
            return Err(MimeError::Limit);
        }
        found.closed = kind == Delimiter::Close;
        open = (kind == Delimiter::Open).then_some(at.saturating_add(line.len()));
    }
    if let Some(start) = open {
        found.parts.push(body.get(start..).unwrap_or_default());
    }
    Ok(found)
}

/// The part from `start` to the line break in front of the delimiter line at `at`.
fn before_delimiter(body: &[u8], start: usize, at: usize) -> &[u8] {
    without_line_end(body.get(start..at).unwrap_or_default())
}

/// One level of the tree that is being walked.
enum Frame {
    /// A multipart with its boundary.
    Multipart(Vec<u8>),
    /// A message inside a message; ends with its parent's part.
    Message,
}

/// Checks depth and number of parts of the tree below an entity (contract E8).
pub(super) fn check_tree(content_type: &ContentType, body: &[u8]) -> Result<(), MimeError> {
    let mut walk = Walk {
        body,
        frames: Vec::new(),
        parts: 0,
    };
    let mut at = walk.enter(content_type, 0)?;
    while !walk.frames.is_empty() {
        let Some((line_at, level, kind)) = walk.next_delimiter(at, body.len()) else {
            break;
        };
        let line = first_line(body.get(line_at..).unwrap_or_default());
        let after = line_at.saturating_add(line.len());
        walk.frames.truncate(level.saturating_add(1));
        if kind == Delimiter::Close {
            walk.frames.pop();
            at = after;
        } else {
            at = walk.part(after)?;
        }
    }
    Ok(())
}

struct Walk<'a> {
    body: &'a [u8],
    frames: Vec<Frame>,
    parts: usize,
}

impl Walk<'_> {
    /// Takes up a multipart or an enclosed message whose body begins at `at`; returns where to go on.
    fn enter(&mut self, content_type: &ContentType, at: usize) -> Result<usize, MimeError> {
        if content_type.kind == "message/rfc822" {
            self.push(Frame::Message)?;
            return self.part(at);
        }
        if let (true, Some(boundary)) = (content_type.is_multipart(), content_type.boundary()) {
            self.push(Frame::Multipart(boundary.as_bytes().to_vec()))?;
        }
        Ok(at)
    }

    fn push(&mut self, frame: Frame) -> Result<(), MimeError> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(MimeError::Limit);
        }
        self.frames.push(frame);
        Ok(())
    }

    /// Reads the header of the part at `at`; returns where its body begins.
    fn part(&mut self, start: usize) -> Result<usize, MimeError> {
        let mut at = start;
        loop {
            self.parts = self.parts.saturating_add(1);
            if self.parts > MAX_PARTS {
                return Err(MimeError::Limit);
            }
            // Only the header is looked at, and it may be short in a long body; a part whose header
            // cannot be read is a leaf.
            let rest = self.body.get(at..).unwrap_or_default();
            let reach = at.saturating_add(field::reach(rest));
            let end = self
                .next_delimiter(at, reach)
                .map_or(reach, |(line, ..)| line);
            let part = self.body.get(at..end).unwrap_or_default();
            let split = match field::split(part) {
                Ok(split) => split,
                Err(MimeError::Limit) => return Err(MimeError::Limit),
                Err(_) => return Ok(end),
            };
            let after = end.saturating_sub(split.body.len());
            let content_type = split
                .fields
                .iter()
                .find(|field| field.is("Content-Type"))
                .map_or_else(ContentType::plain_text, |field| {
                    ContentType::parse(&field.value())
                });
            if content_type.kind != "message/rfc822" {
                return self.enter(&content_type, after);
            }
            self.push(Frame::Message)?;
            at = after;
        }
    }

    /// Finds the next line from `at` on, and before `end`, that delimits a part of any open
    /// multipart; returns where it begins, the level it belongs to and its kind.
    fn next_delimiter(&self, at: usize, end: usize) -> Option<(usize, usize, Delimiter)> {
        let rest = self.body.get(at..end)?;
        hyphen_lines(rest).find_map(|offset| {
            let line = first_line(rest.get(offset..)?);
            // The innermost multipart wins, as with readers that keep a stack.
            self.frames
                .iter()
                .enumerate()
                .rev()
                .find_map(|(level, frame)| match frame {
                    Frame::Multipart(boundary) => delimiter(line, boundary)
                        .map(|kind| (at.saturating_add(offset), level, kind)),
                    Frame::Message => None,
                })
        })
    }
}

/// Contract E8.
const MAX_DEPTH: usize = 20;
/// Contract E8.
const MAX_PARTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::super::Entity;
    use super::*;

    #[test]
    fn parts_are_exact_in_both_line_end_forms() {
        for end in ["\r\n", "\n"] {
            let body = format!(
                "preamble{end}--b  {end}A: 1{end}{end}one  {end}{end}--bb{end}--b-{end}{end}--b{end}{end}two{end}--b-- {end}epilogue"
            );
            let found = cut(body.as_bytes(), "b").unwrap();
            let one = format!("A: 1{end}{end}one  {end}{end}--bb{end}--b-{end}");
            assert_eq!(
                found.parts,
                [one.as_bytes(), format!("{end}two").as_bytes()]
            );
            assert!(found.closed && !found.resumed);
        }
    }

    #[test]
    fn missing_close_and_resumed_parts_are_told() {
        let open = cut(b"--b\n\nx\n", "b").unwrap();
        assert!(!open.closed);
        assert_eq!(open.parts, [b"\nx\n"]);
        assert!(cut(b"--b\n\nx\n--b--\n--b\n", "b").unwrap().resumed);
        assert_eq!(cut(b"--b\n--b--", "b").unwrap().parts, [b""]);
        assert!(cut(b"", "b").unwrap().parts.is_empty());
    }

    fn nested(depth: usize) -> String {
        let mut text = String::from("Content-Type: text/plain\n\nx\n");
        for level in (0..depth).rev() {
            text = format!(
                "Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n{text}\n--b{level}x--\n"
            );
        }
        text
    }

    #[test]
    fn e8_depth_is_bounded_and_ten_thousand_levels_do_not_overflow() {
        assert!(Entity::parse(nested(20).as_bytes()).is_ok());
        assert_eq!(
            Entity::parse(nested(21).as_bytes()).err(),
            Some(MimeError::Limit)
        );
        let mut deep = String::new();
        for level in 0..10_000 {
            deep.push_str(&format!(
                "Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n"
            ));
        }
        assert_eq!(Entity::parse(deep.as_bytes()).err(), Some(MimeError::Limit));
        let messages = "Content-Type: message/rfc822\n\n".repeat(10_000);
        assert_eq!(
            Entity::parse(messages.as_bytes()).err(),
            Some(MimeError::Limit)
        );
    }

    #[test]
    fn e8_number_of_parts_is_bounded() {
        let many = |count: usize| {
            format!(
                "Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
                "--b\n\nx\n".repeat(count)
            )
        };
        assert!(Entity::parse(many(1_000).as_bytes()).is_ok());
        assert_eq!(
            Entity::parse(many(1_001).as_bytes()).err(),
            Some(MimeError::Limit)
        );
    }
}
