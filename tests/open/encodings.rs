//! Signed attributes, and bags of certificates and revocation lists, in forms that DER or the
//! standards do not have and that some signers make.

use listseal::asn1::writer::{self, element};
use listseal::asn1::{Reader, oid};
use listseal::model::Reason;
use listseal::model::list::Legacy;
use listseal::open::Verdict;

use super::forged::{Forged, crl, opaque, taken_apart};
use super::lab::{World, binary, lab};

/// One SignerInfo, cut open.
struct Signer {
    before: Vec<u8>,
    /// Each attribute by itself.
    attributes: Vec<Vec<u8>>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

fn signer(signers: &[u8]) -> Signer {
    let one = Reader::new(Reader::new(signers).read().unwrap().content).read();
    let mut fields = one.unwrap().children();
    let mut before = Vec::new();
    while fields.peek() != Some(0xa0) {
        before.extend_from_slice(fields.read().unwrap().raw);
    }
    let mut inside = fields.read().unwrap().children();
    let mut attributes = Vec::new();
    while !inside.is_empty() {
        attributes.push(inside.read().unwrap().raw.to_vec());
    }
    Signer {
        before,
        attributes,
        algorithm: fields.read().unwrap().raw.to_vec(),
        signature: fields.read().unwrap().raw.to_vec(),
    }
}

impl Signer {
    /// The SignerInfos with this `[0]` element for attributes.
    fn with(&self, attributes: &[u8]) -> Vec<u8> {
        let parts = [
            &self.before[..],
            attributes,
            &self.algorithm,
            &self.signature,
        ];
        element(0x31, &[&element(0x30, &parts)])
    }
}

/// What is said of the object with other SignerInfos.
fn judged(der: &[u8], signers: Vec<u8>) -> (Verdict, Option<Reason>) {
    let mut forged = taken_apart(der);
    forged.signers = signers;
    forged.open(Legacy::NONE)
}

const VALID: (Verdict, Option<Reason>) = (Verdict::Valid, None);

/// The element with an indefinite length.
fn indefinite(der: &[u8]) -> Vec<u8> {
    let tlv = Reader::new(der).read().unwrap();
    [&[tlv.tag, 0x80], tlv.content, &[0, 0]].concat()
}

/// The element with a length in more octets than needed.
fn padded(der: &[u8]) -> Vec<u8> {
    let tlv = Reader::new(der).read().unwrap();
    let length = u16::try_from(tlv.content.len()).unwrap().to_be_bytes();
    [&[tlv.tag, 0x83, 0, length[0], length[1]], tlv.content].concat()
}

/// The attribute with its value, an OCTET STRING, in two pieces.
fn in_pieces(attribute: &[u8]) -> Vec<u8> {
    let mut parts = Reader::new(attribute).read().unwrap().children();
    let kind = parts.read().unwrap().raw;
    let value = parts.read().unwrap().children().read().unwrap();
    let (first, second) = value.content.split_at(7);
    let pieces = element(
        0x24,
        &[&writer::octet_string(first), &writer::octet_string(second)],
    );
    element(0x30, &[kind, &element(0x31, &[&pieces])])
}

/// Every encoding of the same attributes; the first is DER.
fn encodings(signer: &Signer) -> Vec<Vec<u8>> {
    let all = &signer.attributes;
    let digest = all
        .iter()
        .position(|one| {
            one.windows(9)
                .any(|part| part == oid::MESSAGE_DIGEST.as_bytes())
        })
        .unwrap();
    let each = |change: fn(&[u8]) -> Vec<u8>| all.iter().map(|one| change(one)).collect::<Vec<_>>();
    let mut pieces = all.clone();
    pieces[digest] = in_pieces(&pieces[digest]);
    let mut reversed = all.clone();
    reversed.reverse();
    let mut odd = each(indefinite);
    odd.reverse();
    let joined = |parts: Vec<Vec<u8>>| element(0xa0, &[&parts.concat()]);
    vec![
        joined(all.clone()),
        joined(reversed),
        joined(pieces.clone()),
        joined(each(indefinite)),
        joined(each(padded)),
        joined(odd),
        indefinite(&joined(pieces)),
        padded(&joined(all.clone())),
    ]
}

#[test]
fn attributes_in_ber_are_hashed_in_der_because_signers_do() {
    let der = opaque();
    let signer = signer(&taken_apart(&der).signers);
    for attributes in encodings(&signer) {
        assert_eq!(
            judged(&der, signer.with(&attributes)),
            VALID,
            "{attributes:02x?}"
        );
    }
}

#[test]
fn attributes_in_ber_are_hashed_as_received_too() {
    let der = opaque();
    let mut signer = signer(&taken_apart(&der).signers);
    let all = encodings(&signer);
    // The last two differ in their own length alone, which DER says anew.
    for attributes in &all[..6] {
        let mut set = attributes.clone();
        set[0] = 0x31;
        lab().write("encoding.der", &set);
        let value = lab().openssl("dgst -sha256 -sign alice.key encoding.der");
        signer.signature = writer::octet_string(&value);
        assert_eq!(
            judged(&der, signer.with(attributes)),
            VALID,
            "{attributes:02x?}"
        );
    }
}

#[test]
fn s25_changed_attributes_are_never_taken_for_another_encoding() {
    let der = opaque();
    let signer = signer(&taken_apart(&der).signers);
    let all = &signer.attributes;
    let join = |parts: &[Vec<u8>]| element(0xa0, &[&parts.concat()]);
    let mut doubled = all.clone();
    doubled.push(indefinite(&all[0]));
    let lost = all[1..].to_vec();
    let mut garbage = all.clone();
    garbage.push(vec![0x04, 1, 0]);
    let mut long = all.clone();
    long.push(vec![0xbf, 0x81, 0x01, 0]);
    for (parts, reason) in [
        (doubled, Reason::BadSignedAttributes),
        (lost, Reason::BadSignedAttributes),
        (garbage, Reason::BadSignedAttributes),
        (long, Reason::BadSignedAttributes),
    ] {
        assert_eq!(
            judged(&der, signer.with(&join(&parts))),
            (Verdict::Invalid, Some(reason))
        );
    }
    for attributes in encodings(&signer) {
        // Anywhere: a value, a type, a length, a mark.
        for at in 0..attributes.len() {
            let mut bent = attributes.clone();
            bent[at] ^= 1;
            assert_ne!(
                judged(&der, signer.with(&bent)).0,
                Verdict::Valid,
                "{at}: {bent:02x?}"
            );
        }
    }
}

#[test]
fn s25_attributes_that_were_signed_in_ber_cannot_pass_for_content() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    let mut signer = signer(&forged.signers);
    for attributes in &encodings(&signer)[..6] {
        let mut set = attributes.clone();
        set[0] = 0x31;
        lab().write("stripped.der", &set);
        let value = lab().openssl("dgst -sha256 -sign alice.key stripped.der");
        signer.signature = writer::octet_string(&value);
        forged.content = super::forged::encapsulated(&set);
        forged.signers = signer.with(&[]);
        assert_eq!(
            forged.open(Legacy::ALL),
            (Verdict::Invalid, Some(Reason::NoSignedAttributes))
        );
    }
}

