//! Reads Sympa's `send` scenarios and answers which of their rules fits a message.
//!
//! ```text
//! title.gettext only members
//! is_subscriber([listname],[sender])   smime      -> do_it
//! match([header->Subject],/vacation/)  smtp,smime -> reject,quiet
//! true()                               smtp,smime -> editorkey
//! ```
//!
//! # Place in the flow
//!
//! `scenari/send.<name>` → **scenario** → authorize.
//!
//! # Invariants
//!
//! * The first rule whose condition and auth method fit decides; where none fits the answer is no.
//! * Whatever is not understood is an error that names file and line, never a rule that is skipped:
//!   a skipped `reject` would open the list. Without a readable scenario the list denies.
//!
//! # Does not
//!
//! Follow `include`, ask LDAP, SQL or files, or trust `X-Sender`.

use std::fmt;

use crate::authorize::condition::{Condition, Subject, parse_condition};
use crate::authorize::split::split_outside;

/// A `send` scenario: rules in the order of their file.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    rules: Vec<Rule>,
}

/// One line `condition auth[,auth...] -> action`.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Counted from 1; 0 in built-in scenarios.
    pub(super) line: usize,
    pub(super) negated: bool,
    pub(super) condition: Condition,
    pub(super) methods: Methods,
    pub(super) ruling: Ruling,
}

/// How the sender of a message is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By the From address alone (`smtp`, and `dkim` as in Sympa since 6.2.71).
    Smtp,
    /// By a valid, trusted signature whose certificate names the From address (`smime`).
    Smime,
}

/// The auth methods of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Methods {
    pub(super) smtp: bool,
    pub(super) smime: bool,
}

/// What the fitting rule wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What is to be done.
    pub action: Action,
    /// True where the rule asks that nobody be told (`,quiet`).
    pub quiet: bool,
    /// `reason='...'` or `tt2='...'` of a `reject`.
    pub label: Option<String>,
    /// Line of the rule, where one fitted and it stands in a file.
    pub line: Option<usize>,
}

/// The action of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The message passes.
    DoIt,
    /// It is held for these people.
    Ask(Deciders),
    /// It is refused.
    Reject,
}

/// Who decides on a held message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deciders {
    /// `listmaster`.
    Listmasters,
    /// `editorkey`, `editor` and `request_auth`, whose confirmation by mail is not built.
    Moderators,
    /// `owner`.
    Owners,
}

/// A scenario that cannot be used; the list denies until it is mended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct ScenarioError {
    /// The file as given to [`Scenario::parse`].
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what is possible instead.
    pub problem: String,
}

impl Scenario {
    /// Reads the text of a scenario file; `file` is what errors name.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] for the first line with a condition, variable, auth method or action that is
    /// not supported.
    ///
    /// # Examples
    ///
    /// ```
    /// use listseal::authorize::scenario::Scenario;
    ///
    /// assert!(Scenario::parse("true() smtp,smime -> editorkey", "send.mine").is_ok());
    /// let error = Scenario::parse("\nolder([date],2y) -> do_it", "send.mine").unwrap_err();
    /// assert_eq!((error.file.as_str(), error.line), ("send.mine", 2));
    /// ```
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index.saturating_add(1);
            let line = without_comment(line.trim_start_matches('\u{feff}')).trim();
            if line.is_empty() || is_title(line) || is_single_word(line) {
                continue;
            }
            match parse_rule(line, number) {
                Ok(rule) => rules.push(rule),
                Err(problem) => {
                    return Err(ScenarioError {
                        file: file.to_owned(),
                        line: number,
                        problem,
                    });
                }
            }
        }
        Ok(Self {
            name: file.to_owned(),
            rules,
        })
    }

    pub(super) fn from_rules(name: &str, rules: Vec<Rule>) -> Self {
        Self {
            name: name.to_owned(),
            rules,
        }
    }

    /// Returns the name or file the scenario was made from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the first fitting rule wants, a refusal where none fits.
    #[must_use]
    pub fn decide(&self, subject: &Subject<'_>, method: Method) -> Ruling {
        for rule in &self.rules {
            if !rule.methods.contains(method) {
                continue;
            }
            match rule.condition.holds(subject) {
                Some(holds) if holds != rule.negated => return rule.ruling.clone(),
                Some(_) => {}
                // A condition that cannot be evaluated ends the list of rules: what stands below it
                // was written in the belief that it works.
                None => return Ruling::refusal(Some(rule.line)),
            }
        }
        Ruling::refusal(None)
    }
}

impl Ruling {
    fn refusal(line: Option<usize>) -> Self {
        Self {
            action: Action::Reject,
            quiet: false,
            label: None,
            line,
        }
    }
}

