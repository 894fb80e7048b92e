//! Signatures forged, spoiled or oddly made.

use listseal::asn1::writer::{self, element, octet_string, sequence};
use listseal::asn1::{Reader, oid};
use listseal::model::Reason;
use listseal::model::list::{Legacy, Revocation};
use listseal::open::Verdict;
use listseal::pki::path::ChainVerdict;

use super::lab::{TEXT, World, binary, lab, mail, object, parts};

/// Takes an opaque SignedData apart and puts it together changed.
pub struct Forged<'a> {
    pub digests: Vec<u8>,
    pub content: Vec<u8>,
    pub certificates: &'a [u8],
    pub signers: Vec<u8>,
}

pub fn taken_apart(der: &[u8]) -> Forged<'_> {
    let found = parts(der);
    Forged {
        digests: found[1].raw.to_vec(),
        content: found[2].raw.to_vec(),
        certificates: found[3].raw,
        signers: found[4].raw.to_vec(),
    }
}

impl Forged<'_> {
    pub fn open(&self, legacy: Legacy) -> (Verdict, Option<Reason>) {
        let opened = World::of(&[])
            .legacy(legacy)
            .open(&binary("signed-data", &self.der()));
        (opened.signature(), opened.reason())
    }

    /// The object, put together again.
    pub fn der(&self) -> Vec<u8> {
        let version = [0x02, 1, 1];
        object(
            &oid::SIGNED_DATA,
            &[
                &version,
                &self.digests,
                &self.content,
                self.certificates,
                &self.signers,
            ],
        )
    }
}

pub fn encapsulated(content: &[u8]) -> Vec<u8> {
    sequence(&[
        &writer::oid(&oid::DATA),
        &element(0xa0, &[&octet_string(content)]),
    ])
}

pub fn opaque() -> Vec<u8> {
    lab().sign("alice", "-nodetach -outform DER -binary", TEXT)
}

#[test]
fn s25_signed_attributes_cannot_pass_for_content() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    assert_eq!(forged.open(Legacy::NONE), (Verdict::Valid, None));
    // Finding 6: drop the attributes, enclose their encoding as content.
    let mut reader = Reader::new(Reader::new(&forged.signers).read().unwrap().content);
    let mut fields = reader.read().unwrap().children();
    let mut kept = Vec::new();
    let mut attributes = Vec::new();
    while !fields.is_empty() {
        let field = fields.read().unwrap();
        if field.tag == 0xa0 {
            attributes = element(0x31, &[field.content]);
        } else {
            kept.extend_from_slice(field.raw);
        }
    }
    forged.content = encapsulated(&attributes);
    forged.signers = element(0x31, &[&element(0x30, &[&kept])]);
    // The forgery is a real one: openssl takes it.
    let words = [
        "cms", "-verify", "-binary", "-inform", "DER", "-CAfile", "root.pem",
    ];
    assert_eq!(
        lab().run("openssl", &words, &forged.der()).as_deref(),
        Ok(&attributes[..])
    );
    for legacy in [Legacy::NONE, Legacy::NO_SIGNED_ATTRIBUTES, Legacy::ALL] {
        assert_eq!(
            forged.open(legacy),
            (Verdict::Invalid, Some(Reason::NoSignedAttributes))
        );
    }
}

#[test]
fn s27_digest_algorithms_must_list_what_is_used() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    forged.digests = element(0x31, &[]);
    assert_eq!(
        forged.open(Legacy::ALL),
        (Verdict::Invalid, Some(Reason::DigestNotListed))
    );
    let sha512 = writer::algorithm(&oid::SHA512, &[]);
    forged.digests = element(0x31, &[&sha512]);
    assert_eq!(
        forged.open(Legacy::ALL),
        (Verdict::Invalid, Some(Reason::DigestNotListed))
    );
}

#[test]
fn s24_content_without_signers_is_not_valid() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    forged.signers = element(0x31, &[]);
    assert_eq!(
        forged.open(Legacy::ALL),
        (Verdict::Invalid, Some(Reason::NoSigner))
    );
}

#[test]
fn changed_content_type_is_found() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    forged.content = sequence(&[
        &writer::oid(&oid::ENVELOPED_DATA),
        &element(0xa0, &[&octet_string(TEXT)]),
    ]);
    let opened = World::of(&[])
        .legacy(Legacy::ALL)
        .open(&binary("signed-data", &forged.der()));
    assert_eq!(opened.signature(), Verdict::Invalid);
    // That it is no content for us is said first.
    assert_eq!(opened.reason(), Some(Reason::UnsupportedContent));
    let signer = opened.signer().unwrap();
    assert_eq!(signer.evidence.result, Err(Reason::ContentTypeMismatch));
}

