//! Trust anchors and revocation lists, from the files that `cafile`, `capath` and `crls` name and
//! from the directories that `listseal trust` keeps. Those of site, domain and list add up.
//!
//! # Trust
//!
//! What lies in these files is believed by definition; the system's store is never read, and
//! nothing is fetched (contract S29, S46).
//!
//! # Invariants
//!
//! * A broken file among others is a warning and the others are used; a source that cannot be used
//!   at all is an error ([`Trust::trouble`]), on which mail waits: it must not be refused because a
//!   file system was away.
//! * A change of any file counts from the next [`TrustStore::current`] on.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Problem;
use crate::config::permission::writable_by_all;
use crate::pki::anchors::Anchors;
use crate::pki::bundle::{self, BundleError};
use crate::pki::certificate::Certificate;
use crate::pki::revocation::{Crl, Crls};
use crate::store::lists::TrustPaths;

/// What one set of files says.
#[derive(Debug)]
pub struct Trust {
    /// The trust anchors.
    pub anchors: Anchors,
    /// The revocation lists.
    pub crls: Crls,
    /// What was wrong with the files.
    pub problems: Vec<Problem>,
    /// Where each anchor was found, by its SHA-256.
    sources: HashMap<[u8; 32], Vec<PathBuf>>,
}

impl Trust {
    /// Reads the files.
    #[must_use]
    pub fn read(paths: &TrustPaths) -> Self {
        let mut out = Gathered::default();
        for cafile in &paths.cafile {
            out.cafile(cafile);
        }
        for capath in &paths.capath {
            out.capath(capath);
        }
        for kept in &paths.kept {
            out.kept(kept);
        }
        if let Some(crls) = &paths.crls {
            out.crl_source(crls);
        }
        Self {
            anchors: Anchors::new(out.certificates),
            crls: Crls::new(out.crls),
            problems: out.problems,
            sources: out.sources,
        }
    }

    /// Returns the file that an anchor was found in first.
    #[must_use]
    pub fn source(&self, anchor: &Certificate) -> Option<&PathBuf> {
        self.sources(anchor).first()
    }

    /// Returns every file that an anchor was found in.
    #[must_use]
    pub fn sources(&self, anchor: &Certificate) -> &[PathBuf] {
        self.sources
            .get(&anchor.sha256())
            .map_or(&[], Vec::as_slice)
    }

    /// Returns the problem of a source that could not be used at all: until it is mended, whom to
    /// trust is not known.
    #[must_use]
    pub fn trouble(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.is_error())
    }
}

/// The trust of every list, read again when a file has changed.
#[derive(Debug, Default)]
pub struct TrustStore {
    cached: Mutex<HashMap<TrustPaths, Reading>>,
}

impl TrustStore {
    /// Returns what the files say now.
    #[must_use]
    pub fn current(&self, paths: &TrustPaths) -> Arc<Trust> {
        let stamps = stamps(paths);
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, trust)) = cached.get(paths)
            && *known == stamps
        {
            return Arc::clone(trust);
        }
        let trust = Arc::new(Trust::read(paths));
        cached.insert(paths.clone(), (stamps, Arc::clone(&trust)));
        trust
    }
}

/// What was read, and the files as they were then.
type Reading = (Vec<Stamp>, Arc<Trust>);

/// Tells whether a file is still the one that was read.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    /// Device, inode, size, times of change in seconds and nanoseconds; none where it is gone.
    state: Option<[i64; 7]>,
}

fn stamps(paths: &TrustPaths) -> Vec<Stamp> {
    let mut out = Vec::new();
    for path in paths.sources().chain(&paths.kept) {
        let files = directory(path).unwrap_or_default();
        for path in std::iter::once(path.clone()).chain(files) {
            let state = std::fs::metadata(&path).ok().map(|found| {
                [
                    found.dev().cast_signed(),
                    found.ino().cast_signed(),
                    found.size().cast_signed(),
                    found.mtime(),
                    found.mtime_nsec(),
                    found.ctime(),
                    found.ctime_nsec(),
                ]
            });
            out.push(Stamp { path, state });
        }
    }
    out
}

