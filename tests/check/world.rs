//! A site in order, made anew for every test, which then spoils something.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use listseal::cli::check::{Counts, examine};
use listseal::config::{Problem, Settings};
use listseal::spool::Layout;
use listseal::store::lists::Lists;
use time::{Duration, OffsetDateTime};

pub const TEAM: &str = "lists/example.org/team";

/// A site with one list and nothing wrong.
pub struct Site {
    pub dir: tempfile::TempDir,
}

pub const CLEAN: &str = "\
[paths]
lists = \"lists\"
spool = \"spool\"
certificates = \"certificates\"
templates = \"templates\"
state = \"state\"
[trust]
cafile = \"ca.pem\"
";

impl Site {
    pub fn new() -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        site.write("listseal.toml", CLEAN);
        site.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=CA -keyout ca.key -out ca.pem \
             -addext keyUsage=critical,keyCertSign,cRLSign",
        );
        Layout::create(&site.path("spool"), true).unwrap();
        for (name, mode) in [("state", 0o700), ("certificates", 0o755)] {
            std::fs::create_dir(site.path(name)).unwrap();
            site.chmod(name, mode);
        }
        site.write(
            "lists/example.org/team/list.toml",
            "owners = [\"alice@example.org\"]\nsend = \"private_smime\"\n",
        );
        site.write("lists/example.org/team/subscribers", "alice@example.org\n");
        site.pair("lists/example.org/team", "", "team@example.org", 365);
        site.pair("lists/example.org/_site", "", "listseal@example.org", 365);
        site.certificate("certificates/alice@example.org", "alice@example.org", 365);
        site
    }

    /// Makes `cert.pem<suffix>` and `private_key<suffix>` for `address`.
    pub fn pair(&self, directory: &str, suffix: &str, address: &str, days: u32) {
        std::fs::create_dir_all(self.path(directory)).unwrap();
        let key = format!("{directory}/private_key{suffix}");
        self.issue(
            &key,
            &format!("{directory}/cert.pem{suffix}"),
            address,
            days,
            "",
        );
    }

    pub fn certificate(&self, name: &str, address: &str, days: u32) {
        self.issue("throwaway.key", name, address, days, "");
    }

    pub fn issue(&self, key: &str, certificate: &str, address: &str, days: u32, more: &str) {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days {days} \
             -subj /CN={address} -addext subjectAltName=email:{address} \
             -addext basicConstraints=critical,CA:FALSE -keyout {key} -out {certificate} {more}"
        ));
        self.chmod(key, 0o600);
        self.chmod(certificate, 0o644);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.chmod(name, 0o644);
    }

    pub fn chmod(&self, name: &str, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    pub fn openssl(&self, line: &str) {
        let output = Command::new("openssl")
            .args(line.split_whitespace())
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "openssl {line}: {output:?}");
    }

    pub fn examine(&self, wait: Duration) -> (Vec<Problem>, Counts) {
        let settings = Settings::load(&self.path("listseal.toml")).unwrap();
        let lists = Lists::new(Arc::new(settings));
        examine(lists, None, OffsetDateTime::now_utc() + wait)
    }

    /// The problems, a line each, paths relative to the site.
    pub fn said(&self) -> Vec<String> {
        self.said_in(Duration::ZERO)
    }

    /// The problems after a time.
    pub fn said_in(&self, wait: Duration) -> Vec<String> {
        let (found, _) = self.examine(wait);
        let prefix = format!("{}/", self.dir.path().display());
        let lines = found
            .iter()
            .map(|problem| problem.to_string().replace(&prefix, ""));
        lines.collect()
    }

    /// Asserts that exactly one problem is found and that it contains all of `parts`.
    pub fn says(&self, parts: &[&str]) {
        let said = self.said();
        assert_eq!(said.len(), 1, "{said:#?}");
        for part in parts {
            assert!(said[0].contains(part), "{part:?} is not in {said:#?}");
        }
    }
}