#[test]
fn flips_anywhere_in_a_signature_never_stay_valid() {
    let der = lab().sign(
        "alice",
        "-nodetach -nocerts -nosmimecap -outform DER -binary",
        TEXT,
    );
    let mut world = World::of(&[]);
    world.known = vec![lab().certificate("alice")];
    assert_eq!(
        world.open(&binary("signed-data", &der)).signature(),
        Verdict::Valid
    );
    let mut still = Vec::new();
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        if world.open(&binary("signed-data", &changed)).signature() == Verdict::Valid {
            still.push(at);
        }
    }
    // Two version numbers, which nothing depends on.
    assert!(still.len() <= 2, "{still:?}");
}

#[test]
fn s26_multipart_with_two_contents_or_three_parts_is_refused() {
    let detached = lab().sign("alice", "", TEXT);
    let text = String::from_utf8(mail("alice@example.org", &detached)).unwrap();
    let boundary = text
        .split("boundary=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let close = format!("--{boundary}--");
    let third = text.replace(&close, &format!("--{boundary}\r\n\r\nthird\r\n{close}"));
    let opened = World::of(&[]).open(third.as_bytes());
    assert_eq!(opened.signature(), Verdict::Invalid);
    assert_eq!(opened.reason(), Some(Reason::SignedStructure));

    let opaque = opaque();
    let der = lab().feed("base64 -e", &opaque);
    let both = format!(
        "From: alice@example.org\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n{}\r\n--b\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        std::str::from_utf8(TEXT).unwrap(),
        String::from_utf8(der).unwrap()
    );
    let opened = World::of(&[]).open(both.as_bytes());
    assert_eq!(opened.signature(), Verdict::Invalid);
    assert_eq!(opened.reason(), Some(Reason::BothContents));
    assert_eq!(opened.author(), None);
}

#[test]
fn one_unreadable_certificate_in_the_bag_does_not_lose_the_message() {
    let der = opaque();
    let odd = element(0x30, &[&[0x02, 1, 5]]);
    let found = taken_apart(&der);
    let bag = Reader::new(found.certificates).read().unwrap();
    let with_odd = element(0xa0, &[&odd, bag.content]);
    let forged = Forged {
        certificates: &with_odd,
        ..taken_apart(&der)
    };
    assert_eq!(forged.open(Legacy::NONE), (Verdict::Valid, None));
    // In BER it is left out by the transcoder.
    let ber = element(0xa0, &[&[0x30, 0x80, 0x02, 1, 5, 0, 0], bag.content]);
    let forged = Forged {
        certificates: &ber,
        ..taken_apart(&der)
    };
    assert_eq!(forged.open(Legacy::NONE), (Verdict::Valid, None));
    let many = element(0xa0, &[&odd.repeat(33)]);
    let forged = Forged {
        certificates: &many,
        ..taken_apart(&der)
    };
    assert_eq!(forged.open(Legacy::NONE).1, Some(Reason::LimitExceeded));
}

#[test]
fn unreadable_certificate_of_the_signer_is_told_from_a_missing_one() {
    for options in ["", "-keyid"] {
        let line = format!("-nodetach -outform DER -binary {options}");
        let der = lab().sign("alice", &line, TEXT);
        // No time ends in anything but Z.
        let spoiled = |name: &str| {
            let mut certificate = lab().certificate(name).der().to_vec();
            let time = certificate.windows(2).position(|w| w == [0x17, 13]);
            certificate[time.unwrap() + 14] = b'X';
            element(0xa0, &[&certificate])
        };
        for (name, reason) in [
            ("alice", Reason::CertificateMalformed),
            ("bob", Reason::SignerUnknown),
        ] {
            let forged = Forged {
                certificates: &spoiled(name),
                ..taken_apart(&der)
            };
            assert_eq!(forged.open(Legacy::NONE), (Verdict::Invalid, Some(reason)));
        }
    }
}

#[test]
fn signed_content_of_other_kinds_is_unsupported_and_not_malformed() {
    let der = opaque();
    let other = oid::Oid::new_unwrap("1.3.6.1.4.1.311.2.1.4");
    for (kind, reason) in [
        (&other, Reason::UnsupportedContent),
        (&oid::DATA, Reason::Malformed),
    ] {
        let mut forged = taken_apart(&der);
        let inside = element(0xa0, &[&sequence(&[&octet_string(TEXT)])]);
        forged.content = sequence(&[&writer::oid(kind), &inside]);
        assert_eq!(forged.open(Legacy::NONE), (Verdict::Invalid, Some(reason)));
    }
}

#[test]
fn empty_content_that_nobody_signed_is_a_bag_of_certificates() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    forged.content = encapsulated(b"");
    assert_eq!(forged.open(Legacy::NONE).0, Verdict::Invalid);
    forged.signers = element(0x31, &[]);
    assert_eq!(forged.open(Legacy::NONE), (Verdict::None, None));
}

