//! Cuts the heads of BER elements off the bytes that are left.
//!
//! # Trust
//!
//! The input is hostile: a length is believed only as far as there are bytes (contract E12).
//!
//! # See also
//!
//! ITU-T X.690 section 8.1.

use super::MAX_DEPTH;
use crate::asn1::reader::Asn1Error;

pub(super) struct Input<'a> {
    pub(super) rest: &'a [u8],
}

/// Tag and length as read; `length` is none for the indefinite form.
pub(super) struct Head {
    pub(super) tag: u8,
    pub(super) length: Option<usize>,
    pub(super) minimal: bool,
}

impl Head {
    /// True for an element of elements.
    pub(super) fn is_constructed(&self) -> bool {
        self.tag & CONSTRUCTED != 0
    }

    /// True where the tag has a number over 30.
    pub(super) fn is_long(&self) -> bool {
        self.tag & LONG == LONG
    }
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, Asn1Error> {
        let (first, rest) = self.rest.split_first().ok_or(Asn1Error::Eof)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Asn1Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Asn1Error::Eof)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn head(&mut self) -> Result<Head, Asn1Error> {
        match self.any_head()? {
            head if head.is_long() => Err(Asn1Error::Tag),
            Head { tag: 0, .. } => Err(Asn1Error::Unexpected),
            head => Ok(head),
        }
    }

    /// Reads the head of an element that is passed over, whatever its tag.
    fn any_head(&mut self) -> Result<Head, Asn1Error> {
        let tag = self.byte()?;
        if tag & LONG == LONG {
            // Digits of a tag number, the last without the high bit; five are more than is in use.
            let digits = self.rest.iter().take(4).take_while(|b| **b >= 0x80).count();
            if self.take(digits.saturating_add(1))?.last() >= Some(&0x80) {
                return Err(Asn1Error::Tag);
            }
        }
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(Head {
                tag,
                length: Some(usize::from(first)),
                minimal: true,
            });
        }
        if first == 0x80 {
            return Ok(Head {
                tag,
                length: None,
                minimal: false,
            });
        }
        let digits = self.take(usize::from(first & 0x7f))?;
        let zeros = digits.iter().take_while(|b| **b == 0).count();
        let significant = digits.get(zeros..).unwrap_or_default();
        if significant.len() > 4 {
            return Err(Asn1Error::Length);
        }
        let length = significant
            .iter()
            .fold(0_usize, |sum, b| (sum << 8) | usize::from(*b));
        Ok(Head {
            tag,
            length: Some(length),
            minimal: zeros == 0 && length >= 0x80,
        })
    }

    /// Consumes an end-of-contents mark if it is next.
    pub(super) fn end_of_contents(&mut self) -> bool {
        match self.rest {
            [0, 0, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes over one element of any tag and length, to where the next one begins.
    pub(super) fn skip(&mut self, depth: usize) -> Result<Head, Asn1Error> {
        if depth >= MAX_DEPTH {
            return Err(Asn1Error::Depth);
        }
        let head = self.any_head()?;
        match head.length {
            Some(length) => {
                self.take(length)?;
            }
            None if !head.is_constructed() => return Err(Asn1Error::Length),
            // Only a walk finds its end.
            None => {
                while !self.end_of_contents() {
                    self.skip(depth.saturating_add(1))?;
                }
            }
        }
        Ok(head)
    }
}

const CONSTRUCTED: u8 = 0x20;
/// The number of the tag stands in further octets.
const LONG: u8 = 0x1f;
