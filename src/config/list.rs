//! `list.toml`, `domain.toml` and `[list]`: the same keys at three levels, the nearest wins.
//!
//! # Place in the flow
//!
//! `list.toml` over `domain.toml` over `[list]` in `listseal.toml` over the program's defaults
//! gives one [`ListPolicy`].
//!
//! # Invariants
//!
//! * A key counts where it stands: what belongs to one list cannot be a default, and what only the
//!   site may decide cannot stand in `list.toml`.
//!
//! # See also
//!
//! `etc/listseal/lists/example.org/team/list.toml` explains every key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::findings::Findings;
use super::passphrase::{PassphraseSource, passphrase};
use super::settings::{SIZES, Settings};
use super::table::{Found, Table};
use super::units::duration;
use super::words::{
    CIPHERS, ENCRYPT, FLOORS, MISSING, ON_UNDECRYPTABLE, REVOCATION, SUBJECT, TRANSPORTS, language,
    legacy, scenario_name, title,
};
use super::{Problem, Problems};
use crate::model::Address;
use crate::model::bounce::BounceRule;
use crate::model::list::{
    CipherChoice, ContentCipher, Encrypt, Legacy, ListPolicy, MissingCertificate, OnUndecryptable,
    Revocation, SubjectPolicy, TransportChoice,
};

/// Where a set of list keys stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `domain.toml`.
    Domain,
    /// `list.toml`.
    List,
    /// `[list]` in `listseal.toml`.
    Site,
}

/// What one level says about a list; what it leaves unsaid is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListKeys {
    /// `address`, in `list.toml` alone.
    pub address: Option<Address>,
    /// `title`, in `list.toml` alone.
    pub title: Option<String>,
    /// `owners`.
    pub owners: Option<Vec<Address>>,
    /// `moderators`.
    pub moderators: Option<Vec<Address>>,
    /// `listmasters`, in `domain.toml` alone (the site's stand at the top of `listseal.toml`).
    pub listmasters: Option<Vec<Address>>,
    /// `send`.
    pub send: Option<String>,
    /// `encrypt`.
    pub encrypt: Option<Encrypt>,
    /// `on_undecryptable`.
    pub on_undecryptable: Option<OnUndecryptable>,
    /// `missing_certificate`.
    pub missing_certificate: Option<MissingCertificate>,
    /// `content_cipher`.
    pub content_cipher: Option<CipherChoice>,
    /// `key_transport`.
    pub key_transport: Option<TransportChoice>,
    /// `floor`.
    pub floor: Option<ContentCipher>,
    /// `sign`.
    pub sign: Option<bool>,
    /// `subject`.
    pub subject: Option<SubjectPolicy>,
    /// `max_size` in bytes.
    pub max_size: Option<u64>,
    /// `lang`.
    pub lang: Option<String>,
    /// `legacy`.
    pub legacy: Option<Legacy>,
    /// `revocation`.
    pub revocation: Option<Revocation>,
    /// `bouncing_count`; 0: nobody is suspended.
    pub bouncing_count: Option<u64>,
    /// `bouncing_period`.
    pub bouncing_period: Option<Duration>,
    /// `cafile`: adds to the anchors of the levels above, which follow.
    pub cafile: Vec<PathBuf>,
    /// `capath`: likewise.
    pub capath: Vec<PathBuf>,
    /// `key_passwd` or `key_passwd_file`.
    pub passphrase: Option<PassphraseSource>,
    /// Where the keys stand that are judged together with others.
    places: Places,
}

/// Where some keys stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    file: PathBuf,
    found: BTreeMap<&'static str, (PathBuf, usize)>,
}

impl Places {
    fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            found: BTreeMap::new(),
        }
    }

    fn note<T>(&mut self, key: &'static str, found: Option<Found<T>>) -> Option<T> {
        let found = found?;
        self.found.insert(key, (self.file.clone(), found.line));
        Some(found.value)
    }

    /// Returns a problem where `key` stands, or about `file` as a whole.
    fn error(&self, key: &str, file: &Path, problem: String, remedy: String) -> Problem {
        match self.found.get(key) {
            Some((file, line)) => Problem::error(file, problem, remedy).at(*line),
            None => Problem::error(file, problem, remedy),
        }
    }
}

