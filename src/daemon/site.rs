//! Everything the daemon keeps open for a site, and the world as one message finds it.
//!
//! # Invariants
//!
//! * Lists, rosters, scenarios, keys, certificates and anchors are asked for anew with each message,
//!   so that edits count from the next one on; what did not change is not read again.
//! * One list's trouble is an [`Obstacle`] of its messages, never an error of the daemon (contract
//!   decision 3).

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tracing::warn;

use super::clock::Clock;
use super::pace::Pace;
use super::world::{Obstacle, Unsealable, World};
use crate::config::permission::{RelayUser, exposed};
use crate::config::{Problem, Problems, Settings};
use crate::model::list::{ContentCipher, Revocation};
use crate::model::plan::{Disposition, Plan};
use crate::model::route::{Role, Route};
use crate::model::{Address, Reason};
use crate::notice::Templates;
use crate::pki::Certificate;
use crate::pki::path::{ChainVerdict, Purpose};
use crate::relay::topic;
use crate::seal::{self, Recipient, cipher_for, transport_for, usable};
use crate::store::anchors::TrustStore;
use crate::store::certificates::{CertificateStore, Unusable};
use crate::store::claims::KeyClaims;
use crate::store::keys::{KeyRing, KeyStore};
use crate::store::limits::{Ask, NoticeLimits};
use crate::store::lists::{ListConfig, Lists};
use crate::store::proof::CopyNames;
use crate::store::replay::ReplayStore;
use crate::store::told::Told;
use crate::store::{passphrase, templates};

/// The stores of a site.
pub(super) struct Site {
    pub settings: Arc<Settings>,
    pub clock: Clock,
    pub lists: Lists,
    pub certificates: CertificateStore,
    pub templates: Templates,
    pub told: Mutex<Told>,
    pub pace: Pace,
    pub names: CopyNames,
    keys: KeyStore,
    claims: KeyClaims,
    trust: TrustStore,
    user: RelayUser,
    limits: Mutex<NoticeLimits>,
    replay: Mutex<HashMap<Address, Arc<Mutex<ReplayStore>>>>,
    turns: Mutex<HashMap<Address, Arc<Mutex<()>>>>,
    complained: Mutex<HashSet<String>>,
}

impl Site {
    pub fn open(settings: Arc<Settings>, clock: Clock) -> Result<Self, Problem> {
        let now = clock.wall();
        let user = RelayUser::of_site(&settings);
        let lists = Lists::new(settings.clone());
        let state = &settings.paths.state;
        if let Some(problem) = exposed(state) {
            return Err(problem); // E6
        }
        let certificates = CertificateStore::new(settings.paths.certificates.clone(), user);
        certificates.sweep(now.into());
        Ok(Self {
            certificates,
            templates: Templates::with(templates::loader(lists.clone())),
            limits: Mutex::new(NoticeLimits::open(state, now)?),
            told: Mutex::new(Told::open(state)?),
            pace: Pace::default(),
            names: CopyNames::open(state)?,
            keys: KeyStore::default(),
            claims: KeyClaims::default(),
            trust: TrustStore::default(),
            replay: Mutex::default(),
            turns: Mutex::default(),
            complained: Mutex::default(),
            user,
            lists,
            clock,
            settings,
        })
    }

    /// Returns the world of the list or site that `recipient` leads to.
    pub fn world(&self, recipient: &Address) -> Result<World, Obstacle> {
        let broken = |of: &Address, problems: Problems| Obstacle {
            of: of.clone(),
            reason: Reason::ScenarioError,
            problems: problems.0,
        };
        let gone = || {
            let file = &self.settings.paths.lists;
            let remedy = "put its directory back; its messages wait for it";
            Problem::error(
                file,
                format!("there is no list {recipient} any more"),
                remedy,
            )
        };
        let route = self.lists.route(recipient);
        let route = route.and_then(|route| route.ok_or_else(gone));
        let route = route.map_err(|problem| broken(recipient, problem.into()))?;
        let (of, read, role, is_site) = match route {
            Route::List(list, role) => {
                let read = self.lists.read(&list);
                (list, read, role, false)
            }
            Route::Site(site) => {
                let read = self.lists.read_site(site.domain());
                (site, read, Role::Register, true)
            }
        };
        let config = read.map_err(|problems| broken(&of, problems))?;
        // E6, S43: whoever can write there decides for the list, and which key its mail is sealed to.
        let directory = &config.directory;
        let open = [
            &directory.path,
            &directory.list_toml(),
            &directory.subscribers(),
            &self.settings.paths.certificates,
        ];
        if let Some(problem) = open.into_iter().find_map(|path| exposed(path)) {
            return Err(broken(&of, problem.into()));
        }
        let trust = self.trust.current(&config.trust);
        self.complain(trust.problems.iter());
        if let Some(problem) = trust.trouble() {
            return Err(Obstacle {
                of: config.policy.address.clone(),
                reason: Reason::UnknownIssuer,
                problems: vec![problem.clone()],
            });
        }
        let ring = self.ring(&config, &directory.path, Some(&directory.address));
        Ok(World {
            config,
            ring,
            trust,
            role,
            is_site,
        })
    }

