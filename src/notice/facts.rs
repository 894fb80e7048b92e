//! The facts that a notice may tell.
//!
//! # Trust
//!
//! Values can come from a stranger's mail. What arrives here has no control characters left, so it
//! can neither end a header line nor steer a terminal, and at most 256 bytes (contract S39).
//!
//! # Invariants
//!
//! * There is no way to put a Subject or a body in (S39, S42): variables are those of [`Variable`].

use std::collections::BTreeMap;

use minijinja::Value;

use crate::model::text::is_unseen;
use crate::model::{Address, Reason};
use crate::notice::kind::{Shape, Variable};
use crate::notice::wording;

/// Values for the variables of a template; what is not set is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    values: BTreeMap<Variable, Vec<String>>,
    reason: Option<Reason>,
}

impl Facts {
    /// Returns facts with a list's addresses filled in.
    #[must_use]
    pub fn for_list(list: &Address, title: &str) -> Self {
        let suffixed = |suffix: &str| {
            list.with_suffix(suffix)
                .map_or_else(|_| String::new(), |address| address.to_string())
        };
        Self::default()
            .with(Variable::List, &list.to_string())
            .with(Variable::ListName, list.local())
            .with(Variable::Domain, list.domain())
            .with(Variable::Title, title)
            .with(Variable::ListOwner, &suffixed("-owner"))
            .with(Variable::ListRegister, &suffixed("-register"))
            .with(Variable::ListRequest, &suffixed("-request"))
            .with(Variable::ListSendkey, &suffixed("-sendkey"))
    }

    /// Returns facts for a notice of the site address, which takes commands and registrations
    /// itself.
    #[must_use]
    pub fn for_site(site: &Address) -> Self {
        let text = site.to_string();
        Self::default()
            .with(Variable::List, &text)
            .with(Variable::ListName, site.local())
            .with(Variable::Domain, site.domain())
            .with(
                Variable::ListOwner,
                &format!("postmaster@{}", site.domain()),
            )
            .with(Variable::ListRegister, &text)
            .with(Variable::ListRequest, &text)
    }

    /// Sets one variable; lines of a [`Shape::Lines`] variable are separated by line feeds.
    #[must_use]
    pub fn with(mut self, variable: Variable, value: &str) -> Self {
        let values = match variable.shape() {
            Shape::Text => vec![clean(value)],
            Shape::Lines => value.lines().take(MAX_LINES).map(clean_line).collect(),
        };
        self.values.insert(variable, values);
        self
    }

    /// Sets `reason`, and with it `reason_text` and `remedy` in the language of the notice.
    #[must_use]
    pub fn reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Adds what a plan noted down, by variable name; `reason` is a code. Unknown names are left out.
    #[must_use]
    pub fn with_all(mut self, noted: &BTreeMap<String, String>) -> Self {
        for (name, value) in noted {
            match Variable::from_name(name) {
                Some(Variable::Reason) => self.reason = Reason::from_code(value),
                Some(variable) => self = self.with(variable, value),
                None => {}
            }
        }
        self
    }

    /// Returns every published variable, in the wording of `lang`.
    pub(super) fn context(&self, lang: &str) -> BTreeMap<&'static str, Value> {
        let mut all: BTreeMap<&'static str, Value> = Variable::ALL
            .iter()
            .map(|one| (one.name(), self.value(*one)))
            .collect();
        if let Some(reason) = self.reason {
            for (variable, text) in [
                (Variable::Reason, reason.code()),
                (Variable::ReasonText, wording::text(reason, lang)),
                (Variable::Remedy, wording::remedy(reason, lang)),
            ] {
                all.insert(variable.name(), Value::from(text));
            }
        }
        all
    }

    fn value(&self, variable: Variable) -> Value {
        let values = self.values.get(&variable);
        match variable.shape() {
            Shape::Text => Value::from(values.and_then(|v| v.first()).map_or("", String::as_str)),
            Shape::Lines => Value::from(values.cloned().unwrap_or_default()),
        }
    }

    /// Returns facts with a value for everything, to try templates with.
    pub(super) fn sample() -> Self {
        Variable::ALL
            .iter()
            .fold(Self::default(), |facts, one| facts.with(*one, one.sample()))
            .reason(Reason::NotSigned)
    }
}

/// Removes control characters, line separators and marks that turn the direction of text, and cuts
/// at 256 bytes.
#[must_use]
pub fn clean(value: &str) -> String {
    cut(value, MAX_VALUE)
}

/// The same for a line of a report or a command, which may hold two addresses of full length.
fn clean_line(value: &str) -> String {
    cut(value, MAX_LINE)
}

fn cut(value: &str, most: usize) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if is_unseen(c) {
            continue;
        }
        if out.len().saturating_add(c.len_utf8()) > most {
            break;
        }
        out.push(c);
    }
    out
}

/// Longest value in bytes (contract S39).
const MAX_VALUE: usize = 256;
/// Longest line of a variable in lines; only the daemon's own words come in these.
const MAX_LINE: usize = 900;
/// Most lines of one variable.
const MAX_LINES: usize = 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s39_values_lose_control_characters_and_length() {
        assert_eq!(
            clean("a\r\nBcc: x@y\0\u{1b}[31m\u{202e}b"),
            "aBcc: x@y[31mb"
        );
        assert_eq!(clean(&"x".repeat(300)).len(), 256);
        assert_eq!(
            clean(&"\u{20ac}".repeat(100)).len(),
            255,
            "cut between characters"
        );
    }

    proptest! {
        #[test]
        fn s39_no_value_can_break_a_line(text in any::<String>()) {
            let value = clean(&text);
            prop_assert!(value.len() <= MAX_VALUE);
            let breaks = value.chars().any(|c| c.is_control() || c == '\u{2028}');
            prop_assert!(!breaks);
        }
    }

    #[test]
    fn plans_can_set_published_variables_alone() {
        let noted = [
            ("sender", "a@x.org"),
            ("reason", "expired"),
            ("subject", "secret"),
        ];
        let noted = noted.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let facts = Facts::default().with_all(&noted);
        let context = facts.context("en");
        assert_eq!(context.get("sender").unwrap().as_str(), Some("a@x.org"));
        assert_eq!(context.get("reason").unwrap().as_str(), Some("expired"));
        assert!(
            context
                .get("reason_text")
                .unwrap()
                .as_str()
                .unwrap()
                .contains("expired")
        );
        assert!(!context.contains_key("subject"));
        assert_eq!(context.len(), Variable::ALL.len());
    }

    #[test]
    fn addresses_of_list_and_site_are_filled_in() {
        let list = Address::parse("team@example.org").unwrap();
        let context = Facts::for_list(&list, "The team").context("en");
        let value = |name: &str| context.get(name).unwrap().as_str().unwrap().to_owned();
        assert_eq!(value("list_sendkey"), "team-sendkey@example.org");
        assert_eq!(value("title"), "The team");
        let site = Address::parse("listseal@example.org").unwrap();
        let context = Facts::for_site(&site).context("en");
        assert_eq!(
            context.get("list_register").unwrap().as_str(),
            Some("listseal@example.org")
        );
    }
}
