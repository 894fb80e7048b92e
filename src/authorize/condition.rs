//! The conditions and variables of a scenario rule.
//!
//! # Trust
//!
//! Header values are the sender's; a regular expression is the owner's. Matching takes linear time
//! and its compiled size is limited, so neither can stop the daemon.
//!
//! # Invariants
//!
//! * `[sender]` is the From address, proven or not: the auth method of the rule says which.
//! * Comparison ignores case, as in Sympa.

use regex::{Regex, RegexBuilder};

use crate::authorize::split::split_outside;
use crate::model::Address;
use crate::model::list::ListPolicy;
use crate::model::roster::Roster;

/// Returns the values of a header field, by its name in any case, first one first.
pub type HeaderLookup<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// What the conditions of a scenario are asked about.
pub struct Subject<'a> {
    /// The From address.
    pub sender: &'a Address,
    /// True when the message came encrypted.
    pub encrypted: bool,
    /// The outer header.
    pub header: HeaderLookup<'a>,
    /// The list.
    pub policy: &'a ListPolicy,
    /// Its subscribers.
    pub roster: &'a Roster,
}

/// One condition, without its `!`.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Equal(Term, Term),
    Is(Role, Term),
    Match(Term, Pattern),
    True,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Editor,
    Listmaster,
    Owner,
    Subscriber,
}

/// An argument that has values.
#[derive(Clone, Debug)]
pub(super) enum Term {
    Domain,
    Encrypted,
    Header(String, Option<isize>),
    List(ListField),
    ListName,
    Literal(String),
    Sender,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ListField {
    Address,
    Lang,
    MaxSize,
    Send,
    Subject,
    Total,
}

/// A regular expression, or one with `[domain]` or `[listname]` in it.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Fixed(Regex),
    PerList(String),
}

impl Condition {
    /// Returns whether the condition holds, `None` where it cannot be told.
    pub(super) fn holds(&self, subject: &Subject<'_>) -> Option<bool> {
        Some(match self {
            Self::True => true,
            Self::Is(role, who) => who.values(subject).iter().any(|value| {
                Address::parse(value).is_ok_and(|address| has_role(*role, &address, subject))
            }),
            Self::Equal(one, other) => {
                let others = other.values(subject);
                one.values(subject).iter().any(|a| {
                    let a = a.to_lowercase();
                    others.iter().any(|b| a == b.to_lowercase())
                })
            }
            Self::Match(term, pattern) => {
                let regex = pattern.for_list(subject.policy)?;
                term.values(subject)
                    .iter()
                    .any(|value| regex.is_match(value))
            }
        })
    }
}

/// True where `address`, or the subscriber who posts under it as an alias, has the role.
pub(super) fn has_role(role: Role, address: &Address, subject: &Subject<'_>) -> bool {
    let member = subject.roster.find(address);
    let among = |people: &[Address]| {
        people
            .iter()
            .any(|one| one == address || member.is_some_and(|m| m.address == *one))
    };
    match role {
        Role::Editor => among(subject.policy.deciders()),
        Role::Listmaster => among(&subject.policy.listmasters),
        Role::Owner => among(&subject.policy.owners),
        Role::Subscriber => member.is_some(),
    }
}

impl Term {
    fn values(&self, subject: &Subject<'_>) -> Vec<String> {
        let policy = subject.policy;
        match self {
            Self::Domain => vec![policy.address.domain().to_owned()],
            Self::Encrypted => vec![if subject.encrypted { "smime" } else { "" }.to_owned()],
            Self::Header(name, index) => header_values(subject, name, *index),
            Self::List(field) => vec![match field {
                ListField::Address => policy.address.to_string(),
                ListField::Lang => policy.lang.clone(),
                ListField::MaxSize => policy.max_size.to_string(),
                ListField::Send => policy.send.clone(),
                ListField::Subject => policy.title.clone(),
                ListField::Total => subject.roster.subscribers().len().to_string(),
            }],
            Self::ListName => vec![policy.name().to_owned()],
            Self::Literal(text) => vec![text.clone()],
            Self::Sender => vec![subject.sender.key().to_owned()],
        }
    }
}

/// An absent field has one empty value, so that `equal([header->X],'')` can ask for it.
fn header_values(subject: &Subject<'_>, name: &str, index: Option<isize>) -> Vec<String> {
    let all = (subject.header)(name);
    let chosen = match index {
        None => all,
        Some(index) => {
            let at = if index < 0 {
                all.len().checked_sub(index.unsigned_abs())
            } else {
                Some(index.unsigned_abs())
            };
            at.and_then(|at| all.get(at).cloned()).into_iter().collect()
        }
    };
    if chosen.is_empty() {
        vec![String::new()]
    } else {
        chosen
    }
}

impl Pattern {
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        let per_list = ["[domain]", "[host]", "[listname]"]
            .iter()
            .any(|name| source.contains(name));
        if per_list {
            compile(&filled(source, "list", "example.org"))?;
            Ok(Self::PerList(source.to_owned()))
        } else {
            Ok(Self::Fixed(compile(source)?))
        }
    }

    fn for_list(&self, policy: &ListPolicy) -> Option<Regex> {
        match self {
            Self::Fixed(regex) => Some(regex.clone()),
            Self::PerList(source) => {
                compile(&filled(source, policy.name(), policy.address.domain())).ok()
            }
        }
    }
}

fn filled(source: &str, name: &str, domain: &str) -> String {
    source
        .replace("[domain]", &regex::escape(domain))
        .replace("[host]", &regex::escape(domain))
        .replace("[listname]", &regex::escape(name))
}

fn compile(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(source)
        .case_insensitive(true)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let short = last.trim().trim_start_matches("error: ");
            format!("regular expression /{source}/: {short}")
        })
}

