//! Distinguished names: shown to people, compared by machines.
//!
//! # Trust
//!
//! Names come from hostile certificates; a name that cannot be decoded is shown and compared by its
//! bytes and never loses the certificate around it.
//!
//! # See also
//!
//! RFC 4514 (text form), RFC 5280 section 7.1 (comparison).

use std::fmt::Write as _;

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv, writer};
use crate::model::hex;

/// A name in the form that is compared: one entry per relative name, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Canonical(Vec<Vec<u8>>);

impl Canonical {
    /// Returns the comparable form of a DER Name: strings without regard to type, case and
    /// doubled spaces, everything else by its bytes.
    #[must_use]
    pub fn new(name_der: &[u8]) -> Self {
        Self(canonical(name_der).unwrap_or_else(|_| vec![name_der.to_vec()]))
    }

    /// True when this name lies in the subtree below `base` (RFC 5280 section 4.2.1.10).
    #[must_use]
    pub fn is_within(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }

    /// Returns this name with one more relative name below it, given the content of its SET.
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] where it is malformed.
    pub fn below(&self, relative: &[u8]) -> Result<Self, Asn1Error> {
        let set = writer::element(tag::SET, &[relative]);
        let mut whole = self.0.clone();
        whole.extend(canonical(&writer::sequence(&[&set]))?);
        Ok(Self(whole))
    }

    /// True for the empty name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn canonical(name_der: &[u8]) -> Result<Vec<Vec<u8>>, Asn1Error> {
    let mut rdns = Reader::only(name_der, tag::SEQUENCE)?.children();
    let mut out = Vec::new();
    while !rdns.is_empty() {
        let mut set = rdns.expect(tag::SET)?.children();
        let mut parts = Vec::new();
        while !set.is_empty() {
            let (kind, value) = attribute(&mut set)?;
            let mut part = kind.raw.to_vec();
            match text(&value) {
                Some(text) => {
                    part.push(b's');
                    part.extend(folded(&text).into_bytes());
                }
                None => {
                    part.push(b'r');
                    part.extend_from_slice(value.raw);
                }
            }
            parts.push(part);
        }
        parts.sort_unstable();
        // The lengths keep two attributes from running into each other.
        let joined = parts.iter().flat_map(|part| {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
            length.into_iter().chain(part.iter().copied())
        });
        out.push(joined.collect());
    }
    Ok(out)
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Returns the name in RFC 4514 form, innermost first: `CN=Alice,O=Example`.
#[must_use]
pub fn rfc4514(name_der: &[u8]) -> String {
    shown(name_der).unwrap_or_else(|_| hex_form(name_der))
}

fn shown(name_der: &[u8]) -> Result<String, Asn1Error> {
    let mut rdns = Reader::only(name_der, tag::SEQUENCE)?.children();
    let mut out = Vec::new();
    while !rdns.is_empty() {
        let mut set = rdns.expect(tag::SET)?.children();
        let mut parts = Vec::new();
        while !set.is_empty() {
            let (kind, value) = attribute(&mut set)?;
            let value_text = match text(&value) {
                Some(text) => escaped(&text),
                None => hex_form(value.raw),
            };
            parts.push(format!("{}={value_text}", kind_name(&kind)));
        }
        out.push(parts.join("+"));
    }
    out.reverse();
    Ok(out.join(","))
}

fn attribute<'a>(set: &mut Reader<'a>) -> Result<(Tlv<'a>, Tlv<'a>), Asn1Error> {
    let mut pair = set.expect(tag::SEQUENCE)?.children();
    let kind = pair.expect(tag::OID)?;
    let value = pair.read()?;
    pair.finish()?;
    Ok((kind, value))
}

/// Returns every string value of one attribute type in a DER Name, outermost first.
#[must_use]
pub fn values(name_der: &[u8], kind: &Oid) -> Vec<String> {
    let mut out = Vec::new();
    let Ok(name) = Reader::only(name_der, tag::SEQUENCE) else {
        return out;
    };
    let mut rdns = name.children();
    while let Ok(rdn) = rdns.expect(tag::SET) {
        let mut set = rdn.children();
        while let Ok((found, value)) = attribute(&mut set) {
            if found.is_oid(kind) {
                out.extend(text(&value));
            }
        }
    }
    out
}

