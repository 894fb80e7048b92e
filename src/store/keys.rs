//! The key pairs of a list or of the site: `cert.pem` with `private_key`, and the pairs beside them.
//!
//! # Place in the flow
//!
//! open decrypts with every pair, seal signs and encloses with the announced ones.
//!
//! # Invariants
//!
//! * One bad pair never hides another: each problem stands for itself (contract decision 3).
//! * A private key that others can read, that is a link, or that does not belong to its
//!   certificate is not used (contract S43).
//!
//! # See also
//!
//! Sympa's `cert.pem.enc` and `cert.pem.sign`; any other suffix is an old pair, for decryption alone.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Problem;
use crate::config::permission::{RelayUser, edited_file, private_file, quoted, read_private};
use crate::model::Address;
use crate::pki::{Certificate, KeyError, KeyPair, Passphrase, PrivateKey, pem};
use crate::store::pem_file::{self, Stamp, Unusable};

/// The pairs of one directory, and what is wrong with the rest.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    pairs: Vec<KeyPair>,
    suffixes: BTreeSet<String>,
    problems: Vec<Problem>,
    /// Some problem may pass without any of the files being changed.
    passing: bool,
}

impl KeyRing {
    /// Reads every pair of `directory`.
    ///
    /// Nothing fails as a whole: what cannot be used is among [`KeyRing::problems`], and a
    /// directory without any pair is a problem too.
    #[must_use]
    pub fn load(directory: &Path, passphrase: Option<&Passphrase>, user: RelayUser) -> Self {
        let mut ring = Self::default();
        let names = match names(directory) {
            Ok(names) => names,
            Err(problem) => {
                ring.problems.push(problem);
                ring.passing = true;
                return ring;
            }
        };
        ring.suffixes = suffixes(&names, CERTIFICATE);
        let keys = suffixes(&names, PRIVATE_KEY);
        for suffix in ring.suffixes.union(&keys) {
            let read = read_pair(directory, suffix, passphrase, user, &mut ring.problems);
            match read {
                Ok(pair) => ring.pairs.push(pair),
                Err(unusable) => {
                    ring.passing |= matches!(unusable, Unusable::Trouble(_));
                    ring.problems.push(unusable.into());
                }
            }
        }
        if ring.suffixes.is_empty() && keys.is_empty() {
            ring.problems.push(Problem::error(
                directory.join(CERTIFICATE),
                "does not exist: there is no key pair",
                "put cert.pem and private_key there, or create the list with listseal list create",
            ));
        }
        ring.pairs.sort_by_key(order);
        ring
    }

    /// Returns the usable pairs, the likeliest for decryption first.
    #[must_use]
    pub fn pairs(&self) -> &[KeyPair] {
        &self.pairs
    }

    /// Returns the pair that is announced for encryption: `.enc`, else the plain one.
    ///
    /// Where `.enc` exists but cannot be used there is none: the plain one is not what
    /// subscribers were told.
    #[must_use]
    pub fn encryption(&self) -> Option<&KeyPair> {
        self.special(ENCRYPT)
    }

    /// Returns the pair to sign with: `.sign`, else the plain one.
    #[must_use]
    pub fn signing(&self) -> Option<&KeyPair> {
        self.special(SIGN)
    }

    /// Returns the ring without the pairs that another list has, each of them a problem (contract
    /// S22). `other` tells which list that is.
    #[must_use]
    pub(super) fn own(
        self: Arc<Self>,
        directory: &Path,
        other: impl Fn(&KeyPair) -> Option<Address>,
    ) -> Arc<Self> {
        let others: Vec<Option<Address>> = self.pairs.iter().map(other).collect();
        if others.iter().all(Option::is_none) {
            return self;
        }
        let mut ring = Self {
            pairs: Vec::new(),
            ..Self::clone(&self)
        };
        for (pair, other) in self.pairs.iter().zip(others) {
            match other {
                None => ring.pairs.push(pair.clone()),
                Some(list) => ring.problems.push(Problem::error(
                    directory.join(format!("{CERTIFICATE}{}", pair.suffix)),
                    format!("holds the public key of {list} too"),
                    "make a key pair of its own for each list",
                )),
            }
        }
        Arc::new(ring)
    }

    fn special(&self, suffix: &str) -> Option<&KeyPair> {
        let wanted = if self.suffixes.contains(suffix) {
            suffix
        } else {
            ""
        };
        self.pairs.iter().find(|pair| pair.suffix == wanted)
    }

