//! Finds, checks and fills the templates of notices.
//!
//! A template is plain text for minijinja: a line `Subject: ...`, an empty line, the body. The rest of
//! the header is not its business.
//!
//! # Place in the flow
//!
//! plan item, [`Facts`] → **templates** → [`Rendered`].
//!
//! # Trust
//!
//! An override is the administrator's and can be broken; then the built-in text is sent and the
//! problem reported, so that a typing mistake costs no notice.
//!
//! # Invariants
//!
//! * A template sees the published variables and nothing else: no files, no other templates, no
//!   environment (contract decision 14). An unknown name is an error even in a branch that is not
//!   taken.

use std::fmt;
use std::io;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::mime::write::WriteError;
use crate::model::Address;
use crate::notice::facts::Facts;
use crate::notice::kind::{Kind, Variable};
use crate::notice::rendered::Rendered;

/// A template file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What errors name.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Looks an override up, by list (or site) address, notice and language; the language is empty for
/// the one that serves every language. An unreadable file is an error, a missing one `None`.
pub type Loader =
    Box<dyn Fn(&Address, Kind, &str) -> Option<Result<Source, TemplateError>> + Send + Sync>;

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct TemplateError {
    /// The file, or the name of a built-in template.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// Why a notice could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Not even the built-in text could be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A header field cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// One notice that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The list or site address that speaks.
    pub from: &'a Address,
    /// Who reads it.
    pub to: &'a Address,
    /// The reader's language, an RFC 5646 tag.
    pub lang: &'a str,
    /// What is told.
    pub facts: &'a Facts,
    /// Date of the notice.
    pub now: OffsetDateTime,
    /// Names the notice for ever: the same after a restart, so that a doubled one has the same
    /// Message-ID (contract 2.1). Spool id and number of the item serve well.
    pub token: &'a str,
    /// Message-ID of the mail that is answered.
    pub in_reply_to: Option<&'a str>,
}

/// The templates of a site.
#[derive(Default)]
pub struct Templates {
    loader: Option<Loader>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates")
            .field("overrides", &self.loader.is_some())
            .finish()
    }
}

impl Templates {
    /// Returns the templates that are compiled in.
    #[must_use]
    pub fn builtin() -> Self {
        Self::default()
    }

    /// Returns the compiled-in templates with overrides in front.
    #[must_use]
    pub fn with(loader: Loader) -> Self {
        Self {
            loader: Some(loader),
        }
    }

    /// Returns the notice; [`Rendered::problem`] tells of an override that had to be passed over.
    ///
    /// # Errors
    ///
    /// [`RenderError::Write`] for a date no mail can carry.
    ///
    /// # Examples
    ///
    /// ```
    /// use listseal::model::{Address, Reason};
    /// use listseal::notice::{Facts, Kind, Letter, Templates};
    ///
    /// let list = Address::parse("team@example.org")?;
    /// let to = Address::parse("alice@example.org")?;
    /// let facts = Facts::for_list(&list, "The team").reason(Reason::NotSigned);
    /// let letter = Letter {
    ///     from: &list, to: &to, lang: "en", facts: &facts, token: "1",
    ///     now: time::OffsetDateTime::UNIX_EPOCH, in_reply_to: None,
    /// };
    /// let notice = Templates::builtin().render(Kind::Rejected, &letter)?;
    /// assert!(String::from_utf8(notice.bytes())?.contains("the message is not signed"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn render(&self, kind: Kind, letter: &Letter<'_>) -> Result<Rendered, RenderError> {
        let facts = dated(letter);
        let mut problem = None;
        if let Some(found) = self.override_for(kind, letter) {
            let filled = found.and_then(|source| {
                let lang = letter.lang;
                fill(&source.file, &source.text, &facts, lang)
            });
            match filled {
                Ok(text) => return Ok(Rendered::new(kind, letter, &text, None)?),
                Err(error) => problem = Some(error),
            }
        }
        let (lang, text) = builtin(kind, letter.lang);
        let text = fill(&builtin_name(kind, lang), text, &facts, lang)?;
        Ok(Rendered::new(kind, letter, &text, problem)?)
    }

    fn override_for(
        &self,
        kind: Kind,
        letter: &Letter<'_>,
    ) -> Option<Result<Source, TemplateError>> {
        let loader = self.loader.as_ref()?;
        let base = base(letter.lang);
        [letter.lang, base, ""]
            .into_iter()
            .find_map(|lang| loader(letter.from, kind, lang))
    }
}

/// Tries a template with sample facts, as `listseal check` does.
///
/// # Errors
///
/// [`TemplateError`] for a syntax error, an unknown variable or a missing Subject line.
pub fn check(source: &Source) -> Result<(), TemplateError> {
    fill(&source.file, &source.text, &Facts::sample(), "en")?;
    // Facts that are missing are empty, never undefined: a template must survive that too.
    fill(&source.file, &source.text, &Facts::default(), "en").map(|_| ())
}

