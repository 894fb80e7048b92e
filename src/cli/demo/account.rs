//! Who got what and why, in words that need no source to be understood.

use std::path::PathBuf;

use time::macros::format_description;

use super::journey::{Mail, Told};
use super::world::{Person, Standing, World};
use crate::model::plan::{Disposition, Item, Plan, What};
use crate::model::{Address, Reason};
use crate::notice::Kind;

/// What one person got because of a mail.
pub(super) struct Row {
    pub(super) to: Address,
    /// "sealed", "copy", "intact", "notice" or "nothing".
    pub(super) got: &'static str,
    /// The notice it is.
    pub(super) notice: Option<String>,
    /// Why this and no other, in a few words.
    pub(super) why: String,
    pub(super) reason: Option<Reason>,
    /// Where it lies.
    pub(super) file: Option<PathBuf>,
    /// Key of the reader and content algorithm where the mail is encrypted.
    pub(super) sealed: Option<(String, String)>,
    /// True where the signature of whom From names is inside and holds.
    pub(super) signed: bool,
}

/// Returns a row for every member, and for the real sender where he is none.
pub(super) fn rows(world: &World, all: &[Told], told: &Told) -> Vec<Row> {
    let mut rows = Vec::new();
    for item in &told.plan.items {
        let mail = told.mails.iter().find(|mail| mail.item == *item);
        rows.push(row(world, all, told, item, mail));
    }
    let concerned = |person: &&Person| person.is_member() || person.name == told.post.by;
    for person in world.people.iter().filter(concerned) {
        if !rows.iter().any(|row| row.to == person.address) {
            rows.push(Row {
                to: person.address.clone(),
                got: "nothing",
                notice: None,
                why: String::new(),
                reason: None,
                file: None,
                sealed: None,
                signed: false,
            });
        }
    }
    rows
}

fn row(world: &World, all: &[Told], told: &Told, item: &Item, mail: Option<&Mail>) -> Row {
    let (got, notice) = match &item.what {
        What::Copy => ("copy", None),
        What::Intact => ("intact", None),
        What::Sealed => ("sealed", None),
        What::Notice { kind, .. } => ("notice", Some(kind.clone())),
        What::Withheld { notice: true, .. } => {
            ("notice", Some(Kind::CertMissing.name().to_owned()))
        }
        What::Withheld { notice: false, .. } => ("nothing", None),
    };
    let reason = match item.what {
        What::Withheld { reason, .. } => Some(reason),
        _ => None,
    };
    let person = world.people.iter().find(|one| one.address == item.to);
    let seen = mail.map(|mail| &mail.seen);
    let trouble = match mail.map(|mail| &mail.arrived) {
        Some(Ok(_)) => seen
            .filter(|seen| !seen.opens)
            .map(|_| "DOES NOT OPEN".to_owned()),
        Some(Err(trouble)) => Some(trouble.clone()),
        None => (got != "nothing").then(|| "NOT SENT".to_owned()),
    };
    let key = person.and_then(Person::key).unwrap_or_default();
    Row {
        to: item.to.clone(),
        got,
        notice,
        why: trouble.unwrap_or_else(|| why(all, told, item, person)),
        reason,
        file: mail.and_then(|mail| mail.arrived.as_ref().ok().cloned()),
        sealed: seen
            .and_then(|seen| seen.sealed.clone())
            .map(|(content, _)| (key, content)),
        signed: seen.is_some_and(|seen| seen.author.is_some() && seen.author == told.plan.sender),
    }
}

fn why(all: &[Told], told: &Told, item: &Item, person: Option<&Person>) -> String {
    match &item.what {
        What::Copy => "came in clear".to_owned(),
        What::Intact => "passed on unopened".to_owned(),
        What::Sealed => {
            let source = all.iter().position(|earlier| {
                earlier
                    .learned
                    .iter()
                    .any(|(address, _)| *address == item.to)
            });
            match source {
                Some(index) => format!("certificate from mail {}", index.saturating_add(1)),
                None => "certificate on file".to_owned(),
            }
        }
        What::Notice { kind, .. } if kind == Kind::Registered.name() => {
            "certificate learned".to_owned()
        }
        What::Notice { .. } if Some(&item.to) != told.plan.sender.as_ref() => String::new(),
        What::Notice { .. } if item.to.local() == told.post.by => "wrote it".to_owned(),
        What::Notice { .. } => "is named in From".to_owned(),
        What::Withheld {
            reason: Reason::Expired,
            ..
        } => {
            let end = person.and_then(expiry);
            end.map_or_else(
                || Reason::Expired.text().to_owned(),
                |end| format!("expired on {end}"),
            )
        }
        What::Withheld {
            reason: Reason::NoCertificate,
            ..
        } => "no certificate".to_owned(),
        What::Withheld { reason, .. } => reason.text().to_owned(),
    }
}

/// How a decision is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Odd,
}

/// Returns what was decided and why.
pub(super) fn verdict(world: &World, plan: &Plan) -> (Tone, &'static str, String) {
    let (tone, word) = match plan.disposition {
        Disposition::Answer => (Tone::Good, "Answered"),
        Disposition::Discard => (Tone::Odd, "Discarded"),
        Disposition::Distribute => (Tone::Good, "Distributed"),
        Disposition::Forward => (Tone::Good, "Forwarded"),
        Disposition::Hold => (Tone::Odd, "Held"),
        Disposition::Refuse => (Tone::Bad, "Refused"),
        Disposition::Report => (Tone::Odd, "Reported"),
        Disposition::Withhold => (Tone::Odd, "Kept back"),
    };
    let why = match (plan.reason, &plan.sender) {
        (Some(reason), _) => format!("{} ({})", reason.text(), reason.code()),
        (None, Some(sender)) if plan.authenticated => {
            let name = world.name_of(sender);
            if plan.encrypted {
                format!("opened with the list's key, {name}'s signature inside holds")
            } else {
                format!("{name}'s signature holds; it leaves as it came")
            }
        }
        (None, _) => "the rules of the list let it pass".to_owned(),
    };
    (tone, word, why)
}

/// Returns what the list knows of a person's certificate at the beginning.
pub(super) fn standing(person: &Person) -> String {
    match person.standing {
        Standing::Expired => {
            let end = expiry(person).unwrap_or_default();
            format!("certificate on file, but expired on {end}")
        }
        Standing::Known => "certificate on file".to_owned(),
        Standing::Stranger => "no member; certificate by the same authority".to_owned(),
        Standing::Unseen => "certificate not seen by the list yet".to_owned(),
        Standing::Without => "no certificate".to_owned(),
    }
}

fn expiry(person: &Person) -> Option<String> {
    let end = person.pair.as_ref()?.certificate.not_after();
    end.format(format_description!("[year]-[month]-[day]")).ok()
}
