//! The site of the demo: an authority, a list, its members and one stranger, as real files.
//!
//! # Invariants
//!
//! * Everything lies where a site of its own would have it, with Sympa's names, so that every
//!   command of Listseal works on it.

use rand_core::CryptoRng;
use time::{Duration, OffsetDateTime};

use super::complaint;
use super::directory::{Directory, OPEN, PRIVATE};
use crate::cli::console::Complaint;
use crate::cli::exit;
use crate::config::permission::RelayUser;
use crate::model::Address;
use crate::model::route::SITE_NAME;
use crate::pki::issue::{self, Contents, Role};
use crate::pki::{Certificate, KeyKind, KeyPair, PrivateKey, Slot, pem};
use crate::store::certificates::CertificateStore;

/// The list.
pub(super) const LIST: &str = "team@example.org";
/// Its directory.
pub(super) const LIST_DIRECTORY: &str = "lists/example.org/team";
/// The configuration.
pub(super) const SETTINGS: &str = "listseal.toml";
/// The certificate of the authority.
pub(super) const ANCHOR: &str = "ca.pem";
/// Key pairs that are made: authority, list, site and people.
pub(super) const KEYS: usize = 7;

const LIST_KEY: KeyKind = KeyKind::Rsa2048;
const DOMAIN_DIRECTORY: &str = "lists/example.org";
const CERTIFICATES: &str = "certificates";

/// How the list knows a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A member whose certificate has expired.
    Expired,
    /// A member whose certificate is on file.
    Known,
    /// A member without any certificate.
    Without,
    /// A member who has a certificate that the list has not seen yet.
    Unseen,
    /// No member, though with a certificate of the same authority.
    Stranger,
}

struct Cast {
    name: &'static str,
    domain: &'static str,
    key: Option<KeyKind>,
    standing: Standing,
}

const CAST: [Cast; 5] = [
    cast("alice", Some(KeyKind::Rsa2048), Standing::Known),
    cast("bob", Some(KeyKind::P256), Standing::Unseen),
    cast("carol", Some(KeyKind::Rsa2048), Standing::Expired),
    cast("dave", None, Standing::Without),
    Cast {
        domain: "example.net",
        ..cast("mallory", Some(KeyKind::P256), Standing::Stranger)
    },
];

const fn cast(name: &'static str, key: Option<KeyKind>, standing: Standing) -> Cast {
    Cast {
        name,
        domain: "example.org",
        key,
        standing,
    }
}

/// Somebody who writes or reads mail.
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) address: Address,
    pub(super) standing: Standing,
    pub(super) pair: Option<KeyPair>,
}

impl Person {
    /// Returns the kind of key, "RSA 2048".
    pub(super) fn key(&self) -> Option<String> {
        let pair = self.pair.as_ref()?;
        Some(pair.key.public_key().name())
    }

    pub(super) fn is_member(&self) -> bool {
        self.standing != Standing::Stranger
    }
}

/// What the demo knows of its site.
pub(super) struct World {
    pub(super) list: Address,
    pub(super) list_certificate: Certificate,
    pub(super) anchor: Certificate,
    pub(super) people: Vec<Person>,
    pub(super) store: CertificateStore,
}

impl World {
    /// Makes keys and certificates, calling `step` after each key, and writes all files.
    pub(super) fn build(
        directory: &Directory,
        now: OffsetDateTime,
        rng: &mut dyn CryptoRng,
        step: &(dyn Fn() + Sync),
    ) -> Result<Self, Complaint> {
        let kinds = [KeyKind::P256, LIST_KEY, KeyKind::P256]
            .into_iter()
            .chain(CAST.iter().filter_map(|cast| cast.key));
        let mut keys = generate(kinds.collect(), step)?.into_iter();
        let mut next = || keys.next().ok_or_else(|| failed(&"a key is missing"));
        let authority = Authority::new(next()?, now, rng)?;
        let list = address(LIST)?;
        let site = address(&format!("{SITE_NAME}@{}", list.domain()))?;
        let list_pair = authority.pair("Team", &list, next()?, now, rng)?;
        let site_pair = authority.pair("Listseal", &site, next()?, now, rng)?;
        let mut people = Vec::with_capacity(CAST.len());
        for cast in CAST {
            let address = address(&format!("{}@{}", cast.name, cast.domain))?;
            let until = match cast.standing {
                Standing::Expired => now - EXPIRED_FOR,
                _ => now + VALIDITY,
            };
            let pair = match cast.key {
                Some(_) => Some(authority.pair_until(cast.name, &address, next()?, until, rng)?),
                None => None,
            };
            people.push(Person {
                name: cast.name,
                address,
                standing: cast.standing,
                pair,
            });
        }
        let store = CertificateStore::new(directory.join(CERTIFICATES), RelayUser::current());
        let world = Self {
            list,
            list_certificate: list_pair.certificate.clone(),
            anchor: authority.certificate,
            people,
            store,
        };
        world.write(directory, &list_pair, &site_pair)?;
        Ok(world)
    }

    /// Returns a person by name.
    pub(super) fn person(&self, name: &str) -> Result<&Person, Complaint> {
        let found = self.people.iter().find(|person| person.name == name);
        found.ok_or_else(|| failed(&format!("there is no {name}")))
    }

    /// Returns the name of whoever has this address.
    pub(super) fn name_of(&self, address: &Address) -> String {
        let known = self.people.iter().find(|one| one.address == *address);
        known.map_or_else(|| address.to_string(), |person| person.name.to_owned())
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(|person| person.is_member())
    }

