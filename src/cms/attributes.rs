//! Reads attributes: those that a signature covers, byte for byte.
//!
//! # Invariants
//!
//! * [`Attributes::as_set`] is what was received, with the SET tag that RFC 5652 section 5.4 hashes.
//!
//! # See also
//!
//! RFC 5652 sections 5.3, 5.4 and 11; RFC 8551 section 2.5.

use std::collections::BTreeSet;

use super::CmsError;
use crate::asn1::oid::Oid;
use crate::asn1::reader::tag;
use crate::asn1::{Reader, Tlv, writer};

/// A SET OF Attribute.
#[derive(Clone)]
pub struct Attributes<'a> {
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
    /// Reads the content of an element that holds attributes, whatever its tag.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when it holds anything else.
    pub fn parse(tlv: &Tlv<'a>) -> Result<Self, CmsError> {
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
            content: tlv.content,
            entries,
        })
    }

    /// Returns the encoding that is hashed, in the order received.
    #[must_use]
    pub fn as_set(&self) -> Vec<u8> {
        writer::element(tag::SET, &[self.content])
    }

    /// Returns the encoding that is hashed, in the order that DER demands.
    #[must_use]
    pub fn as_sorted_set(&self) -> Vec<u8> {
        let mut rest = Reader::new(self.content);
        let mut parts = Vec::with_capacity(self.entries.len());
        while let Ok(tlv) = rest.read() {
            parts.push(tlv.raw);
        }
        writer::set_of(&parts)
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

/// True for content that could pass for signed attributes (contract S25, RFC 5652 section 5.4).
#[must_use]
pub fn is_set_of_attributes(content: &[u8]) -> bool {
    Reader::only(content, tag::SET).is_ok_and(|set| Attributes::parse(&set).is_ok())
}
