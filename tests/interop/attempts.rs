//! How a cell of the matrix is tried, and what must come of it.

use super::common::lab::{Identity, lab};
use super::rows::{ENVELOPE, Envelope, PLAIN, Signing};
use super::{Cell, ENTITY, Toolkit, inspect, mail, ours, sealed_entity, signed_entity};

pub fn read_signed(toolkit: &dyn Toolkit, how: &Signing) -> Cell {
    let who = lab().identity(how.who);
    let forms: &[bool] = if how.stream { &[false] } else { &[false, true] };
    for &detached in forms {
        let der = match toolkit.sign(how, ENTITY, detached)? {
            Ok(der) => der,
            Err(text) => return Some(Err(text)),
        };
        let entity = signed_entity(&der, ENTITY, detached);
        let (report, content) = inspect(&mail(&who, &entity), None);
        assert_good(&report, &content, &who);
        let signers = report["layers"][0]["signers"].as_array().unwrap();
        assert_eq!(
            signers.len(),
            1 + usize::from(how.second.is_some()),
            "{report}"
        );
        if how.second.is_none() {
            assert_eq!(signers[0]["digest"], how.digest, "{report}");
            let name = signers[0]["signature"].as_str().unwrap();
            assert_eq!(name == "rsassa-pss", how.pss, "{report}");
        }
        if how.stream {
            assert!(
                der.windows(2).any(|two| two == [0x24, 0x80]),
                "not in pieces"
            );
        }
    }
    Some(Ok(Vec::new()))
}

pub fn read_sealed(toolkit: &dyn Toolkit, how: &Envelope) -> Cell {
    let to = lab().identity(how.to);
    let der = match toolkit.encrypt(how, ENTITY)? {
        Ok(der) => der,
        Err(text) => return Some(Err(text)),
    };
    let (report, content) = inspect(
        &mail(&lab().identity("alice"), &sealed_entity(&der)),
        Some(&to),
    );
    assert_eq!(report["decrypted"], true, "{report}");
    let layer = &report["layers"][0];
    assert_eq!(layer["content_algorithm"], how.cipher, "{report}");
    let transport = layer["key_algorithm"].as_str().unwrap();
    assert_eq!(transport.contains("oaep"), how.oaep.is_some(), "{report}");
    assert_eq!(content, ENTITY);
    Some(Ok(der))
}

/// Signed and encrypted, and signed again for a triple wrap (RFC 2634).
pub fn nested(toolkit: &dyn Toolkit, triple: bool) -> Cell {
    let (alice, list) = (lab().identity("alice"), lab().identity("list"));
    let make = || {
        let signed = signed_entity(&toolkit.sign(&PLAIN, ENTITY, true)?.ok()?, ENTITY, true);
        let sealed = sealed_entity(&toolkit.encrypt(&usual(toolkit), &signed)?.ok()?);
        if !triple {
            return Some(sealed);
        }
        let outer = toolkit.sign(&PLAIN, &sealed, true)?.ok()?;
        Some(signed_entity(&outer, &sealed, true))
    };
    let (report, content) = inspect(&mail(&alice, &make()?), Some(&list));
    assert_good(&report, &content, &alice);
    assert_eq!(report["decrypted"], true);
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), if triple { 3 } else { 2 });
    Some(Ok(Vec::new()))
}

/// The way to encrypt that the toolkit has, be it only one.
fn usual(toolkit: &dyn Toolkit) -> Envelope {
    let ways = ["aes-256-cbc", "aes-128-cbc"].map(|cipher| Envelope { cipher, ..ENVELOPE });
    let works = |way: &&Envelope| toolkit.encrypt(way, b"x").is_some();
    *ways.iter().find(works).unwrap_or(&ENVELOPE)
}

pub fn opened(toolkit: &dyn Toolkit, name: &str, cipher: &str, oaep: bool) -> Cell {
    let who = lab().identity(name);
    let result = toolkit.open(&ours::sealed(ENTITY, &who, cipher, oaep), &who)?;
    Some(result.inspect(|content| assert_eq!(content, ENTITY, "{name} {cipher}")))
}

/// What the list signed is good, and what somebody changed is not.
pub fn verified(toolkit: &dyn Toolkit, signed: &[u8], list: &Identity) -> Cell {
    let (content, signature) = ours::parts(signed);
    let result = toolkit.verify(&signature, &content, list)?;
    if result.is_ok() {
        let changed = [&content[..], b"more"].concat();
        assert!(toolkit.verify(&signature, &changed, list)?.is_err());
    }
    Some(result)
}

fn assert_good(report: &serde_json::Value, content: &[u8], who: &Identity) {
    assert_eq!(report["signature"], "valid", "{report}");
    assert_eq!(report["chain"], "trusted", "{report}");
    assert_eq!(report["author"], who.address, "{report}");
    assert_eq!(report["reason"], serde_json::Value::Null, "{report}");
    assert_eq!(content, ENTITY);
}
