//! `listseal.toml`, typed.
//!
//! # Invariants
//!
//! * All paths are absolute; relative ones were relative to the configuration file.
//! * What a setting means stands in `etc/listseal.toml`, which a test holds to this file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::findings::Findings;
use super::list::{ListKeys, Scope};
use super::lmtp::Lmtp;
use super::passphrase::{Login, PassphraseSource, passphrase};
use super::table::Table;
use super::transport::Transport;
use super::units::{duration, show_duration};
use super::{Problem, Problems, read_text};
use crate::model::Address;
use crate::model::list::Revocation;

/// Where the configuration is looked for when nobody says otherwise.
pub const DEFAULT_FILE: &str = "/etc/listseal/listseal.toml";

/// The whole configuration of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The configuration file itself, absolute.
    pub file: PathBuf,
    /// `[paths]`.
    pub paths: Paths,
    /// `[trust]`.
    pub trust: Trust,
    /// `[intake]`.
    pub intake: Intake,
    /// `[lmtp]`.
    pub lmtp: Lmtp,
    /// `[spool]`.
    pub spool: SpoolKeys,
    /// `[delivery]`.
    pub delivery: Delivery,
    /// `[log]`.
    pub log: Log,
    /// Site administrators.
    pub listmasters: Vec<Address>,
    /// Where the passphrase of encrypted private keys is, unless a list or domain says otherwise.
    pub passphrase: Option<PassphraseSource>,
    /// `[list]`: what lists and domains leave unsaid.
    pub list: ListKeys,
}

/// Directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `<domain>/<list>/`.
    pub lists: PathBuf,
    /// The spool.
    pub spool: PathBuf,
    /// Certificates of subscribers, under Sympa's names.
    pub certificates: PathBuf,
    /// The site's own notice templates.
    pub templates: PathBuf,
    /// Replay store and counters.
    pub state: PathBuf,
}

/// Whom certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// PEM bundle of CA certificates.
    pub cafile: Option<PathBuf>,
    /// Directory of CA certificates.
    pub capath: Option<PathBuf>,
    /// File or directory of CRLs.
    pub crls: Option<PathBuf>,
    /// What a certificate without valid CRL is worth.
    pub revocation: Revocation,
}

/// What is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// Largest message in bytes that any list takes.
    pub max_size: u64,
}

/// What the spool may be on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolKeys {
    /// Work on NFS and the like all the same, without inotify (contract R18).
    pub allow_network_fs: bool,
}

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The next hop.
    pub transport: Transport,
    /// Transactions at once, and so the bound of duplicates after a crash (contract decision 18).
    pub connections: usize,
    /// Who logs in there, where somebody does.
    pub login: Option<Login>,
    /// What the next hop's certificate is judged by instead of the system's authorities.
    pub cafile: Option<PathBuf>,
    /// Name given in EHLO; the machine's own where unset.
    pub hostname: Option<String>,
    /// First pause after a temporary failure (contract R13); doubled each time.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_max: Duration,
    /// After this a recipient has failed, if it was also tried ten times.
    pub expire: Duration,
}

/// Log output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Text or JSON.
    pub format: LogFormat,
    /// Least severity shown.
    pub level: LogLevel,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line of text.
    #[default]
    Text,
}

/// `log.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything, step by step.
    Debug,
    /// What needs people.
    Error,
    /// What happens to each message.
    #[default]
    Info,
    /// Everything, call by call.
    Trace,
    /// What may need people.
    Warn,
}

impl LogLevel {
    /// Returns the word that `log.level` and `tracing` use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Error => "error",
            Self::Info => "info",
            Self::Trace => "trace",
            Self::Warn => "warn",
        }
    }
}

