//! The lists of the site: directories, `list.toml`, and what domain and site add to it.
//!
//! ```text
//! <lists>/<domain>/domain.toml            defaults of the domain's lists, optional
//! <lists>/<domain>/_site/                 key pair of listseal@<domain>
//! <lists>/<domain>/<list>/list.toml       the list
//! ```
//!
//! # Trust
//!
//! An address from outside selects a directory only when its local part is a list name and its
//! domain a domain name, neither of which can hold a `/` or begin with a dot. List and domain
//! directories may be symbolic links: only who may write `paths.lists` can place one, and
//! `listseal check` holds the target to the same rules (contract E6).
//!
//! # Invariants
//!
//! * Everything is read anew for each message, so edits count from the next one on.
//! * A file that cannot be read is trouble ([`Problem`], exit 75), never an unknown list.
//! * A bad list is out of service alone (contract decision 3).

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::list::Scope;
use crate::config::permission::{exposed, quoted};
use crate::config::{ListKeys, PassphraseSource, Problem, Problems, Settings, read_text};
use crate::model::Address;
use crate::model::list::ListPolicy;
use crate::model::route::{Route, SITE_NAME, resolve};
use crate::store::directory::{
    ListDirectory, RESERVED, SITE_DIRECTORY, TRUST_DIRECTORY, directories, is_directory,
    is_domain_name, is_list_name, no_list_toml, not_a_name, spelled, unreadable,
};

/// All lists of a site.
#[derive(Clone, Debug)]
pub struct Lists {
    settings: Arc<Settings>,
}

/// One list's configuration, all levels together.
#[derive(Clone, Debug)]
pub struct ListConfig {
    /// Where it lives.
    pub directory: ListDirectory,
    /// What its owner decided.
    pub policy: ListPolicy,
    /// Its trust anchors.
    pub trust: TrustPaths,
    /// Where the passphrase of its private keys is.
    pub passphrase: Option<PassphraseSource>,
}

/// Files and directories of trust anchors and CRLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrustPaths {
    /// Bundles of certificates.
    pub cafile: Vec<PathBuf>,
    /// Directories of certificates.
    pub capath: Vec<PathBuf>,
    /// Directories that `listseal trust` keeps, which need not exist.
    pub kept: Vec<PathBuf>,
    /// File or directory of CRLs.
    pub crls: Option<PathBuf>,
}

impl TrustPaths {
    /// Returns what the configuration names.
    pub fn sources(&self) -> impl Iterator<Item = &PathBuf> {
        self.cafile.iter().chain(&self.capath).chain(&self.crls)
    }
}

