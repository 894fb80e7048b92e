//! The `send` scenario of a list: its file, or the built-in one.
//!
//! ```text
//! <lists>/<domain>/<list>/scenari/send.<name>   the list's own
//! <lists>/<domain>/scenari/send.<name>          the domain's
//! <directory of listseal.toml>/scenari/send.<name>
//! built in
//! ```
//!
//! # Trust
//!
//! The name passed [`crate::config`], so it cannot lead out of `scenari/`.
//!
//! # Invariants
//!
//! * The nearest file counts, even where it cannot be used: a list whose rules are broken denies,
//!   it does not fall back to rules that nobody chose.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::authorize::builtin;
use crate::authorize::scenario::Scenario;
use crate::config::permission::exposed;
use crate::config::{Problem, read_text};
use crate::store::directory::ListDirectory;
use crate::store::lists::Lists;

impl Lists {
    /// Returns the scenario `send.<name>` of a list.
    ///
    /// # Errors
    ///
    /// There is none, or its file cannot be read or used.
    pub fn scenario(&self, list: &ListDirectory, name: &str) -> Result<Scenario, Problem> {
        let places = self.scenario_files(list, name);
        for file in &places {
            match std::fs::symlink_metadata(file) {
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                _ => return parse(file).map_err(|problem| problem.of(&list.address)),
            }
        }
        builtin::builtin(name).ok_or_else(|| {
            let known: Vec<_> = builtin::names().map(|(name, _)| name).collect();
            let own = places
                .first()
                .map(|file| file.display().to_string())
                .unwrap_or_default();
            Problem::error(
                list.list_toml(),
                format!("send: there is no scenario {name:?}"),
                format!(
                    "write {own}, or use one that is built in: {}",
                    known.join(", ")
                ),
            )
            .of(&list.address)
        })
    }

    fn scenario_files(&self, list: &ListDirectory, name: &str) -> Vec<PathBuf> {
        let file = format!("send.{name}");
        let domain = self.domain_directory(list.address.domain());
        [list.path.as_path(), &domain, self.settings().directory()]
            .map(|directory| directory.join("scenari").join(&file))
            .into()
    }
}

fn parse(file: &std::path::Path) -> Result<Scenario, Problem> {
    // E6: who may write it decides who may post.
    if let Some(problem) = exposed(file) {
        return Err(problem);
    }
    let text = read_text(file)?;
    Scenario::parse(&text, &file.display().to_string()).map_err(|e| {
        let remedy = "correct the line; until then the list denies every post";
        Problem::error(file, e.problem, remedy).at(e.line)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::config::Settings;
    use crate::model::Address;

    fn world() -> (tempfile::TempDir, Lists, ListDirectory) {
        let dir = tempfile::tempdir().unwrap();
        let text = "[paths]\nlists = \"lists\"\n";
        let settings = Settings::parse(&dir.path().join("listseal.toml"), text).unwrap();
        let list = ListDirectory {
            address: Address::parse("team@x.org").unwrap(),
            path: dir.path().join("lists/x.org/team"),
        };
        std::fs::create_dir_all(&list.path).unwrap();
        (dir, Lists::new(Arc::new(settings)), list)
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn nearest_scenario_file_wins_over_the_built_in_one() {
        let (dir, lists, list) = world();
        let name = || lists.scenario(&list, "private").unwrap().name().to_owned();
        assert_eq!(name(), "private");
        for place in [
            "scenari/send.private",
            "lists/x.org/scenari/send.private",
            "lists/x.org/team/scenari/send.private",
        ] {
            let file = dir.path().join(place);
            write(&file, "true() smime -> do_it\n");
            assert_eq!(name(), file.display().to_string());
        }
    }

    #[test]
    fn broken_nearest_scenario_is_not_replaced_by_another() {
        let (dir, lists, list) = world();
        write(
            &dir.path().join("scenari/send.own"),
            "true() smtp -> do_it\n",
        );
        write(
            &list.path.join("scenari/send.own"),
            "# mine\nfull_moon() smtp -> do_it\n",
        );
        let problem = lists.scenario(&list, "own").unwrap_err();
        assert_eq!(problem.line, Some(2), "{problem}");
        assert!(problem.file.ends_with("team/scenari/send.own"), "{problem}");
        std::fs::write(list.path.join("scenari/send.own"), b"\xff").unwrap();
        assert!(lists.scenario(&list, "own").is_err());
    }

    #[test]
    fn unknown_scenario_is_named_with_what_there_is() {
        let (_dir, lists, list) = world();
        let problem = lists.scenario(&list, "nonsense").unwrap_err();
        assert!(problem.remedy.contains("private_smime"), "{problem}");
        assert!(
            problem.remedy.contains("team/scenari/send.nonsense"),
            "{problem}"
        );
    }
}
