//! What the JSON of `listseal inspect` may look like: every field with its type and its words, and
//! what one field says of another.

use std::collections::BTreeSet;

use listseal::model::Reason;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Says what is wrong with what the program printed and exited with.
pub fn fault(said: &str, code: i64) -> Result<Value, String> {
    let report: Value = serde_json::from_str(said).map_err(|e| format!("no JSON: {e}"))?;
    whole(&report, code)
        .map_err(|text| format!("{text} in {}", said.chars().take(3_000).collect::<String>()))?;
    Ok(report)
}

type Checked = Result<(), String>;

fn whole(report: &Value, code: i64) -> Checked {
    let all = "layers encrypted decrypted signature chain author reason content_type";
    fields(report, all, "")?;
    let layers = array(&report["layers"])?;
    for layer in layers {
        self::layer(layer).map_err(|e| format!("layer: {e}"))?;
    }
    let encrypted = report["encrypted"].as_bool().ok_or("encrypted")?;
    ensure(report["decrypted"].is_boolean() == encrypted, "decrypted")?;
    ensure(encrypted || report["decrypted"].is_null(), "decrypted")?;
    one_of(&report["signature"], "valid invalid none")?;
    if !report["chain"].is_null() {
        one_of(&report["chain"], CHAIN)?;
        ensure(report["signature"] != "none", "chain without signature")?;
    }
    reason(&report["reason"])?;
    ensure(is_text_or_null(&report["content_type"]), "content_type")?;
    if !report["author"].is_null() {
        ensure(report["author"].is_string(), "author")?;
        ensure(report["signature"] == "valid", "author unsigned")?;
        ensure(report["chain"] == "trusted", "author untrusted")?;
    }
    // What the whole says follows from the layers.
    let of = |kinds: &[&str]| -> Vec<&Value> {
        let kinds = |layer: &&Value| kinds.contains(&layer["kind"].as_str().unwrap_or(""));
        layers.iter().filter(kinds).collect()
    };
    let hidden = of(&["enveloped", "auth-enveloped"]);
    ensure(hidden.is_empty() != encrypted, "encrypted without a layer")?;
    let opened = hidden.iter().all(|layer| layer["opened"] == true);
    let wanted = encrypted.then_some(opened);
    ensure(report["decrypted"].as_bool() == wanted, "decrypted alone")?;
    let signed = of(&["signed"]);
    let none = report["signature"] == "none";
    ensure(signed.is_empty() == none, "signature without a layer")?;
    ensure(code == 0 || code == 65, "exit code")?;
    let failed = layers.iter().any(has_failed);
    ensure(!failed || code == 65, "a layer failed, and exit 0")?;
    ensure(code == 0 || !report["reason"].is_null(), "65 for no reason")
}

fn has_failed(layer: &Value) -> bool {
    let signers = layer["signers"].as_array();
    let invalid = |all: &Vec<Value>| all.iter().any(|one| one["verdict"] == "invalid");
    layer["opened"] == false || signers.is_some_and(invalid)
}

fn layer(layer: &Value) -> Checked {
    let kind = layer["kind"].as_str().ok_or("kind")?;
    match kind {
        "enveloped" | "auth-enveloped" => {
            let all = "kind opened reason content_algorithm key_algorithm recipients";
            fields(layer, all, "")?;
            opened(layer)?;
            ensure(is_text_or_null(&layer["content_algorithm"]), "algorithm")?;
            ensure(is_text_or_null(&layer["key_algorithm"]), "key_algorithm")?;
            ensure(layer["recipients"].is_u64(), "recipients")
        }
        "compressed" => {
            fields(layer, "kind opened reason", "")?;
            opened(layer)
        }
        "certs-only" => {
            fields(layer, "kind certificates", "")?;
            array(&layer["certificates"])?
                .iter()
                .try_for_each(certificate)
        }
        "signed" => {
            fields(layer, "kind form signers", "reason")?;
            one_of(&layer["form"], "detached opaque")?;
            reason(layer.get("reason").unwrap_or(&Value::Null))?;
            array(&layer["signers"])?.iter().try_for_each(signer)
        }
        other => Err(format!("kind {other:?}")),
    }
}