/// A filled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) subject: String,
    pub(super) body: String,
}

fn dated(letter: &Letter<'_>) -> Facts {
    let date = letter
        .now
        .to_offset(time::UtcOffset::UTC)
        .format(format_description!(
            "[year]-[month]-[day] [hour]:[minute] UTC"
        ))
        .unwrap_or_default();
    letter
        .facts
        .clone()
        .with(Variable::To, &letter.to.to_string())
        .with(Variable::Date, &date)
}

/// Returns the best built-in text and its language.
fn builtin(kind: Kind, lang: &str) -> (&str, &'static str) {
    let base = base(lang);
    kind.translated(base)
        .map_or(("en", kind.english()), |text| (base, text))
}

fn builtin_name(kind: Kind, lang: &str) -> String {
    match lang {
        "en" => format!("built-in {}.txt", kind.name()),
        _ => format!("built-in {}.{lang}.txt", kind.name()),
    }
}

fn base(lang: &str) -> &str {
    lang.split(['-', '_']).next().unwrap_or(lang)
}

fn fill(file: &str, text: &str, facts: &Facts, lang: &str) -> Result<Text, TemplateError> {
    let error = |line: usize, problem: String| TemplateError {
        file: file.to_owned(),
        line,
        problem,
    };
    if text.len() > MAX_TEMPLATE {
        return Err(error(1, format!("is larger than {MAX_TEMPLATE} bytes")));
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    let template = environment
        .template_from_str(text)
        .map_err(|e| error(e.line().unwrap_or(1), explain(&e)))?;
    if let Some(name) = unknown_name(&template.undeclared_variables(false)) {
        let problem = format!("{name} is no variable of notices: docs/templates.md lists them");
        return Err(error(line_of(text, &name), problem));
    }
    let mut out = Limited::default();
    template
        .render_captured_to(facts.context(lang), &mut out)
        .map_err(|e| error(e.line().unwrap_or(1), explain(&e)))?;
    let filled =
        String::from_utf8(out.bytes).map_err(|_| error(1, "is not UTF-8 text".to_owned()))?;
    split(&filled).ok_or_else(|| {
        let problem = "must begin with a line  Subject: ...  and an empty line before the text";
        error(1, problem.to_owned())
    })
}

fn explain(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Returns the first name, by the alphabet, that is not published.
fn unknown_name(names: &std::collections::HashSet<String>) -> Option<String> {
    names
        .iter()
        .filter(|name| Variable::from_name(name).is_none())
        .min()
        .cloned()
}

fn line_of(text: &str, name: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines()
        .position(|line| line.split(|c| !word(c)).any(|token| token == name))
        .map_or(1, |index| index.saturating_add(1))
}

fn split(filled: &str) -> Option<Text> {
    let filled = filled.trim_start_matches(['\u{feff}', '\r', '\n', ' ', '\t']);
    let (first, body) = filled.split_once('\n')?;
    let (name, subject) = first.split_once(':')?;
    let (gap, body) = body.split_once('\n')?;
    let fine = name.eq_ignore_ascii_case("subject")
        && !subject.trim().is_empty()
        && gap.trim().is_empty()
        && !body.trim().is_empty();
    fine.then(|| Text {
        subject: subject.trim().to_owned(),
        body: body.trim_matches(['\r', '\n']).to_owned(),
    })
}

/// Collects what a template writes, up to a limit: a loop in a template must not fill the memory.
#[derive(Default)]
struct Limited {
    bytes: Vec<u8>,
}

impl io::Write for Limited {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(chunk.len()) > MAX_OUTPUT {
            return Err(io::Error::other("the notice gets too long"));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Largest template in bytes.
const MAX_TEMPLATE: usize = 64 * 1024;
/// Largest text of a notice in bytes: a report of 1000 full lines fits.
const MAX_OUTPUT: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::model::Reason;

    fn source(text: &str) -> Source {
        Source {
            file: "rejected.txt".to_owned(),
            text: text.to_owned(),
        }
    }

    fn render(templates: &Templates, kind: Kind, lang: &str) -> Rendered {
        let list = Address::parse("team@example.org").unwrap();
        let to = Address::parse("alice@example.org").unwrap();
        let facts = Facts::for_list(&list, "The team").reason(Reason::Expired);
        let letter = Letter {
            from: &list,
            to: &to,
            lang,
            facts: &facts,
            now: datetime!(2026-11-20 10:00 UTC),
            token: "0123.1",
            in_reply_to: None,
        };
        templates.render(kind, &letter).unwrap()
    }

    fn text(templates: &Templates, kind: Kind, lang: &str) -> String {
        let entity = render(templates, kind, lang).entity();
        crate::mime::Entity::parse(&entity)
            .unwrap()
            .decoded_text()
            .unwrap()
    }

    #[test]
    fn every_builtin_template_passes_its_own_check() {
        for kind in Kind::ALL {
            for lang in ["en", "de", "fr"] {
                let Some(text) = kind.translated(lang) else {
                    continue;
                };
                assert_eq!(check(&source(text)), Ok(()), "{} {lang}", kind.name());
                for line in text.lines() {
                    let long = line.chars().count() > 78
                        && !line.contains("{{")
                        && !line.contains("Subject");
                    assert!(!long, "{} {lang}: {line}", kind.name());
                }
            }
        }
    }

    #[test]
    fn broken_templates_name_file_and_line() {
        for (text, line, word) in [
            ("Subject: x\n\n{{ list }\n", 3, "syntax error"),
            (
                "Subject: x\n\nhello\n{{ subject }}\n",
                4,
                "subject is no variable",
            ),
            (
                "Subject: x\n\n{% if count == 'never' %}\n{{ body }}\n{% endif %}\n",
                4,
                "body is no variable",
            ),
            (
                "Subject: x\n\n{% for i in range(9) %}{% endfor %}x\n",
                3,
                "range is no variable",
            ),
            ("Subject: x\n\n{% include 'other' %}\n", 3, "syntax error"),
            ("Subject: x\n\n{{ list|frobnicate }}\n", 3, "unknown filter"),
            ("Subject: x\n\n{{ list.nothing.more }}\n", 3, "undefined"),
            ("Subject: x\nno empty line\n", 1, "Subject"),
            ("Hello\n\nno subject\n", 1, "Subject"),
            ("Subject:\n\nempty subject\n", 1, "Subject"),
            ("Subject: x\n\n\n", 1, "Subject"),
            ("", 1, "Subject"),
        ] {
            let error = check(&source(text)).unwrap_err();
            assert_eq!(
                (error.file.as_str(), error.line),
                ("rejected.txt", line),
                "{text}: {error}"
            );
            assert!(error.problem.contains(word), "{text}: {error}");
        }
        let huge = format!("Subject: x\n\n{}", "x".repeat(MAX_TEMPLATE));
        assert!(
            check(&source(&huge))
                .unwrap_err()
                .problem
                .contains("larger")
        );
    }

    #[test]
    fn template_that_writes_without_end_is_stopped() {
        let inner =
            "{% for a in commands %}{{ a }} padding padding padding padding padding{% endfor %}";
        let nested = (0..6).fold(inner.to_owned(), |text, _| {
            format!("{{% for b in commands %}}{text}{text}{text}{text}{{% endfor %}}")
        });
        let error = check(&source(&format!("Subject: x\n\n{nested}\n"))).unwrap_err();
        assert_eq!(error.file, "rejected.txt");
    }

    #[test]
    fn reader_gets_his_language_or_english() {
        let builtin = Templates::builtin();
        for (lang, word) in [
            ("en", "Reason"),
            ("de", "Grund: das Zertifikat"),
            ("de-AT", "Grund"),
            ("fr", "Motif"),
            ("xx", "Reason"),
            ("", "Reason"),
        ] {
            let found = text(&builtin, Kind::Rejected, lang);
            assert!(found.contains(word), "{lang}: {found}");
        }
        let english = text(&builtin, Kind::CertificatePending, "de");
        assert!(
            english.contains("does not simply renew the one in use"),
            "{english}"
        );
    }

    #[test]
    fn override_wins_by_language_and_an_unspecific_one_serves_all() {
        let templates = Templates::with(Box::new(|list, kind, lang| {
            assert_eq!(list.to_string(), "team@example.org");
            let text = match (kind, lang) {
                (Kind::Rejected, "de") => "Subject: eigenes\n\nDeutsch {{ reason_text }}\n",
                (Kind::Rejected, "") => "Subject: own\n\nOwn text\n",
                _ => return None,
            };
            Some(Ok(source(text)))
        }));
        assert!(text(&templates, Kind::Rejected, "de-CH").starts_with("Deutsch das Zertifikat"));
        assert!(text(&templates, Kind::Rejected, "fr").starts_with("Own text"));
        assert!(text(&templates, Kind::Undecryptable, "fr").contains("Motif"));
        assert_eq!(render(&templates, Kind::Rejected, "fr").problem(), None);
    }

    #[test]
    fn broken_or_unreadable_override_costs_no_notice() {
        let broken: Loader = Box::new(|_, _, _| Some(Ok(source("Subject: x\n\n{{ nonsense }}\n"))));
        let unreadable: Loader = Box::new(|_, _, _| {
            let file = "/etc/x/rejected.txt".to_owned();
            Some(Err(TemplateError {
                file,
                line: 1,
                problem: "cannot be read".to_owned(),
            }))
        });
        for (loader, word) in [(broken, "nonsense"), (unreadable, "cannot be read")] {
            let notice = render(&Templates::with(loader), Kind::Rejected, "de");
            assert!(notice.problem().unwrap().problem.contains(word));
            let text = String::from_utf8(notice.entity().to_vec()).unwrap();
            assert!(text.contains("Grund"), "{text}");
        }
    }
}
