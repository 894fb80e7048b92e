//! What a reason is called and what to do about it, in the languages of the built-in notices.
//!
//! The texts are files of `templates/`: one line a reason, `code | sentence | remedy`.

use crate::model::Reason;

const ENGLISH: &str = include_str!("../../templates/reasons.txt");
const FRENCH: &str = include_str!("../../templates/reasons.fr.txt");
const GERMAN: &str = include_str!("../../templates/reasons.de.txt");

/// Returns the reason as a sentence without full stop; English where `lang` has none.
#[must_use]
pub fn text(reason: Reason, lang: &str) -> &'static str {
    find(reason, lang).map_or(reason.text(), |(text, _)| text)
}

/// Returns what the reader can do, one or two sentences; English where `lang` has none.
#[must_use]
pub fn remedy(reason: Reason, lang: &str) -> &'static str {
    find(reason, lang).map_or("", |(_, remedy)| remedy)
}

fn find(reason: Reason, lang: &str) -> Option<(&'static str, &'static str)> {
    line(table(lang), reason).or_else(|| line(ENGLISH, reason))
}

fn table(lang: &str) -> &'static str {
    match lang.split(['-', '_']).next() {
        Some("de") => GERMAN,
        Some("fr") => FRENCH,
        _ => ENGLISH,
    }
}

fn line(table: &'static str, reason: Reason) -> Option<(&'static str, &'static str)> {
    table.lines().find_map(|line| {
        let (code, rest) = line.split_once('|')?;
        let (text, remedy) = rest.split_once('|')?;
        (code.trim() == reason.code()).then_some((text.trim(), remedy.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_sentence_and_a_remedy_in_english() {
        for reason in Reason::ALL {
            let (text, remedy) =
                line(ENGLISH, *reason).unwrap_or_else(|| panic!("{}", reason.code()));
            assert_eq!(text, reason.text(), "{}", reason.code());
            assert!(remedy.ends_with('.'), "{}: {remedy}", reason.code());
        }
    }

    #[test]
    fn tables_hold_known_reasons_once_and_the_same_in_each_language() {
        let codes = |table: &str| -> Vec<String> {
            table
                .lines()
                .map(|l| l.split('|').next().unwrap().trim().to_owned())
                .collect()
        };
        for table in [ENGLISH, FRENCH, GERMAN] {
            let codes = codes(table);
            for code in &codes {
                assert!(Reason::from_code(code).is_some(), "{code}");
                assert_eq!(codes.iter().filter(|c| *c == code).count(), 1, "{code}");
            }
        }
        assert_eq!(codes(FRENCH), codes(GERMAN));
        for told in [
            "not-signed",
            "undecryptable",
            "expired",
            "no-certificate",
            "too-large",
        ] {
            assert!(codes(GERMAN).iter().any(|c| c == told), "{told}");
        }
    }

    #[test]
    fn unknown_language_is_english_and_regions_are_their_language() {
        assert_eq!(text(Reason::NotSigned, "xx"), Reason::NotSigned.text());
        assert_eq!(
            text(Reason::NotSigned, "de-AT"),
            text(Reason::NotSigned, "de")
        );
        assert_ne!(text(Reason::NotSigned, "de"), Reason::NotSigned.text());
        assert_eq!(text(Reason::PathBudget, "fr"), Reason::PathBudget.text());
    }

    #[test]
    fn published_table_of_reasons_is_this_one() {
        let published = include_str!("../../docs/reasons.md");
        let mut expected = String::from("| code | meaning | what to do |\n| --- | --- | --- |\n");
        for reason in Reason::ALL {
            let remedy = remedy(*reason, "en");
            expected += &format!("| `{}` | {} | {remedy} |\n", reason.code(), reason.text());
        }
        assert!(
            published.contains(&expected),
            "docs/reasons.md must contain:\n{expected}"
        );
    }
}
