//! Replies of a server, read out of bytes as they come. Pure.
//!
//! # Trust
//!
//! The server is not trusted: a reply has at most [`MAX_REPLY`] bytes in lines of at most
//! [`MAX_LINE`], ends its lines in CRLF and has one code in all of them. Anything else is no reply,
//! and then nothing the server says can be matched to what it was asked (contract R14, E22).
//!
//! # See also
//!
//! RFC 5321 sections 4.2 and 4.5.3.1.5 (512 octets a line, which real servers exceed).

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// 200 to 599.
    pub(super) code: u16,
    /// What stands behind the code, line by line.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Returns the reply in one line without control characters.
    pub(super) fn text(&self) -> String {
        super::super::tidy(&format!("{} {}", self.code, self.lines.join(" ")))
    }
}

/// What the server sent and nobody has asked for yet.
#[derive(Debug, Default)]
pub(super) struct Replies {
    input: Vec<u8>,
    begun: Option<Reply>,
    /// Bytes of the reply that has begun.
    size: usize,
}

impl Replies {
    /// Takes bytes as they came. Between two calls of [`Replies::next`] a few kilobytes at most.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// True when everything the server sent belongs to replies that were taken.
    pub(super) fn is_empty(&self) -> bool {
        self.input.is_empty() && self.begun.is_none()
    }

    /// Returns the next reply if it is complete.
    ///
    /// # Errors
    ///
    /// What makes it no reply; the connection is of no use then.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, &'static str> {
        while let Some(end) = memchr::memchr(b'\n', &self.input) {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            self.size += line.len();
            if line.len() > MAX_LINE || self.size > MAX_REPLY {
                return Err(TOO_LONG);
            }
            let (code, is_last, text) = parse(&line).ok_or(MALFORMED)?;
            let reply = self.begun.get_or_insert(Reply {
                code,
                lines: Vec::new(),
            });
            if reply.code != code {
                return Err("the reply has two codes");
            }
            reply.lines.push(text);
            if is_last {
                self.size = 0;
                return Ok(self.begun.take());
            }
        }
        if self.input.len() >= MAX_LINE {
            return Err(TOO_LONG);
        }
        Ok(None)
    }
}

/// Takes a line apart: code, whether it is the last, text.
fn parse(line: &[u8]) -> Option<(u16, bool, String)> {
    let line = line.strip_suffix(b"\r\n")?;
    let (digits, rest) = line.split_at_checked(3)?;
    let [first @ b'2'..=b'5', second, third] = *digits else {
        return None;
    };
    if !second.is_ascii_digit() || !third.is_ascii_digit() {
        return None;
    }
    let value = |digit: u8| u16::from(digit - b'0');
    let code = value(first) * 100 + value(second) * 10 + value(third);
    let (is_last, text) = match rest {
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return None,
    };
    Some((code, is_last, String::from_utf8_lossy(text).into_owned()))
}

/// Contract R14.
const MAX_REPLY: usize = 64 << 10;
/// With the line end; Postfix has the same limit (`line_length_limit`).
const MAX_LINE: usize = 2048;
const TOO_LONG: &str = "the reply is too long";
const MALFORMED: &str = "malformed reply";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads everything, `step` bytes at a time as a socket might give them.
    fn read(bytes: &[u8], step: usize) -> Result<(Vec<Reply>, bool), &'static str> {
        let (mut replies, mut found) = (Replies::default(), Vec::new());
        for piece in bytes.chunks(step) {
            replies.feed(piece);
            while let Some(reply) = replies.next()? {
                found.push(reply);
            }
        }
        Ok((found, replies.is_empty()))
    }

    #[test]
    fn replies_are_the_same_however_they_are_cut() {
        let bytes = b"250-a\r\n250-\r\n250 b c\r\n354\r\n550 5.1.1 \xff no\r\n";
        let reply = |code, lines: &[&str]| Reply {
            code,
            lines: lines.iter().map(ToString::to_string).collect(),
        };
        let expected = vec![
            reply(250, &["a", "", "b c"]),
            reply(354, &[""]),
            reply(550, &["5.1.1 \u{fffd} no"]),
        ];
        for step in 1..=bytes.len() {
            assert_eq!(read(bytes, step), Ok((expected.clone(), true)), "{step}");
        }
        assert_eq!(expected[0].text(), "250 a b c");
    }

    #[test]
    fn r14_what_is_no_reply_is_not_taken_for_one() {
        for bad in [
            &b"\r\n"[..],
            b"25\r\n",
            b"250\n",
            b"250 a\n",
            b"250+a\r\n",
            b"2500 a\r\n",
            b"150 a\r\n",
            b"999 a\r\n",
            b"000 a\r\n",
            b"ok\r\n",
            b" 250 a\r\n",
            b"2 0 a\r\n",
            b"250-a\r\n251 b\r\n",
            b"250-a\r\n\r\n",
            b"\xff\xfe\x00\r\n",
        ] {
            assert!(read(bad, 3).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn r14_reply_of_more_than_64_kib_and_line_of_more_than_2048_bytes_are_refused() {
        let line = |n: usize| [b"250 ", &vec![b'x'; n - 6][..], b"\r\n"].concat();
        assert!(read(&line(512), 4096).is_ok() && read(&line(2048), 4096).is_ok());
        assert_eq!(read(&line(2049), 4096), Err(TOO_LONG));
        assert_eq!(read(&vec![b'2'; 1 << 20], 4096), Err(TOO_LONG));
        let many = |n: usize| [b"250-x\r\n".repeat(n), b"250 x\r\n".to_vec()].concat();
        assert!(read(&many(9_000), 4096).is_ok());
        assert_eq!(read(&many(10_000), 4096), Err(TOO_LONG));
        // The limit is for each reply, not for all of them.
        let lines = b"250 x\r\n".repeat(20_000);
        assert_eq!(read(&lines, 4096).unwrap().0.len(), 20_000);
    }

    #[test]
    fn what_was_not_taken_is_known() {
        for (bytes, rest) in [
            (&b"250 a\r\n"[..], true),
            (b"250 a\r\n2", false),
            (b"250 a\r\n250-b\r\n", false),
        ] {
            assert_eq!(read(bytes, 64).unwrap().1, rest);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_in_bounded_memory(bytes in prop::collection::vec(any::<u8>(), 0..6000), step in 1..4096_usize) {
            if let Ok((found, _)) = read(&bytes, step) {
                let size: usize = found.iter().flat_map(|r| &r.lines).map(String::len).sum();
                // A byte that is no UTF-8 shows as three.
                prop_assert!(size <= 3 * bytes.len());
                prop_assert!(found.iter().all(|r| (200..600).contains(&r.code)));
            }
        }
    }
}
