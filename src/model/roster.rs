//! The subscribers of a list, as their file spells them.
//!
//! One address a line, an optional display name, `key=value` options, `#` comments:
//!
//! ```text
//! alice@example.org          Alice Example
//! bob@example.org            lang=fr aliases=bob@work.example,b@home.example
//! carol@example.org  mode=nomail   # away until May
//! ```

use crate::model::Address;

/// One subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Where the copies go.
    pub address: Address,
    /// Display name, empty where none is given.
    pub name: String,
    /// What is sent.
    pub mode: Mode,
    /// Other addresses the subscriber posts from.
    pub aliases: Vec<Address>,
    /// Language of notices, where it differs from the list's.
    pub lang: Option<String>,
}

/// `mode=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every post.
    #[default]
    Mail,
    /// Nothing; the subscriber may still post.
    Nomail,
    /// A notice that there is a post, without content.
    Notice,
}

/// All subscribers of a list, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    subscribers: Vec<Subscriber>,
}

/// A line of `subscribers` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub problem: String,
}

impl Roster {
    /// Reads the text of a `subscribers` file; bad lines are reported and left out, so that one
    /// typing mistake does not silence a list.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<BadLine>) {
        let mut subscribers: Vec<Subscriber> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut bad = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index.saturating_add(1);
            let text = strip_comment(line.trim_start_matches('\u{feff}'));
            if text.is_empty() {
                continue;
            }
            match parse_line(text) {
                Ok(one) if !seen.insert(one.address.clone()) => bad.push(BadLine {
                    line: number,
                    problem: format!("{} stands twice: delete one of the two lines", one.address),
                }),
                Ok(one) => subscribers.push(one),
                Err(problem) => bad.push(BadLine {
                    line: number,
                    problem,
                }),
            }
        }
        (Self { subscribers }, bad)
    }

    /// Returns the subscribers in file order.
    #[must_use]
    pub fn subscribers(&self) -> &[Subscriber] {
        &self.subscribers
    }

    /// Returns the subscriber who has `address` as address or alias.
    #[must_use]
    pub fn find(&self, address: &Address) -> Option<&Subscriber> {
        self.subscribers
            .iter()
            .find(|one| one.address == *address)
            .or_else(|| {
                self.subscribers
                    .iter()
                    .find(|one| one.aliases.contains(address))
            })
    }
}

fn strip_comment(line: &str) -> &str {
    let end = line
        .char_indices()
        .find(|(at, c)| {
            *c == '#'
                && line
                    .get(..*at)
                    .is_none_or(|before| before.is_empty() || before.ends_with(char::is_whitespace))
        })
        .map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or(line).trim()
}

fn parse_line(text: &str) -> Result<Subscriber, String> {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let address =
        Address::parse(first).map_err(|e| format!("{first:?} {e}: write one address a line"))?;
    let mut one = Subscriber {
        address,
        name: String::new(),
        mode: Mode::Mail,
        aliases: Vec::new(),
        lang: None,
    };
    let mut name: Vec<&str> = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some(("mode", value)) => one.mode = parse_mode(value)?,
            Some(("aliases", value)) => one.aliases = parse_aliases(value)?,
            Some(("lang", value)) => one.lang = Some(value.to_owned()),
            Some((key, _)) if key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
                return Err(format!(
                    "unknown option {key:?}: mode, aliases and lang are known"
                ));
            }
            _ => name.push(word),
        }
    }
    one.name = name.join(" ");
    Ok(one)
}

fn parse_mode(value: &str) -> Result<Mode, String> {
    match value {
        "mail" => Ok(Mode::Mail),
        "nomail" => Ok(Mode::Nomail),
        "notice" => Ok(Mode::Notice),
        _ => Err(format!("mode={value} is unknown: mail, nomail or notice")),
    }
}

fn parse_aliases(value: &str) -> Result<Vec<Address>, String> {
    value
        .split(',')
        .filter(|text| !text.is_empty())
        .map(|text| Address::parse(text).map_err(|e| format!("alias {text:?} {e}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_with_names_options_and_comments_is_read() {
        let text = "# team\nalice@example.org Alice Example # boss\n\nbob@example.org lang=fr aliases=b@x.org,c@x.org\ncarol@example.org mode=nomail\n";
        let (roster, bad) = Roster::parse(text);
        assert!(bad.is_empty(), "{bad:?}");
        let names: Vec<_> = roster
            .subscribers()
            .iter()
            .map(|s| s.address.to_string())
            .collect();
        assert_eq!(
            names,
            ["alice@example.org", "bob@example.org", "carol@example.org"]
        );
        assert_eq!(roster.subscribers()[0].name, "Alice Example");
        assert_eq!(roster.subscribers()[2].mode, Mode::Nomail);
        let alias = Address::parse("C@x.org").unwrap();
        assert_eq!(roster.find(&alias).unwrap().lang.as_deref(), Some("fr"));
    }

    #[test]
    fn bad_lines_are_named_and_the_others_kept() {
        let (roster, bad) = Roster::parse(
            "alice@example.org\nnonsense\nALICE@example.org\nb@x.org mode=never\nc@x.org colour=red\n",
        );
        assert_eq!(roster.subscribers().len(), 1);
        assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    }
}
