//! `listseal list create`.
//!
//! # Invariants
//!
//! * The private key is never readable by others, not even for a moment.
//! * What root makes belongs to the relay user, who has to read it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use time::{Duration, OffsetDateTime};

use super::Outcome;
use crate::cli::exit;
use crate::config::permission::{RelayUser, quoted};
use crate::config::settings::DEFAULT_FILE;
use crate::model::Address;
use crate::model::route::{Route, SITE_NAME};
use crate::pki::issue::{self, Contents, Role};
use crate::pki::{Certificate, KeyKind, PrivateKey, pem};
use crate::store::directory::{is_domain_name, is_list_name};
use crate::store::lists::Lists;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of the list
    address: String,
    /// Address of an owner; may be given several times
    #[arg(long, value_name = "ADDRESS", required = true)]
    owner: Vec<String>,
    /// Kind of the list's key
    #[arg(long, value_name = "KIND", default_value = "rsa3072", value_parser = ["rsa2048", "rsa3072", "rsa4096", "p256", "p384"])]
    key: String,
}

/// Makes the list.
pub(super) fn create(args: &Args, lists: &Lists, now: OffsetDateTime) -> Outcome {
    let usage = |text: String| (exit::USAGE, text);
    let address = parse(&args.address)?;
    let name = address.local().to_ascii_lowercase();
    let address = parse(&format!("{name}@{}", address.domain()))?;
    if !is_list_name(&name) || !is_domain_name(address.domain()) {
        return Err(usage(format!(
            "{address} cannot be a list: at most 50 of a-z, 0-9, \".\", \"_\", \"+\" and \"-\" before the @, \
             a domain name behind it"
        )));
    }
    let owners = args.owner.iter().map(|text| parse(text));
    let owners = owners.collect::<Result<Vec<_>, _>>()?;
    let kind = KeyKind::from_name(&args.key)
        .ok_or_else(|| usage(format!("{} is no kind of key", args.key)))?;
    let domain = lists.domain_directory(address.domain());
    let place = domain.join(&name);
    free(lists, &address, &place)?;

    let user = RelayUser::of_site(lists.settings());
    let trouble = |e: io::Error| {
        let text = format!("{} cannot be made: {e}", place.display());
        (exit::CANNOT_CREATE, text)
    };
    std::fs::create_dir_all(&domain).map_err(trouble)?;
    let pair = Pair::generate(kind, &address, now)?;
    let toml = list_toml(&address, &owners);
    let files: [(&str, &[u8], u32); 4] = [
        ("list.toml", toml.as_bytes(), 0o644),
        ("subscribers", SUBSCRIBERS.as_bytes(), 0o644),
        ("cert.pem", pair.certificate_pem.as_bytes(), 0o644),
        ("private_key", pair.key_pem.as_bytes(), 0o600),
    ];
    put(&place, &files, user).map_err(trouble)?;
    let site = site_pair(lists, address.domain(), kind, user, now)?;
    Ok(next_steps(lists, &address, &place, &pair.certificate, site))
}

fn parse(text: &str) -> Result<Address, (u8, String)> {
    Address::parse(text).map_err(|e| (exit::USAGE, format!("{text:?} {e}")))
}

/// Refuses an address that is taken, by a list or by one of its roles.
fn free(lists: &Lists, address: &Address, place: &Path) -> Result<(), (u8, String)> {
    let taken = |text: String| Err((exit::CANNOT_CREATE, text));
    if std::fs::symlink_metadata(place).is_ok() {
        return taken(format!(
            "{} exists already: listseal list show {address}, or choose another name",
            place.display()
        ));
    }
    if address.local() == SITE_NAME {
        return taken(format!("{address} is the address of the site itself"));
    }
    let root = &lists.settings().paths.lists;
    if !root.is_dir() {
        return taken(format!(
            "{0} does not exist: mkdir -p {1}, or correct paths.lists",
            root.display(),
            quoted(root)
        ));
    }
    match lists.route(address) {
        Ok(None) => {}
        Ok(Some(Route::List(other, role))) => {
            return taken(format!(
                "{address} is the {role:?} address of the list {other}"
            ));
        }
        Ok(Some(Route::Site(_))) => {
            return taken(format!("{address} is the address of the site itself"));
        }
        Err(problem) => return Err((exit::CONFIG, problem.text())),
    }
    for suffix in [
        "request", "owner", "editor", "register", "sendkey", "bounces",
    ] {
        let role = address.with_suffix(&format!("-{suffix}"));
        if let Some(other) = role.ok().filter(|role| lists.is_list(role)) {
            return taken(format!(
                "{other} is a list, and would be the {suffix} address of {address}"
            ));
        }
    }
    Ok(())
}