impl Methods {
    pub(super) const ALL: Self = Self {
        smtp: true,
        smime: true,
    };
    pub(super) const SMTP: Self = Self {
        smtp: true,
        smime: false,
    };
    pub(super) const SMIME: Self = Self {
        smtp: false,
        smime: true,
    };

    fn contains(self, method: Method) -> bool {
        match method {
            Method::Smtp => self.smtp,
            Method::Smime => self.smime,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "smtp",
            Self::Smime => "smime",
        })
    }
}

/// Cuts a comment, but not a `#` inside quotes or a regular expression.
fn without_comment(line: &str) -> &str {
    if is_title(line.trim_start()) {
        return line;
    }
    split_outside(line, "#", false).map_or(line, |(before, _)| before)
}

fn is_title(line: &str) -> bool {
    line.strip_prefix("title")
        .is_some_and(|rest| rest.starts_with(['.', ' ', '\t']))
}

/// Sympa skips a line of one word: the paragraph name of old files.
fn is_single_word(line: &str) -> bool {
    line.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn parse_rule(line: &str, number: usize) -> Result<Rule, String> {
    if line.starts_with("include") {
        return Err("include is not supported: write the rules into this file".to_owned());
    }
    let (left, action) = split_outside(line, "->", true).ok_or_else(|| {
        if line.contains("->") {
            "a bracket, parenthesis or quote is not closed before the ->"
        } else {
            "no -> : a rule reads  condition auth[,auth] -> action"
        }
    })?;
    let (negated, condition, rest) = parse_condition(left.trim())?;
    let methods = parse_methods(rest.trim())?;
    let mut ruling = parse_action(action.trim())?;
    ruling.line = Some(number);
    Ok(Rule {
        line: number,
        negated,
        condition,
        methods,
        ruling,
    })
}

fn parse_methods(text: &str) -> Result<Methods, String> {
    if text.is_empty() {
        return Ok(Methods::SMTP);
    }
    let mut methods = Methods::default();
    for name in text.split(',') {
        match name.trim() {
            "smtp" | "dkim" => methods.smtp = true,
            "smime" => methods.smime = true,
            // Confirmation by mail is not built: no message ever has this method.
            "md5" => {}
            other => {
                return Err(format!(
                    "auth method {other:?} is not supported: smtp, dkim, md5 and smime are"
                ));
            }
        }
    }
    Ok(methods)
}

fn parse_action(text: &str) -> Result<Ruling, String> {
    let (text, quiet) = strip_options(text)?;
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => {
            let inner = rest
                .trim_end()
                .strip_suffix(')')
                .ok_or_else(|| format!("action {text:?} has no closing parenthesis"))?;
            (name.trim(), Some(inner.trim()))
        }
        None => (text, None),
    };
    let action = match name {
        "do_it" => Action::DoIt,
        "editor" | "editorkey" | "request_auth" => Action::Ask(Deciders::Moderators),
        "listmaster" => Action::Ask(Deciders::Listmasters),
        "owner" => Action::Ask(Deciders::Owners),
        "reject" => Action::Reject,
        _ => {
            return Err(format!(
                "action {name:?} is not supported: do_it, reject, editorkey, editor, owner, listmaster and request_auth are"
            ));
        }
    };
    let label = match (name, arguments) {
        (_, None) => None,
        ("reject", Some(inner)) => Some(reject_label(inner)?),
        ("request_auth", Some(_)) => None,
        (name, Some(_)) => return Err(format!("action {name} takes no arguments")),
    };
    Ok(Ruling {
        action,
        quiet,
        label,
        line: None,
    })
}

/// Takes `,quiet` and `,notify` off the end.
fn strip_options(text: &str) -> Result<(&str, bool), String> {
    let end = text.rfind(')').map_or(0, |at| at.saturating_add(1));
    let Some((at, _)) = text.char_indices().find(|(at, c)| *at >= end && *c == ',') else {
        return Ok((text, false));
    };
    let (action, options) = text.split_at_checked(at).unwrap_or((text, ""));
    let mut quiet = false;
    for option in options.split(',').skip(1) {
        match option.trim() {
            "quiet" => quiet = true,
            "notify" => {}
            other => {
                return Err(format!(
                    "option {other:?} is not supported: quiet and notify are"
                ));
            }
        }
    }
    Ok((action.trim(), quiet))
}

