//! Cuts DER into tagged elements that borrow from the input.
//!
//! # Trust
//!
//! The input is hostile. Nothing is allocated from a declared length, nothing recurses, and every
//! element lies within its parent (contract E12).
//!
//! # Invariants
//!
//! * Only definite, minimal lengths and one-byte tags are read; anything else is an error.
//! * [`Tlv::raw`] is exactly the bytes that were received.

/// An element's tag octet.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0c;
    /// SEQUENCE.
    pub const SEQUENCE: u8 = 0x30;
    /// SET.
    pub const SET: u8 = 0x31;
    /// IA5String.
    pub const IA5_STRING: u8 = 0x16;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;

    /// Constructed context-specific tag `[n]`.
    #[must_use]
    pub const fn context(n: u8) -> u8 {
        0xa0 | n
    }

    /// Primitive context-specific tag `[n]`.
    #[must_use]
    pub const fn context_primitive(n: u8) -> u8 {
        0x80 | n
    }
}

/// Why bytes are not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Asn1Error {
    /// Elements are nested more deeply than any message needs.
    #[error("elements are nested too deeply")]
    Depth,
    /// An element is longer than what is left of its parent.
    #[error("an element reaches past the end of the data")]
    Eof,
    /// A length that DER forbids, or one beyond memory.
    #[error("a length is not in DER form")]
    Length,
    /// A tag with a number over 30.
    #[error("a tag is not in use here")]
    Tag,
    /// Bytes are left over.
    #[error("there are bytes after the end")]
    Trailing,
    /// Another type was expected.
    #[error("an element has another type than expected")]
    Unexpected,
    /// The right type with a value that is not allowed.
    #[error("a value is not allowed")]
    Value,
}

/// One element: tag, content, and the bytes of both as received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Tag octet.
    pub tag: u8,
    /// The whole element: tag, length and content.
    pub raw: &'a [u8],
    /// The content alone.
    pub content: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// Returns a reader over the elements inside.
    #[must_use]
    pub fn children(&self) -> Reader<'a> {
        Reader::new(self.content)
    }

    /// True for an OBJECT IDENTIFIER equal to `oid`.
    #[must_use]
    pub fn is_oid(&self, oid: &super::oid::Oid) -> bool {
        self.tag == tag::OID && self.content == oid.as_bytes()
    }

    /// Returns a small non-negative INTEGER.
    ///
    /// # Errors
    ///
    /// [`Asn1Error::Unexpected`] for another type, [`Asn1Error::Value`] for a negative, padded or
    /// larger number.
    pub fn small_uint(&self) -> Result<u64, Asn1Error> {
        if self.tag != tag::INTEGER {
            return Err(Asn1Error::Unexpected);
        }
        match self.content {
            [] => Err(Asn1Error::Value),
            [first, ..] if first & 0x80 != 0 => Err(Asn1Error::Value),
            [0, second, ..] if second & 0x80 == 0 => Err(Asn1Error::Value),
            bytes if bytes.len() > 8 => Err(Asn1Error::Value),
            bytes => Ok(bytes.iter().fold(0, |sum, b| (sum << 8) | u64::from(*b))),
        }
    }

    /// Returns a BOOLEAN, whose tag may be an implicit one.
    ///
    /// # Errors
    ///
    /// [`Asn1Error::Value`] for anything but one octet that is 0 or 255: BER takes every other octet
    /// for true, and a reader who takes an empty value for something takes it for what he likes.
    pub fn boolean(&self) -> Result<bool, Asn1Error> {
        match self.content {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(Asn1Error::Value),
        }
    }

    /// Returns the octets of a BIT STRING without unused bits.
    ///
    /// # Errors
    ///
    /// [`Asn1Error::Unexpected`] for another type, [`Asn1Error::Value`] when bits are unused.
    pub fn bit_octets(&self) -> Result<&'a [u8], Asn1Error> {
        match (self.tag, self.content) {
            (tag::BIT_STRING, [0, octets @ ..]) => Ok(octets),
            (tag::BIT_STRING, _) => Err(Asn1Error::Value),
            _ => Err(Asn1Error::Unexpected),
        }
    }
}

