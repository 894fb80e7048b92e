//! The `subscribers` file of a list.
//!
//! # Invariants
//!
//! * A list whose file is gone or unreadable is in trouble; it is never a list without members,
//!   since a post sent to nobody would count as settled.
//!
//! # See also
//!
//! [`crate::model::roster`] for the format.

use crate::config::{Problem, read_text};
use crate::model::roster::Roster;
use crate::store::directory::ListDirectory;

/// Reads the subscribers of a list, and which lines of the file had to be left out.
///
/// # Errors
///
/// The file cannot be read at all.
pub fn read(list: &ListDirectory) -> Result<(Roster, Vec<Problem>), Problem> {
    let file = list.subscribers();
    let text = read_text(&file).map_err(|problem| problem.of(&list.address))?;
    let (roster, bad) = Roster::parse(&text);
    let problems = bad
        .into_iter()
        .map(|line| {
            let (problem, remedy) = split(&line.problem);
            Problem::error(&file, problem, remedy)
                .at(line.line)
                .of(&list.address)
        })
        .collect();
    Ok((roster, problems))
}

/// A bad line says `what is wrong: what to do`.
fn split(text: &str) -> (&str, &str) {
    text.rsplit_once(": ")
        .unwrap_or((text, "correct the line, or put a # before it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    fn list(text: &str) -> (tempfile::TempDir, ListDirectory) {
        let dir = tempfile::tempdir().unwrap();
        let list = ListDirectory {
            address: Address::parse("team@example.org").unwrap(),
            path: dir.path().to_owned(),
        };
        std::fs::write(list.subscribers(), text).unwrap();
        (dir, list)
    }

    #[test]
    fn bad_line_is_named_with_its_remedy_and_the_others_count() {
        let (_dir, list) = list("a@x.org\n\nb@x.org colour=red\nA@x.org\nnonsense\n");
        let (roster, problems) = read(&list).unwrap();
        assert_eq!(roster.subscribers().len(), 1);
        let texts: Vec<_> = problems
            .iter()
            .map(|p| (p.line.unwrap(), p.problem.as_str(), p.remedy.as_str()))
            .collect();
        assert_eq!(
            texts,
            [
                (
                    3,
                    "unknown option \"colour\"",
                    "mode, aliases and lang are known"
                ),
                (4, "A@x.org stands twice", "delete one of the two lines"),
                (5, "\"nonsense\" has no @", "write one address a line"),
            ]
        );
    }

    #[test]
    fn missing_or_broken_file_is_trouble_and_not_an_empty_list() {
        let (_dir, list) = list("a@x.org\n");
        std::fs::write(list.subscribers(), b"a@x.org\nb\xff@x.org\n").unwrap();
        let problem = read(&list).unwrap_err();
        assert_eq!(
            (problem.line, problem.problem.as_str()),
            (Some(2), "is not UTF-8 text")
        );
        std::fs::remove_file(list.subscribers()).unwrap();
        assert_eq!(read(&list).unwrap_err().problem, "does not exist");
        std::fs::create_dir(list.subscribers()).unwrap();
        assert_eq!(read(&list).unwrap_err().problem, "is not a regular file");
    }
}
