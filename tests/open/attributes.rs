//! Attributes in the wrong place or number, and algorithms that signers name in their own way.

use listseal::asn1::oid::Oid;
use listseal::asn1::writer::{self, element, octet_string, sequence};
use listseal::asn1::{Reader, oid};
use listseal::model::Reason;
use listseal::model::list::Legacy;
use listseal::open::Verdict;
use listseal::pki::signature::Digest;

use super::forged::{Forged, opaque, taken_apart};
use super::lab::{TEXT, World, lab, mail};

const VALID: (Verdict, Option<Reason>) = (Verdict::Valid, None);
const REFUSED: (Verdict, Option<Reason>) = (Verdict::Invalid, Some(Reason::BadSignedAttributes));

/// The fields of the only SignerInfo.
fn fields(forged: &Forged<'_>) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(Reader::new(&forged.signers).read().unwrap().content);
    let mut rest = reader.read().unwrap().children();
    std::iter::from_fn(|| (!rest.is_empty()).then(|| rest.read().unwrap().raw.to_vec())).collect()
}

fn with(forged: &mut Forged<'_>, fields: &[Vec<u8>]) {
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    forged.signers = element(0x31, &[&sequence(&fields)]);
}

fn attribute(kind: &Oid, values: &[&[u8]]) -> Vec<u8> {
    sequence(&[&writer::oid(kind), &element(0x31, values)])
}

/// What openssl says of the object.
fn openssl_verifies(forged: &Forged<'_>) -> bool {
    let words = "cms -verify -binary -inform DER -CAfile root.pem";
    let words: Vec<&str> = words.split(' ').collect();
    lab().run("openssl", &words, &forged.der()).is_ok()
}

/// 2026-11-20 10:00:00 in UTC.
fn instant() -> Vec<u8> {
    element(0x17, &[b"261120100000Z"])
}

#[test]
fn signature_algorithm_in_place_of_its_digest_is_understood() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    let original = fields(&forged);
    let sha256_rsa = writer::algorithm(&oid::SHA256_RSA, &writer::null());
    let mut changed = original.clone();
    changed[2].clone_from(&sha256_rsa);
    with(&mut forged, &changed);
    assert_eq!(forged.open(Legacy::NONE), VALID);
    forged.digests = element(0x31, &[&sha256_rsa]);
    assert_eq!(forged.open(Legacy::NONE), VALID);
    assert!(openssl_verifies(&forged));
    with(&mut forged, &original);
    assert_eq!(forged.open(Legacy::NONE), VALID);
    // Another digest than the one that was used stays wrong, and a weak one weak.
    for (named, reason) in [
        (oid::SHA512_RSA, Reason::DigestMismatch),
        (oid::SHA1_RSA, Reason::WeakDigest),
        (oid::RSA_ENCRYPTION, Reason::UnsupportedAlgorithm),
    ] {
        let named = writer::algorithm(&named, &writer::null());
        changed[2].clone_from(&named);
        with(&mut forged, &changed);
        forged.digests = element(0x31, &[&named]);
        let refused = (Verdict::Invalid, Some(reason));
        assert_eq!(forged.open(Legacy::NONE), refused);
    }
}

#[test]
fn attributes_that_belong_under_the_signature_are_refused_outside_it() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    let original = fields(&forged);
    let digest = octet_string(&Digest::Sha256.of(TEXT));
    let time = instant();
    let data = writer::oid(&oid::DATA);
    for (kind, value, expected) in [
        (oid::SIGNING_TIME, &time, REFUSED),
        (oid::MESSAGE_DIGEST, &digest, REFUSED),
        (oid::CONTENT_TYPE, &data, REFUSED),
        // Time stamps and countersignatures of others stand here rightly.
        (oid::COUNTERSIGNATURE, &sequence(&[]), VALID),
        (oid::SMIME_CAPABILITIES, &sequence(&[]), VALID),
    ] {
        let mut changed = original.clone();
        changed.push(element(0xa1, &[&attribute(&kind, &[value])]));
        with(&mut forged, &changed);
        assert_eq!(forged.open(Legacy::NONE), expected, "{kind:?}");
        if expected == REFUSED {
            assert!(!openssl_verifies(&forged), "{kind:?}");
        }
    }
    // What cannot be read there is nobody's word either.
    let mut changed = original.clone();
    changed.push(element(0xa1, &[&time]));
    with(&mut forged, &changed);
    assert_eq!(forged.open(Legacy::NONE), VALID);
}