#[derive(Default)]
struct Gathered {
    certificates: Vec<Certificate>,
    sources: HashMap<[u8; 32], Vec<PathBuf>>,
    crls: Vec<Crl>,
    problems: Vec<Problem>,
}

impl Gathered {
    fn cafile(&mut self, path: &Path) {
        match read(path) {
            Ok(bytes) => self.certificates_of(path, &bytes, true),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// A `c_rehash` directory or a plain one: what is a certificate is told by the file names.
    fn capath(&mut self, path: &Path) {
        let files = match directory(path) {
            Ok(files) => files,
            Err(e) => return self.problems.push(unlisted(path, &e)),
        };
        self.files(&files);
        let is_inside = |file: &PathBuf| file.parent() == Some(path);
        if !self.sources.values().flatten().any(is_inside) {
            self.problems.push(Problem::error(
                path,
                "holds no certificate (*.pem, *.crt, *.cer, *.der, *.p7b, *.p12 or as c_rehash names them)",
                "put the certificates of the authorities there",
            ));
        }
    }

    /// A directory of `listseal trust`: nothing was added where there is none.
    fn kept(&mut self, path: &Path) {
        match directory(path) {
            Ok(files) => self.files(&files),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => self.problems.push(unlisted(path, &e)),
        }
    }

    fn files(&mut self, files: &[PathBuf]) {
        for file in files {
            match extension_kind(file) {
                Some(Content::Certificate) => match read(file) {
                    Ok(bytes) => self.certificates_of(file, &bytes, false),
                    Err(problem) => self.problems.push(lesser(problem)),
                },
                Some(Content::Crl) => self.crl_file(file, false),
                None => {}
            }
        }
    }

    fn certificates_of(&mut self, path: &Path, bytes: &[u8], alone: bool) {
        let severity = |problem| if alone { problem } else { lesser(problem) };
        let all = match bundle::certificates(bytes, None) {
            Ok(all) => all,
            Err(e) => {
                self.problems.push(severity(unusable(path, &e)));
                return;
            }
        };
        let mut good = 0_usize;
        for one in all {
            match one {
                Ok(certificate) => {
                    good = good.saturating_add(1);
                    // c_rehash names every file twice.
                    let sources = self.sources.entry(certificate.sha256()).or_default();
                    sources.push(path.to_owned());
                    if sources.len() == 1 {
                        self.certificates.push(certificate);
                    }
                }
                Err(e) => self.problems.push(lesser(unusable(path, &e.into()))),
            }
        }
        if good == 0 && alone {
            let problem = "holds no certificate that can be read";
            let remedy = "put the certificates of the authorities there";
            self.problems.push(Problem::error(path, problem, remedy));
        }
    }

    fn crl_source(&mut self, path: &Path) {
        if !path.is_dir() {
            return self.crl_file(path, true);
        }
        match directory(path) {
            Ok(files) => {
                for file in files {
                    self.crl_file(&file, false);
                }
            }
            Err(e) => self.problems.push(unlisted(path, &e)),
        }
    }

    fn crl_file(&mut self, path: &Path, alone: bool) {
        let severity = |problem| if alone { problem } else { lesser(problem) };
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(problem) => return self.problems.push(severity(problem)),
        };
        match Crl::from_file(&bytes) {
            Ok(found) => self.crls.extend(found),
            Err(e) => {
                let remedy = "put a revocation list in PEM or DER form there";
                let problem = Problem::error(path, e.to_string(), remedy);
                self.problems.push(severity(problem));
            }
        }
    }
}

enum Content {
    Certificate,
    Crl,
}

fn extension_kind(file: &Path) -> Option<Content> {
    let extension = file
        .extension()
        .and_then(OsStr::to_str)?
        .to_ascii_lowercase();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match extension.as_str() {
        "pem" | "crt" | "cer" | "der" | "p7b" | "p7c" | "p12" | "pfx" => Some(Content::Certificate),
        "crl" => Some(Content::Crl),
        number if digits(number) => Some(Content::Certificate),
        other => other
            .strip_prefix('r')
            .is_some_and(digits)
            .then_some(Content::Crl),
    }
}

/// Files that are not hidden, by name.
fn directory(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && !entry.path().is_dir() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let metadata = std::fs::metadata(path).map_err(|e| unlisted(path, &e))?;
    if !metadata.is_file() {
        return Err(Problem::error(
            path,
            "is not a regular file",
            "put a file in its place, or name the directory as capath",
        ));
    }
    // E6: anchors that everybody may add to vouch for nobody.
    match writable_by_all(path, &metadata) {
        Some(problem) => Err(problem),
        None => std::fs::read(path).map_err(|e| unlisted(path, &e)),
    }
}

fn unlisted(path: &Path, e: &std::io::Error) -> Problem {
    let remedy = match e.kind() {
        std::io::ErrorKind::NotFound => "create it, or correct the path in the configuration",
        std::io::ErrorKind::PermissionDenied => "let the user of listseal read it: chmod a+rX",
        std::io::ErrorKind::NotADirectory => "name a file as cafile, a directory as capath",
        _ => "mend the file system",
    };
    Problem::error(path, format!("cannot be read: {e}"), remedy)
}

fn unusable(path: &Path, e: &BundleError) -> Problem {
    Problem::error(path, e.to_string(), e.remedy())
}

fn lesser(problem: Problem) -> Problem {
    Problem {
        severity: crate::config::Severity::Warning,
        ..problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::testing::Scratch;

    const CA: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";

    fn world() -> Scratch {
        let scratch = Scratch::new();
        for name in ["one", "two"] {
            scratch.openssl(&format!(
                "{CA} -subj /CN={name} -keyout {name}.key -out {name}.pem"
            ));
        }
        std::fs::create_dir(scratch.path("ca.d")).unwrap();
        scratch.write("index.txt", "");
        scratch.write(
            "ca.conf",
            "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=2\n",
        );
        scratch.openssl("ca -gencrl -config ca.conf -keyfile one.key -cert one.pem -out one.crl");
        scratch
    }

    fn copy(scratch: &Scratch, from: &str, to: &str) {
        std::fs::copy(scratch.path(from), scratch.path(to)).unwrap();
    }

    fn subjects(trust: &Trust) -> Vec<String> {
        let all = trust.anchors.certificates().iter();
        let mut names: Vec<_> = all.map(Certificate::subject).collect();
        names.sort();
        names
    }

    #[test]
    fn bundle_and_directories_of_openssl_are_read_each_certificate_once() {
        let scratch = world();
        let both = [
            scratch.read("one.pem"),
            b"text\n".to_vec(),
            scratch.read("two.pem"),
        ]
        .concat();
        scratch.write("both.pem", both);
        copy(&scratch, "two.pem", "ca.d/two.pem");
        copy(&scratch, "one.pem", "ca.d/one.pem");
        copy(&scratch, "one.crl", "ca.d/one-crl.pem");
        scratch.write("ca.d/README", "not a certificate");
        std::fs::remove_file(scratch.path("ca.d/one-crl.pem")).unwrap();
        copy(&scratch, "one.crl", "ca.d/revoked.crl");
        scratch.openssl("rehash ca.d");
        let paths = TrustPaths {
            cafile: vec![scratch.path("both.pem")],
            capath: vec![scratch.path("ca.d")],
            ..TrustPaths::default()
        };
        let trust = Trust::read(&paths);
        assert!(trust.problems.is_empty(), "{:?}", trust.problems);
        assert_eq!(subjects(&trust), ["CN=one", "CN=two"]);
        let alone = TrustPaths {
            cafile: Vec::new(),
            ..paths
        };
        let trust = Trust::read(&alone);
        assert_eq!(subjects(&trust), ["CN=one", "CN=two"]);
        assert!(
            !trust.crls.lists().is_empty(),
            "the CRL beside them is used"
        );
    }

    #[test]
    fn revocation_lists_are_read_in_pem_and_der() {
        let scratch = world();
        scratch.openssl("crl -in one.crl -outform DER -out one.der");
        std::fs::create_dir(scratch.path("crls")).unwrap();
        copy(&scratch, "one.crl", "crls/a");
        scratch.write("crls/b", "no crl\n");
        for (name, lists, problems) in [("one.crl", 1, 0), ("one.der", 1, 0), ("crls", 1, 1)] {
            let trust = Trust::read(&TrustPaths {
                crls: Some(scratch.path(name)),
                ..TrustPaths::default()
            });
            assert_eq!(trust.crls.lists().len(), lists, "{name}");
            assert_eq!(
                trust.problems.len(),
                problems,
                "{name} {:?}",
                trust.problems
            );
            assert_eq!(trust.trouble(), None, "{name}");
        }
    }

    #[test]
    fn broken_file_among_others_is_named_and_the_others_used() {
        let scratch = world();
        copy(&scratch, "one.pem", "ca.d/one.pem");
        scratch.write("ca.d/empty.pem", "");
        scratch.write("ca.d/cut.crt", &scratch.read("two.pem")[..200]);
        let trust = Trust::read(&TrustPaths {
            capath: vec![scratch.path("ca.d")],
            ..TrustPaths::default()
        });
        assert_eq!(subjects(&trust), ["CN=one"]);
        let named: Vec<_> = trust
            .problems
            .iter()
            .map(|p| p.file.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(named, ["cut.crt", "empty.pem"]);
        assert_eq!(trust.trouble(), None);
    }

    #[test]
    fn source_that_cannot_be_used_at_all_is_trouble() {
        let scratch = world();
        scratch.write("empty.pem", "");
        let path = |name: &str| Some(scratch.path(name));
        for (cafile, capath, crls) in [
            (path("missing.pem"), None, None),
            (path("empty.pem"), None, None),
            (path("one.key"), None, None),
            (path("ca.d"), None, None),
            (None, path("ca.d"), None),
            (None, path("one.pem"), None),
            (None, None, path("missing")),
            (None, None, path("one.pem")),
        ] {
            let paths = TrustPaths {
                cafile: cafile.into_iter().collect(),
                capath: capath.into_iter().collect(),
                crls,
                ..TrustPaths::default()
            };
            let trust = Trust::read(&paths);
            assert!(trust.trouble().is_some(), "{paths:?} {:?}", trust.problems);
        }
    }

    #[test]
    fn change_of_a_file_counts_from_the_next_question_on() {
        let scratch = world();
        copy(&scratch, "one.pem", "ca.pem");
        let paths = TrustPaths {
            cafile: vec![scratch.path("ca.pem")],
            capath: vec![scratch.path("ca.d")],
            kept: vec![scratch.path("trust")],
            crls: None,
        };
        copy(&scratch, "one.pem", "ca.d/one.pem");
        let store = TrustStore::default();
        let first = store.current(&paths);
        assert_eq!(subjects(&first), ["CN=one"]);
        assert!(
            Arc::ptr_eq(&first, &store.current(&paths)),
            "read only once"
        );
        copy(&scratch, "two.pem", "ca.d/two.pem");
        assert_eq!(subjects(&store.current(&paths)), ["CN=one", "CN=two"]);
        std::fs::remove_file(scratch.path("ca.d/two.pem")).unwrap();
        copy(&scratch, "two.pem", "ca.pem");
        copy(&scratch, "two.pem", "ca.d/one.pem");
        assert_eq!(subjects(&store.current(&paths)), ["CN=two"]);
        std::fs::create_dir(scratch.path("trust")).unwrap();
        copy(&scratch, "one.pem", "trust/one.pem");
        assert_eq!(subjects(&store.current(&paths)), ["CN=one", "CN=two"]);
        std::fs::remove_dir_all(scratch.path("trust")).unwrap();
        assert_eq!(subjects(&store.current(&paths)), ["CN=two"]);
        std::fs::remove_file(scratch.path("ca.pem")).unwrap();
        assert!(store.current(&paths).trouble().is_some());
    }
}