fn signer(signer: &Value) -> Checked {
    let all = "verdict reason digest signature signing_time chain chain_reason certificate";
    fields(signer, all, "")?;
    one_of(&signer["verdict"], "valid invalid")?;
    reason(&signer["reason"])?;
    ensure(
        (signer["verdict"] == "valid") == signer["reason"].is_null(),
        "verdict and reason",
    )?;
    ensure(signer["digest"].is_string(), "digest")?;
    ensure(signer["signature"].is_string(), "signature")?;
    if !signer["signing_time"].is_null() {
        instant(&signer["signing_time"])?;
    }
    if signer["certificate"].is_null() {
        ensure(signer["chain"].is_null(), "chain of no certificate")?;
        return ensure(signer["verdict"] == "invalid", "valid, by nobody");
    }
    certificate(&signer["certificate"])?;
    one_of(&signer["chain"], CHAIN)?;
    reason(&signer["chain_reason"])?;
    ensure(
        (signer["chain"] == "trusted") == signer["chain_reason"].is_null(),
        "chain and chain_reason",
    )
}

fn certificate(certificate: &Value) -> Checked {
    let all = "subject issuer serial sha256 addresses not_before not_after usage";
    fields(certificate, all, "")?;
    for name in ["subject", "issuer"] {
        ensure(certificate[name].is_string(), name)?;
    }
    for (name, size) in [("serial", None), ("sha256", Some(64))] {
        let hex = certificate[name].as_str().ok_or(name)?;
        let digits = hex.bytes().all(|b| b"0123456789abcdef".contains(&b));
        ensure(digits && size.is_none_or(|size| size == hex.len()), name)?;
    }
    for address in array(&certificate["addresses"])? {
        let text = address.as_str().ok_or("address")?;
        ensure(text.contains('@'), "address")?;
    }
    instant(&certificate["not_before"])?;
    instant(&certificate["not_after"])?;
    let usage = array(&certificate["usage"])?;
    let all = |word: &Value| one_of(word, "sign encrypt");
    usage.iter().try_for_each(all)
}

fn opened(layer: &Value) -> Checked {
    let opened = layer["opened"].as_bool().ok_or("opened")?;
    reason(&layer["reason"])?;
    ensure(opened == layer["reason"].is_null(), "opened and reason")
}

/// The fields of an object: all of `must`, and of others those in `may`.
fn fields(object: &Value, must: &str, may: &str) -> Checked {
    let object = object.as_object().ok_or("no object")?;
    let has: BTreeSet<&str> = object.keys().map(String::as_str).collect();
    let must: BTreeSet<&str> = must.split(' ').collect();
    let may: BTreeSet<&str> = must.iter().copied().chain(may.split(' ')).collect();
    let right = must.is_subset(&has) && has.is_subset(&may);
    ensure(right, &format!("fields {has:?}"))
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("no array: {value}"))
}

fn one_of(value: &Value, words: &str) -> Checked {
    let word = value.as_str().ok_or_else(|| format!("no word: {value}"))?;
    ensure(words.split(' ').any(|one| one == word), word)
}

fn reason(value: &Value) -> Checked {
    let known = value
        .as_str()
        .is_some_and(|code| Reason::from_code(code).is_some());
    ensure(value.is_null() || known, &format!("reason {value}"))
}

fn instant(value: &Value) -> Checked {
    let text = value.as_str().ok_or("no instant")?;
    OffsetDateTime::parse(text, &Rfc3339)
        .map(drop)
        .map_err(|e| format!("{text:?}: {e}"))
}

fn is_text_or_null(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

fn ensure(holds: bool, what: &str) -> Checked {
    holds.then_some(()).ok_or_else(|| format!("wrong: {what}"))
}

const CHAIN: &str = "trusted untrusted expired not-yet-valid revoked bad-usage broken";