impl Settings {
    /// Reads the configuration file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let file = std::path::absolute(file).map_err(|e| {
            Problem::error(
                file,
                format!("is no path: {e}"),
                "name the file with --config",
            )
        })?;
        let text = read_text(&file).map_err(|problem| {
            let remedy = format!(
                "{}, or name another with --config or LISTSEAL_CONFIG",
                problem.remedy
            );
            Problem { remedy, ..problem }
        })?;
        Self::parse(&file, &text)
    }

    /// Reads `text` as the content of `file`, an absolute path.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let (mut findings, document) = Findings::parse(file, text);
        let settings = Self::read(file, document, &mut findings);
        findings.finish(settings)
    }

    /// Returns what an empty `file` means.
    #[must_use]
    pub fn defaults(file: &Path) -> Self {
        let (mut findings, document) = Findings::parse(file, "");
        Self::read(file, document, &mut findings)
    }

    /// Returns the dotted name of every key that `listseal.toml` may have.
    #[must_use]
    pub fn known_keys() -> BTreeSet<String> {
        let file = Path::new(DEFAULT_FILE);
        let (mut findings, document) = Findings::parse(file, "");
        let _ = Self::read(file, document, &mut findings);
        findings.known().clone()
    }

    /// Returns the directory of the configuration file, where site-wide `scenari/` are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    fn read(file: &Path, mut document: Table<'_>, findings: &mut Findings<'_>) -> Self {
        let passphrase = passphrase(&mut document, findings);
        let listmasters = document.addresses("listmasters", findings);
        let mut paths = document.table("paths", findings);
        let mut trust = document.table("trust", findings);
        let mut intake = document.table("intake", findings);
        let mut lmtp = document.table("lmtp", findings);
        let mut spool = document.table("spool", findings);
        let mut delivery = document.table("delivery", findings);
        let mut log = document.table("log", findings);
        let mut list = document.table("list", findings);
        document.finish(findings);
        let settings = Self {
            file: file.to_owned(),
            paths: Paths::read(&mut paths, findings),
            trust: Trust::read(&mut trust, findings),
            intake: Intake {
                max_size: intake
                    .size("max_size", SIZES, findings)
                    .unwrap_or(DEFAULT_SIZE),
            },
            lmtp: Lmtp::read(&mut lmtp, findings),
            spool: SpoolKeys {
                allow_network_fs: spool
                    .boolean("allow_network_fs", findings)
                    .unwrap_or_default(),
            },
            delivery: Delivery::read(&mut delivery, findings),
            log: Log::read(&mut log, findings),
            listmasters: listmasters.map(|found| found.value).unwrap_or_default(),
            passphrase,
            list: ListKeys::read(&mut list, Scope::Site, findings),
        };
        for table in [paths, trust, intake, lmtp, spool, delivery, log, list] {
            table.finish(findings);
        }
        settings
    }
}

impl Paths {
    fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Self {
        let mut path = |key, default: &str| {
            table
                .path(key, findings)
                .unwrap_or_else(|| PathBuf::from(default))
        };
        Self {
            lists: path("lists", "/etc/listseal/lists"),
            spool: path("spool", "/var/spool/listseal"),
            certificates: path("certificates", "/var/lib/listseal/X509-user-certs"),
            templates: path("templates", "/etc/listseal/templates"),
            state: path("state", "/var/lib/listseal"),
        }
    }
}

impl Trust {
    fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Self {
        Self {
            cafile: table.path("cafile", findings),
            capath: table.path("capath", findings),
            crls: table.path("crls", findings),
            revocation: table
                .choice("revocation", &super::words::REVOCATION, findings)
                .map(|found| found.value)
                .unwrap_or_default(),
        }
    }
}

impl Delivery {
    fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Self {
        let transport = table
            .parsed("transport", "\"smtp://127.0.0.1:25\"", findings, |text| {
                Transport::parse(text).map_err(|e| format!("is no transport: {e}"))
            })
            .map(|found| found.value)
            .unwrap_or_default();
        let connections = table
            .integer("connections", 1..=64, findings)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(4);
        let hostname = table
            .parsed("hostname", "\"lists.example.org\"", findings, |text| {
                crate::model::address::canonical_domain(text).map_err(|_| "is no host name")
            })
            .map(|found| found.value);
        let login = Login::read(table, findings);
        let cafile = table.path("cafile", findings);
        let mut time = |key, example, default| {
            let found = table.parsed(key, example, findings, |text| match duration(text) {
                Ok(Duration::ZERO) => Err("is no time at all"),
                other => other,
            });
            found.map_or((default, None), |found| (found.value, Some(found.line)))
        };
        let (retry_first, _) = time("retry_first", "\"1 min\"", Duration::from_secs(60));
        let (retry_max, line) = time("retry_max", "\"1 h\"", Duration::from_secs(3_600));
        let (expire, expire_line) = time("expire", "\"5 d\"", Duration::from_secs(432_000));
        for (key, value, line, least_key, least) in [
            ("retry_max", retry_max, line, "retry_first", retry_first),
            ("expire", expire, expire_line, "retry_max", retry_max),
        ] {
            if value < least {
                let (value, least) = (show_duration(value), show_duration(least));
                let problem = format!("delivery.{key}: {value} is less than {least_key} ({least})");
                findings.error(line.unwrap_or(1), problem, format!("write a longer {key}"));
            }
        }
        Self {
            transport,
            connections,
            login,
            cafile,
            hostname,
            retry_first,
            retry_max,
            expire,
        }
    }
}

impl Log {
    fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Self {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        let levels = [
            LogLevel::Error,
            LogLevel::Warn,
            LogLevel::Info,
            LogLevel::Debug,
            LogLevel::Trace,
        ]
        .map(|level| (level.name(), level));
        Self {
            format: table
                .choice("format", &formats, findings)
                .map(|found| found.value)
                .unwrap_or_default(),
            level: table
                .choice("level", &levels, findings)
                .map(|found| found.value)
                .unwrap_or_default(),
        }
    }
}

/// Sizes that can be meant: a message has a header, and four times the size must fit in memory.
pub(super) const SIZES: std::ops::RangeInclusive<u64> = (1 << 10)..=(1 << 30);
/// 50 MiB (contract decision 20).
const DEFAULT_SIZE: u64 = 50 << 20;
