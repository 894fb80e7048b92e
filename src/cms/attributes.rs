//! Reads attributes: those that a signature covers, byte for byte.
//!
//! # Invariants
//!
//! * The first of [`Attributes::encodings`] is what was received, with the SET tag that RFC 5652
//!   section 5.4 hashes. The others are DER of the same; what is read is read from DER.
//!
//! # See also
//!
//! RFC 5652 sections 5.3, 5.4 and 11; RFC 8551 section 2.5.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::CmsError;
use crate::asn1::oid::Oid;
use crate::asn1::reader::tag;
use crate::asn1::{Reader, Tlv, ber, writer};

/// A SET OF Attribute.
#[derive(Clone)]
pub struct Attributes<'a> {
    received: &'a [u8],
    content: &'a [u8],
    entries: Vec<Attribute<'a>>,
}

/// One attribute: its type and the SET of its values.
#[derive(Clone, Copy)]
struct Attribute<'a> {
    kind: Tlv<'a>,
    values: Tlv<'a>,
}

impl<'a> Attributes<'a> {
    /// Reads attributes from `der`, which [`der()`] made of `received`.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when it holds anything else.
    pub fn parse(received: &Tlv<'a>, der: &'a [u8]) -> Result<Self, CmsError> {
        let tlv = Reader::only(der, received.tag)?;
        let mut entries = Vec::new();
        let mut rest = tlv.children();
        while !rest.is_empty() {
            let mut parts = rest.expect(tag::SEQUENCE)?.children();
            let kind = parts.expect(tag::OID)?;
            let values = parts.expect(tag::SET)?;
            parts.finish()?;
            entries.push(Attribute { kind, values });
        }
        Ok(Self {
            received: received.content,
            content: tlv.content,
            entries,
        })
    }

    /// Returns the encodings that signers hash, without repetition: as received, in DER but for the
    /// order, and in the order that DER demands.
    #[must_use]
    pub fn encodings(&self) -> Vec<Vec<u8>> {
        let mut rest = Reader::new(self.content);
        let mut parts = Vec::with_capacity(self.entries.len());
        while let Ok(tlv) = rest.read() {
            parts.push(tlv.raw);
        }
        let mut all = vec![
            writer::element(tag::SET, &[self.received]),
            writer::element(tag::SET, &[self.content]),
            writer::set_of(&parts),
        ];
        all.dedup();
        all
    }

    /// True when no attribute stands twice and each has a value.
    #[must_use]
    pub fn are_distinct(&self) -> bool {
        let kinds: BTreeSet<_> = self.entries.iter().map(|a| a.kind.content).collect();
        kinds.len() == self.entries.len()
            && self.entries.iter().all(|a| !a.values.content.is_empty())
    }

    /// True when an attribute of this kind is there, with whatever values.
    #[must_use]
    pub fn holds(&self, kind: &Oid) -> bool {
        self.entries.iter().any(|a| a.kind.is_oid(kind))
    }

    /// Returns the only value of an attribute; none when it is absent or has several.
    #[must_use]
    pub fn single(&self, kind: &Oid) -> Option<Tlv<'a>> {
        let attribute = self.entries.iter().find(|a| a.kind.is_oid(kind))?;
        let mut values = attribute.values.children();
        let value = values.read().ok()?;
        values.is_empty().then_some(value)
    }
}

/// Returns the DER of attributes that came in BER, and any other bytes as they are.
#[must_use]
pub fn der<'a>(received: &Tlv<'a>) -> Cow<'a, [u8]> {
    ber::value_to_der(received.raw).unwrap_or(Cow::Borrowed(received.raw))
}

/// True for content that could pass for signed attributes (contract S25, RFC 5652 section 5.4).
#[must_use]
pub fn is_set_of_attributes(content: &[u8]) -> bool {
    let der = ber::value_to_der(content).unwrap_or(Cow::Borrowed(content));
    Reader::only(&der, tag::SET).is_ok_and(|set| Attributes::parse(&set, &der).is_ok())
}