/// Returns the text of any of the string types that names use.
fn text(value: &Tlv) -> Option<String> {
    let bytes = value.content;
    match value.tag {
        tag::UTF8_STRING => String::from_utf8(bytes.to_vec()).ok(),
        NUMERIC | PRINTABLE | tag::IA5_STRING | VISIBLE => bytes.is_ascii().then(|| latin1(bytes)),
        // T.61 is Latin-1 wherever it is still met.
        TELETEX => Some(latin1(bytes)),
        BMP => {
            let units: Option<Vec<u16>> = bytes
                .chunks(2)
                .map(|pair| pair.try_into().map(u16::from_be_bytes).ok())
                .collect();
            String::from_utf16(&units?).ok()
        }
        UNIVERSAL => bytes
            .chunks(4)
            .map(|four| char::from_u32(u32::from_be_bytes(four.try_into().ok()?)))
            .collect(),
        _ => None,
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => out.extend(['\\', c]),
            '#' | ' ' if at == 0 => out.extend(['\\', c]),
            ' ' if at == last => out.extend(['\\', c]),
            // Control characters would let a name write into a terminal or a log line.
            c if c.is_control() => {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(out, "\\{byte:02X}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

fn hex_form(raw: &[u8]) -> String {
    format!("#{}", hex(raw))
}

fn kind_name(kind: &Tlv) -> String {
    let Ok(known) = Oid::from_bytes(kind.content) else {
        return hex_form(kind.content).replace('#', "oid.");
    };
    NAMES
        .iter()
        .find(|(oid, _)| *oid == known)
        .map_or_else(|| known.to_string(), |(_, name)| (*name).to_owned())
}

const NUMERIC: u8 = 0x12;
const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const VISIBLE: u8 = 0x1a;
const UNIVERSAL: u8 = 0x1c;
const BMP: u8 = 0x1e;

/// RFC 4514 section 3, and the one more that mail certificates always have.
const NAMES: [(Oid, &str); 10] = [
    (Oid::new_unwrap("2.5.4.3"), "CN"),
    (Oid::new_unwrap("2.5.4.7"), "L"),
    (Oid::new_unwrap("2.5.4.8"), "ST"),
    (Oid::new_unwrap("2.5.4.10"), "O"),
    (Oid::new_unwrap("2.5.4.11"), "OU"),
    (Oid::new_unwrap("2.5.4.6"), "C"),
    (Oid::new_unwrap("2.5.4.9"), "STREET"),
    (Oid::new_unwrap("0.9.2342.19200300.100.1.25"), "DC"),
    (Oid::new_unwrap("0.9.2342.19200300.100.1.1"), "UID"),
    (oid::EMAIL_ADDRESS, "emailAddress"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(parts: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let rdns: Vec<Vec<u8>> = parts
            .iter()
            .map(|(kind, tag, value)| {
                let pair = writer::sequence(&[
                    &writer::oid(&Oid::new_unwrap(kind)),
                    &writer::element(*tag, &[value]),
                ]);
                writer::set_of(&[&pair])
            })
            .collect();
        let refs: Vec<&[u8]> = rdns.iter().map(Vec::as_slice).collect();
        writer::sequence(&refs)
    }

    const CN: &str = "2.5.4.3";
    const O: &str = "2.5.4.10";

    #[test]
    fn names_differing_in_case_spaces_and_string_type_are_equal() {
        let a = name(&[(O, PRINTABLE, b"Example  Org"), (CN, BMP, b"\0A\0b")]);
        let b = name(&[
            (O, tag::UTF8_STRING, b" example org "),
            (CN, TELETEX, b"aB"),
        ]);
        assert_eq!(Canonical::new(&a), Canonical::new(&b));
        let c = name(&[(O, PRINTABLE, b"ExampleOrg"), (CN, PRINTABLE, b"ab")]);
        assert_ne!(Canonical::new(&a), Canonical::new(&c));
        let base = name(&[(O, PRINTABLE, b"example org")]);
        assert!(Canonical::new(&a).is_within(&Canonical::new(&base)));
        assert!(!Canonical::new(&base).is_within(&Canonical::new(&a)));
    }

    #[test]
    fn names_are_shown_innermost_first_and_escaped() {
        let der = name(&[
            ("2.5.4.6", PRINTABLE, b"DE"),
            (O, tag::UTF8_STRING, "M\u{fc}ller, S\u{f6}hne".as_bytes()),
            (CN, tag::UTF8_STRING, b"#a\x1b[2J "),
            ("1.2.3.4", tag::INTEGER, b"\x05"),
        ]);
        assert_eq!(
            rfc4514(&der),
            "1.2.3.4=#020105,CN=\\#a\\1B[2J\\ ,O=M\u{fc}ller\\, S\u{f6}hne,C=DE"
        );
    }

    #[test]
    fn undecodable_names_are_compared_by_their_bytes() {
        let broken = b"\x30\x02\x31\x05";
        assert_eq!(rfc4514(broken), "#30023105");
        assert_eq!(Canonical::new(broken), Canonical::new(broken));
        assert_ne!(Canonical::new(broken), Canonical::new(b"\x30\x00"));
    }
}
