//! Targets `key` and `config`: files that an administrator puts into place.

use std::path::Path;

use listseal::asn1::Reader;
use listseal::asn1::reader::tag;
use listseal::authorize::scenario::Scenario;
use listseal::config::list::{ListKeys, Scope};
use listseal::config::problem::Problems;
use listseal::config::transport::Transport;
use listseal::config::{Settings, units};
use listseal::model::Address;
use listseal::model::list::{Encrypt, Legacy, ListPolicy};
use listseal::model::roster::Roster;
use listseal::pki::signature::{SignatureAlgorithm, verify};
use listseal::pki::{Crl, Digest, Passphrase, PrivateKey, bundle, pem};

/// The passphrase of all that is encrypted in the seeds of `key`.
pub const PASSPHRASE: &str = "fuzz";

/// A key that is read is whole: written and read again it has the same public half, and that half
/// verifies what the key signs. Bundles, PKCS#12 files, revocation lists and PEM blocks are read or
/// refused; a block that is read is the same when it is written and read again.
pub fn key(data: &[u8]) {
    let passphrase = Passphrase::new(PASSPHRASE.as_bytes().to_vec().into());
    if let Ok(key) = PrivateKey::from_pem(data, Some(&passphrase)) {
        let text = key.to_pem();
        let again = PrivateKey::from_pem(text.as_bytes(), None).expect("what is written is read");
        assert!(
            again.public_key() == key.public_key(),
            "another key is written"
        );
        if let Ok((algorithm, digest, value)) = key.sign(b"text") {
            let algorithm = Reader::only(&algorithm, tag::SEQUENCE).unwrap();
            let algorithm = SignatureAlgorithm::from_tlv(algorithm)
                .and_then(|one| one.with_digest(digest))
                .unwrap();
            let verified = verify(key.public_key(), &algorithm, b"text", &value, Legacy::ALL);
            assert!(verified.is_ok(), "a key that cannot be verified with signs");
        }
    }
    if let Ok(blocks) = pem::blocks(data) {
        for block in blocks {
            assert!(block.body.len() <= data.len());
            if block.headers.is_empty() && !block.body.is_empty() {
                let text = pem::encode(&block.label, &block.body);
                let again = pem::blocks(text.as_bytes()).expect("what is written is read");
                assert!(again.len() == 1 && again[0].label == block.label);
                assert!(*again[0].body == *block.body, "another block is written");
            }
        }
    }
    if let Ok(found) = bundle::certificates(data, Some(&passphrase)) {
        assert!(!found.is_empty(), "a bundle without anything");
    }
    if let Ok(lists) = Crl::from_file(data) {
        assert!(
            !lists.is_empty()
                && lists
                    .iter()
                    .all(|list| Digest::Sha256.of(list.der()) == list.sha256())
        );
    }
}

/// What is wrong is told with a line that is there and something to do; what is read agrees with
/// itself: nobody is on a roster twice, a scenario gives a ruling, numbers are what they show.
///
/// Input: the first octet says which file it is.
pub fn config(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let file = Path::new("/etc/listseal/file");
    match kind % 8 {
        0 => told(Settings::parse(file, text), text),
        1 => {
            let keys = told_or(ListKeys::parse(file, text, Scope::List), text);
            let Some(keys) = keys else { return };
            assert_eq!(keys.clone().or(ListKeys::default()), keys);
        }
        2 => told(ListKeys::parse(file, text, Scope::Domain), text),
        3 => match Scenario::parse(text, "send.fuzz") {
            Ok(scenario) => assert_eq!(scenario.name(), "send.fuzz"),
            Err(error) => {
                assert!((1..=text.lines().count()).contains(&error.line));
                assert!(!error.problem.is_empty());
            }
        },
        4 => roster(text),
        5 => {
            if let Ok(size) = units::size(text) {
                assert_eq!(
                    units::size(&units::show_size(size).replace("bytes", "b")),
                    Ok(size)
                );
            }
            if let Ok(time) = units::duration(text) {
                assert_eq!(units::duration(&units::show_duration(time)), Ok(time));
            }
            let _ = Transport::parse(text);
        }
        6 => {
            let Ok(address) = Address::parse(text) else {
                return;
            };
            let again = Address::parse(&address.to_string());
            assert_eq!(
                again.as_ref(),
                Ok(&address),
                "an address is another when read again"
            );
            assert_eq!(Address::parse(address.key()).as_ref(), Ok(&address));
            let name = listseal::model::escape::file_name(address.key());
            assert!(name.len() <= 200 && !name.starts_with('.') && !name.contains(['/', '\0']));
            assert_eq!(name, name.to_ascii_lowercase());
            assert!(name.is_ascii());
        }
        _ => {
            let policy = ListPolicy::new(Address::parse("list@example.org").unwrap());
            assert_eq!(policy.encrypt, Encrypt::default());
            for one in text.split(',') {
                let known = Legacy::names().any(|name| name == one);
                assert_eq!(Legacy::from_name(one).is_some(), known);
            }
        }
    }
}

fn told<T>(outcome: Result<T, Problems>, text: &str) {
    told_or(outcome, text);
}

fn told_or<T>(outcome: Result<T, Problems>, text: &str) -> Option<T> {
    let Problems(found) = match outcome {
        Ok(value) => return Some(value),
        Err(problems) => problems,
    };
    assert!(
        found.iter().any(|one| one.is_error()),
        "refused for nothing"
    );
    for problem in &found {
        assert!(!problem.remedy.is_empty() && !problem.text().is_empty());
        let last = text.split('\n').count();
        assert!(
            problem.line.is_none_or(|line| (1..=last).contains(&line)),
            "no such line"
        );
    }
    None
}

fn roster(text: &str) {
    let (roster, bad) = Roster::parse(text);
    let lines = text.lines().count();
    assert!(roster.subscribers().len() + bad.len() <= lines);
    for one in &bad {
        assert!((1..=lines).contains(&one.line) && !one.problem.is_empty());
    }
    for one in roster.subscribers() {
        assert!(
            roster.find(&one.address) == Some(one),
            "a subscriber stands there twice"
        );
        assert!(one.aliases.iter().all(|alias| roster.find(alias).is_some()));
    }
}