/// Reads `reason='x'`, `tt2='x'`, both, or a bare `'x'`.
fn reject_label(inner: &str) -> Result<String, String> {
    let mut label = None;
    for argument in inner.split(',') {
        let (key, value) = argument.split_once('=').unwrap_or(("reason", argument));
        if !matches!(key.trim(), "reason" | "tt2") {
            return Err(format!(
                "reject({argument}) is not supported: reject(reason='name') or reject(tt2='name')"
            ));
        }
        let value = value.trim().trim_matches(['\'', '"']);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if value.is_empty() || !value.bytes().all(plain) {
            return Err(format!(
                "{value:?} is no name for a reason: letters, digits, _ - and . only"
            ));
        }
        label.get_or_insert_with(|| value.to_owned());
    }
    label
        .ok_or_else(|| "reject() names no reason: write reject or reject(reason='name')".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::tests::{policy, roster};
    use crate::model::Address;

    fn action(text: &str, sender: &str, method: Method, header: &[(&str, &str)]) -> Action {
        let scenario = Scenario::parse(text, "send.test").unwrap();
        let lookup = |name: &str| -> Vec<String> {
            header
                .iter()
                .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| (*v).to_owned())
                .collect()
        };
        let subject = Subject {
            sender: &Address::parse(sender).unwrap(),
            encrypted: header.iter().any(|(n, _)| *n == "encrypted"),
            header: &lookup,
            policy: &policy(),
            roster: &roster(),
        };
        scenario.decide(&subject, method).action
    }

    fn error(text: &str) -> ScenarioError {
        Scenario::parse(text, "send.test").unwrap_err()
    }

    #[test]
    fn first_fitting_rule_decides_and_none_is_a_refusal() {
        let text = "title.gettext odd, one\ntitle.fr l'essai # x\n\nsend\n# comment\n\
            is_subscriber([listname],[sender]) smime -> do_it # signed\n\
            is_subscriber([listname],[sender]) smtp , dkim -> editorkey,notify\n\
            is_owner([listname],[sender]) smtp -> owner\n";
        let ask = |d| Action::Ask(d);
        for (sender, method, expected) in [
            ("alice@example.org", Method::Smime, Action::DoIt),
            ("alice@example.org", Method::Smtp, ask(Deciders::Moderators)),
            ("olga@example.org", Method::Smtp, ask(Deciders::Owners)),
            ("olga@example.org", Method::Smime, Action::Reject),
            ("eve@example.com", Method::Smtp, Action::Reject),
        ] {
            assert_eq!(
                action(text, sender, method, &[]),
                expected,
                "{sender} {method}"
            );
        }
    }

    #[test]
    fn rule_without_auth_method_is_smtp_alone() {
        let text = "true() -> do_it";
        assert_eq!(action(text, "a@x.org", Method::Smtp, &[]), Action::DoIt);
        assert_eq!(action(text, "a@x.org", Method::Smime, &[]), Action::Reject);
    }

    #[test]
    fn every_condition_and_variable_is_answered() {
        for (condition, sender, header, holds) in [
            ("all()", "a@x.org", vec![], true),
            ("!true()", "a@x.org", vec![], false),
            (
                "is_subscriber([listname],[sender])",
                "a.work@example.net",
                vec![],
                true,
            ),
            (
                "is_owner([listname],[sender])",
                "olga@example.org",
                vec![],
                true,
            ),
            (
                "is_owner([listname],[sender])",
                "alice@example.org",
                vec![],
                false,
            ),
            (
                "is_editor([listname],[sender])",
                "mod@example.org",
                vec![],
                true,
            ),
            (
                "is_editor([listname],[sender])",
                "olga@example.org",
                vec![],
                false,
            ),
            ("is_listmaster([sender])", "root@example.org", vec![], true),
            ("is_listmaster([email])", "olga@example.org", vec![], false),
            (
                "! is_subscriber([listname], [sender])",
                "eve@x.org",
                vec![],
                true,
            ),
            (
                "equal([sender],'ALICE@example.org')",
                "Alice@example.org",
                vec![],
                true,
            ),
            ("equal([listname],team)", "a@x.org", vec![], true),
            ("equal([domain],\"example.org\")", "a@x.org", vec![], true),
            (
                "equal([msg_encrypted],'smime')",
                "a@x.org",
                vec![("encrypted", "1")],
                true,
            ),
            ("equal([msg_encrypted],'')", "a@x.org", vec![], true),
            (
                "equal([header->X-Tag],'two')",
                "a@x.org",
                vec![("x-tag", "one"), ("X-Tag", "two")],
                true,
            ),
            (
                "equal([header->X-Tag][0],'two')",
                "a@x.org",
                vec![("X-Tag", "one"), ("X-Tag", "two")],
                false,
            ),
            (
                "equal([header->X-Tag][-1],'two')",
                "a@x.org",
                vec![("X-Tag", "one"), ("X-Tag", "two")],
                true,
            ),
            ("equal([msg_header->X-Tag],'')", "a@x.org", vec![], true),
            ("equal([list->total],3)", "a@x.org", vec![], true),
            (
                "equal([list->subject],'A team, of sorts')",
                "a@x.org",
                vec![],
                true,
            ),
            (
                "match([sender],/@(work|example)\\.org$/)",
                "A@EXAMPLE.org",
                vec![],
                true,
            ),
            (
                "match([sender],/@[domain]$/)",
                "a@exampleXorg.net",
                vec![],
                false,
            ),
            (
                "match([sender],/@[domain]$/)",
                "a@example.org",
                vec![],
                true,
            ),
            (
                "match([header->Subject],/#[0-9]+ -> \\/x/)",
                "a@x.org",
                vec![("Subject", "bug #12 -> /X")],
                true,
            ),
            (
                "match([header->Subject],/a{3,}/)",
                "a@x.org",
                vec![("Subject", "aa")],
                false,
            ),
        ] {
            let text = format!("{condition} smtp -> do_it");
            let found = action(&text, sender, Method::Smtp, &header) == Action::DoIt;
            assert_eq!(found, holds, "{condition} for {sender}");
        }
    }

    #[test]
    fn every_action_is_read_with_its_options() {
        for (text, expected, quiet, label) in [
            ("do_it", Action::DoIt, false, None),
            ("do_it,notify", Action::DoIt, false, None),
            ("reject", Action::Reject, false, None),
            ("reject,quiet", Action::Reject, true, None),
            (
                "reject(reason='send_x')",
                Action::Reject,
                false,
                Some("send_x"),
            ),
            (
                "reject(tt2='mine'),quiet",
                Action::Reject,
                true,
                Some("mine"),
            ),
            (
                "reject(reason=\"a\",tt2='b')",
                Action::Reject,
                false,
                Some("a"),
            ),
            ("editorkey", Action::Ask(Deciders::Moderators), false, None),
            (
                "editor , quiet",
                Action::Ask(Deciders::Moderators),
                true,
                None,
            ),
            (
                "request_auth([sender])",
                Action::Ask(Deciders::Moderators),
                false,
                None,
            ),
            (
                "listmaster",
                Action::Ask(Deciders::Listmasters),
                false,
                None,
            ),
        ] {
            let ruling = parse_action(text).unwrap();
            assert_eq!(ruling.action, expected, "{text}");
            assert_eq!(
                (ruling.quiet, ruling.label.as_deref()),
                (quiet, label),
                "{text}"
            );
        }
    }

    #[test]
    fn whatever_is_not_understood_names_its_line() {
        for (line, word) in [
            ("older([date],2y) smtp -> do_it", "older"),
            ("customcondition::x() smtp -> do_it", "customcondition::x"),
            ("search(members.txt) smtp -> do_it", "search"),
            ("true() smtp -> approve", "approve"),
            ("true() smtp,pgp -> do_it", "pgp"),
            ("true() smtp -> do_it,loudly", "loudly"),
            ("true() smtp do_it", "->"),
            ("true smtp -> do_it", "parentheses"),
            ("true(x) smtp -> do_it", "no arguments"),
            ("is_subscriber(other,[sender]) smtp -> do_it", "this list"),
            ("is_subscriber([sender]) smtp -> do_it", "two arguments"),
            (
                "is_subscriber([listname],[sender] smtp -> do_it",
                "not closed",
            ),
            ("equal([conf->email],'x') smtp -> do_it", "conf->email"),
            ("equal([list->owner],'x') smtp -> do_it", "list->owner"),
            ("equal([header->X][y],'x') smtp -> do_it", "number"),
            ("equal([header->],'x') smtp -> do_it", "header"),
            ("equal([sender],'x) smtp -> do_it", "->"),
            ("match([sender],/(/) smtp -> do_it", "regular expression"),
            ("match([sender],/(?=x)/) smtp -> do_it", "look-around"),
            ("match([sender],x) smtp -> do_it", "between slashes"),
            (
                "match([sender],/(a{1000}){1000}/) smtp -> do_it",
                "regular expression",
            ),
            ("include 'header'", "include"),
            ("true() smtp -> reject(reason='a b')", "no name"),
            ("true() smtp -> do_it(now)", "no arguments"),
        ] {
            let found = error(&format!("title x\ntrue() smime -> do_it\n{line}\n"));
            assert_eq!(
                (found.file.as_str(), found.line),
                ("send.test", 3),
                "{line}"
            );
            assert!(found.problem.contains(word), "{line}: {}", found.problem);
            assert!(found.to_string().starts_with("send.test:3: "), "{found}");
        }
    }

    #[test]
    fn windows_line_ends_and_byte_order_mark_do_no_harm() {
        let text = "\u{feff}title x\r\ntrue()\tsmtp\t->\tdo_it\r\n";
        assert_eq!(action(text, "a@x.org", Method::Smtp, &[]), Action::DoIt);
    }
}
