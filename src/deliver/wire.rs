//! A mail in the form in which it goes over a wire: lines that end in CRLF and nothing else that
//! looks like a line end (contract E23).

use std::borrow::Cow;

use super::cargo::Cargo;

/// A mail with canonical line ends; pieces that had them are not copied.
pub(super) struct Mail<'a> {
    pieces: Vec<Cow<'a, [u8]>>,
    /// Whether the next hop has to offer 8BITMIME.
    pub(super) needs_8bit: bool,
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
        })
    }

    /// Size in bytes.
    pub(super) fn size(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// The pieces, to be written one after the other.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(AsRef::as_ref)
    }

    /// The pieces without the last CRLF, for a client that writes CRLF, dot, CRLF itself.
    pub(super) fn pieces_to_end(&self) -> Vec<&[u8]> {
        let mut pieces: Vec<&[u8]> = self.pieces().collect();
        let mut surplus = 2;
        while surplus > 0
            && let Some(last) = pieces.pop()
        {
            let cut = last.len().min(surplus);
            surplus -= cut;
            let rest = last.split_at(last.len() - cut).0;
            if !rest.is_empty() {
                pieces.push(rest);
            }
        }
        pieces
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

/// Returns `chunk` in canonical form and its last byte, after a piece that ended in `before`.
fn canonical(chunk: &[u8], before: u8) -> Result<(Cow<'_, [u8]>, u8), &'static str> {
    let mut last = before;
    let mut bare = 0_usize;
    for byte in chunk {
        match (last, *byte) {
            (b'\r', b'\n') => {}
            (b'\r', _) => return Err(BARE_CR),
            (_, b'\n') => bare += 1,
            _ => {}
        }
        last = *byte;
    }
    if bare == 0 {
        return Ok((Cow::Borrowed(chunk), last));
    }
    let mut out = Vec::with_capacity(chunk.len() + bare);
    let mut previous = before;
    for byte in chunk {
        if *byte == b'\n' && previous != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        previous = *byte;
    }
    Ok((Cow::Owned(out), last))
}

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

    proptest! {
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
            if !once.is_empty() {
                let short = mail.pieces_to_end().concat();
                prop_assert_eq!([&short[..], b"\r\n"].concat(), once);
            }
        }
    }
}
