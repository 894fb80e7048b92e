//! Every finding of `open` as one JSON object.
//!
//! # Invariants
//!
//! * Field names and values are an interface that scripts rely on; no content is in it.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::layer::Layer;
use super::opened::Opened;
use super::signer::Signer;
use crate::model::Reason;
use crate::pki::certificate::Certificate;
use crate::pki::path::ChainVerdict;

/// Returns the report that `listseal inspect --json` prints.
#[must_use]
pub fn report(opened: &Opened) -> Value {
    json!({
        "layers": opened.layers().iter().map(layer).collect::<Vec<_>>(),
        "encrypted": opened.encrypted(),
        "decrypted": opened.decrypted(),
        "signature": opened.signature().name(),
        "chain": opened.chain().map(ChainVerdict::name),
        "author": opened.author().map(ToString::to_string),
        "reason": code(opened.reason()),
        "content_type": opened.content_type(),
    })
}

fn layer(layer: &Layer) -> Value {
    let problem = code(layer.reason());
    match layer {
        Layer::CertsOnly { certificates } => json!({
            "kind": layer.kind(),
            "certificates": certificates.iter().map(certificate).collect::<Vec<_>>(),
        }),
        Layer::Compressed { .. } => json!({
            "kind": layer.kind(),
            "opened": problem.is_null(),
            "reason": problem,
        }),
        Layer::Encrypted(encrypted) => json!({
            "kind": layer.kind(),
            "opened": problem.is_null(),
            "reason": problem,
            "content_algorithm": encrypted.content_algorithm,
            "key_algorithm": encrypted.key_algorithm,
            "recipients": encrypted.recipients,
        }),
        Layer::Signed(signed) => {
            let mut object = Map::new();
            object.insert("kind".to_owned(), layer.kind().into());
            object.insert("form".to_owned(), signed.form.name().into());
            // What no signer can say: there is none, or the structure is wrong.
            if signed.problem.is_some() {
                object.insert("reason".to_owned(), code(signed.problem));
            }
            let signers = signed.signers.iter().map(signer).collect::<Vec<_>>();
            object.insert("signers".to_owned(), signers.into());
            object.into()
        }
    }
}

fn signer(signer: &Signer) -> Value {
    let evidence = &signer.evidence;
    let reason = evidence.result.err();
    let chain = signer.chain.as_ref();
    json!({
        "verdict": if reason.is_none() { "valid" } else { "invalid" },
        "reason": code(reason),
        "digest": evidence.digest,
        "signature": evidence.signature,
        "signing_time": evidence.signing_time.map(instant),
        "chain": chain.map(|chain| chain.verdict.name()),
        "chain_reason": code(chain.and_then(|chain| chain.reason)),
        "certificate": evidence.certificate.as_ref().map(certificate),
    })
}

fn certificate(certificate: &Certificate) -> Value {
    let usage = certificate.usage();
    let mut words = Vec::new();
    if usage.sign {
        words.push("sign");
    }
    if usage.encrypt {
        words.push("encrypt");
    }
    json!({
        "subject": certificate.subject(),
        "issuer": certificate.issuer(),
        "serial": certificate.serial_hex(),
        "sha256": certificate.sha256_hex(),
        "addresses": certificate.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "not_before": instant(certificate.not_before()),
        "not_after": instant(certificate.not_after()),
        "usage": words,
    })
}

fn code(reason: Option<Reason>) -> Value {
    reason.map_or(Value::Null, |reason| reason.code().into())
}

fn instant(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
