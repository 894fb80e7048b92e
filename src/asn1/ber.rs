//! Turns the BER framing of a CMS object into DER.
//!
//! Mailers that stream (OpenSSL, Apple Mail, Bouncy Castle, Outlook) write indefinite lengths and
//! strings in pieces. Everything behind this module reads DER alone.
//!
//! # Place in the flow
//!
//! First step of `open` on every CMS object, before [`crate::cms::content_info`].
//!
//! # Trust
//!
//! The input is hostile. Depth is limited, nothing is allocated from a declared length, the work is
//! two walks over the input (contract E12).
//!
//! # Invariants
//!
//! * Input that already is DER comes back borrowed.
//! * Certificates, CRLs and attributes keep their bytes: which element they are is known from the
//!   CMS schema, never guessed from content. Attributes may so be BER; a certificate or CRL in BER,
//!   or an element of a tag that is in no use there, is left out of its bag, because one odd
//!   certificate must not lose the message.
//! * Any other element is copied at most once.
//!
//! # See also
//!
//! ITU-T X.690 section 8, RFC 5652 sections 3, 5.1, 5.3, 6.1, 6.2, RFC 5083 section 2.1.

mod input;
mod schema;

use std::borrow::Cow;

use self::input::{Head, Input};
use self::schema::{Body, CONSTRUCTED_OCTETS, Rule};
use super::reader::{Asn1Error, tag};
use super::writer;

