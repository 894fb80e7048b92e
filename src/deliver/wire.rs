//! A mail in the form in which it goes over a wire: lines that end in CRLF and nothing else that
//! looks like a line end (contract E23).

use std::borrow::Cow;

use super::cargo::Cargo;
use crate::model::bounce::COPY_FIELD;

/// A mail with canonical line ends; pieces that had them are not copied.
pub(super) struct Mail<'a> {
    pieces: Vec<Cow<'a, [u8]>>,
    /// Whether the next hop has to offer 8BITMIME.
    pub(super) needs_8bit: bool,
    /// The name of this copy.
    pub(super) name: Option<&'a str>,
}

impl<'a> Mail<'a> {
    /// Looks through a mail and mends bare line feeds.
    ///
    /// # Errors
    ///
    /// It has a bare carriage return. SMTP cannot carry one: some servers take it for a line end,
    /// which lets a mail smuggle another in, and mending it would break a signature over it.
    pub(super) fn new(cargo: &'a Cargo) -> Result<Self, &'static str> {
        let mut pieces = Vec::new();
        let mut last = b'\n';
        for chunk in cargo.chunks() {
            let (piece, end) = canonical(chunk, last)?;
            last = end;
            pieces.push(piece);
        }
        if last == b'\r' {
            return Err(BARE_CR);
        }
        if last != b'\n' {
            pieces.push(Cow::Borrowed(b"\r\n"));
        }
        Ok(Self {
            pieces,
            needs_8bit: cargo.needs_8bit(),
            name: None,
        })
    }

    /// Puts the name of this copy in front of its header, as mail servers do with what is true of
    /// one copy alone. A name that no line may hold is left out.
    pub(super) fn named(mut self, name: Option<&'a str>) -> Self {
        self.name = name.filter(|name| {
            let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'.';
            (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fine)
        });
        if let Some(name) = self.name {
            // Folded where it has a dot: programs that fold anew encode words of more than a line.
            let folded = name.replace('.', "\r\n ");
            let field = format!("{COPY_FIELD}: {folded}\r\n").into_bytes();
            self.pieces.insert(0, Cow::Owned(field));
        }
        self
    }

    /// Size in bytes.
    pub(super) fn size(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// The pieces, to be written one after the other.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(AsRef::as_ref)
    }

    /// The pieces with a dot more in front of each line that begins with one (RFC 5321 section
    /// 4.5.2). None of them is copied.
    pub(super) fn stuffed(&self) -> impl Iterator<Item = &[u8]> {
        Stuffed {
            pieces: self.pieces(),
            rest: &[],
            begins_line: true,
        }
    }

    /// The whole mail in one piece.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The whole mail with the line ends of Unix, as programs take it on standard input.
    pub(super) fn to_unix(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size());
        for byte in self.pieces().flatten() {
            if *byte == b'\n' {
                out.pop(); // the CR before it: there is no other LF here
            }
            out.push(*byte);
        }
        out
    }
}

/// Cuts pieces where a dot has to go in between.
struct Stuffed<'m, P> {
    pieces: P,
    rest: &'m [u8],
    begins_line: bool,
}

impl<'m, P: Iterator<Item = &'m [u8]>> Iterator for Stuffed<'m, P> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        while self.rest.is_empty() {
            self.rest = self.pieces.next()?;
        }
        if std::mem::take(&mut self.begins_line) && self.rest.starts_with(b".") {
            return Some(b".");
        }
        let cut = memchr::memmem::find(self.rest, b"\n.").map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(cut);
        self.begins_line = line.ends_with(b"\n");
        self.rest = rest;
        Some(line)
    }
}

