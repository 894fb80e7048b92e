//! Joins DER elements into larger ones.

use super::oid::Oid;
use super::reader::tag;

/// Returns tag and length of an element whose content has `length` bytes.
#[must_use]
pub fn header(tag: u8, length: usize) -> Vec<u8> {
    let mut out = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out.push(short);
        return out;
    }
    let digits: Vec<u8> = length
        .to_be_bytes()
        .into_iter()
        .skip_while(|b| *b == 0)
        .collect();
    // At most eight digits, so the count fits beside the high bit.
    out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7f));
    out.extend(digits);
    out
}

/// Returns an element with the joined `parts` as content.
#[must_use]
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|p| p.len()).sum();
    let mut out = header(tag, length);
    out.reserve(length);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Returns a SEQUENCE of ready elements.
#[must_use]
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(tag::SEQUENCE, parts)
}

/// Returns a SET OF ready elements, in the order DER demands.
#[must_use]
pub fn set_of(parts: &[&[u8]]) -> Vec<u8> {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    element(tag::SET, &sorted)
}

/// Returns an OBJECT IDENTIFIER.
#[must_use]
pub fn oid(oid: &Oid) -> Vec<u8> {
    element(tag::OID, &[oid.as_bytes()])
}

/// Returns an OCTET STRING.
#[must_use]
pub fn octet_string(bytes: &[u8]) -> Vec<u8> {
    element(tag::OCTET_STRING, &[bytes])
}

/// Returns a BIT STRING without unused bits.
#[must_use]
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(tag::BIT_STRING, &[&[0], bytes])
}

/// Returns a small non-negative INTEGER.
#[must_use]
pub fn small_uint(value: u64) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

/// Returns a non-negative INTEGER from big-endian bytes.
#[must_use]
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    match digits.first() {
        None => element(tag::INTEGER, &[&[0]]),
        Some(first) if first & 0x80 != 0 => element(tag::INTEGER, &[&[0], &digits]),
        Some(_) => element(tag::INTEGER, &[&digits]),
    }
}

/// Returns NULL.
#[must_use]
pub fn null() -> Vec<u8> {
    vec![tag::NULL, 0]
}

/// Returns an AlgorithmIdentifier; `parameters` is a ready element or empty for "absent".
#[must_use]
pub fn algorithm(algorithm: &Oid, parameters: &[u8]) -> Vec<u8> {
    sequence(&[&oid(algorithm), parameters])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reader::Reader;
    use super::*;

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(small_uint(0), [2, 1, 0]);
        assert_eq!(small_uint(127), [2, 1, 127]);
        assert_eq!(small_uint(128), [2, 2, 0, 128]);
        assert_eq!(unsigned(&[0, 0, 1]), [2, 1, 1]);
    }

    proptest! {
        #[test]
        fn written_elements_read_back(content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let bytes = octet_string(&content);
            let tlv = Reader::only(&bytes, tag::OCTET_STRING).unwrap();
            prop_assert_eq!(tlv.content, &content[..]);
        }
    }
}