/// Elements that are no certificates and no lists.
const ODD: &[&[u8]] = &[
    // Attribute certificates of both versions, other formats, PKCS#6.
    &[0xa0, 3, 0x02, 1, 5],
    &[0xa1, 3, 0x02, 1, 5],
    &[0xa2, 3, 0x02, 1, 5],
    &[0xa3, 2, 0x06, 0],
    &[0x82, 1, 0],
    // Tags with numbers over 30, primitive and constructed, BER inside.
    &[0x9f, 0x1f, 1, 5],
    &[0xbf, 0x81, 0x01, 2, 5, 0],
    &[0xbf, 0x81, 0x01, 0x80, 0x3f, 0x1f, 0x80, 5, 0, 0, 0, 0, 0],
    &[0x7f, 0xff, 0xff, 0x01, 0],
    // No certificate, no list, nothing.
    &[0x04, 2, 1, 2],
    &[0x30, 0],
    &[0, 0],
];

#[test]
fn elements_of_odd_tags_in_the_bags_do_not_lose_the_message() {
    let der = opaque();
    let found = taken_apart(&der);
    let bag = Reader::new(found.certificates).read().unwrap().content;
    let all = ODD.concat();
    for odd in ODD.iter().copied().chain([&all[..]]) {
        for bag in [[odd, bag].concat(), [bag, odd].concat()] {
            let certificates = element(0xa0, &[&bag]);
            let mut forged = taken_apart(&der);
            forged.certificates = &certificates;
            assert_eq!(forged.open(Legacy::NONE), VALID, "{odd:02x?}");
        }
        let both = [found.certificates, &element(0xa1, &[odd])].concat();
        let mut forged = taken_apart(&der);
        forged.certificates = &both;
        assert_eq!(forged.open(Legacy::NONE), VALID, "{odd:02x?}");
    }
    // What reaches past its bag is no element of it.
    for broken in [
        &[0xbf, 0x81][..],
        &[0xbf, 0x81, 0x01, 9, 5, 0],
        &[0x9f, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0],
    ] {
        let certificates = element(0xa0, &[bag, broken]);
        let mut forged = taken_apart(&der);
        forged.certificates = &certificates;
        assert_eq!(
            forged.open(Legacy::NONE),
            (Verdict::Invalid, Some(Reason::Malformed))
        );
    }
}