/// Returns `chunk` in canonical form and its last byte, after a piece that ended in `before`.
fn canonical(chunk: &[u8], before: u8) -> Result<(Cow<'_, [u8]>, u8), &'static str> {
    let Some(end) = chunk.last().copied() else {
        return Ok((Cow::Borrowed(chunk), before));
    };
    let (mut bare, mut last_cr) = (Vec::new(), None);
    if before == b'\r' {
        if !chunk.starts_with(b"\n") {
            return Err(BARE_CR);
        }
        last_cr = Some(usize::MAX);
    }
    for at in memchr::memchr2_iter(b'\r', b'\n', chunk) {
        let is_cr = chunk.get(at) == Some(&b'\r');
        let follows = last_cr.is_some_and(|cr: usize| cr.wrapping_add(1) == at);
        match (is_cr, follows) {
            _ if last_cr.is_some() && (is_cr || !follows) => return Err(BARE_CR),
            (true, _) => last_cr = Some(at),
            (false, true) => last_cr = None,
            (false, false) => bare.push(at),
        }
    }
    if last_cr.is_some_and(|cr| cr.wrapping_add(1) != chunk.len()) {
        return Err(BARE_CR);
    }
    if bare.is_empty() {
        return Ok((Cow::Borrowed(chunk), end));
    }
    let mut out = Vec::with_capacity(chunk.len() + bare.len());
    let mut done = 0;
    for at in bare {
        out.extend_from_slice(chunk.get(done..at).unwrap_or_default());
        out.push(b'\r');
        done = at;
    }
    out.extend_from_slice(chunk.get(done..).unwrap_or_default());
    Ok((Cow::Owned(out), end))
}

/// Characters of an ENVID (RFC 3461 section 4.4).
const MAX_NAME: usize = 100;
const BARE_CR: &str = "the mail has a carriage return that ends no line, which SMTP cannot carry";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(text: &[u8]) -> Result<Vec<u8>, &'static str> {
        Mail::new(&Cargo::of_bytes(text)).map(|mail| mail.to_vec())
    }

    #[test]
    fn e23_lines_end_in_crlf_and_the_last_one_too() {
        for (from, to) in [
            (&b""[..], &b""[..]),
            (b"a", b"a\r\n"),
            (b"a\nb\n", b"a\r\nb\r\n"),
            (b"a\r\n\nb\r\n", b"a\r\n\r\nb\r\n"),
            (b"\0\xff\n", b"\0\xff\r\n"),
        ] {
            assert_eq!(form(from).unwrap(), to);
        }
    }

    #[test]
    fn e23_bare_carriage_return_is_refused_not_mended() {
        for bad in [&b"a\rb\r\n"[..], b"a\r", b"a\r\r\n", b"\r.\r\n"] {
            assert!(form(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn name_of_a_copy_is_its_first_line_and_nothing_else_can_be() {
        let cargo = Cargo::of_bytes(b"A: b\r\n\r\nx\r\n");
        let named = |name| Mail::new(&cargo).unwrap().named(name).to_vec();
        let plain = b"A: b\r\n\r\nx\r\n".to_vec();
        assert_eq!(named(None), plain);
        let expected = [b"X-Listseal-Copy: 12\r\n ab\r\n", plain.as_slice()].concat();
        assert_eq!(named(Some("12.ab")), expected);
        let long = "a".repeat(101);
        for bad in ["", "a\r\nBcc: x", "a b", "a+b", "a=b", &long] {
            assert_eq!(named(Some(bad)), plain, "{bad:?}");
        }
    }

    #[test]
    fn line_end_between_two_pieces_is_one() {
        assert_eq!(
            canonical(b"a\r", b'\n').unwrap(),
            (Cow::Borrowed(&b"a\r"[..]), b'\r')
        );
        assert_eq!(
            canonical(b"\nb", b'\r').unwrap(),
            (Cow::Borrowed(&b"\nb"[..]), b'b')
        );
        assert!(canonical(b"b", b'\r').is_err());
    }

    /// Dot-stuffing as RFC 5321 section 4.5.2 tells it, line by line.
    fn dotted(text: &[u8]) -> Vec<u8> {
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let dot = |line: &&[u8]| {
            if line.starts_with(b".") {
                &b"."[..]
            } else {
                b""
            }
        };
        lines.flat_map(|line| [dot(&line), line].concat()).collect()
    }

    /// What [`canonical`] is to do, byte by byte.
    fn slowly(chunk: &[u8], before: u8) -> Option<Vec<u8>> {
        let (mut out, mut last) = (Vec::new(), before);
        for byte in chunk {
            match (last, *byte) {
                (b'\r', b'\n') => {}
                (b'\r', _) => return None,
                (_, b'\n') => out.push(b'\r'),
                _ => {}
            }
            out.push(*byte);
            last = *byte;
        }
        Some(out)
    }

    proptest! {
        #[test]
        fn e23_line_ends_are_mended_as_if_byte_by_byte(text in "[a\r\n]{0,12}", before in "[a\r\n]") {
            let before = before.as_bytes()[0];
            let fast = canonical(text.as_bytes(), before).ok();
            let end = text.as_bytes().last().copied().unwrap_or(before);
            let slow = slowly(text.as_bytes(), before);
            prop_assert_eq!(fast, slow.map(|out| (Cow::Owned(out), end)));
        }

        #[test]
        fn e23_dots_are_stuffed_across_pieces(pieces in prop::collection::vec("[.\n]{0,4}", 0..6)) {
            let mail = Mail {
                pieces: pieces.iter().map(|one| Cow::Borrowed(one.as_bytes())).collect(),
                needs_8bit: false,
                name: None,
            };
            let stuffed = mail.stuffed().collect::<Vec<_>>().concat();
            prop_assert_eq!(stuffed, dotted(pieces.concat().as_bytes()));
        }

        #[test]
        fn wire_form_is_stable_and_unix_form_is_its_text(text in "[a.\n]{0,40}") {
            let once = form(text.as_bytes()).unwrap();
            prop_assert_eq!(form(&once).unwrap(), once.clone());
            let cargo = Cargo::of_bytes(text.as_bytes());
            let mail = Mail::new(&cargo).unwrap();
            let whole = if text.is_empty() || text.ends_with('\n') {
                text.clone()
            } else {
                format!("{text}\n")
            };
            prop_assert_eq!(mail.to_unix(), whole.into_bytes());
            prop_assert_eq!(mail.size(), once.len());
            prop_assert_eq!(mail.stuffed().collect::<Vec<_>>().concat(), dotted(&once));
        }
    }
}
