//! Templates of notices that administrators and owners have put in place of the built-in ones.
//!
//! ```text
//! <lists>/<domain>/<list>/templates/<name>.<lang>.txt   and <name>.txt
//! <lists>/<domain>/templates/
//! paths.templates
//! ```
//!
//! A template in the reader's language is looked for in all three first, then one for every
//! language, then the one compiled in is used.
//!
//! # Trust
//!
//! Language and name come from [`crate::notice`] and the roster; a language that is no plain tag
//! selects no file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::permission::{exposed, quoted};
use crate::config::{Problem, read_text};
use crate::model::Address;
use crate::notice::{Kind, Loader, Source, TemplateError, check};
use crate::store::lists::Lists;

/// Returns the loader of [`crate::notice::Templates::with`] for the lists of a site.
#[must_use]
pub fn loader(lists: Lists) -> Loader {
    Box::new(move |from, kind, lang| {
        let name = file_name(kind, lang)?;
        let places = places(&lists, from);
        places.iter().find_map(|place| load(&place.join(&name)))
    })
}

fn file_name(kind: Kind, lang: &str) -> Option<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if lang.is_empty() {
        Some(format!("{}.txt", kind.name()))
    } else {
        lang.bytes()
            .all(fine)
            .then(|| format!("{}.{lang}.txt", kind.name()))
    }
}

fn places(lists: &Lists, from: &Address) -> Vec<PathBuf> {
    let mut out = Vec::with_capacity(3);
    out.extend(lists.list(from).map(|list| list.path.join(DIRECTORY)));
    if lists.is_site_domain(from.domain()) {
        out.push(lists.domain_directory(from.domain()).join(DIRECTORY));
    }
    out.push(lists.settings().paths.templates.clone());
    out
}

fn load(path: &Path) -> Option<Result<Source, TemplateError>> {
    match std::fs::symlink_metadata(path) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        _ => Some(source(path)),
    }
}

fn source(path: &Path) -> Result<Source, TemplateError> {
    let file = path.display().to_string();
    // E6: what anybody can write, the list does not say.
    match exposed(path).map_or_else(|| read_text(path), Err) {
        Ok(text) => Ok(Source {
            file,
            text: text.to_string(),
        }),
        Err(problem) => Err(TemplateError {
            file,
            line: problem.line.unwrap_or(1),
            problem: problem.problem,
        }),
    }
}

/// Returns what is wrong with the templates in one directory, which need not exist.
#[must_use]
pub fn problems(directory: &Path) -> Vec<Problem> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(e) => {
            let remedy = format!("chmod a+rX {}", quoted(directory));
            return vec![Problem::error(
                directory,
                format!("cannot be read: {e}"),
                remedy,
            )];
        }
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            !name.starts_with(b".") && !name.ends_with(b"~")
        })
        .collect();
    files.sort();
    files.iter().filter_map(|path| problem(path)).collect()
}

fn problem(path: &Path) -> Option<Problem> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    // A directory of the site's templates may be shared with other things.
    let stem = name.strip_suffix(".txt")?;
    let (kind, lang) = stem.split_once('.').unwrap_or((stem, ""));
    if Kind::from_name(kind)
        .and_then(|kind| file_name(kind, lang))
        .as_deref()
        != Some(&name)
    {
        let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        return Some(Problem::warning(
            path,
            "is no notice and is never used",
            format!(
                "name it NAME.txt or NAME.LANG.txt; notices: {}",
                known.join(", ")
            ),
        ));
    }
    let found = source(path).and_then(|source| check(&source)).err()?;
    let remedy = "correct the template; until then the built-in text is sent";
    Some(Problem::error(path, found.problem, remedy).at(found.line))
}

const DIRECTORY: &str = "templates";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Settings;

    fn world() -> (tempfile::TempDir, Lists) {
        let dir = tempfile::tempdir().unwrap();
        let text = "[paths]\nlists = \"lists\"\ntemplates = \"templates\"\n";
        let settings = Settings::parse(&dir.path().join("listseal.toml"), text).unwrap();
        write(
            &dir,
            "lists/x.org/team/list.toml",
            "owners = [\"a@x.org\"]\n",
        );
        (dir, Lists::new(Arc::new(settings)))
    }

    fn write(dir: &tempfile::TempDir, name: &str, text: &str) {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn nearest_template_of_the_language_wins() {
        let (dir, lists) = world();
        let load = loader(lists);
        let found = |from: &str, lang: &str| {
            let from = Address::parse(from).unwrap();
            load(&from, Kind::Rejected, lang).map(|source| source.unwrap().text)
        };
        assert_eq!(found("team@x.org", "fr"), None);
        for (name, text) in [
            ("templates/rejected.fr.txt", "site"),
            ("lists/x.org/templates/rejected.fr.txt", "domain"),
            ("lists/x.org/team/templates/rejected.fr.txt", "list"),
        ] {
            write(&dir, name, text);
            assert_eq!(found("team@x.org", "fr").as_deref(), Some(text));
        }
        assert_eq!(found("listseal@x.org", "fr").as_deref(), Some("domain"));
        assert_eq!(found("listseal@y.org", "fr").as_deref(), Some("site"));
        assert_eq!(found("team@x.org", ""), None);
        write(&dir, "templates/rejected.txt", "every language");
        assert_eq!(found("team@x.org", "").as_deref(), Some("every language"));
        assert_eq!(found("team@x.org", "../rejected"), None);
    }

    #[test]
    fn broken_and_useless_templates_are_named() {
        let (dir, _lists) = world();
        let templates = dir.path().join("templates");
        assert!(
            problems(&templates).is_empty(),
            "a missing directory is fine"
        );
        write(
            &dir,
            "templates/rejected.txt",
            "Subject: no\n\nThe code is {{ reason }}.\n",
        );
        write(&dir, "templates/held.de.txt", "Subject: x\n\n{% if %}\n");
        write(&dir, "templates/heldd.txt", "Subject: x\n\ny\n");
        write(&dir, "templates/README", "not a template");
        std::fs::create_dir(templates.join("waiting.txt")).unwrap();
        let found: Vec<_> = problems(&templates)
            .into_iter()
            .map(|p| {
                let name = p.file.file_name().unwrap().to_str().unwrap().to_owned();
                (name, p.line, p.is_error())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("held.de.txt".to_owned(), Some(3), true),
                ("heldd.txt".to_owned(), None, false),
                ("waiting.txt".to_owned(), Some(1), true),
            ]
        );
    }
}
