//! Who cannot get a sealed post, and why.

use std::collections::BTreeSet;

use super::Examination;
use super::site::date;
use crate::config::{Problem, Severity};
use crate::model::bounce::Record;
use crate::model::list::{Encrypt, ListPolicy};
use crate::model::roster::{Mode, Roster};
use crate::model::{Address, Reason, escape};
use crate::seal::{cipher_for, recipient, transport_for};
use crate::store::bounces::Bounces;
use crate::store::certificates::Stored;
use crate::store::directory::ListDirectory;
use crate::store::lists::ListConfig;

impl Examination {
    /// Looks for the certificate of each subscriber, and of those who decide on held posts.
    pub(super) fn members(&mut self, config: &ListConfig, roster: &Roster) {
        let policy = &config.policy;
        if policy.encrypt == Encrypt::Never {
            return;
        }
        let mut found = Vec::new();
        if cipher_for(policy, None).is_err() {
            found.push(Problem::warning(
                config.directory.list_toml(),
                format!(
                    "floor: {} is more than a subscriber is known to read, so nobody may get a \
                     sealed copy",
                    policy.floor.name()
                ),
                "write content_cipher = the same, if all members read it, or floor = \"aes-256-cbc\"",
            ));
        }
        let readers = roster.subscribers().iter();
        let readers: BTreeSet<&Address> = readers
            .filter(|subscriber| subscriber.mode == Mode::Mail)
            .map(|subscriber| &subscriber.address)
            .collect();
        for address in &readers {
            found.extend(self.reader(address, policy, "gets no sealed post"));
        }
        for address in policy.deciders() {
            if !readers.contains(address) {
                found.extend(self.reader(
                    address,
                    policy,
                    "cannot be shown held posts that came encrypted",
                ));
            }
        }
        let found = found.into_iter().map(|problem| problem.of(&policy.address));
        self.found.extend(found);
    }

    /// Names the members who get nothing because their mail came back.
    pub(super) fn suspended(&mut self, list: &ListDirectory, roster: &Roster) {
        let bounces = Bounces::of(&self.lists.settings().paths.state, &list.address);
        let (records, problems) = match bounces.all() {
            Ok(read) => read,
            Err(problem) => (Vec::new(), vec![problem]),
        };
        let subscribers = list.subscribers();
        let member = |record: &Record| roster.find(&record.address).is_some();
        let found = records.iter().filter(|record| member(record));
        let found = found.filter_map(|record| {
            let suspended = record.suspended.as_ref()?;
            let (member, list) = (&record.address, &list.address);
            let (days, status) = (suspended.days, &suspended.status);
            Some(Problem::warning(
                &subscribers,
                format!("{member} is suspended: mail came back on {days} day(s), last {status}"),
                format!("listseal subscriber resume {list} {member}, once it works again"),
            ))
        });
        let found: Vec<Problem> = found.chain(problems).collect();
        let found = found.into_iter().map(|problem| problem.of(&list.address));
        self.found.extend(found);
    }

    fn reader(&self, address: &Address, policy: &ListPolicy, loss: &str) -> Option<Problem> {
        let remedy = format!(
            "let {address} send a signed mail to {}-register@{}",
            policy.name(),
            policy.address.domain()
        );
        let stored = match self.certificates.encryption(address) {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                let place = escape::file_name(address.key());
                return Some(Problem::warning(
                    self.certificates.directory().join(place),
                    format!("{address} {loss}: there is no certificate"),
                    format!("{remedy}, or put the certificate there"),
                ));
            }
            Err(unusable) => return Some(unusable.into()),
        };
        match recipient(&stored.certificate, transport_for(policy, None), self.now) {
            Ok(_) => misnamed(&stored),
            Err(reason) => {
                let why = match reason {
                    Reason::Expired => {
                        let end = date(stored.certificate.not_after());
                        format!("the certificate expired on {end}")
                    }
                    other => other.to_string(),
                };
                Some(Problem::warning(
                    &stored.path,
                    format!("{address} {loss}: {why}"),
                    format!("{remedy} with a new certificate"),
                ))
            }
        }
    }

    /// Looks at every file of the certificate directory.
    pub(super) fn certificate_files(&mut self) {
        match self.certificates.entries() {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(stored) => self.found.extend(misnamed(&stored)),
                        Err(problem) => self.found.push(problem),
                    }
                }
            }
            Err(problem) => self.found.push(problem),
        }
    }
}

/// A certificate that names other addresses than its file is used all the same: the name is the
/// claim (contract decision 8). But it is rarely meant.
fn misnamed(stored: &Stored) -> Option<Problem> {
    let name = stored.path.file_name()?.to_string_lossy();
    let name = name.strip_suffix(stored.slot.suffix()).unwrap_or(&name);
    let addresses = stored.certificate.addresses();
    let fits = |address: &Address| {
        escape::file_name(address.key()) == name
            || escape::older_names(address.key())
                .iter()
                .any(|older| older == name)
    };
    if addresses.iter().any(fits) {
        return None;
    }
    let names: Vec<_> = addresses.iter().map(Address::to_string).collect();
    let names = if names.is_empty() {
        "no address".to_owned()
    } else {
        names.join(", ")
    };
    Some(Problem {
        severity: Severity::Warning,
        ..Problem::error(
            &stored.path,
            format!("is a certificate for {names}; it is used for the address of the file name"),
            "replace it, unless it is meant",
        )
    })
}
