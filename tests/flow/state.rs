//! What is there beside mail: the spool, certificates, figures, and no text that came encrypted.

use std::collections::HashMap;

use crate::common::lab::lab;
use crate::common::mail::{Made, find};
use crate::common::site::{Site, Waiting};
use crate::script::Step;

/// What `listseal spool ls` shows is what the line says.
pub fn spool(site: &Site, step: &Step) -> Result<(), String> {
    let mut wanted = step.words.clone();
    wanted.retain(|word| word != "empty");
    let found = site.spool();
    let mut left = found.clone();
    for word in &wanted {
        let (state, reason) = word.split_once(':').unwrap_or((word, ""));
        let fits = |one: &Waiting| {
            one.state == state && (reason.is_empty() || one.reason.as_deref() == Some(reason))
        };
        match left.iter().position(fits) {
            Some(at) => drop(left.remove(at)),
            None => return Err(format!("no {word} among {found:?}")),
        }
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("not expected: {left:?}"))
    }
}

/// The certificate of an identity lies under this name.
pub fn stored(site: &Site, file: &str, name: &str) -> Result<(), String> {
    let path = site.path("certificates").join(file);
    let stored = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let known = std::fs::read(lab().identity(name).certificate).unwrap();
    let base64 = |pem: &[u8]| -> String {
        let text = String::from_utf8_lossy(pem);
        let lines = text
            .lines()
            .skip_while(|l| !l.starts_with("-----BEGIN CERT"));
        lines
            .skip(1)
            .take_while(|line| !line.starts_with('-'))
            .flat_map(|line| line.trim().chars())
            .collect()
    };
    if base64(&stored) != base64(&known) || base64(&known).is_empty() {
        return Err("another certificate lies there".to_owned());
    }
    Ok(())
}

/// Figures of the audit, by name.
pub fn counts(site: &Site, step: &Step) -> Result<(), String> {
    let rows = site.json(&["audit", "--json"]);
    for word in &step.words {
        let (name, number) = word.split_once('=').ok_or("write NAME=NUMBER")?;
        let law = rows.as_array().unwrap().iter();
        let found = law
            .filter_map(|row| row.get(name))
            .find_map(serde_json::Value::as_u64);
        if found != number.parse().ok() {
            return Err(format!("{name} is {found:?}: {rows}"));
        }
    }
    Ok(())
}

/// What came encrypted stands nowhere outside encryption.
pub fn nothing_leaked(site: &Site, made: &HashMap<String, Made>) -> Result<(), String> {
    let log = site.log();
    let mut files = vec![("the log".to_owned(), log.into_bytes())];
    for directory in ["outbox", "spool", "state", "certificates"] {
        files.extend(site.files(directory));
    }
    for (file, mail) in made {
        let Some(secret) = &mail.secret else { continue };
        for (name, bytes) in &files {
            if find(bytes, secret.as_bytes()).is_some() {
                return Err(format!("{secret:?} of {file} stands in {name}"));
            }
        }
    }
    Ok(())
}