    fn write(
        &self,
        directory: &Directory,
        list: &KeyPair,
        site: &KeyPair,
    ) -> Result<(), Complaint> {
        for (name, mode) in [
            (LIST_DIRECTORY, OPEN),
            ("lists/example.org/_site", OPEN),
            (CERTIFICATES, OPEN),
            ("templates", OPEN),
            ("posts", OPEN),
            ("outbox", OPEN),
            ("members", PRIVATE),
            ("spool", PRIVATE),
            ("state", PRIVATE),
        ] {
            directory.make(name, mode)?;
        }
        directory.write(SETTINGS, settings(directory))?;
        directory.write(ANCHOR, pem_of(&self.anchor))?;
        directory.write(
            &format!("{LIST_DIRECTORY}/list.toml"),
            list_toml(&self.list),
        )?;
        let subscribers = self.members().map(|one| format!("{}\n", one.address));
        let subscribers = "# One address a line.\n".to_owned() + &subscribers.collect::<String>();
        directory.write(&format!("{LIST_DIRECTORY}/subscribers"), subscribers)?;
        for (place, pair) in [
            (LIST_DIRECTORY.to_owned(), list),
            (format!("{DOMAIN_DIRECTORY}/_site"), site),
        ] {
            directory.write(&format!("{place}/cert.pem"), pem_of(&pair.certificate))?;
            directory.write_private(&format!("{place}/private_key"), pair.key.to_pem().as_str())?;
        }
        for person in &self.people {
            let Some(pair) = &person.pair else { continue };
            let name = format!("members/{}", person.name);
            directory.write(&format!("{name}.pem"), pem_of(&pair.certificate))?;
            directory.write_private(&format!("{name}.key"), pair.key.to_pem().as_str())?;
            if matches!(person.standing, Standing::Known | Standing::Expired) {
                let kept = self
                    .store
                    .keep(&person.address, Slot::Both, &pair.certificate, &[]);
                kept.map_err(|problem| failed(&problem.text()))?;
            }
        }
        Ok(())
    }
}

struct Authority {
    certificate: Certificate,
    key: PrivateKey,
}

impl Authority {
    fn new(
        key: PrivateKey,
        now: OffsetDateTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Complaint> {
        let contents = Contents {
            common_name: "Listseal demo authority",
            addresses: &[],
            not_before: now - AGE,
            not_after: now + VALIDITY,
            role: Role::Authority { path_len: Some(0) },
        };
        let certificate = issue::self_signed(&contents, &key, rng).map_err(|e| failed(&e))?;
        Ok(Self { certificate, key })
    }

    fn pair(
        &self,
        name: &str,
        address: &Address,
        key: PrivateKey,
        now: OffsetDateTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<KeyPair, Complaint> {
        self.pair_until(name, address, key, now + VALIDITY, rng)
    }

    fn pair_until(
        &self,
        name: &str,
        address: &Address,
        key: PrivateKey,
        until: OffsetDateTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<KeyPair, Complaint> {
        let contents = Contents {
            common_name: name,
            addresses: std::slice::from_ref(address),
            not_before: self.certificate.not_before(),
            not_after: until,
            role: Role::User {
                sign: true,
                encrypt: true,
            },
        };
        let public = key.public_key();
        let certificate = issue::issue(&contents, public, &self.certificate, &self.key, rng);
        Ok(KeyPair {
            certificate: certificate.map_err(|e| failed(&e))?,
            chain: Vec::new(),
            key,
            suffix: String::new(),
        })
    }
}

/// Makes all keys at once, in the order asked for.
fn generate(kinds: Vec<KeyKind>, step: &(dyn Fn() + Sync)) -> Result<Vec<PrivateKey>, Complaint> {
    std::thread::scope(|scope| {
        let making: Vec<_> = kinds
            .into_iter()
            .map(|kind| {
                scope.spawn(move || {
                    let key = PrivateKey::generate(kind);
                    step();
                    key
                })
            })
            .collect();
        let made = making.into_iter().map(|one| match one.join() {
            Ok(key) => key.map_err(|e| failed(&format!("a key {e}"))),
            Err(_) => Err(failed(&"a key could not be made")),
        });
        made.collect()
    })
}

fn settings(directory: &Directory) -> String {
    let outbox = directory.join("outbox").display().to_string();
    let outbox = outbox.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "\
# The site that listseal demo made. A real one is much the same; etc/listseal.toml explains
# every key.

[paths]                             # relative to this file
lists = \"lists\"
spool = \"spool\"
certificates = \"{CERTIFICATES}\"
templates = \"templates\"
state = \"state\"

[trust]
cafile = \"{ANCHOR}\"

[delivery]
transport = \"dir://{outbox}\"
connections = 1                     # one after the other, so that the files are in order
"
    )
}

fn list_toml(list: &Address) -> String {
    format!(
        "\
address = \"{list}\"
title = \"The team\"
owners = [\"alice@example.org\"]

# Members, owners and moderators whose signature proves them may post.
send = \"private_smime\"
"
    )
}

fn pem_of(certificate: &Certificate) -> String {
    pem::encode("CERTIFICATE", certificate.der())
}

fn address(text: &str) -> Result<Address, Complaint> {
    Address::parse(text).map_err(|e| failed(&format!("{text} {e}")))
}

fn failed(why: &dyn std::fmt::Display) -> Complaint {
    complaint(exit::FAILED, format!("the site cannot be built: {why}"))
}

/// Everything was made so long ago.
const AGE: Duration = Duration::days(300);
/// And is good for so long.
const VALIDITY: Duration = Duration::days(365);
/// But one certificate has been over for so long.
const EXPIRED_FOR: Duration = Duration::days(7);