/// A new key pair in PEM.
struct Pair {
    certificate: Certificate,
    certificate_pem: String,
    key_pem: zeroize::Zeroizing<String>,
}

impl Pair {
    fn generate(
        kind: KeyKind,
        address: &Address,
        now: OffsetDateTime,
    ) -> Result<Self, (u8, String)> {
        let failed = |e: &dyn std::fmt::Display| (exit::FAILED, format!("the key pair {e}"));
        let key = PrivateKey::generate(kind).map_err(|e| failed(&e))?;
        // From yesterday, for members whose clocks are slow.
        let (from, until) = (now - Duration::days(1), now + VALIDITY);
        let contents = Contents {
            common_name: &address.to_string(),
            addresses: std::slice::from_ref(address),
            not_before: from,
            not_after: until,
            role: Role::User {
                sign: true,
                encrypt: true,
            },
        };
        let certificate =
            issue::self_signed(&contents, &key, &mut UnwrapErr(SysRng)).map_err(|e| failed(&e))?;
        Ok(Self {
            certificate_pem: pem::encode("CERTIFICATE", certificate.der()),
            key_pem: key.to_pem(),
            certificate,
        })
    }
}

/// Makes the key pair of `listseal@domain` where there is none.
fn site_pair(
    lists: &Lists,
    domain: &str,
    kind: KeyKind,
    user: RelayUser,
    now: OffsetDateTime,
) -> Result<Option<PathBuf>, (u8, String)> {
    let place = lists.site_directory(domain);
    if holds_pair(&place) {
        return Ok(None);
    }
    let address = parse(&format!("{SITE_NAME}@{domain}"))?;
    let pair = Pair::generate(kind, &address, now)?;
    let files: [(&str, &[u8], u32); 2] = [
        ("cert.pem", pair.certificate_pem.as_bytes(), 0o644),
        ("private_key", pair.key_pem.as_bytes(), 0o600),
    ];
    let made = if std::fs::symlink_metadata(&place).is_ok() {
        put_into(&place, &files, user)
    } else {
        put(&place, &files, user)
    };
    match made {
        Ok(()) => Ok(Some(place)),
        Err(e) => Err((
            exit::CANNOT_CREATE,
            format!("{} cannot be made: {e}", place.display()),
        )),
    }
}

/// True where there is some file of a pair, which is somebody's business.
fn holds_pair(place: &Path) -> bool {
    std::fs::read_dir(place).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("cert.pem") || name.starts_with("private_key")
        })
    })
}

/// Adds files to a directory that has none of these names, each complete, durably; the last one
/// listed comes first, because a certificate without key would be trouble.
fn put_into(place: &Path, files: &[(&str, &[u8], u32)], user: RelayUser) -> io::Result<()> {
    let building = place.join(format!(".new-{}", std::process::id()));
    let built = build(&building, files, user).and_then(|()| {
        for (name, ..) in files.iter().rev() {
            rename_new(&building.join(name), &place.join(name))?;
        }
        sync_directory(place)
    });
    let _ = std::fs::remove_dir_all(&building);
    built
}

/// Builds a directory beside its place and renames it there, durably.
fn put(place: &Path, files: &[(&str, &[u8], u32)], user: RelayUser) -> io::Result<()> {
    let parent = place.parent().unwrap_or(Path::new("/"));
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let building = parent.join(format!(".{name}.new-{}", std::process::id()));
    let built = build(&building, files, user)
        .and_then(|()| rename_new(&building, place))
        .and_then(|()| sync_directory(parent));
    if built.is_err() {
        // Whatever was there before: only what was just made is under this name.
        let _ = std::fs::remove_dir_all(&building);
    }
    built
}

fn build(directory: &Path, files: &[(&str, &[u8], u32)], user: RelayUser) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o755).create(directory)?;
    for (name, bytes, mode) in files {
        let path = directory.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(*mode)
            .open(&path)?;
        file.write_all(bytes)?;
        // The umask may have taken away what others need; it never adds.
        file.set_permissions(std::fs::Permissions::from_mode(*mode))?;
        own(&path, user)?;
        file.sync_all()?;
    }
    own(directory, user)?;
    sync_directory(directory)
}

