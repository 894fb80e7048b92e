//! `listseal trust ls | add | remove`.
//!
//! # Invariants
//!
//! * Files that people name in the configuration are never written: what is added goes into a
//!   directory of its own.
//! * A file is added as a whole or not at all: nobody would look for the one that is missing.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::console::{Complaint, complain, confirm, json, load, print};
use crate::cli::{check, exit};
use crate::config::permission::RelayUser;
use crate::config::{PassphraseSource, Problem};
use crate::pki::{Certificate, bundle};
use crate::store::anchors::Trust;
use crate::store::directory::is_domain_name;
use crate::store::lists::{Lists, TrustPaths};
use crate::store::{passphrase, trust};

/// Show, add and remove the authorities whose certificates are believed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Any certificate may be an anchor, an intermediate or a single user's too. What is added holds for \
the whole site, for a domain with --domain, for a list with --list; a list believes what its \
domain and the site believe, too. Changes count from the next message on.

Exit codes: 0 done; 1 you said no, or it stands in a file of yours; 64 used wrongly, or a question \
without a terminal; 65 no certificate in the file; 66 no such file or anchor; 67 no such list or \
domain; 73 it cannot be written; 78 bad configuration.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show all anchors and where each comes from.
    Ls {
        #[command(flatten)]
        scope: ScopeArgs,
        /// Print a JSON array of objects.
        #[arg(long)]
        json: bool,
    },
    /// Believe the certificates of a file: PEM, DER, .p7b, the authorities of a PKCS#12.
    Add {
        /// The file; - for standard input.
        file: PathBuf,
        /// File whose first line is the passphrase of a PKCS#12 file.
        #[arg(long, value_name = "FILE")]
        passwd_file: Option<PathBuf>,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Believe an anchor no longer.
    Remove {
        /// SHA-256 of the certificate or its beginning, at least 8 digits; colons do not matter.
        fingerprint: String,
        #[command(flatten)]
        scope: ScopeArgs,
        /// Do not ask.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct ScopeArgs {
    /// For one list alone
    #[arg(long, value_name = "ADDRESS")]
    list: Option<String>,
    /// For all lists of one domain
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    let settings = match load(config) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let lists = Lists::new(Arc::new(settings));
    let outcome = match &args.command {
        Command::Ls { scope, json } => Scope::of(scope, &lists).and_then(|scope| ls(&scope, *json)),
        Command::Add {
            file,
            passwd_file,
            scope,
        } => Scope::of(scope, &lists).and_then(|scope| add(&scope, file, passwd_file.as_deref())),
        Command::Remove {
            fingerprint,
            scope,
            force,
        } => Scope::of(scope, &lists).and_then(|scope| remove(&scope, fingerprint, *force)),
    };
    match outcome {
        Ok(text) => print(text, exit::OK),
        Err((code, text)) => complain(&text, code),
    }
}

/// For whom anchors hold.
struct Scope {
    /// As people say it.
    name: String,
    /// Everything that is believed there.
    paths: TrustPaths,
    /// The directory that the commands write for it.
    kept: PathBuf,
}

impl Scope {
    fn of(args: &ScopeArgs, lists: &Lists) -> Result<Self, Complaint> {
        let wrong = |problems: &dyn std::fmt::Display| (exit::CONFIG, problems.to_string());
        let (name, paths) = match (&args.list, &args.domain) {
            (Some(list), _) => {
                let list = check::named(lists, list)?;
                let name = format!("the list {}", list.address);
                let config = lists.read_directory(list).map_err(|e| wrong(&e))?;
                (name, config.trust)
            }
            (None, Some(domain)) => {
                let domain = domain.to_ascii_lowercase();
                if !is_domain_name(&domain) || !lists.domain_directory(&domain).is_dir() {
                    let text =
                        format!("there is no domain {domain}: listseal list ls shows all lists");
                    return Err((exit::NO_USER, text));
                }
                let config = lists.read_site(&domain).map_err(|e| wrong(&e))?;
                (format!("the domain {domain}"), config.trust)
            }
            (None, None) => ("the whole site".to_owned(), lists.site_trust()),
        };
        let kept = paths.kept.last().cloned().unwrap_or_default();
        Ok(Self { name, paths, kept })
    }

    /// Reads everything that is believed.
    fn trust(&self) -> Trust {
        Trust::read(&self.paths)
    }
}

fn ls(scope: &Scope, as_json: bool) -> Result<String, Complaint> {
    let trust = scope.trust();
    let anchors = trust.anchors.certificates();
    // A list that is silently shorter than the truth would be worse than none.
    if let Some(problem) = trust.trouble() {
        return Err((exit::CONFIG, problem.text()));
    }
    if as_json {
        return Ok(json(
            anchors.iter().map(|one| object(one, &trust)).collect(),
        ));
    }
    let now = OffsetDateTime::now_utc();
    let mut out = String::new();
    for anchor in anchors {
        out.push_str(&summary(anchor, now));
        for file in trust.sources(anchor) {
            out.push_str(&format!("    {}\n", file.display()));
        }
    }
    for problem in &trust.problems {
        out.push_str(&format!("{problem}\n"));
    }
    if anchors.is_empty() {
        out.push_str(&format!(
            "For {} nobody is believed: listseal trust add FILE\n",
            scope.name
        ));
    }
    Ok(out)
}

fn object(anchor: &Certificate, trust: &Trust) -> Value {
    let time = |at: OffsetDateTime| at.format(&Rfc3339).ok();
    let files: Vec<String> = trust
        .sources(anchor)
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    json!({
        "subject": anchor.subject(),
        "issuer": anchor.issuer(),
        "serial": anchor.serial_hex(),
        "sha256": anchor.sha256_hex(),
        "not_before": time(anchor.not_before()),
        "not_after": time(anchor.not_after()),
        "files": files,
    })
}

/// Two lines: whose certificate it is, and what to remove it by.
fn summary(anchor: &Certificate, now: OffsetDateTime) -> String {
    let until = anchor.not_after().date();
    let state = if anchor.not_after() < now {
        format!("expired on {until}")
    } else if now < anchor.not_before() {
        format!("valid from {}", anchor.not_before().date())
    } else {
        format!("valid until {until}")
    };
    format!(
        "{}  {state}\n    SHA-256 {}\n",
        anchor.subject(),
        anchor.sha256_hex()
    )
}

fn add(scope: &Scope, file: &Path, passwd: Option<&Path>) -> Result<String, Complaint> {
    let bytes = read(file)?;
    let source = passwd.map(|file| PassphraseSource::File(file.to_owned()));
    let passphrase = passphrase::read(source.as_ref(), RelayUser::current());
    let passphrase = passphrase.map_err(|problem| (exit::NO_INPUT, problem.text()))?;
    let unusable = |e: &dyn std::fmt::Display, remedy: &str| {
        let text = format!("{}: {e} - {remedy}", file.display());
        (exit::DATA, text)
    };
    let all =
        bundle::certificates(&bytes, passphrase.as_ref()).map_err(|e| unusable(&e, e.remedy()))?;
    let all: Vec<Certificate> = all
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|e| unusable(&e, e.remedy()))?;
    let parent = scope.kept.parent().unwrap_or(Path::new("/"));
    if !parent.is_dir() {
        let text = format!("{0} does not exist: mkdir {0}", parent.display());
        return Err((exit::CANNOT_CREATE, text));
    }
    let now = OffsetDateTime::now_utc();
    let mut out = format!("For {}, believed from now on:\n", scope.name);
    for anchor in &all {
        let new = trust::add(&scope.kept, anchor).map_err(unwritable)?;
        out.push_str(&summary(anchor, now));
        if !new {
            out.push_str("    was there before\n");
        }
    }
    Ok(out)
}