/// Returns the DER of the one CMS object that `bytes` are.
///
/// # Errors
///
/// [`Asn1Error::Trailing`] when bytes follow the object, else as [`first_to_der`].
pub fn to_der(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Asn1Error> {
    let (der, rest) = first_to_der(bytes)?;
    if rest.is_empty() {
        Ok(der)
    } else {
        Err(Asn1Error::Trailing)
    }
}

/// Returns the DER of the CMS object that `bytes` begin with, and what follows it.
///
/// # Errors
///
/// [`Asn1Error`] when the framing is broken, deeper than [`MAX_DEPTH`], or BER where only DER is
/// allowed.
pub fn first_to_der(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Asn1Error> {
    transcoded(bytes, Rule::ContentInfo)
}

fn transcoded(bytes: &[u8], rule: Rule) -> Result<(Cow<'_, [u8]>, &[u8]), Asn1Error> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Asn1Error::Length);
    }
    let mut input = Input { rest: bytes };
    let mut measure = Measure::default();
    let total = element(&mut input, rule, 0, &mut measure)?;
    let rest = input.rest;
    if !measure.changed {
        let used = bytes.len().saturating_sub(rest.len());
        return Ok((Cow::Borrowed(bytes.get(..used).unwrap_or_default()), rest));
    }
    let mut write = Write {
        lengths: measure.lengths.into_iter(),
        // Measured, not declared: every byte of it was seen in the input.
        out: Vec::with_capacity(total),
    };
    element(&mut Input { rest: bytes }, rule, 0, &mut write)?;
    Ok((Cow::Owned(write.out), rest))
}

/// Returns the DER of one value that the CMS schema says nothing of; sets keep their order.
///
/// # Errors
///
/// As [`first_to_der`], and [`Asn1Error::Trailing`].
pub fn value_to_der(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Asn1Error> {
    let (der, rest) = transcoded(bytes, Rule::Framing)?;
    if rest.is_empty() {
        Ok(der)
    } else {
        Err(Asn1Error::Trailing)
    }
}

/// Deepest nesting of elements (contract E12).
pub const MAX_DEPTH: usize = 32;

/// Takes what the walk finds; the first walk measures, the second writes.
trait Sink {
    /// An element with this tag begins whose content follows; returns a ticket for `close`.
    fn open(&mut self, tag: u8) -> usize;
    /// The element of this ticket is complete with `length` bytes of content.
    fn close(&mut self, ticket: usize, length: usize);
    fn bytes(&mut self, bytes: &[u8]);
    /// The output differs from the input here.
    fn differs(&mut self);
}

/// Content lengths of the constructed elements, in the order in which they begin.
#[derive(Default)]
struct Measure {
    lengths: Vec<u32>,
    changed: bool,
}

impl Sink for Measure {
    fn open(&mut self, _tag: u8) -> usize {
        self.lengths.push(0);
        self.lengths.len().saturating_sub(1)
    }

    fn close(&mut self, ticket: usize, length: usize) {
        if let (Some(slot), Ok(length)) = (self.lengths.get_mut(ticket), u32::try_from(length)) {
            *slot = length;
        }
    }

    fn bytes(&mut self, _bytes: &[u8]) {}

    fn differs(&mut self) {
        self.changed = true;
    }
}

struct Write {
    lengths: std::vec::IntoIter<u32>,
    out: Vec<u8>,
}

impl Sink for Write {
    fn open(&mut self, tag: u8) -> usize {
        let length = self.lengths.next().unwrap_or_default();
        let length = usize::try_from(length).unwrap_or_default();
        self.out.extend(writer::header(tag, length));
        0
    }

    fn close(&mut self, _ticket: usize, _length: usize) {}

    fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn differs(&mut self) {}
}

/// Walks one element and returns the length of its DER.
fn element<S: Sink>(
    input: &mut Input<'_>,
    rule: Rule,
    depth: usize,
    sink: &mut S,
) -> Result<usize, Asn1Error> {
    if depth >= MAX_DEPTH {
        return Err(Asn1Error::Depth);
    }
    let head = input.head()?;
    if !head.minimal {
        sink.differs();
    }
    if !head.is_constructed() {
        let content = input.take(head.length.ok_or(Asn1Error::Length)?)?;
        let header = writer::header(head.tag, content.len());
        sink.bytes(&header);
        sink.bytes(content);
        return Ok(header.len().saturating_add(content.len()));
    }
    let tag = match rule {
        Rule::Octets(tag) => {
            sink.differs();
            tag
        }
        _ => head.tag,
    };
    let ticket = sink.open(tag);
    let length = match head.length {
        Some(length) => {
            let mut content = Input {
                rest: input.take(length)?,
            };
            contents(&mut content, false, rule, depth, sink)?
        }
        None => contents(input, true, rule, depth, sink)?,
    };
    sink.close(ticket, length);
    Ok(writer::header(tag, length).len().saturating_add(length))
}

/// Walks the content of a constructed element, which ends with the input or with its mark.
fn contents<S: Sink>(
    input: &mut Input<'_>,
    marked: bool,
    rule: Rule,
    depth: usize,
    sink: &mut S,
) -> Result<usize, Asn1Error> {
    let mut length = 0_usize;
    let mut body = Body::Other;
    for index in 0.. {
        if marked {
            if input.end_of_contents() {
                break;
            }
        } else if input.rest.is_empty() {
            break;
        }
        let before = input.rest;
        let tag = before.first().copied().ok_or(Asn1Error::Eof)?;
        let added = match rule {
            Rule::Octets(_) => pieces(input, depth.saturating_add(1), sink)?,
            Rule::Attributes => verbatim(input, depth, sink, |_| true)?.unwrap_or_default(),
            Rule::Bag => match verbatim(input, depth, sink, is_plain)? {
                Some(length) => length,
                None => {
                    sink.differs();
                    0
                }
            },
            _ => element(
                input,
                rule.child(index, tag, body),
                depth.saturating_add(1),
                sink,
            )?,
        };
        if rule == Rule::ContentInfo && index == 0 {
            body = body_after(before);
        }
        length = length.checked_add(added).ok_or(Asn1Error::Length)?;
    }
    Ok(length)
}

/// Joins one piece of a string, which may again be in pieces.
fn pieces<S: Sink>(input: &mut Input<'_>, depth: usize, sink: &mut S) -> Result<usize, Asn1Error> {
    if depth >= MAX_DEPTH {
        return Err(Asn1Error::Depth);
    }
    let head = input.head()?;
    match (head.tag, head.length) {
        (tag::OCTET_STRING, Some(length)) => {
            sink.bytes(input.take(length)?);
            Ok(length)
        }
        (CONSTRUCTED_OCTETS, Some(length)) => {
            let mut content = Input {
                rest: input.take(length)?,
            };
            contents(&mut content, false, Rule::Octets(0), depth, sink)
        }
        (CONSTRUCTED_OCTETS, None) => contents(input, true, Rule::Octets(0), depth, sink),
        _ => Err(Asn1Error::Unexpected),
    }
}

/// Passes one element through untouched; none when it is not to be kept, which is then skipped.
fn verbatim<S: Sink>(
    input: &mut Input<'_>,
    depth: usize,
    sink: &mut S,
    keep: fn(&Head) -> bool,
) -> Result<Option<usize>, Asn1Error> {
    let before = input.rest;
    let head = input.skip(depth.saturating_add(1))?;
    if !keep(&head) {
        return Ok(None);
    }
    let length = before.len().saturating_sub(input.rest.len());
    sink.bytes(before.get(..length).unwrap_or_default());
    Ok(Some(length))
}

/// True for an element that reads as DER from outside.
fn is_plain(head: &Head) -> bool {
    head.minimal && !head.is_long() && head.tag != 0
}

/// Returns which content the OBJECT IDENTIFIER at the start of `bytes` announces.
fn body_after(bytes: &[u8]) -> Body {
    let mut input = Input { rest: bytes };
    match input.head() {
        Ok(Head {
            tag: tag::OID,
            length: Some(length),
            ..
        }) => Body::of(input.take(length).unwrap_or_default()),
        _ => Body::Other,
    }
}