    /// True where there is no certificate file at all: nobody has made a pair yet.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.pairs.is_empty() && self.suffixes.is_empty()
    }

    /// Returns what is wrong, each with its remedy.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// True where some pair cannot be used at the moment: a message that none of the others opens
    /// waits and is not called undecryptable (contract decision 3).
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// Returns every certificate in the `cert.pem` files of `directory`; what cannot be read is left out.
pub(super) fn certificates(directory: &Path, user: RelayUser) -> Vec<Certificate> {
    let names = names(directory).unwrap_or_default();
    suffixes(&names, CERTIFICATE)
        .iter()
        .map(|suffix| directory.join(format!("{CERTIFICATE}{suffix}")))
        .filter_map(|path| read_certificates(&path, user, &mut Vec::new()).ok())
        .flatten()
        .collect()
}

/// The announced pairs first, then the newest; what only signs comes last.
fn order(pair: &KeyPair) -> (u8, Reverse<i64>) {
    let rank = match pair.suffix.as_str() {
        ENCRYPT => 0,
        "" => 1,
        SIGN => 3,
        _ => 2,
    };
    let begin = pair.certificate.not_before().unix_timestamp();
    (rank, Reverse(begin))
}

fn names(directory: &Path) -> Result<Vec<String>, Problem> {
    let unread = |e: std::io::Error| {
        let remedy = format!("ls -ld {}", quoted(directory));
        Problem::error(directory, format!("cannot be listed: {e}"), remedy)
    };
    let mut out = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        out.extend(entry.file_name().into_string().ok());
    }
    Ok(out)
}

/// Returns what follows `base` in the names that begin with it: nothing, or a dot and more.
/// Backups of editors (`cert.pem~`) are no pairs.
fn suffixes(names: &[String], base: &str) -> BTreeSet<String> {
    names
        .iter()
        .filter_map(|name| name.strip_prefix(base))
        .filter(|suffix| suffix.is_empty() || suffix.starts_with('.'))
        .filter(|suffix| !suffix.ends_with('~') && !TEMPORARY.contains(suffix))
        .map(str::to_owned)
        .collect()
}

fn read_pair(
    directory: &Path,
    suffix: &str,
    passphrase: Option<&Passphrase>,
    user: RelayUser,
    warnings: &mut Vec<Problem>,
) -> Result<KeyPair, Unusable> {
    let certificate_path = directory.join(format!("{CERTIFICATE}{suffix}"));
    let key_path = directory.join(format!("{PRIVATE_KEY}{suffix}"));
    let certificates = read_certificates(&certificate_path, user, warnings)?;
    let bytes = read_private(&key_path, user).map_err(|problem| {
        // What the file's own owner and mode say holds until they are changed.
        let visible = pem_file::stamp(&key_path).is_ok();
        if visible && private_file(&key_path, user).as_ref() == Some(&problem) {
            Unusable::File(problem)
        } else {
            Unusable::Trouble(problem)
        }
    })?;
    let key =
        PrivateKey::from_pem(&bytes, passphrase).map_err(|error| unusable(&key_path, &error))?;
    let found = certificates.first().map(Certificate::subject);
    let pair = KeyPair::among(certificates, key).ok_or_else(|| {
        let found = found.unwrap_or_default();
        Unusable::File(Problem::error(
            &key_path,
            format!("does not belong to {CERTIFICATE}{suffix} ({found})"),
            "put the two files of one pair there",
        ))
    })?;
    Ok(KeyPair {
        suffix: suffix.to_owned(),
        ..pair
    })
}

fn unusable(path: &Path, error: &KeyError) -> Unusable {
    Unusable::File(Problem::error(path, error.to_string(), error.remedy()))
}

fn read_certificates(
    path: &Path,
    user: RelayUser,
    warnings: &mut Vec<Problem>,
) -> Result<Vec<Certificate>, Unusable> {
    let Some((file, _)) = pem_file::open(path)? else {
        let key = path
            .file_name()
            .map(|name| name.to_string_lossy().replace(CERTIFICATE, PRIVATE_KEY));
        return Err(Unusable::File(Problem::error(
            path,
            "does not exist",
            format!("put the certificate of {} there", key.unwrap_or_default()),
        )));
    };
    for problem in edited_file(path, user) {
        if problem.is_error() {
            return Err(Unusable::File(problem));
        }
        warnings.push(problem);
    }
    let bytes = pem_file::contents(path, file)?;
    pem::certificates(&bytes)
        .map_err(|error| Unusable::File(Problem::error(path, error.to_string(), error.remedy())))
}