#[test]
fn e13_nine_signers_are_refused() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    let one = Reader::new(&forged.signers)
        .read()
        .unwrap()
        .content
        .to_vec();
    forged.signers = element(0x31, &[&one.repeat(8)]);
    assert_eq!(forged.open(Legacy::NONE), (Verdict::Valid, None));
    forged.signers = element(0x31, &[&one.repeat(9)]);
    assert_eq!(
        forged.open(Legacy::NONE),
        (Verdict::Invalid, Some(Reason::LimitExceeded))
    );
}

#[test]
fn signed_attributes_out_of_order_are_hashed_in_der_order_too() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    let mut set = Reader::new(Reader::new(&forged.signers).read().unwrap().content);
    let mut fields = set.read().unwrap().children();
    let mut all = Vec::new();
    while !fields.is_empty() {
        let field = fields.read().unwrap();
        if field.tag == 0xa0 {
            let mut reader = field.children();
            let mut attributes = Vec::new();
            while !reader.is_empty() {
                attributes.push(reader.read().unwrap().raw);
            }
            attributes.reverse();
            all.extend(element(0xa0, &attributes));
        } else {
            all.extend_from_slice(field.raw);
        }
    }
    forged.signers = element(0x31, &[&element(0x30, &[&all])]);
    assert_eq!(forged.open(Legacy::NONE), (Verdict::Valid, None));
}

#[test]
fn enclosed_revocation_lists_count_because_their_issuer_signed_them() {
    let der = opaque();
    let found = taken_apart(&der);
    let with_crl = |issuer: &str, revoked: &str| {
        let bag = [found.certificates, &element(0xa1, &[&crl(issuer, revoked)])].concat();
        let forged = Forged {
            certificates: &bag,
            ..taken_apart(&der)
        };
        binary("signed-data", &forged.der())
    };
    let judge = |message: &[u8], revocation| {
        let mut world = World::of(&[]);
        world.revocation = revocation;
        let opened = world.open(message);
        assert_eq!(opened.signature(), Verdict::Valid);
        (opened.chain().unwrap(), opened.reason())
    };
    let plain = binary("signed-data", &der);
    let trusted = (ChainVerdict::Trusted, None);
    assert_eq!(judge(&plain, Revocation::Soft), trusted);
    assert_eq!(
        judge(&plain, Revocation::Hard).1,
        Some(Reason::RevocationUnknown)
    );
    let other_revoked = with_crl("root", "bob");
    assert_eq!(judge(&other_revoked, Revocation::Hard), trusted);
    let revoked = with_crl("root", "alice");
    for mode in [Revocation::Soft, Revocation::Hard] {
        let verdict = (ChainVerdict::Revoked, Some(Reason::Revoked));
        assert_eq!(judge(&revoked, mode), verdict);
    }
    assert_eq!(judge(&revoked, Revocation::Off), trusted);
    // A list in the name of the issuer that somebody else signed says nothing.
    let forged = with_crl("other-root", "alice");
    assert_eq!(judge(&forged, Revocation::Soft), trusted);
}

/// A CRL in the name of root that `issuer` signs.
pub fn crl(issuer: &str, revoked: &str) -> Vec<u8> {
    lab()
        .run("python3", &["-c", CRL, issuer, revoked], b"")
        .unwrap_or_else(|text| panic!("{text}"))
}

/// Makes a CRL in the name of root: argument 1 signs it, argument 2 is revoked.
const CRL: &str = r#"
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
load = lambda name: x509.load_pem_x509_certificate(open(name + ".pem", "rb").read())
key = serialization.load_pem_private_key(open(sys.argv[1] + ".key", "rb").read(), None)
now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)
one = x509.RevokedCertificateBuilder().serial_number(load(sys.argv[2]).serial_number).revocation_date(now).build()
crl = (x509.CertificateRevocationListBuilder().issuer_name(load("root").subject).last_update(now)
    .next_update(now + datetime.timedelta(days=9)).add_revoked_certificate(one).sign(key, hashes.SHA256()))
sys.stdout.buffer.write(crl.public_bytes(serialization.Encoding.DER))
"#;
