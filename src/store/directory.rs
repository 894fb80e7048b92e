//! Which directories are lists and domains, told by their names.
//!
//! # Trust
//!
//! What passes [`is_list_name`] and [`is_domain_name`] can be joined to a path: it holds no `/`,
//! begins with no dot and is no reserved name (contract E17).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::Problem;
use crate::config::permission::quoted;
use crate::model::Address;
use crate::model::address::canonical_domain;

/// Where one list lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDirectory {
    /// Its address, as the directory names spell it.
    pub address: Address,
    /// Its directory.
    pub path: PathBuf,
}

impl ListDirectory {
    /// Returns the path of `list.toml`.
    #[must_use]
    pub fn list_toml(&self) -> PathBuf {
        self.path.join("list.toml")
    }

    /// Returns the path of `subscribers`.
    #[must_use]
    pub fn subscribers(&self) -> PathBuf {
        self.path.join("subscribers")
    }
}

/// True for a name that a list directory may have: Sympa's rule, lower case.
#[must_use]
pub fn is_list_name(name: &str) -> bool {
    let fine = |b: u8| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'+' | b'-')
    };
    let begins = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    // 50 leaves room for the longest suffix, -sendkey, within 64 octets, and some for VERP.
    begins && name.len() <= 50 && name.bytes().all(fine) && !RESERVED.contains(&name)
}

/// True for a domain in the one spelling that its directory may have.
#[must_use]
pub fn is_domain_name(domain: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    !domain.starts_with(['.', '-'])
        && !RESERVED.contains(&domain)
        && domain.bytes().all(fine)
        && canonical_domain(domain).is_ok_and(|canonical| canonical == domain)
}

/// Sub-directories by name, sorted; hidden ones are nobody's business.
pub(super) fn directories(path: &Path, found: &mut Vec<Problem>) -> Vec<String> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let remedy = format!("mkdir -p {}, or correct paths.lists", quoted(path));
            found.push(Problem::error(path, "does not exist", remedy));
            return Vec::new();
        }
        Err(e) => {
            found.push(unreadable(path, &e));
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if entry.path().is_dir() => {
                let name = entry.file_name().to_string_lossy().into_owned();
                if !name.starts_with('.') {
                    names.push(name);
                }
            }
            Ok(_) => {}
            Err(e) => found.push(unreadable(path, &e)),
        }
    }
    names.sort();
    names
}

pub(super) fn spelled(name: &str, domain: &str) -> Option<Address> {
    Address::parse(&format!("{name}@{domain}")).ok()
}

pub(super) fn is_directory(path: &Path) -> Result<bool, Problem> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(unreadable(path, &e)),
    }
}

pub(super) fn no_list_toml(path: &Path) -> Problem {
    Problem::error(
        path,
        "is the directory of a list without list.toml",
        format!(
            "write {}, or remove the directory",
            quoted(&path.join("list.toml"))
        ),
    )
}

pub(super) fn not_a_name(path: &Path, name: &str, what: &str) -> Problem {
    let lower = name.to_lowercase();
    let (problem, remedy) = if lower != name && (is_list_name(&lower) || is_domain_name(&lower)) {
        let to = path.with_file_name(&lower);
        (
            format!("is ignored: the name of a {what} directory is lower case"),
            format!("mv {} {}", quoted(path), quoted(&to)),
        )
    } else {
        (
            format!("is ignored: its name is no {what} name"),
            "rename it, or hide it behind a leading dot".to_owned(),
        )
    };
    Problem::warning(path, problem, remedy)
}

pub(super) fn unreadable(path: &Path, e: &std::io::Error) -> Problem {
    Problem::error(
        path,
        format!("cannot be read: {e}"),
        format!("chmod a+rX {}, or mend the file system", quoted(path)),
    )
}

/// The directory of anchors that `listseal trust` keeps, beside `listseal.toml`, in that of a
/// domain's site pair and in that of a list.
pub const TRUST_DIRECTORY: &str = "trust";
/// The directory of a domain's site pair.
pub const SITE_DIRECTORY: &str = "_site";
/// Directories beside lists and domains that are neither.
pub(super) const RESERVED: [&str; 3] = [SITE_DIRECTORY, "scenari", "templates"];