    /// Returns the world of the site address of `domain`, where that can be read.
    pub fn site_world(&self, domain: &str) -> Option<World> {
        let config = self.lists.read_site(domain).ok()?;
        Some(World {
            trust: self.trust.current(&config.trust),
            ring: self.ring(&config, &config.directory.path, None),
            config,
            role: Role::Register,
            is_site: true,
        })
    }

    /// Returns what keeps the messages for `recipient` waiting now.
    pub fn obstacle(&self, recipient: &Address) -> Option<Obstacle> {
        match self.world(recipient) {
            Ok(world) if world.ring.is_incomplete() => Some(world.keyless()),
            Ok(world) => (self.certificates.trouble()).map(|problem| world.certificates(problem)),
            Err(obstacle) => Some(obstacle),
        }
    }

    /// Returns the keys of the site address beside a list, which open what is no post (contract S22).
    pub fn site_ring(&self, world: &World) -> Arc<KeyRing> {
        if world.is_site {
            return world.ring.clone();
        }
        let domain = world.config.policy.address.domain();
        match self.lists.read_site(domain) {
            Ok(site) if site.directory.path.is_dir() => {
                self.ring(&site, &site.directory.path, None)
            }
            _ => Arc::default(),
        }
    }

    /// Returns the keys in `directory` but for those that are another list's than `own` (S22).
    fn ring(&self, config: &ListConfig, directory: &Path, own: Option<&Address>) -> Arc<KeyRing> {
        let secret = match passphrase::read(config.passphrase.as_ref(), self.user) {
            Ok(secret) => secret,
            Err(problem) => {
                // An encrypted key will say so itself; an open one needs no passphrase.
                self.complain([&problem]);
                None
            }
        };
        let ring = self.keys.current(directory, secret.as_ref(), self.user);
        let ring = self
            .claims
            .own(ring, &self.lists, self.user, directory, own);
        self.complain(ring.problems());
        ring
    }

    /// Returns what is held while a message of `list` is judged: two at once could each be taken for
    /// the first one with a content key (contract S19).
    pub fn turn(&self, list: &Address) -> Arc<Mutex<()>> {
        lock(&self.turns).entry(list.clone()).or_default().clone()
    }

    /// Returns the memory of what a list admitted.
    pub fn replay(
        &self,
        list: &Address,
        now: OffsetDateTime,
    ) -> Result<Arc<Mutex<ReplayStore>>, Problem> {
        let mut open = lock(&self.replay);
        if let Some(store) = open.get(list) {
            return Ok(store.clone());
        }
        let store = ReplayStore::open(&self.settings.paths.state, list, now)?;
        let store = Arc::new(Mutex::new(store));
        open.insert(list.clone(), store.clone());
        Ok(store)
    }

    /// Takes the notices out of a plan that were told already (contract S38, decision 2). The
    /// daemon's own reports are each about another message and all told (R11).
    pub fn limit(&self, plan: &mut Plan, id: &str, now: OffsetDateTime) -> Result<(), Problem> {
        if plan.disposition == Disposition::Report {
            return Ok(());
        }
        let Some(list) = plan.list.clone() else {
            return Ok(());
        };
        let mut limits = lock(&self.limits);
        let mut kept = Vec::with_capacity(plan.items.len());
        for item in std::mem::take(&mut plan.items) {
            let due = match topic(&item, plan.authenticated) {
                None => true,
                Some(topic) => {
                    let ask = Ask {
                        list: &list,
                        to: &item.to,
                        topic: &topic.heading,
                        counted: topic.counted,
                        cause: id,
                    };
                    limits.admit(&ask, now)?.is_ok()
                }
            };
            if due {
                kept.push(item);
            }
        }
        plan.items = kept;
        Ok(())
    }