fn own(path: &Path, user: RelayUser) -> io::Result<()> {
    if user == RelayUser::current() {
        Ok(())
    } else {
        std::os::unix::fs::chown(path, Some(user.uid()), None)
    }
}

/// Renames a directory to a name that must not exist.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system without the flag: a rename replaces an empty directory at most.
        Err(rustix::io::Errno::INVAL) => std::fs::rename(from, to),
        other => Ok(other?),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    std::fs::File::open(directory)?.sync_all()
}

fn list_toml(address: &Address, owners: &[Address]) -> String {
    let owners: Vec<_> = owners.iter().map(|owner| format!("\"{owner}\"")).collect();
    format!(
        "\
# The list {address}. Changes count from the next message on; listseal check names mistakes.
# Every key is explained in the example list that comes with Listseal.

address = \"{address}\"

# One line that says what the list is for.
#title = \"\"

# Who owns the list and hears of its troubles; who decides on held posts (else the owners).
owners = [{}]
moderators = []

# Members, owners and moderators whose S/MIME signature proves them may post.
send = \"private_smime\"

# mirror: a post leaves as it came. always: plain posts are sealed too. never: encrypted posts are
# refused.
#encrypt = \"mirror\"
",
        owners.join(", ")
    )
}

fn next_steps(
    lists: &Lists,
    address: &Address,
    place: &Path,
    certificate: &Certificate,
    site: Option<PathBuf>,
) -> String {
    let settings = lists.settings();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/usr/bin/listseal"));
    let program = quoted(&program);
    let command = if settings.file == Path::new(DEFAULT_FILE) {
        program
    } else {
        format!("{program} --config {}", quoted(&settings.file))
    };
    let name = address.local();
    let site_line = site
        .map(|path| {
            format!(
                "    {:<12}  key pair of {SITE_NAME}@{}, made too\n",
                path.display(),
                address.domain()
            )
        })
        .unwrap_or_default();
    let mut aliases = String::new();
    for role in ["", "-request", "-owner", "-editor", "-register", "-sendkey"] {
        let to = format!("{name}{role}@{}", address.domain());
        aliases.push_str(&alias(&format!("{name}{role}"), &command, &to));
    }
    let bounces = "\\\"$ORIGINAL_RECIPIENT\\\"";
    aliases.push_str(&alias(&format!("{name}-bounces"), &command, bounces));
    format!(
        "\
Created {address} in {place}
    list.toml     who may post and what is sealed
    subscribers   its members, none yet
    cert.pem      its certificate, valid until {until}
                  SHA-256 {print}
    private_key   its key: make a safe copy, encrypted posts are lost without it
{site_line}
Next:
 1. Write the members into {subscribers}, an address a line.
 2. Route the addresses to Listseal. As Postfix aliases (other ways: etc/postfix/README.md):

{aliases}
 3. Give cert.pem to the members, who encrypt to it. Mail to {name}-sendkey@{domain} is
    answered with it too.
 4. Each member sends one signed mail to {name}-register@{domain}, or you put the certificates
    into {certificates}.
 5. listseal check {address}
",
        place = place.display(),
        until = certificate.not_after().date(),
        print = fingerprint(certificate),
        subscribers = place.join("subscribers").display(),
        domain = address.domain(),
        certificates = settings.paths.certificates.display(),
    )
}

fn alias(name: &str, command: &str, to: &str) -> String {
    let name = format!("{name}:");
    format!("{name:<20} \"|{command} queue --sender=\\\"$SENDER\\\" -- {to}\"\n")
}

/// The fingerprint as mail programs show it.
fn fingerprint(certificate: &Certificate) -> String {
    let pairs: Vec<_> = certificate
        .sha256()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    pairs.join(":")
}

const VALIDITY: Duration = Duration::days(5 * 365);

const SUBSCRIBERS: &str = "\
# One subscriber a line: address, display name, options. Changes count from the next post on.
# Options: mode=mail|nomail|notice, aliases=OTHER@ADDRESS,..., lang=TAG.
#
# alice@example.org    Alice Example    lang=fr
";