/// Keeps opened pairs between messages, so that a slow passphrase is not tried for each of them.
///
/// Every edit of a key or certificate file counts at once. A pair that cannot be opened is
/// remembered, too, as long as neither its files nor the passphrase are others; while a directory is
/// read, only those wait who ask for the same one.
#[derive(Debug, Default)]
pub struct KeyStore(Mutex<HashMap<PathBuf, Arc<Mutex<Shelf>>>>);

/// The rings of one directory, one for each passphrase it was asked for with.
#[derive(Debug, Default)]
struct Shelf {
    stamps: Stamps,
    rings: Vec<(Option<Passphrase>, Arc<KeyRing>)>,
}

type Stamps = Vec<(String, Option<Stamp>)>;

impl KeyStore {
    /// Returns the pairs of `directory` as its files are now.
    #[must_use]
    pub fn current(
        &self,
        directory: &Path,
        passphrase: Option<&Passphrase>,
        user: RelayUser,
    ) -> Arc<KeyRing> {
        let shelf = {
            let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            shelves.entry(directory.to_owned()).or_default().clone()
        };
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(directory);
        if stamps.as_ref() != Some(&shelf.stamps) {
            shelf.rings.clear();
        }
        let wanted = passphrase.map(Passphrase::as_bytes);
        let same = |known: &Option<Passphrase>| known.as_ref().map(Passphrase::as_bytes) == wanted;
        if let Some((_, ring)) = shelf.rings.iter().find(|(known, _)| same(known)) {
            return ring.clone();
        }
        let ring = Arc::new(KeyRing::load(directory, passphrase, user));
        if let Some(stamps) = stamps
            && !ring.passing
        {
            if shelf.rings.len() >= MOST_PASSPHRASES {
                shelf.rings.clear();
            }
            shelf.stamps = stamps;
            shelf.rings.push((passphrase.cloned(), ring.clone()));
        }
        ring
    }
}

/// Returns how the files are now; `None` where that cannot be told. Owner and mode count: changing
/// them changes the time of change.
fn stamps(directory: &Path) -> Option<Stamps> {
    let mut names = names(directory).ok()?;
    names.retain(|name| name.starts_with(CERTIFICATE) || name.starts_with(PRIVATE_KEY));
    names.sort_unstable();
    let stamp = |name: String| {
        let stamp = pem_file::stamp(&directory.join(&name)).ok()?;
        Some((name, stamp))
    };
    names.into_iter().map(stamp).collect()
}