    /// Returns whether a copy can be sealed to `address` now (contract S23, S35).
    ///
    /// A certificate placed by hand is believed for what its file name says (decision 8), but never
    /// against a revocation list; where the list is strict (`revocation = "hard"`), it has to be
    /// known not to be revoked.
    pub fn certificate(
        &self,
        world: &World,
        address: &Address,
        now: OffsetDateTime,
    ) -> Result<Certificate, Unsealable> {
        let unusable = |unusable| match unusable {
            Unusable::File(problem) => {
                self.complain([&problem]);
                Unsealable::Reader(Reason::CertificateUnusable)
            }
            Unusable::Trouble(problem) => Unsealable::Trouble(world.certificates(problem)),
        };
        let stored = self.certificates.encryption(address).map_err(unusable)?;
        let stored = stored.ok_or(Reason::NoCertificate)?;
        usable(&stored.certificate, now)?;
        let belief = world.belief();
        let strict = belief.revocation == Revocation::Hard;
        if strict || (belief.revocation != Revocation::Off && !belief.crls.lists().is_empty()) {
            let issuers = self.certificates.issuers(address, &stored);
            let issuers = issuers.map_err(unusable)?;
            let purpose = Purpose::Encrypt;
            let chain = belief.chain(&stored.certificate, &issuers, purpose, now);
            match (chain.verdict, chain.reason) {
                (ChainVerdict::Revoked, _) => return Err(Reason::Revoked.into()),
                // Nothing but time is wrong: the revocation lists were asked.
                (ChainVerdict::Trusted | ChainVerdict::Expired | ChainVerdict::NotYetValid, _) => {}
                (_, Some(Reason::RevocationUnknown)) => {
                    return Err(Reason::RevocationUnknown.into());
                }
                _ if strict => return Err(Reason::RevocationUnknown.into()),
                _ => {}
            }
        }
        Ok(stored.certificate)
    }

    /// Returns what a copy for `address` is encrypted with.
    pub fn cipher(&self, world: &World, address: &Address) -> Result<ContentCipher, Reason> {
        let reads = self.certificates.capabilities(address);
        let ciphers = reads.as_ref().map(|reads| &reads.ciphers[..]);
        cipher_for(&world.config.policy, ciphers)
    }

    /// Returns how to seal to `address` now, or what stands in the way.
    pub fn recipient(
        &self,
        world: &World,
        address: &Address,
        now: OffsetDateTime,
    ) -> Result<(Recipient, ContentCipher), Unsealable> {
        let certificate = self.certificate(world, address, now)?;
        let reads = self.certificates.capabilities(address);
        let policy = &world.config.policy;
        let transport = transport_for(policy, reads.as_ref());
        let recipient = seal::recipient(&certificate, transport, now)?;
        let ciphers = reads.as_ref().map(|reads| &reads.ciphers[..]);
        let cipher = cipher_for(policy, ciphers)?;
        Ok((recipient, cipher))
    }

    /// True for an address of this site: a list, one of its roles, the site address.
    pub fn is_own(&self, address: &Address) -> bool {
        // What cannot be told counts as ours: no answer is better than a loop.
        !matches!(self.lists.route(address), Ok(None))
    }

    /// Logs each problem once, until the process is started anew.
    pub fn complain<'a>(&self, problems: impl IntoIterator<Item = &'a Problem>) {
        for problem in problems {
            let text = problem.text();
            let mut complained = lock(&self.complained);
            if complained.len() > MOST_COMPLAINTS {
                complained.clear();
            }
            if complained.insert(text.clone()) {
                warn!(
                    list = problem.list.as_ref().map(tracing::field::display),
                    "{text}"
                );
            }
        }
    }
}

/// Problems remembered as logged; more than any site that is looked after has.
const MOST_COMPLAINTS: usize = 10_000;

/// Locks `mutex`; a thread that died holding it left nothing half done that a file does not know.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
