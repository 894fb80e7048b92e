//! The same facts for programs.

use serde_json::{Value, json};

use super::account;
use super::directory::Directory;
use super::journey::Told;
use super::tries::Try;
use super::world::{ANCHOR, LIST_DIRECTORY, SETTINGS, World};

/// Returns an array: the site, each mail, each command; `kind` tells which is which.
pub(super) fn rows(
    directory: &Directory,
    world: &World,
    told: &[Told],
    tries: &[Try],
) -> Vec<Value> {
    let people = world.people.iter().map(|person| {
        json!({
            "name": person.name, "address": person.address.to_string(), "key": person.key(),
            "member": person.is_member(), "certificate": account::standing(person),
        })
    });
    let site = json!({
        "kind": "site", "directory": directory.path().display().to_string(),
        "configuration": SETTINGS, "authority": ANCHOR, "list": world.list.to_string(),
        "list_directory": LIST_DIRECTORY, "people": people.collect::<Vec<_>>(),
    });
    let mut rows = vec![site];
    for (index, one) in told.iter().enumerate() {
        rows.push(mail(directory, world, told, index, one));
    }
    for one in tries {
        rows.push(json!({"kind": "command", "shows": one.what, "command": one.command}));
    }
    rows
}

fn mail(directory: &Directory, world: &World, all: &[Told], index: usize, told: &Told) -> Value {
    let (_, _, why) = account::verdict(world, &told.plan);
    let learned = told.learned.iter().map(
        |(address, path)| json!({"address": address.to_string(), "file": directory.relative(path)}),
    );
    let got = account::rows(world, all, told).into_iter().map(|row| {
        let (key, cipher) = row.sealed.unzip();
        json!({
            "to": row.to.to_string(), "got": row.got, "notice": row.notice,
            "reason": row.reason.map(crate::model::Reason::code), "why": row.why,
            "file": row.file.map(|file| directory.relative(&file)),
            "key": key, "content_algorithm": cipher, "signed": row.signed,
        })
    });
    json!({
        "kind": "mail", "number": index.saturating_add(1), "name": told.post.name,
        "by": told.post.by, "story": told.post.story, "file": directory.relative(&told.file),
        "id": told.id.to_string(), "disposition": told.plan.disposition,
        "reason": told.plan.reason.map(crate::model::Reason::code), "why": why,
        "learned": learned.collect::<Vec<_>>(), "got": got.collect::<Vec<_>>(),
    })
}
