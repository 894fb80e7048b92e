//! BER framing: what openssl streams must be, once transcoded, what openssl reads.

use std::borrow::Cow;

use listseal::asn1::Asn1Error;
use listseal::asn1::ber::{MAX_DEPTH, first_to_der, to_der};
use listseal::asn1::writer::element;

use super::lab::lab;

/// Every kind of object, as DER and as streamed BER.
fn objects(body: &[u8]) -> Vec<(String, Vec<u8>, &'static str)> {
    let mut found = Vec::new();
    for stream in ["", "-stream"] {
        for (name, line, check) in [
            (
                "signed",
                "cms -sign -signer alice.pem -inkey alice.key -nodetach -binary -outform DER",
                "cms -verify -binary -inform DER -CAfile root.pem",
            ),
            (
                "signed by key identifier",
                "cms -sign -signer alice.pem -inkey alice.key -nodetach -binary -keyid -certfile bob.pem -outform DER",
                "cms -verify -binary -inform DER -CAfile root.pem",
            ),
            (
                "enveloped",
                "cms -encrypt -aes-256-cbc -binary -outform DER -recip list.pem",
                "cms -decrypt -binary -inform DER -recip list.pem -inkey list.key",
            ),
            (
                "enveloped for a curve",
                "cms -encrypt -aes-256-cbc -binary -outform DER -recip erin.pem",
                "cms -decrypt -binary -inform DER -recip erin.pem -inkey erin.key",
            ),
            (
                "authenticated",
                "cms -encrypt -aes-256-gcm -binary -outform DER -recip list.pem",
                "cms -decrypt -binary -inform DER -recip list.pem -inkey list.key",
            ),
        ] {
            let made = lab().feed(&format!("{line} {stream}"), body);
            found.push((format!("{name} {stream}"), made, check));
        }
    }
    found
}

fn body() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn e12_streamed_objects_become_der_that_openssl_reads_to_the_same_content() {
    let body = body();
    for (name, made, check) in objects(&body) {
        let der = to_der(&made).unwrap_or_else(|error| panic!("{name}: {error}"));
        let streamed = name.ends_with("-stream");
        assert_eq!(matches!(der, Cow::Owned(_)), streamed, "{name}");
        assert_eq!(lab().feed(check, &der), body, "{name}");
        // DER is a fixed point.
        assert!(matches!(to_der(&der), Ok(Cow::Borrowed(same)) if same == &*der));
    }
}

/// Rewrites DER with indefinite lengths in every constructed element, as far as `depth`.
fn indefinite(der: &[u8], depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = listseal::asn1::Reader::new(der);
    while let Ok(tlv) = reader.read() {
        if tlv.tag & 0x20 != 0 && depth > 0 {
            out.extend([tlv.tag, 0x80]);
            out.extend(indefinite(tlv.content, depth - 1));
            out.extend([0, 0]);
        } else {
            out.extend(tlv.raw);
        }
    }
    out
}

/// Rewrites DER with lengths of five octets in constructed elements, as far as `depth`.
fn padded(der: &[u8], depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = listseal::asn1::Reader::new(der);
    while let Ok(tlv) = reader.read() {
        if tlv.tag & 0x20 != 0 && depth > 0 {
            let content = padded(tlv.content, depth - 1);
            out.extend([tlv.tag, 0x85, 0]);
            out.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
            out.extend(content);
        } else {
            out.extend(tlv.raw);
        }
    }
    out
}

#[test]
fn every_way_to_frame_the_same_object_gives_the_same_der() {
    for (name, made, _) in objects(b"some content") {
        let der = to_der(&made).unwrap().into_owned();
        // Deeper levels reach into certificates and attributes, which stay as they are.
        for depth in 1..4 {
            for framed in [indefinite(&der, depth), padded(&der, depth)] {
                assert_ne!(framed, der);
                assert_eq!(*to_der(&framed).unwrap(), der, "{name} at depth {depth}");
            }
        }
    }
}

#[test]
fn certificates_and_attributes_keep_their_bytes() {
    let signed = lab().feed(
        "cms -sign -signer alice.pem -inkey alice.key -nodetach -binary -outform DER -stream",
        b"content",
    );
    let certificate = lab().certificate("alice");
    let der = to_der(&signed).unwrap();
    let contains = |needle: &[u8]| der.windows(needle.len()).any(|window| window == needle);
    assert!(contains(certificate.der()));
}

#[test]
fn e12_truncated_objects_are_errors_at_every_offset() {
    for (name, made, _) in objects(b"short content") {
        for cut in 0..made.len() {
            assert!(to_der(&made[..cut]).is_err(), "{name} cut at {cut}");
        }
        let (der, rest) = first_to_der(&made).unwrap();
        assert!(rest.is_empty() && !der.is_empty());
        let longer = [&made[..], b"\n"].concat();
        assert_eq!(to_der(&longer).err(), Some(Asn1Error::Trailing), "{name}");
        assert_eq!(first_to_der(&longer).unwrap().1, b"\n");
    }
}

#[test]
fn e12_flipped_bytes_never_panic() {
    for (_, made, _) in objects(b"short content") {
        for at in 0..made.len() {
            for bit in [0x01, 0x20, 0x80, 0xff] {
                let mut changed = made.clone();
                changed[at] ^= bit;
                let _ = to_der(&changed);
            }
        }
    }
}

#[test]
fn e12_depth_is_limited_and_hostile_lengths_allocate_nothing() {
    let deep =
        |levels: usize| (0..levels).fold(Vec::new(), |inner: Vec<u8>, _| element(0x30, &[&inner]));
    assert!(to_der(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(to_der(&deep(MAX_DEPTH + 1)).err(), Some(Asn1Error::Depth));
    let endless = [0x30, 0x80].repeat(1 << 20);
    assert_eq!(to_der(&endless).err(), Some(Asn1Error::Depth));
    for lie in [
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..],
        &[0x30, 0x88, 0xff, 0, 0, 0, 0, 0, 0, 0],
        &[0x30, 0xff, 0x01],
        &[0x30, 0x80, 0x04, 0x84, 0x7f, 0xff, 0xff, 0xff],
        &[0x04, 0x80, 0, 0],
        &[0x1f, 0x81, 0x01, 0x00],
        &[0x00, 0x00],
        &[],
    ] {
        assert!(to_der(lie).is_err(), "{lie:02x?}");
    }
}

#[test]
fn e12_strings_in_a_million_pieces_are_joined_in_linear_time() {
    let pieces = [0x04, 0x01, 0x41].repeat(1 << 20);
    let data = element(0x24, &[&pieces]);
    let oid = [
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
    ];
    let object = element(0x30, &[&oid, &element(0xa0, &[&data])]);
    let start = std::time::Instant::now();
    let der = to_der(&object).unwrap();
    assert!(start.elapsed().as_secs() < 20);
    assert!(der.ends_with(&[0x41; 1000]));
    assert!(der.len() < (1 << 20) + 100);
}