impl Lists {
    /// Returns the lists that `settings` point to.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        Self { settings }
    }

    /// Returns the settings they belong to.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the directory of the list `address`, or `None` where there is no such list.
    ///
    /// # Errors
    ///
    /// Whether there is one cannot be told: a directory cannot be read, or has no `list.toml`.
    pub fn find(&self, address: &Address) -> Result<Option<ListDirectory>, Problem> {
        let root = &self.settings.paths.lists;
        if !is_directory(root)? {
            return Err(Problem::error(
                root,
                "does not exist",
                format!("mkdir -p {}, or correct paths.lists", quoted(root)),
            ));
        }
        let name = address.local().to_ascii_lowercase();
        if !is_list_name(&name) || !is_domain_name(address.domain()) {
            return Ok(None);
        }
        let path = root.join(address.domain()).join(&name);
        if !is_directory(&path)? {
            return Ok(None);
        }
        let directory = ListDirectory {
            address: spelled(&name, address.domain()).unwrap_or_else(|| address.clone()),
            path,
        };
        match std::fs::metadata(directory.list_toml()) {
            Ok(_) => Ok(Some(directory)),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(no_list_toml(&directory.path)),
            Err(e) => Err(unreadable(&directory.list_toml(), &e)),
        }
    }

    /// Returns the directory of the list `address`; `None` also where it cannot be told.
    #[must_use]
    pub fn list(&self, address: &Address) -> Option<ListDirectory> {
        self.find(address).ok().flatten()
    }

    /// True when there is a list `address`.
    #[must_use]
    pub fn is_list(&self, address: &Address) -> bool {
        self.list(address).is_some()
    }

    /// True when the site serves `domain`.
    #[must_use]
    pub fn is_site_domain(&self, domain: &str) -> bool {
        is_domain_name(domain) && self.domain_directory(domain).is_dir()
    }

    /// Returns the route of `recipient`, `None` where it is none of ours.
    ///
    /// # Errors
    ///
    /// As [`Lists::find`], for any list that the address may belong to.
    pub fn route(&self, recipient: &Address) -> Result<Option<Route>, Problem> {
        let trouble = std::cell::RefCell::new(None);
        let is_list = |address: &Address| match self.find(address) {
            Ok(found) => found.is_some(),
            Err(problem) => {
                trouble.borrow_mut().get_or_insert(problem);
                false
            }
        };
        let route = resolve(recipient, is_list, |domain| self.is_site_domain(domain));
        match (route, trouble.into_inner()) {
            (Some(route), _) => Ok(Some(route)),
            (None, Some(problem)) => Err(problem),
            (None, None) => Ok(None),
        }
    }

    /// Returns the directory of a domain, which need not exist.
    #[must_use]
    pub fn domain_directory(&self, domain: &str) -> PathBuf {
        self.settings.paths.lists.join(domain)
    }

    /// Returns the directory of the site pair of a domain, which need not exist.
    #[must_use]
    pub fn site_directory(&self, domain: &str) -> PathBuf {
        self.domain_directory(domain).join(SITE_DIRECTORY)
    }

    /// Returns the domains served, sorted.
    #[must_use]
    pub fn domains(&self) -> Vec<String> {
        self.scan_domains(&mut Vec::new())
    }

    /// Returns every list, sorted, and what stands among them that is none.
    #[must_use]
    pub fn all(&self) -> (Vec<ListDirectory>, Vec<Problem>) {
        let mut found = Vec::new();
        let mut lists = Vec::new();
        for domain in self.scan_domains(&mut found) {
            let path = self.domain_directory(&domain);
            for name in directories(&path, &mut found) {
                let path = path.join(&name);
                if RESERVED.contains(&name.as_str()) {
                    continue;
                }
                match spelled(&name, &domain).filter(|_| is_list_name(&name)) {
                    Some(address) if path.join("list.toml").exists() => {
                        lists.push(ListDirectory { address, path });
                    }
                    Some(_) => found.push(no_list_toml(&path)),
                    None => found.push(not_a_name(&path, &name, "list")),
                }
            }
        }
        lists.sort_by(|a, b| {
            let domains = a.address.domain().cmp(b.address.domain());
            domains.then_with(|| a.address.cmp(&b.address))
        });
        (lists, found)
    }

    /// Reads the policy of the list `address`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with `list.toml` and `domain.toml`, or that there is no such list.
    pub fn load(&self, address: &Address) -> Result<ListPolicy, Problems> {
        self.read(address).map(|config| config.policy)
    }

    /// Reads the whole configuration of the list `address`.
    ///
    /// # Errors
    ///
    /// As [`Lists::load`].
    pub fn read(&self, address: &Address) -> Result<ListConfig, Problems> {
        let directory = self.find(address)?.ok_or_else(|| {
            let path = self.domain_directory(address.domain());
            Problem::error(
                path,
                format!("there is no list {address}"),
                format!("listseal list create {address} --owner OWNER"),
            )
        })?;
        self.read_directory(directory)
    }

    /// Reads the configuration in `directory`.
    ///
    /// # Errors
    ///
    /// As [`Lists::load`].
    pub fn read_directory(&self, directory: ListDirectory) -> Result<ListConfig, Problems> {
        let file = directory.list_toml();
        let address = &directory.address;
        let own = read_text(&file)
            .map_err(Problems::from)
            .and_then(|text| ListKeys::parse(&file, &text, Scope::List));
        let domain = self.domain_keys(address.domain());
        let (own, domain) = match (own, domain) {
            (Ok(own), Ok(domain)) => (own, domain),
            (own, domain) => {
                let all = [own.err(), domain.err()].into_iter().flatten();
                let all = all.flat_map(|problems| problems.0);
                return Err(Problems(all.map(|problem| problem.of(address)).collect()));
            }
        };
        let keys = own.or(domain).or(self.settings.list.clone());
        let mut trust = self.trust(&keys, address.domain());
        trust.kept.push(directory.path.join(TRUST_DIRECTORY));
        let passphrase = self.passphrase(&keys);
        Ok(ListConfig {
            policy: keys.policy(address, &file, &self.settings)?,
            directory,
            trust,
            passphrase,
        })
    }

    /// Reads what holds for the site address of `domain`: its owners are the listmasters, and
    /// postmaster where nobody is named (RFC 5321 section 4.5.1).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with `domain.toml`.
    pub fn read_site(&self, domain: &str) -> Result<ListConfig, Problems> {
        let file = self.domain_file(domain);
        let mut keys = self.domain_keys(domain)?.or(self.settings.list.clone());
        let (trust, passphrase) = (self.trust(&keys, domain), self.passphrase(&keys));
        let parse = |text: String| {
            let remedy = "give the directory the name of a domain";
            Address::parse(&text).map_err(|e| Problem::error(&file, e.to_string(), remedy))
        };
        let address = parse(format!("{SITE_NAME}@{domain}"))?;
        let listmasters = keys
            .listmasters
            .clone()
            .unwrap_or_else(|| self.settings.listmasters.clone());
        keys.owners = Some(if listmasters.is_empty() {
            vec![parse(format!("postmaster@{domain}"))?]
        } else {
            listmasters
        });
        Ok(ListConfig {
            policy: keys.policy(&address, &file, &self.settings)?,
            directory: ListDirectory {
                address,
                path: self.site_directory(domain),
            },
            trust,
            passphrase,
        })
    }

    /// Reads `domain.toml`, which need not exist.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn domain_keys(&self, domain: &str) -> Result<ListKeys, Problems> {
        let file = self.domain_file(domain);
        match std::fs::symlink_metadata(&file) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(ListKeys::default())
            }
            _ => match exposed(&file) {
                Some(problem) => Err(problem.into()), // E6
                None => ListKeys::parse(&file, &read_text(&file)?, Scope::Domain),
            },
        }
    }

    fn domain_file(&self, domain: &str) -> PathBuf {
        self.domain_directory(domain).join("domain.toml")
    }

    /// Returns whom the whole site believes.
    #[must_use]
    pub fn site_trust(&self) -> TrustPaths {
        let site = &self.settings.trust;
        TrustPaths {
            cafile: site.cafile.iter().cloned().collect(),
            capath: site.capath.iter().cloned().collect(),
            kept: vec![self.settings.directory().join(TRUST_DIRECTORY)],
            crls: site.crls.clone(),
        }
    }

    /// Adds what a domain or a list believes to what the site believes.
    fn trust(&self, keys: &ListKeys, domain: &str) -> TrustPaths {
        let mut trust = self.site_trust();
        trust.cafile.extend_from_slice(&keys.cafile);
        trust.capath.extend_from_slice(&keys.capath);
        trust
            .kept
            .push(self.site_directory(domain).join(TRUST_DIRECTORY));
        trust
    }

    fn passphrase(&self, keys: &ListKeys) -> Option<PassphraseSource> {
        keys.passphrase
            .clone()
            .or_else(|| self.settings.passphrase.clone())
    }

    fn scan_domains(&self, found: &mut Vec<Problem>) -> Vec<String> {
        let root = &self.settings.paths.lists;
        let mut domains = Vec::new();
        for name in directories(root, found) {
            if RESERVED.contains(&name.as_str()) {
                continue;
            }
            if is_domain_name(&name) {
                domains.push(name);
            } else {
                found.push(not_a_name(&root.join(&name), &name, "domain"));
            }
        }
        domains
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::route::Role;

    struct World {
        dir: tempfile::TempDir,
        lists: Lists,
    }

    impl World {
        fn new(site: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("listseal.toml");
            let text = format!("[paths]\nlists = \"lists\"\n{site}");
            let settings = Settings::parse(&file, &text).unwrap();
            let lists = Lists::new(Arc::new(settings));
            std::fs::create_dir(dir.path().join("lists")).unwrap();
            Self { dir, lists }
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.dir.path().join("lists").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn nearest_level_wins_and_the_next_fills_in() {
        let world =
            World::new("[list]\nencrypt = \"always\"\nlang = \"de\"\nowners = [\"o@x.org\"]\n");
        world.write("x.org/domain.toml", "lang = \"fr\"\nsubject = \"hide\"\n");
        world.write(
            "x.org/team/list.toml",
            "encrypt = \"never\"\nmax_size = \"1 MiB\"\n",
        );
        world.write("y.org/team/list.toml", "");
        let x = world.lists.load(&address("team@x.org")).unwrap();
        assert_eq!(
            (x.encrypt, x.lang.as_str(), x.subject, x.max_size),
            (
                crate::model::list::Encrypt::Never,
                "fr",
                crate::model::list::SubjectPolicy::Hide,
                1 << 20
            )
        );
        assert_eq!(x.title, "team");
        let y = world.lists.load(&address("TEAM@y.org")).unwrap();
        assert_eq!(y.lang, "de");
        assert_eq!(y.address.to_string(), "team@y.org");
    }

    #[test]
    fn edits_count_from_the_next_reading_on() {
        let world = World::new("");
        let team = address("team@x.org");
        world.write("x.org/team/list.toml", "owners = [\"a@x.org\"]\n");
        assert_eq!(
            world.lists.load(&team).unwrap().owners,
            [address("a@x.org")]
        );
        world.write("x.org/team/list.toml", "owners = [\"b@x.org\"]\n");
        assert_eq!(
            world.lists.load(&team).unwrap().owners,
            [address("b@x.org")]
        );
    }

    #[test]
    fn address_and_directory_must_agree() {
        let world = World::new("");
        world.write(
            "x.org/team/list.toml",
            "address = \"other@x.org\"\nowners = [\"a@x.org\"]\n",
        );
        let problems = world.lists.load(&address("team@x.org")).unwrap_err();
        let text = problems.to_string();
        assert!(text.contains("lists/x.org/team/list.toml"), "{text}");
        assert!(text.contains("write address = \"team@x.org\""), "{text}");
    }

    #[test]
    fn e17_no_recipient_leads_out_of_the_lists() {
        let world = World::new("");
        world.write("x.org/team/list.toml", "owners = [\"a@x.org\"]\n");
        world.write("x.org/_site/list.toml", "owners = [\"a@x.org\"]\n");
        world.write("x.org/.hidden/list.toml", "owners = [\"a@x.org\"]\n");
        std::fs::write(world.dir.path().join("list.toml"), "").unwrap();
        for odd in [
            "../x.org/team@x.org",
            "team/../team@x.org",
            "_site@x.org",
            "/etc/passwd@x.org",
            "team/@x.org",
            "team@[127.0.0.1]",
            "t\u{e9}am@x.org",
        ] {
            // What is no address at all never gets this far.
            if let Ok(address) = Address::parse(odd) {
                assert_eq!(world.lists.find(&address), Ok(None), "{odd}");
            }
        }
        assert!(world.lists.is_list(&address("Team@X.org")));
        let (all, found) = world.lists.all();
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn trouble_is_never_an_unknown_list() {
        let world = World::new("");
        let team = address("team@x.org");
        std::fs::create_dir_all(world.dir.path().join("lists/x.org/team")).unwrap();
        assert!(world.lists.find(&team).is_err(), "no list.toml");
        assert!(world.lists.route(&address("team-owner@x.org")).is_err());
        std::fs::remove_dir_all(world.dir.path().join("lists")).unwrap();
        assert!(world.lists.find(&team).is_err(), "no lists directory");
    }

    #[test]
    fn addresses_of_lists_and_site_find_their_route() {
        let world = World::new("");
        world.write("x.org/team/list.toml", "owners = [\"a@x.org\"]\n");
        let team = address("team@x.org");
        let route = |text| world.lists.route(&address(text)).unwrap();
        assert_eq!(
            route("team@x.org"),
            Some(Route::List(team.clone(), Role::Post))
        );
        assert_eq!(
            route("team-owner@x.org"),
            Some(Route::List(team, Role::Owner))
        );
        let site = address("listseal@x.org");
        assert_eq!(route("listseal@x.org"), Some(Route::Site(site)));
        assert_eq!(route("listseal@y.org"), None);
        assert_eq!(route("nobody@x.org"), None);
    }

    #[test]
    fn odd_directories_are_named_and_the_lists_beside_them_stay() {
        let world = World::new("");
        world.write("x.org/team/list.toml", "owners = [\"a@x.org\"]\n");
        world.write("x.org/Upper/list.toml", "");
        world.write("x.org/empty/README", "");
        world.write("not a domain/team/list.toml", "");
        world.write("x.org/scenari/send.own", "");
        let (all, found) = world.lists.all();
        assert_eq!(all.len(), 1);
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{texts:?}");
        assert!(
            texts
                .iter()
                .any(|t| t.contains("/Upper ") && t.contains("mv "))
        );
        assert!(texts.iter().any(|t| t.contains("without list.toml")));
    }

    #[test]
    fn anchors_of_site_domain_and_list_add_up() {
        let world = World::new("[trust]\ncafile = \"ca.pem\"\ncapath = \"/etc/ca\"\n");
        world.write(
            "x.org/team/list.toml",
            "owners = [\"a@x.org\"]\ncafile = \"own.pem\"\n",
        );
        world.write("x.org/domain.toml", "cafile = \"domain.pem\"\n");
        world.write("y.org/other/list.toml", "owners = [\"a@y.org\"]\n");
        let names = |paths: &[PathBuf]| -> Vec<String> {
            let root = world.dir.path();
            let below = |path: &PathBuf| {
                path.strip_prefix(root)
                    .unwrap_or(path)
                    .display()
                    .to_string()
            };
            paths.iter().map(below).collect()
        };
        let own = world.lists.read(&address("team@x.org")).unwrap().trust;
        assert_eq!(
            names(&own.cafile),
            [
                "ca.pem",
                "lists/x.org/team/own.pem",
                "lists/x.org/domain.pem"
            ]
        );
        assert_eq!(names(&own.capath), ["/etc/ca"]);
        assert_eq!(
            names(&own.kept),
            ["trust", "lists/x.org/_site/trust", "lists/x.org/team/trust"]
        );
        let domain = world.lists.read_site("x.org").unwrap().trust;
        assert_eq!(names(&domain.cafile), ["ca.pem", "lists/x.org/domain.pem"]);
        assert_eq!(names(&domain.kept), ["trust", "lists/x.org/_site/trust"]);
        let other = world.lists.read(&address("other@y.org")).unwrap().trust;
        assert_eq!(names(&other.cafile), ["ca.pem"]);
    }
}