impl ListKeys {
    /// Reads `text` as the content of `file`, an absolute path.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(file: &Path, text: &str, scope: Scope) -> Result<Self, Problems> {
        let (mut findings, mut document) = Findings::parse(file, text);
        let keys = Self::read(&mut document, scope, &mut findings);
        document.finish(&mut findings);
        findings.finish(keys)
    }

    /// Returns the name of every key that a file of this scope may have.
    #[must_use]
    pub fn known_keys(scope: Scope) -> BTreeSet<String> {
        let (mut findings, mut document) = Findings::parse(Path::new("/list.toml"), "");
        let _ = Self::read(&mut document, scope, &mut findings);
        findings.known().clone()
    }

    pub(super) fn read(table: &mut Table<'_>, scope: Scope, findings: &mut Findings<'_>) -> Self {
        let mut places = Places::of(findings.file);
        let content_cipher = table.choice("content_cipher", &CIPHERS, findings);
        let floor = table.choice("floor", &FLOORS, findings);
        let mut keys = Self {
            owners: plain(table.addresses("owners", findings)),
            moderators: plain(table.addresses("moderators", findings)),
            send: plain(table.parsed("send", "\"private_smime\"", findings, scenario_name)),
            encrypt: plain(table.choice("encrypt", &ENCRYPT, findings)),
            on_undecryptable: plain(table.choice("on_undecryptable", &ON_UNDECRYPTABLE, findings)),
            missing_certificate: plain(table.choice("missing_certificate", &MISSING, findings)),
            content_cipher: places.note("content_cipher", content_cipher),
            key_transport: plain(table.choice("key_transport", &TRANSPORTS, findings)),
            floor: places.note("floor", floor),
            sign: table.boolean("sign", findings),
            subject: plain(table.choice("subject", &SUBJECT, findings)),
            max_size: table.size("max_size", SIZES, findings),
            lang: plain(table.parsed("lang", "\"en\"", findings, language)),
            legacy: plain(table.texts("legacy", "\"3des\", \"sha1\"", findings, legacy))
                .map(|sets| sets.into_iter().fold(Legacy::NONE, Legacy::with)),
            bouncing_count: table.integer("bouncing_count", 0..=100, findings),
            bouncing_period: plain(table.parsed("bouncing_period", "\"30 d\"", findings, period)),
            places,
            ..Self::default()
        };
        if scope == Scope::Site {
            for (key, remedy) in ELSEWHERE {
                table.misplaced(key, remedy, findings);
            }
        } else {
            keys.revocation = plain(table.choice("revocation", &REVOCATION, findings));
            keys.cafile = table.path("cafile", findings).into_iter().collect();
            keys.capath = table.path("capath", findings).into_iter().collect();
            keys.passphrase = passphrase(table, findings);
        }
        if scope == Scope::List {
            let example = "\"team@example.org\"";
            let address = table.parsed("address", example, findings, Address::parse);
            keys.address = keys.places.note("address", address);
            keys.title = plain(table.parsed("title", "\"The team\"", findings, title));
        } else {
            table.misplaced(
                "address",
                "write it into the list's own list.toml",
                findings,
            );
            table.misplaced("title", "write it into the list's own list.toml", findings);
        }
        match scope {
            Scope::Domain => keys.listmasters = plain(table.addresses("listmasters", findings)),
            Scope::List => {
                let remedy =
                    "write it into listseal.toml or domain.toml: a list cannot appoint them";
                table.misplaced("listmasters", remedy, findings);
            }
            Scope::Site => {}
        }
        keys
    }

    /// Returns these keys with what they leave unsaid taken from `outer`.
    #[must_use]
    pub fn or(self, outer: Self) -> Self {
        Self {
            address: self.address.or(outer.address),
            title: self.title.or(outer.title),
            owners: self.owners.or(outer.owners),
            moderators: self.moderators.or(outer.moderators),
            listmasters: self.listmasters.or(outer.listmasters),
            send: self.send.or(outer.send),
            encrypt: self.encrypt.or(outer.encrypt),
            on_undecryptable: self.on_undecryptable.or(outer.on_undecryptable),
            missing_certificate: self.missing_certificate.or(outer.missing_certificate),
            content_cipher: self.content_cipher.or(outer.content_cipher),
            key_transport: self.key_transport.or(outer.key_transport),
            floor: self.floor.or(outer.floor),
            sign: self.sign.or(outer.sign),
            subject: self.subject.or(outer.subject),
            max_size: self.max_size.or(outer.max_size),
            lang: self.lang.or(outer.lang),
            legacy: self.legacy.or(outer.legacy),
            revocation: self.revocation.or(outer.revocation),
            bouncing_count: self.bouncing_count.or(outer.bouncing_count),
            bouncing_period: self.bouncing_period.or(outer.bouncing_period),
            // Whom the domain believes, its lists believe too.
            cafile: [self.cafile, outer.cafile].concat(),
            capath: [self.capath, outer.capath].concat(),
            passphrase: self.passphrase.or(outer.passphrase),
            places: Places {
                file: self.places.file,
                found: outer
                    .places
                    .found
                    .into_iter()
                    .chain(self.places.found)
                    .collect(),
            },
        }
    }

    /// Returns the policy of the list `address`, whose own file is `file`; `self` already has the
    /// domain's and the site's keys filled in.
    ///
    /// # Errors
    ///
    /// The levels together are not a possible policy.
    pub fn policy(
        self,
        address: &Address,
        file: &Path,
        settings: &Settings,
    ) -> Result<ListPolicy, Problems> {
        let mut found = Vec::new();
        if let Some(claimed) = self.address.as_ref().filter(|claimed| *claimed != address) {
            found.push(self.places.error(
                "address",
                file,
                format!("address is {claimed}, but the directory is that of {address}"),
                format!("write address = \"{address}\", or rename the directory"),
            ));
        }
        let owners = self.owners.unwrap_or_default();
        if owners.is_empty() {
            found.push(Problem::error(
                file,
                "owners is missing: nobody would hear of the list's troubles",
                "write owners = [\"olga@example.org\"]",
            ));
        }
        let usual = ListPolicy::new(self.address.unwrap_or_else(|| address.clone()));
        let content_cipher = self.content_cipher.unwrap_or(usual.content_cipher);
        let floor = self.floor.unwrap_or(usual.floor);
        if let CipherChoice::Fixed(cipher) = content_cipher
            && cipher < floor
        {
            let (cipher, floor) = (cipher.name(), floor.name());
            found.push(self.places.error(
                "content_cipher",
                file,
                format!(
                    "content_cipher {cipher} is weaker than floor {floor}: no copy could leave"
                ),
                format!("write floor = \"{cipher}\", or a stronger content_cipher"),
            ));
        }
        let policy = ListPolicy {
            title: self.title.unwrap_or(usual.title),
            owners,
            moderators: self.moderators.unwrap_or_default(),
            listmasters: self
                .listmasters
                .unwrap_or_else(|| settings.listmasters.clone()),
            send: self.send.unwrap_or(usual.send),
            encrypt: self.encrypt.unwrap_or(usual.encrypt),
            on_undecryptable: self.on_undecryptable.unwrap_or(usual.on_undecryptable),
            missing_certificate: self
                .missing_certificate
                .unwrap_or(usual.missing_certificate),
            content_cipher,
            key_transport: self.key_transport.unwrap_or(usual.key_transport),
            floor,
            sign: self.sign.unwrap_or(usual.sign),
            subject: self.subject.unwrap_or(usual.subject),
            max_size: self
                .max_size
                .unwrap_or(usual.max_size)
                .min(settings.intake.max_size),
            lang: self.lang.unwrap_or(usual.lang),
            legacy: self.legacy.unwrap_or(usual.legacy),
            revocation: self.revocation.unwrap_or(settings.trust.revocation),
            bounces: BounceRule {
                count: self
                    .bouncing_count
                    .and_then(|count| u32::try_from(count).ok())
                    .unwrap_or(usual.bounces.count),
                period: self.bouncing_period.unwrap_or(usual.bounces.period),
            },
            address: usual.address,
        };
        let found = found.into_iter().map(|problem| problem.of(address));
        Problems::unless_errors(policy, found.collect())
    }
}

/// Days are what counts; a year of them is remembered.
fn period(text: &str) -> Result<Duration, &'static str> {
    let period = duration(text)?;
    let days = period.as_secs() / 86_400;
    if (1..=366).contains(&days) {
        Ok(period)
    } else {
        Err("is not between 1 d and 366 d")
    }
}

fn plain<T>(found: Option<Found<T>>) -> Option<T> {
    found.map(|found| found.value)
}

const ELSEWHERE: [(&str, &str); 6] = [
    (
        "revocation",
        "for the whole site it is revocation in [trust]",
    ),
    ("cafile", "for the whole site it is cafile in [trust]"),
    ("capath", "for the whole site it is capath in [trust]"),
    (
        "key_passwd",
        "for the whole site it stands above the first [section]",
    ),
    (
        "key_passwd_file",
        "for the whole site it stands above the first [section]",
    ),
    (
        "listmasters",
        "for the whole site it stands above the first [section]",
    ),
];
