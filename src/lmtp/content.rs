//! Where a message ends after DATA, and what it was before dots were doubled. Pure.
//!
//! # Trust
//!
//! The five octets CRLF `.` CRLF end a message and nothing else does (contract E23): a bare LF or
//! CR is a byte of the message like any other, begins no line and ends none. So a message that
//! other servers would cut in two comes out here in one piece, and what an author wrote into it is
//! never taken for a command. The courier writes CRLF alone and doubles dots anew on the way out.
//!
//! # See also
//!
//! RFC 5321 sections 2.3.8, 4.1.1.4 and 4.5.2; Postfix's `smtpd_forbid_bare_newline`.

/// Takes the doubled dots out of a message and finds its end, however it is cut.
#[derive(Debug)]
pub(super) struct Content {
    at: At,
}

/// What stood right before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// CRLF, or the command.
    LineStart,
    /// A dot at the start of a line, not passed on yet.
    Dot,
    /// Dot and CR, neither passed on yet.
    DotCr,
    /// A CR that was passed on.
    Cr,
    /// Anything else.
    Middle,
}

impl Content {
    /// Begins a message; the line with DATA counts as the one before it.
    pub(super) fn new() -> Self {
        Self { at: At::LineStart }
    }

    /// Appends what `input` holds of the message to `out`. Returns how many bytes of `input` were
    /// used, and whether the message has ended with them.
    pub(super) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            if self.at == At::Middle {
                // Up to the next CR nothing can happen.
                let run = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
                out.extend_from_slice(rest.get(..run).unwrap_or_default());
                used += run;
            }
            let Some(byte) = input.get(used).copied() else {
                break;
            };
            used += 1;
            if self.step(byte, out) {
                return (used, true);
            }
        }
        (used, false)
    }

    /// Takes one byte; true where it ends the message.
    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        self.at = match (self.at, byte) {
            (At::LineStart, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotCr,
            (At::DotCr, b'\n') => return true,
            (At::Cr, b'\n') => {
                out.push(byte);
                At::LineStart
            }
            (before, _) => {
                // It was no end: the dot is dropped as a doubled one, the CR is content.
                if before == At::DotCr {
                    out.push(b'\r');
                }
                out.push(byte);
                if byte == b'\r' { At::Cr } else { At::Middle }
            }
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `input` in pieces; returns the message where it ended, and what is left.
    fn read(input: &[u8], step: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut content, mut out, mut at) = (Content::new(), Vec::new(), 0);
        while at < input.len() {
            let end = (at + step).min(input.len());
            let (used, ended) = content.read(&input[at..end], &mut out);
            at += used;
            if ended {
                return (out, Some(input[at..].to_vec()));
            }
            assert_eq!(at, end, "bytes were left although the message goes on");
        }
        (out, None)
    }

    #[test]
    fn e23_only_crlf_dot_crlf_ends_a_message() {
        for (input, message) in [
            (&b"a\r\n.\r\nQUIT"[..], Some(&b"a\r\n"[..])),
            (b".\r\nQUIT", Some(b"")),
            (b"a\n.\nb\r\n.\r\nQUIT", Some(b"a\n.\nb\r\n")),
            (b"a\n.\r\nb\r\n.\r\nQUIT", Some(b"a\n.\r\nb\r\n")),
            (b"a\r\n.\nb\r\n.\r\nQUIT", Some(b"a\r\n\nb\r\n")),
            (b"a\r.\r\nb\r\n.\r\nQUIT", Some(b"a\r.\r\nb\r\n")),
            (b"a\r\n.\rb\r\n.\r\nQUIT", Some(b"a\r\n\rb\r\n")),
            (b"a\r\n.\r\rb\r\n.\r\nQUIT", Some(b"a\r\n\r\rb\r\n")),
            (b"a\r\n.\r\r\n.\r\nQUIT", Some(b"a\r\n\r\r\n")),
            (b"a\r\r\n.\r\nQUIT", Some(b"a\r\r\n")),
            (b"a\r\n.\0\r\n\0\r\n.\r\nQUIT", Some(b"a\r\n\0\r\n\0\r\n")),
            (b"a\r\n.", None),
            (b"a\r\n.\r", None),
            (b"a.\r\n", None),
            (b"a\n.\n", None),
            (b"a\r.\r", None),
        ] {
            for step in 1..=input.len() {
                let (out, rest) = read(input, step);
                match message {
                    Some(message) => {
                        assert_eq!(out, message, "{input:?} by {step}");
                        assert_eq!(rest.as_deref(), Some(&b"QUIT"[..]), "{input:?} by {step}");
                    }
                    None => assert_eq!(rest, None, "{input:?} by {step} ended"),
                }
            }
        }
    }

    #[test]
    fn doubled_dots_are_taken_back_at_the_start_of_lines_alone() {
        for (sent, meant) in [
            (&b"..\r\n.\r\n"[..], &b".\r\n"[..]),
            (b"...\r\n..a\r\n.b\r\n.\r\n", b"..\r\n.a\r\nb\r\n"),
            (b"a..\r\n a.\r\n.\r\n", b"a..\r\n a.\r\n"),
            (b"a\n..\n..b\r\n.\r\n", b"a\n..\n..b\r\n"),
        ] {
            assert_eq!(
                read(sent, 3),
                (meant.to_vec(), Some(Vec::new())),
                "{sent:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_was_stuffed_comes_back_byte_for_byte(pieces in prop::collection::vec(
            prop::sample::select(vec!["\r\n", "\r", "\n", ".", "..", "a", "\0", "\r\n."]), 0..40,
        ), step in 1..30_usize) {
            let mut message = pieces.concat();
            message.push_str("\r\n");
            let stuffed = format!("\r\n{message}").replace("\r\n.", "\r\n..");
            let sent = format!("{}.\r\nNOOP", &stuffed[2..]);
            let (out, rest) = read(sent.as_bytes(), step);
            prop_assert_eq!(out, message.as_bytes());
            prop_assert_eq!(rest, Some(b"NOOP".to_vec()));
        }
    }
}