/// A site's keys are asked for with the passphrase of each list; a list's with its own.
const MOST_PASSPHRASES: usize = 16;
const CERTIFICATE: &str = "cert.pem";
const PRIVATE_KEY: &str = "private_key";
const ENCRYPT: &str = ".enc";
const SIGN: &str = ".sign";
/// What installers leave behind.
const TEMPORARY: [&str; 5] = [".new", ".tmp", ".swp", ".dpkg-dist", ".dpkg-new"];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use zeroize::Zeroizing;

    use super::*;
    use crate::pki::testing::Scratch;

    /// Makes `cert.pem<suffix>` and `private_key<suffix>`.
    fn pair(scratch: &Scratch, suffix: &str, days: u32) {
        scratch.openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -keyout private_key{suffix} -out cert.pem{suffix} -days {days} -subj /CN=pair{suffix}"
        ));
        mode(scratch, &format!("private_key{suffix}"), 0o600);
    }

    fn mode(scratch: &Scratch, name: &str, mode: u32) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(scratch.path(name), permissions).unwrap();
    }

    fn load(scratch: &Scratch, passphrase: Option<&str>) -> KeyRing {
        let passphrase =
            passphrase.map(|text| Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())));
        KeyRing::load(&scratch.path(""), passphrase.as_ref(), RelayUser::current())
    }

    fn said(ring: &KeyRing) -> String {
        let lines: Vec<String> = ring.problems().iter().map(Problem::to_string).collect();
        lines.join("\n")
    }

    fn order(ring: &KeyRing) -> Vec<&str> {
        ring.pairs().iter().map(|p| p.suffix.as_str()).collect()
    }

    #[test]
    fn announced_pairs_come_first_and_old_ones_only_decrypt() {
        let scratch = Scratch::new();
        pair(&scratch, "", 10);
        pair(&scratch, ".2024", 10);
        let ring = load(&scratch, None);
        assert_eq!(said(&ring), "");
        assert_eq!(order(&ring), ["", ".2024"]);
        assert_eq!(ring.encryption().unwrap().suffix, "");
        assert_eq!(ring.signing().unwrap().suffix, "");
        pair(&scratch, ".enc", 10);
        pair(&scratch, ".sign", 10);
        scratch.write("cert.pem~", "a backup");
        scratch.write("private_key.swp", "a backup");
        let ring = load(&scratch, None);
        assert_eq!(said(&ring), "");
        assert_eq!(order(&ring), [".enc", "", ".2024", ".sign"]);
        assert_eq!(ring.encryption().unwrap().suffix, ".enc");
        assert_eq!(ring.signing().unwrap().suffix, ".sign");
    }

    #[test]
    fn decision_3_one_bad_pair_leaves_the_others() {
        let scratch = Scratch::new();
        pair(&scratch, "", 10);
        pair(&scratch, ".enc", 10);
        scratch.write("cert.pem.enc", "");
        let ring = load(&scratch, None);
        assert_eq!(order(&ring), [""]);
        assert!(ring.is_incomplete());
        assert!(said(&ring).contains("cert.pem.enc"), "{}", said(&ring));
        assert!(said(&ring).contains("is empty"), "{}", said(&ring));
        assert!(ring.encryption().is_none());
        assert_eq!(ring.signing().unwrap().suffix, "");
    }

    #[test]
    fn s43_keys_that_others_can_read_are_refused_with_the_remedy() {
        let scratch = Scratch::new();
        pair(&scratch, "", 10);
        mode(&scratch, "private_key", 0o640);
        let ring = load(&scratch, None);
        assert!(ring.pairs().is_empty());
        let remedy = format!("chmod 600 {}", scratch.path("private_key").display());
        assert!(said(&ring).contains(&remedy), "{}", said(&ring));
        mode(&scratch, "private_key", 0o600);
        assert!(!load(&scratch, None).is_incomplete());
        std::fs::rename(scratch.path("private_key"), scratch.path("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", scratch.path("private_key")).unwrap();
        let ring = load(&scratch, None);
        assert!(ring.pairs().is_empty());
        assert!(said(&ring).contains("symbolic link"), "{}", said(&ring));
    }

    #[test]
    fn each_mistake_has_its_own_message() {
        let scratch = Scratch::new();
        let problem = |scratch: &Scratch, passphrase| {
            let ring = load(scratch, passphrase);
            assert!(ring.pairs().is_empty());
            said(&ring)
        };
        assert!(problem(&scratch, None).contains("there is no key pair"));
        pair(&scratch, "", 10);
        let (good_key, good_certificate) = (scratch.read("private_key"), scratch.read("cert.pem"));
        scratch.openssl("pkey -in private_key -aes256 -passout pass:right -out locked");
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout other -out c -subj /CN=other");
        for (file, bytes, passphrase, text) in [
            (
                "private_key",
                scratch.read("other"),
                None,
                "does not belong to cert.pem (CN=pair)",
            ),
            (
                "private_key",
                scratch.read("cert.pem"),
                None,
                "holds a certificate",
            ),
            (
                "private_key",
                scratch.read("locked"),
                None,
                "no passphrase is set",
            ),
            (
                "private_key",
                scratch.read("locked"),
                Some("wrong"),
                "passphrase is wrong",
            ),
            ("private_key", Vec::new(), None, "private_key: is empty"),
            ("private_key", b"\0".to_vec(), None, "is not PEM"),
            (
                "cert.pem",
                good_key.clone(),
                None,
                "holds no certificate but PRIVATE KEY",
            ),
            ("cert.pem", b"\0".to_vec(), None, "is not PEM"),
            (
                "cert.pem",
                good_certificate[..300].to_vec(),
                None,
                "cut off",
            ),
        ] {
            scratch.write(file, bytes);
            let said = problem(&scratch, passphrase);
            assert!(said.contains(text), "{text}: {said}");
            scratch.write("private_key", &good_key);
            scratch.write("cert.pem", &good_certificate);
        }
        scratch.write("private_key", scratch.read("locked"));
        assert!(!load(&scratch, Some("right")).is_incomplete());
        std::fs::remove_file(scratch.path("private_key")).unwrap();
        assert!(problem(&scratch, None).contains("private_key: does not exist"));
        std::fs::remove_file(scratch.path("cert.pem")).unwrap();
        scratch.write("private_key", &good_key);
        mode(&scratch, "private_key", 0o600);
        assert!(problem(&scratch, None).contains("cert.pem: does not exist"));
        std::fs::create_dir(scratch.path("cert.pem")).unwrap();
        assert!(problem(&scratch, None).contains("is a directory"));
    }

    #[test]
    fn the_chain_may_stand_on_either_side() {
        let scratch = Scratch::new();
        pair(&scratch, "", 10);
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout k -out ca -subj /CN=ca");
        let (own, ca) = (scratch.read("cert.pem"), scratch.read("ca"));
        for file in [[own.clone(), ca.clone()].concat(), [ca, own].concat()] {
            scratch.write("cert.pem", file);
            let ring = load(&scratch, None);
            let pair = ring.encryption().unwrap();
            assert_eq!(pair.certificate.subject(), "CN=pair");
            assert_eq!(pair.chain.len(), 1);
            assert_eq!(pair.chain[0].subject(), "CN=ca");
        }
    }

    #[test]
    fn edits_count_at_once_and_nothing_is_read_twice() {
        let scratch = Scratch::new();
        pair(&scratch, "", 10);
        let store = KeyStore::default();
        let current = || store.current(&scratch.path(""), None, RelayUser::current());
        let first = current();
        assert!(Arc::ptr_eq(&first, &current()));
        pair(&scratch, ".2024", 10);
        let second = current();
        assert_eq!(second.pairs().len(), 2);
        mode(&scratch, "private_key", 0o644);
        assert!(current().is_incomplete());
        mode(&scratch, "private_key", 0o600);
        assert!(!current().is_incomplete());
        std::fs::remove_file(scratch.path("cert.pem")).unwrap();
        assert!(current().is_incomplete());
    }

    #[test]
    fn failed_pair_is_remembered_until_a_file_or_the_passphrase_is_another() {
        let scratch = Scratch::new();
        pair(&scratch, "", 10);
        scratch.openssl("pkey -in private_key -aes256 -passout pass:right -out locked");
        scratch.write("private_key", scratch.read("locked"));
        let store = KeyStore::default();
        let current = |text: &str| {
            let passphrase = Passphrase::new(Zeroizing::new(text.as_bytes().to_vec()));
            store.current(&scratch.path(""), Some(&passphrase), RelayUser::current())
        };
        let wrong = current("wrong");
        assert!(
            said(&wrong).contains("passphrase is wrong"),
            "{}",
            said(&wrong)
        );
        assert!(Arc::ptr_eq(&wrong, &current("wrong")));
        let right = current("right");
        assert!(!right.is_incomplete());
        assert!(Arc::ptr_eq(&wrong, &current("wrong")));
        assert!(Arc::ptr_eq(&right, &current("right")));
        // Owner and mode count at once, whichever way they change.
        mode(&scratch, "private_key", 0o644);
        let open = current("right");
        assert!(open.is_incomplete());
        assert!(Arc::ptr_eq(&open, &current("right")));
        mode(&scratch, "private_key", 0o600);
        assert!(!current("right").is_incomplete());
    }

    #[test]
    fn slow_passphrase_of_one_directory_stops_no_other() {
        let (slow, quick) = (Scratch::new(), Scratch::new());
        pair(&slow, "", 10);
        pair(&quick, "", 10);
        slow.openssl("pkcs8 -topk8 -iter 500000 -in private_key -passout pass:right -out locked");
        slow.write("private_key", slow.read("locked"));
        let store = KeyStore::default();
        let wrong = Passphrase::new(Zeroizing::new(b"wrong".to_vec()));
        let user = RelayUser::current();
        std::thread::scope(|scope| {
            let busy = scope.spawn(|| store.current(&slow.path(""), Some(&wrong), user));
            std::thread::sleep(std::time::Duration::from_millis(100));
            let ring = store.current(&quick.path(""), None, user);
            assert!(!ring.is_incomplete());
            assert!(!busy.is_finished(), "the passphrase is not slow enough");
            assert!(busy.join().unwrap().is_incomplete());
        });
    }
}