#[test]
fn e13_enclosed_revocation_lists_beyond_the_limits_are_not_read() {
    let der = opaque();
    let found = taken_apart(&der);
    // Of two by the same issuer the newer counts; this one says nothing.
    let (revoking, harmless) = (crl("root", "alice"), crl("other-root", "bob"));
    let reason = |lists: &[&[u8]]| {
        let bag = [found.certificates, &element(0xa1, lists)].concat();
        let forged = Forged {
            certificates: &bag,
            ..taken_apart(&der)
        };
        let message = binary("signed-data", &forged.der());
        let opened = World::of(&[]).open(&message);
        assert_eq!(opened.signature(), Verdict::Valid);
        opened.reason()
    };
    let behind = |number: usize| [&harmless.repeat(number), &revoking[..]].concat();
    assert_eq!(reason(&[&behind(31)]), Some(Reason::Revoked));
    assert_eq!(reason(&[&behind(32)]), None);
    // Other forms do not count.
    let other = element(0xa1, &[&[5, 0]]).repeat(50);
    assert_eq!(reason(&[&other, &behind(31)]), Some(Reason::Revoked));
    // Too large to be read, and in nobody's way.
    let huge = element(0x30, &[&vec![5; 5 << 20]]);
    assert_eq!(reason(&[&huge, &revoking]), Some(Reason::Revoked));
    let large = element(0x30, &[&vec![5; 4 << 20][..(4 << 20) - 100]]);
    assert_eq!(reason(&[&large, &revoking]), None);
}

#[test]
fn digests_of_sha_3_are_read_and_the_short_one_is_not() {
    use super::lab::{TEXT, mail};
    for (name, md, shown) in [
        ("alice", "sha3-256", "rsassa-pkcs1-v1_5"),
        ("alice", "sha3-512", "rsassa-pkcs1-v1_5"),
        ("alice", "sha3-384", "rsassa-pkcs1-v1_5"),
    ] {
        for form in ["", "-nodetach"] {
            let signed = lab().sign(name, &format!("-md {md} {form}"), TEXT);
            let report = World::of(&[]).report(&mail(&format!("{name}@example.org"), &signed));
            let signer = &report["layers"][0]["signers"][0];
            assert_eq!(signer["verdict"], "valid", "{name} {md}: {report}");
            assert_eq!(signer["signature"], shown);
            assert_eq!(report["author"], format!("{name}@example.org"));
            assert!(md.starts_with(signer["digest"].as_str().unwrap()));
        }
    }
    let signed = lab().sign("alice", "-md sha3-224", TEXT);
    let opened = World::of(&[]).open(&mail("alice@example.org", &signed));
    assert_eq!(opened.signature(), Verdict::Invalid);
    assert_eq!(opened.reason(), Some(Reason::UnsupportedAlgorithm));
}