/// Reads one element after the other.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Returns a reader over `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// True when nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the tag of the next element.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Returns the next element.
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] when the next bytes are no DER element within this reader.
    pub fn read(&mut self) -> Result<Tlv<'a>, Asn1Error> {
        let (&tag, after_tag) = self.rest.split_first().ok_or(Asn1Error::Eof)?;
        if tag & 0x1f == 0x1f {
            return Err(Asn1Error::Tag);
        }
        let (&first, after_first) = after_tag.split_first().ok_or(Asn1Error::Eof)?;
        let (length, body) = if first < 0x80 {
            (usize::from(first), after_first)
        } else {
            long_length(usize::from(first & 0x7f), after_first)?
        };
        let content = body.get(..length).ok_or(Asn1Error::Eof)?;
        let rest = body.get(length..).ok_or(Asn1Error::Eof)?;
        let size = self.rest.len().saturating_sub(rest.len());
        let raw = self.rest.get(..size).ok_or(Asn1Error::Eof)?;
        self.rest = rest;
        Ok(Tlv { tag, raw, content })
    }

    /// Returns the next element, which must have this tag.
    ///
    /// # Errors
    ///
    /// [`Asn1Error::Unexpected`] for another tag, else as [`Reader::read`].
    pub fn expect(&mut self, tag: u8) -> Result<Tlv<'a>, Asn1Error> {
        match self.peek() {
            Some(next) if next == tag => self.read(),
            Some(_) => Err(Asn1Error::Unexpected),
            None => Err(Asn1Error::Eof),
        }
    }

    /// Returns the next element if it has this tag.
    ///
    /// # Errors
    ///
    /// As [`Reader::read`].
    pub fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, Asn1Error> {
        if self.peek() == Some(tag) {
            self.read().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// [`Asn1Error::Trailing`].
    pub fn finish(&self) -> Result<(), Asn1Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Asn1Error::Trailing)
        }
    }

    /// Returns the only element of `bytes`, which must have this tag.
    ///
    /// # Errors
    ///
    /// As [`Reader::expect`] and [`Reader::finish`].
    pub fn only(bytes: &'a [u8], tag: u8) -> Result<Tlv<'a>, Asn1Error> {
        let mut reader = Self::new(bytes);
        let tlv = reader.expect(tag)?;
        reader.finish()?;
        Ok(tlv)
    }
}

fn long_length(octets: usize, after: &[u8]) -> Result<(usize, &[u8]), Asn1Error> {
    // 0x80 is BER's indefinite form; more than four octets is more than any mail.
    if octets == 0 || octets > 4 {
        return Err(Asn1Error::Length);
    }
    let digits = after.get(..octets).ok_or(Asn1Error::Eof)?;
    let length = digits
        .iter()
        .fold(0_usize, |sum, b| (sum << 8) | usize::from(*b));
    let minimal = length >= 0x80 && digits.first() != Some(&0);
    if !minimal {
        return Err(Asn1Error::Length);
    }
    Ok((length, after.get(octets..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_keep_their_bytes() {
        let bytes = [0x30, 0x06, 0x02, 0x01, 0x05, 0x04, 0x01, 0xff];
        let outer = Reader::only(&bytes, tag::SEQUENCE).unwrap();
        assert_eq!(outer.raw, bytes);
        let mut inside = outer.children();
        assert_eq!(inside.expect(tag::INTEGER).unwrap().small_uint(), Ok(5));
        assert_eq!(inside.optional(tag::NULL).unwrap().map(|t| t.tag), None);
        assert_eq!(inside.read().unwrap().raw, [0x04, 0x01, 0xff]);
        assert_eq!(inside.finish(), Ok(()));
    }

    #[test]
    fn a_truth_value_is_one_octet_that_is_all_zeros_or_all_ones() {
        for (bytes, value) in [
            (&[1_u8, 1, 0][..], Ok(false)),
            (&[1, 1, 0xff], Ok(true)),
            (&[0x81, 1, 0xff], Ok(true)),
            (&[1, 0], Err(Asn1Error::Value)),
            (&[1, 1, 1], Err(Asn1Error::Value)),
            (&[1, 2, 0xff, 0xff], Err(Asn1Error::Value)),
            (&[1, 2, 0, 0], Err(Asn1Error::Value)),
        ] {
            let read = Reader::new(bytes).read().unwrap();
            assert_eq!(read.boolean(), value, "{bytes:02x?}");
        }
    }

    #[test]
    fn e12_lengths_that_der_forbids_are_refused() {
        for (bytes, error) in [
            (&[0x30_u8, 0x80, 0, 0][..], Asn1Error::Length),
            (&[0x04, 0x81, 0x01, 0xff], Asn1Error::Length),
            (&[0x04, 0x82, 0x00, 0x80], Asn1Error::Length),
            (&[0x04, 0x85, 1, 1, 1, 1, 1], Asn1Error::Length),
            (&[0x04, 0x05, 0xff], Asn1Error::Eof),
            (&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff], Asn1Error::Eof),
            (&[0x1f, 0x20, 0x00], Asn1Error::Tag),
            (&[0x04], Asn1Error::Eof),
        ] {
            assert_eq!(
                Reader::new(bytes).read().map(|t| t.tag),
                Err(error),
                "{bytes:02x?}"
            );
        }
    }
}