#[test]
fn signed_attributes_have_one_time_and_no_countersignature() {
    let der = opaque();
    let mut forged = taken_apart(&der);
    let original = fields(&forged);
    let digest = octet_string(&Digest::Sha256.of(TEXT));
    let needed = [
        attribute(&oid::CONTENT_TYPE, &[&writer::oid(&oid::DATA)]),
        attribute(&oid::MESSAGE_DIGEST, &[&digest]),
    ];
    let time = instant();
    let later = element(0x17, &[b"261120110000Z"]);
    for (more, expected) in [
        (attribute(&oid::SIGNING_TIME, &[&time]), VALID),
        (attribute(&oid::SIGNING_TIME, &[&time, &later]), REFUSED),
        (
            attribute(&oid::COUNTERSIGNATURE, &[&sequence(&[])]),
            REFUSED,
        ),
    ] {
        let set = writer::set_of(&[&needed[0], &needed[1], &more]);
        lab().write("attributes.der", &set);
        let signature = lab().openssl("dgst -sha256 -sign alice.key attributes.der");
        let mut changed = original.clone();
        let content = Reader::new(&set).read().unwrap().content;
        changed[3] = element(0xa0, &[content]);
        *changed.last_mut().unwrap() = octet_string(&signature);
        with(&mut forged, &changed);
        assert_eq!(forged.open(Legacy::NONE), expected);
        assert_eq!(openssl_verifies(&forged), expected == VALID);
    }
}

#[test]
fn certificate_that_the_signer_did_not_mean_is_not_taken_for_his() {
    // Issuer, number and key are those of alice, the address is another.
    let serial = lab().openssl("x509 -in alice.pem -noout -serial");
    let serial = String::from_utf8(serial).unwrap();
    let serial = serial.trim().strip_prefix("serial=").unwrap();
    lab().write(
        "twin.ext",
        "subjectAltName=email:alice@example.org,email:boss@example.org\n",
    );
    lab().openssl(&format!(
        "x509 -req -in alice.csr -CA root.pem -CAkey root.key -set_serial 0x{serial} \
         -days 3000 -extfile twin.ext -out twin.pem"
    ));
    let signed = |options: &str| {
        let entity = lab().sign("alice", options, TEXT);
        mail("alice@example.org", &entity)
    };
    let outcome = |message: &[u8], known: &[&str]| {
        let mut world = World::of(&[]).legacy(Legacy::SHA1);
        world.known = known.iter().map(|name| lab().certificate(name)).collect();
        let opened = world.open(message);
        (opened.signature(), opened.reason())
    };
    let unknown = (Verdict::Invalid, Some(Reason::SignerUnknown));
    for options in [
        "-cades -nocerts",
        "-cades -nocerts -md sha512",
        // The older attribute.
        "-cades -nocerts -md sha1",
    ] {
        let message = signed(options);
        assert_eq!(outcome(&message, &["alice"]), VALID, "{options}");
        assert_eq!(outcome(&message, &["twin", "alice"]), VALID, "{options}");
        assert_eq!(outcome(&message, &["twin"]), unknown, "{options}");
    }
    // Nothing is signed about the certificate.
    assert_eq!(outcome(&signed("-nocerts"), &["twin"]), VALID);
    lab().write("meant.eml", signed("-cades -nocerts"));
    let words = "cms -verify -cades -CAfile root.pem -purpose any -in meant.eml -certfile";
    let verifies = |certificate: &str| {
        let words: Vec<&str> = words.split(' ').chain([certificate]).collect();
        lab().run("openssl", &words, b"").is_ok()
    };
    assert!(verifies("alice.pem"));
    assert!(!verifies("twin.pem"));
}