fn unwritable(problem: Problem) -> Complaint {
    (exit::CANNOT_CREATE, problem.text())
}

fn read(file: &Path) -> Result<Vec<u8>, Complaint> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    match read {
        Ok(size) if u64::try_from(size).is_ok_and(|size| size <= LARGEST) => Ok(bytes),
        Ok(_) => {
            let text = format!("{} is larger than 16 MiB", file.display());
            Err((exit::DATA, text))
        }
        Err(e) => {
            let text = format!("{} cannot be read: {e}", file.display());
            Err((exit::NO_INPUT, text))
        }
    }
}

/// Larger than any bundle of authorities.
const LARGEST: u64 = 16 << 20;

fn remove(scope: &Scope, fingerprint: &str, force: bool) -> Result<String, Complaint> {
    let wanted: String = fingerprint
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if wanted.len() < 8 || !wanted.bytes().all(|b| b.is_ascii_hexdigit()) {
        let text = format!(
            "{fingerprint:?} is no SHA-256: write at least 8 digits of what listseal trust ls shows"
        );
        return Err((exit::USAGE, text));
    }
    let before = scope.trust();
    let mut found = before
        .anchors
        .certificates()
        .iter()
        .filter(|anchor| anchor.sha256_hex().starts_with(&wanted));
    let anchor = match (found.next(), found.next()) {
        (Some(only), None) => only,
        (Some(_), Some(_)) => {
            let text = format!("several anchors begin with {wanted}: write more digits");
            return Err((exit::USAGE, text));
        }
        (None, _) => {
            let text = format!(
                "{wanted} is not believed for {}: listseal trust ls",
                scope.name
            );
            return Err((exit::NO_INPUT, text));
        }
    };
    let (own, others): (Vec<_>, Vec<_>) = before
        .sources(anchor)
        .iter()
        .partition(|file| **file == trust::file(&scope.kept, anchor));
    let places: Vec<String> = others
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let places = places.join(", ");
    if own.is_empty() {
        let text = format!(
            "{} stands in {places}, not in {}: take it out there, or say --list, --domain or neither as it was added",
            anchor.subject(),
            scope.kept.display()
        );
        return Err((exit::FAILED, text));
    }
    let question = format!("Believe {} no longer for {}?", anchor.subject(), scope.name);
    confirm(force, &question, "nothing was removed")?;
    trust::remove(&scope.kept, anchor).map_err(unwritable)?;
    let mut out = format!("Removed for {}:\n", scope.name);
    out.push_str(&summary(anchor, OffsetDateTime::now_utc()));
    if !others.is_empty() {
        out.push_str(&format!(
            "It is still believed: it stands in {places} too.\n"
        ));
    }
    Ok(out)
}
