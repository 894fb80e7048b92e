//! Commands with which anybody can look for himself; each works in the directory of the demo.

use std::path::{Path, PathBuf};

use super::directory::Directory;
use super::journey::{Mail, Told};
use super::world::{ANCHOR, LIST, SETTINGS};
use crate::config::permission::quoted;
use crate::model::plan::What;

/// One command.
pub(super) struct Try {
    /// What it shows.
    pub(super) what: String,
    /// For a shell; lines after the first are its continuation.
    pub(super) command: String,
}

/// Returns the commands, in the order in which they tell most.
pub(super) fn all(directory: &Directory, told: &[Told]) -> Vec<Try> {
    let mut tries = Vec::new();
    let sealed = |mail: &&Mail| mail.item.what == What::Sealed;
    let reader = "alice";
    let to_reader = |mail: &&Mail| mail.item.to.local() == reader;
    if let Some((number, _, file)) = first(told, |mail| sealed(mail) && to_reader(mail)) {
        let open = format!(
            "openssl cms -decrypt -in {} \\\n  -recip members/{reader}.pem -inkey members/{reader}.key",
            directory.relative(&file)
        );
        tries.push(Try {
            what: format!("Mail {number} as {reader} gets it, opened with her key:"),
            command: open.clone(),
        });
        tries.push(Try {
            what: "The same, and the signature inside checked:".to_owned(),
            command: format!("{open} |\n  openssl cms -verify -CAfile {ANCHOR}"),
        });
    }
    let withheld = |mail: &&Mail| matches!(mail.item.what, What::Withheld { .. });
    if let Some((number, mail, file)) = first(told, withheld) {
        tries.push(Try {
            what: format!(
                "What {} gets instead of mail {number}:",
                mail.item.to.local()
            ),
            command: format!("cat {}", directory.relative(&file)),
        });
    }
    let forged = told
        .iter()
        .enumerate()
        .find(|(_, one)| one.post.name == "forged");
    if let Some((index, told)) = forged {
        let file = directory.relative(&told.file);
        tries.push(Try {
            what: format!("Why mail {} was not believed:", index.saturating_add(1)),
            command: own(&format!("inspect --list {LIST} {file}")),
        });
    }
    for (what, command) in [
        ("What was kept back:", "spool ls"),
        ("That nothing was lost:", "audit"),
        ("What a site like this should mend:", "check"),
    ] {
        tries.push(Try {
            what: what.to_owned(),
            command: own(command),
        });
    }
    tries
}

/// Returns the number and the file of the first mail that arrived and is of that kind.
fn first(told: &[Told], wanted: impl Fn(&&Mail) -> bool) -> Option<(usize, &Mail, PathBuf)> {
    told.iter().enumerate().find_map(|(index, told)| {
        let mail = told.mails.iter().find(&wanted)?;
        let file = mail.arrived.as_ref().ok()?;
        Some((index.saturating_add(1), mail, file.clone()))
    })
}

/// A command of this very program, broken where it gets long.
fn own(command: &str) -> String {
    let start = format!("{} --config {SETTINGS}", program());
    if start.len().saturating_add(command.len()) < LONG {
        format!("{start} {command}")
    } else {
        format!("{start} \\\n  {command}")
    }
}

/// Returns what to type for this program: its name where the shell finds it by that.
fn program() -> String {
    let name = "listseal";
    let Ok(this) = std::env::current_exe() else {
        return name.to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| file.is_file());
    let same = |other: &Path| matches!((this.canonicalize(), other.canonicalize()), (Ok(this), Ok(other)) if this == other);
    match found {
        Some(found) if same(&found) => name.to_owned(),
        _ => quoted(&this),
    }
}

/// Bytes of a command on one line.
const LONG: usize = 75;
