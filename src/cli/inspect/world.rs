//! The keys, anchors and revocation lists that `inspect` works with.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Args;
use crate::cli::check::no_list;
use crate::cli::console::Complaint;
use crate::cli::exit;
use crate::config::permission::RelayUser;
use crate::config::{PassphraseSource, Problem, Settings};
use crate::mime::{Entity, sender};
use crate::model::Address;
use crate::model::list::{Legacy, Revocation};
use crate::model::route::Route;
use crate::pki::anchors::Anchors;
use crate::pki::certificate::Certificate;
use crate::pki::key::{KeyPair, PrivateKey};
use crate::pki::pem;
use crate::pki::revocation::Crls;
use crate::store::anchors::Trust;
use crate::store::certificates::CertificateStore;
use crate::store::keys::KeyRing;
use crate::store::lists::{Lists, TrustPaths};
use crate::store::passphrase;

/// What a message is opened with; empty by default.
#[derive(Default)]
pub(super) struct World {
    /// Key pairs to decrypt with.
    pub(super) keys: Vec<KeyPair>,
    /// Whom to trust.
    pub(super) anchors: Anchors,
    /// Revocation lists at hand.
    pub(super) crls: Crls,
    /// Certificates known for signers who enclose none.
    pub(super) known: Vec<Certificate>,
    /// Old algorithms that are admitted.
    pub(super) legacy: Legacy,
    /// What a certificate is worth that no valid CRL covers.
    pub(super) revocation: Revocation,
    /// What is wrong, and leaves enough for an answer.
    pub(super) problems: Vec<Problem>,
}

impl World {
    /// Returns the world of the list, if one is named, with what the options add.
    pub(super) fn of(args: &Args, config: &Path, message: &[u8]) -> Result<Self, Complaint> {
        let mut world = match &args.list {
            Some(address) => Self::of_list(address, config, message)?,
            None => Self::default(),
        };
        if let (Some(key), Some(cert)) = (&args.key, &args.cert) {
            let passphrase = args.key_passwd_file.as_deref();
            world.keys.push(pair(key, cert, passphrase)?);
        }
        world.trust(&TrustPaths {
            cafile: args.cafile.iter().cloned().collect(),
            capath: args.capath.iter().cloned().collect(),
            kept: Vec::new(),
            crls: args.crls.clone(),
        })?;
        Ok(world)
    }

    fn of_list(address: &Address, config: &Path, message: &[u8]) -> Result<Self, Complaint> {
        let settings = Settings::load(config).map_err(configuration)?;
        let lists = Lists::new(Arc::new(settings));
        let settings = lists.settings();
        let mut world = Self::default();
        let config = match lists.route(address).map_err(configuration)? {
            None => return Err(no_list(address)),
            Some(Route::List(list, _)) => lists.read(&list),
            Some(Route::Site(site)) => lists.read_site(site.domain()),
        };
        let config = config.map_err(configuration)?;
        world.legacy = config.policy.legacy;
        world.revocation = config.policy.revocation;
        let user = RelayUser::of_site(settings);
        // A key that cannot be used is told; a mail that is only signed needs none.
        let passphrase = passphrase::read(config.passphrase.as_ref(), user);
        let passphrase = passphrase.unwrap_or_else(|problem| {
            world.problems.push(problem);
            None
        });
        let ring = KeyRing::load(&config.directory.path, passphrase.as_ref(), user);
        world.keys = ring.pairs().to_vec();
        world.problems.extend_from_slice(ring.problems());
        world.trust(&config.trust)?;
        if let Ok(from) = Entity::parse(message).map(|entity| sender::author(&entity))
            && let Ok(from) = from
        {
            let store = CertificateStore::new(&settings.paths.certificates, user);
            match store.verification(&from) {
                Ok((known, problems)) => {
                    world.known = known;
                    world.problems.extend(problems);
                }
                Err(problem) => world.problems.push(problem),
            }
        }
        Ok(world)
    }

    /// Adds the anchors and CRLs of these files.
    fn trust(&mut self, paths: &TrustPaths) -> Result<(), Complaint> {
        let trust = Trust::read(paths);
        // Whom to trust is not known then: no verdict could be relied on.
        if let Some(problem) = trust.trouble() {
            return Err(configuration(problem));
        }
        let anchors = [self.anchors.certificates(), trust.anchors.certificates()];
        self.anchors = Anchors::new(anchors.concat());
        let crls = std::mem::take(&mut self.crls);
        self.crls = crls.with(trust.crls.lists().to_vec());
        self.problems.extend(trust.problems);
        Ok(())
    }
}

fn configuration(problem: impl std::fmt::Display) -> Complaint {
    (exit::CONFIG, problem.to_string())
}

/// Returns the certificates of a PEM file.
pub(super) fn certificates(file: &Path) -> Result<Vec<Certificate>, Complaint> {
    let bytes = bytes(file).map_err(configuration)?;
    pem::certificates(&bytes)
        .map_err(|error| configuration(format_args!("{}: {error}", file.display())))
}

fn pair(key: &Path, cert: &Path, passwd: Option<&Path>) -> Result<KeyPair, Complaint> {
    let source = passwd.map(|file| PassphraseSource::File(file.to_owned()));
    let passphrase = match &source {
        Some(_) => {
            passphrase::read(source.as_ref(), RelayUser::current()).map_err(configuration)?
        }
        None => None,
    };
    let text = Zeroizing::new(bytes(key).map_err(configuration)?);
    let private = PrivateKey::from_pem(&text, passphrase.as_ref())
        .map_err(|error| configuration(format_args!("{}: {error}", key.display())))?;
    KeyPair::among(certificates(cert)?, private).ok_or_else(|| {
        configuration(format_args!(
            "{}: holds no certificate for the key in {}",
            cert.display(),
            key.display()
        ))
    })
}

pub(super) fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{}: cannot be read: {error}", file.display()))
}
