//! `listseal list ls` and `listseal list show`.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Outcome;
use crate::cli::check;
use crate::config::units::show_size;
use crate::model::list::{CipherChoice, Encrypt, ListPolicy};
use crate::pki::pem;
use crate::store::directory::ListDirectory;
use crate::store::lists::Lists;
use crate::store::roster;

/// Shows all lists.
pub(super) fn ls(lists: &Lists, as_json: bool) -> Outcome {
    let (all, _) = lists.all();
    if as_json {
        let objects: Vec<_> = all.iter().map(|list| object(lists, list)).collect();
        return Ok(pretty(&Value::Array(objects)));
    }
    let width = all
        .iter()
        .map(|list| list.address.to_string().chars().count())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for list in &all {
        let members = match roster::read(list) {
            Ok((roster, _)) => roster.subscribers().len().to_string(),
            Err(_) => "?".to_owned(),
        };
        let state = match lists.read_directory(list.clone()) {
            Ok(config) => format!(
                "{members:>6} subscribers  send {}, encrypt {}",
                config.policy.send,
                encrypt(config.policy.encrypt)
            ),
            Err(_) => format!(
                "{members:>6} subscribers  out of service: listseal check {}",
                list.address
            ),
        };
        out.push_str(&format!("{:width$}  {state}\n", list.address.to_string()));
    }
    Ok(out)
}

/// Shows one list.
pub(super) fn show(lists: &Lists, name: &str, as_json: bool) -> Outcome {
    let list = check::named(lists, name)?;
    let object = object(lists, &list);
    if as_json {
        return Ok(pretty(&Value::Array(vec![object])));
    }
    let mut out = String::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Array(items) if items.is_empty() => continue,
            Value::Object(parts) => parts
                .iter()
                .filter_map(|(key, part)| Some(format!("{key} {}", part.as_str()?)))
                .collect::<Vec<_>>()
                .join(BELOW),
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect::<Vec<_>>()
                .join(BELOW),
            Value::Number(number) if key == "max_size" => {
                show_size(number.as_u64().unwrap_or_default())
            }
            other => other.to_string(),
        };
        out.push_str(&format!("{key:<20}  {text}\n"));
    }
    Ok(out)
}

fn object(lists: &Lists, list: &ListDirectory) -> Value {
    let mut problems: Vec<String> = Vec::new();
    let members = match roster::read(list) {
        Ok((roster, bad)) => {
            problems.extend(bad.iter().map(crate::config::Problem::text));
            Some(roster.subscribers().len())
        }
        Err(problem) => {
            problems.push(problem.text());
            None
        }
    };
    let config = lists.read_directory(list.clone());
    let mut object = json!({
        "address": list.address,
        "directory": list.path.display().to_string(),
        "subscribers": members,
    });
    let policy = match &config {
        Ok(config) => policy(&config.policy),
        Err(found) => {
            problems.extend(found.0.iter().map(crate::config::Problem::text));
            Value::Null
        }
    };
    if let (Some(object), Value::Object(policy)) = (object.as_object_mut(), policy) {
        object.extend(policy);
    }
    if let Some(object) = object.as_object_mut() {
        object.insert("certificate".to_owned(), certificate(list));
        object.insert("in_service".to_owned(), Value::Bool(config.is_ok()));
        object.insert("problems".to_owned(), json!(problems));
    }
    object
}

/// The certificate that members encrypt to; `listseal check` says what is wrong with it.
fn certificate(list: &ListDirectory) -> Value {
    let announced = ["cert.pem.enc", "cert.pem"]
        .map(|name| list.path.join(name))
        .into_iter()
        .find(|path| path.exists());
    let bytes = announced.and_then(|path| std::fs::read(path).ok());
    let found = bytes.and_then(|bytes| pem::certificates(&bytes).ok());
    match found.as_ref().and_then(|all| all.first()) {
        Some(certificate) => json!({
            "subject": certificate.subject(),
            "sha256": certificate.sha256_hex(),
            "not_after": rfc3339(certificate.not_after()),
        }),
        None => Value::Null,
    }
}

fn rfc3339(time: OffsetDateTime) -> Option<String> {
    time.format(&Rfc3339).ok()
}

fn policy(policy: &ListPolicy) -> Value {
    let cipher = match policy.content_cipher {
        CipherChoice::Auto => "auto",
        CipherChoice::Fixed(cipher) => cipher.name(),
    };
    json!({
        "title": policy.title,
        "owners": policy.owners,
        "moderators": policy.moderators,
        "send": policy.send,
        "encrypt": policy.encrypt,
        "on_undecryptable": policy.on_undecryptable,
        "missing_certificate": policy.missing_certificate,
        "content_cipher": cipher,
        "key_transport": policy.key_transport.name(),
        "floor": policy.floor,
        "sign": policy.sign,
        "subject": policy.subject,
        "max_size": policy.max_size,
        "lang": policy.lang,
        "revocation": policy.revocation,
    })
}

fn encrypt(encrypt: Encrypt) -> &'static str {
    match encrypt {
        Encrypt::Always => "always",
        Encrypt::Mirror => "mirror",
        Encrypt::Never => "never",
    }
}

/// Further lines of a value stand below its first.
const BELOW: &str = "\n                      ";

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