/// Compiled size in bytes; Perl's look-around and back-references are refused as such.
const MAX_REGEX: usize = 1 << 20;

/// Reads `[!]name(arguments)` from the front and returns what follows it.
pub(super) fn parse_condition(text: &str) -> Result<(bool, Condition, &str), String> {
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let (name, rest) = text
        .split_once('(')
        .ok_or_else(|| format!("{text:?} is no condition: write it with parentheses, as true()"))?;
    let (inner, rest) = split_outside_brackets(rest)
        .ok_or_else(|| format!("condition {} has no closing parenthesis", name.trim()))?;
    let condition = build(name.trim(), &arguments(inner))?;
    Ok((negated, condition, rest))
}

/// Splits behind the parenthesis that closes the one already taken off.
fn split_outside_brackets(text: &str) -> Option<(&str, &str)> {
    // Brackets hold no parentheses, so only quotes and regular expressions have to be stepped over.
    split_outside(text, ")", false)
}

fn arguments(inner: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = inner;
    while let Some((before, after)) = split_outside(rest, ",", true) {
        out.push(before.trim());
        rest = after;
    }
    if !(rest.trim().is_empty() && out.is_empty()) {
        out.push(rest.trim());
    }
    out
}

fn build(name: &str, arguments: &[&str]) -> Result<Condition, String> {
    let role = match name {
        "true" | "all" => {
            return if arguments.is_empty() {
                Ok(Condition::True)
            } else {
                Err(format!("{name}() takes no arguments"))
            };
        }
        "equal" => {
            let [one, other] = two(name, arguments)?;
            return Ok(Condition::Equal(parse_term(one)?, parse_term(other)?));
        }
        "match" => {
            let [term, pattern] = two(name, arguments)?;
            let source = pattern
                .strip_prefix('/')
                .and_then(|rest| rest.strip_suffix('/'))
                .filter(|source| !source.is_empty())
                .ok_or_else(|| {
                    format!("match needs a regular expression between slashes, not {pattern:?}")
                })?;
            return Ok(Condition::Match(parse_term(term)?, Pattern::parse(source)?));
        }
        "is_listmaster" => {
            let who = match arguments {
                [who] => parse_term(who)?,
                _ => return Err("is_listmaster takes one argument: [sender]".to_owned()),
            };
            return Ok(Condition::Is(Role::Listmaster, who));
        }
        "is_editor" => Role::Editor,
        "is_owner" => Role::Owner,
        "is_subscriber" => Role::Subscriber,
        _ => {
            return Err(format!(
                "condition {name:?} is not supported: true, is_subscriber, is_owner, is_editor, is_listmaster, equal and match are"
            ));
        }
    };
    let [list, who] = two(name, arguments)?;
    if list != "[listname]" {
        return Err(format!(
            "{name} can only ask about this list: write {name}([listname],[sender])"
        ));
    }
    Ok(Condition::Is(role, parse_term(who)?))
}

fn two<'a>(name: &str, arguments: &[&'a str]) -> Result<[&'a str; 2], String> {
    match arguments {
        [one, other] => Ok([one, other]),
        _ => Err(format!(
            "{name} takes two arguments, here are {}",
            arguments.len()
        )),
    }
}

fn parse_term(text: &str) -> Result<Term, String> {
    if let Some(inner) = text.strip_prefix('[') {
        return parse_variable(inner, text);
    }
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner
                .strip_suffix(quote)
                .map(|literal| Term::Literal(literal.to_owned()))
                .ok_or_else(|| format!("{text} has no closing quote"));
        }
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '@' | '-' | '_' | '+');
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(Term::Literal(text.to_owned()));
    }
    Err(format!(
        "{text:?} is no argument: write [variable] or 'text'"
    ))
}

fn parse_variable(inner: &str, whole: &str) -> Result<Term, String> {
    let (name, rest) = inner
        .split_once(']')
        .ok_or_else(|| format!("{whole} has no closing bracket"))?;
    let header = ["header->", "msg_header->"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    if let Some(field) = header {
        let token = |b: u8| b.is_ascii_graphic() && b != b':';
        if field.is_empty() || !field.bytes().all(token) {
            return Err(format!("{whole} names no header field"));
        }
        return Ok(Term::Header(field.to_owned(), parse_index(rest, whole)?));
    }
    if !rest.is_empty() {
        return Err(format!("{rest:?} after [{name}] is not understood"));
    }
    if let Some(field) = name.strip_prefix("list->") {
        return parse_list_field(field).map(Term::List);
    }
    match name {
        "domain" | "host" => Ok(Term::Domain),
        "email" | "sender" => Ok(Term::Sender),
        "listname" => Ok(Term::ListName),
        "msg_encrypted" => Ok(Term::Encrypted),
        _ => Err(format!(
            "variable [{name}] is not supported: [sender], [listname], [domain], [msg_encrypted], [header->X] and [list->x] are"
        )),
    }
}

fn parse_index(rest: &str, whole: &str) -> Result<Option<isize>, String> {
    if rest.is_empty() {
        return Ok(None);
    }
    rest.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .and_then(|number| number.parse().ok())
        .map(Some)
        .ok_or_else(|| format!("{whole}: the index must be a number, as [0] or [-1]"))
}

fn parse_list_field(field: &str) -> Result<ListField, String> {
    match field {
        "address" => Ok(ListField::Address),
        "lang" => Ok(ListField::Lang),
        "max_size" => Ok(ListField::MaxSize),
        "send" => Ok(ListField::Send),
        "subject" => Ok(ListField::Subject),
        "total" => Ok(ListField::Total),
        _ => Err(format!(
            "variable [list->{field}] is not supported: address, lang, max_size, send, subject and total are"
        )),
    }
}
