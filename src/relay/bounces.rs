//! A mail to a bounce address: what it proves, and what the owners hear of it.
//!
//! # Trust
//!
//! Anybody can write to `team-bounces+bob=example.org`, and who is a member can be guessed. A report
//! counts only where it brings back the name of a copy (`store::proof`), which the member himself and
//! the mail servers on his way have seen and nobody else has.
//!
//! # Invariants
//!
//! * What is no report is nobody's failure, whatever it says: it goes to the owners as it came.

use crate::mime::report::{Action, Notification, Recipient};
use crate::model::Address;
use crate::model::Reason;
use crate::model::bounce::{BounceRule, COPY_FIELD, Record};
use crate::notice::{Kind, Variable};
use crate::relay::{Case, Decision, Noted, Ruling};

/// What a report is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding<'a, P> {
    /// The copy of this post is known to have failed.
    Failed(P, &'a Recipient),
    /// It is known to be late.
    Delayed(&'a Recipient),
    /// Somebody says that a copy failed or is late.
    Unproven,
    /// It arrived, or went where nobody reports from.
    Nothing,
}

/// Returns what `report` is worth, where `post` knows the post by the name of a copy.
pub fn weigh<P>(report: &Notification, post: impl Fn(&str) -> Option<P>) -> Finding<'_, P> {
    let Some(worst) = report.worst().filter(|one| one.action >= Action::Delayed) else {
        return Finding::Nothing;
    };
    let proof = names(report).iter().find_map(|name| post(name));
    match (proof, worst.action) {
        (Some(post), Action::Failed) => Finding::Failed(post, worst),
        (Some(_), _) => Finding::Delayed(worst),
        (None, _) => Finding::Unproven,
    }
}

/// Returns the names of copies that a report brings back.
#[must_use]
pub fn names(report: &Notification) -> Vec<String> {
    let mut names: Vec<String> = report.envelope_id.iter().cloned().collect();
    names.extend(report.returned(COPY_FIELD));
    names.truncate(MAX_NAMES);
    names
}

/// Returns the decision on a report that is on record; the owners hear of the members whom it
/// suspended.
#[must_use]
pub fn recorded(case: &Case<'_>, suspended: &[Record], rule: BounceRule) -> Ruling {
    let mut decision = Decision::discard(case.speaker.address.clone(), Reason::Bounce);
    if !suspended.is_empty() {
        let facts = told(case.speaker.address, suspended, rule);
        decision.plan.items = case.notices(case.speaker.owners, Kind::Suspended, &facts, false);
    }
    Ruling::Decided(Box::new(decision))
}

/// Returns what the owners hear of suspended members.
#[must_use]
pub fn told(list: &Address, suspended: &[Record], rule: BounceRule) -> Noted {
    let (mut lines, mut commands) = (Vec::new(), Vec::new());
    for one in suspended {
        let (days, status, text) = match &one.suspended {
            Some(s) => (s.days, s.status.as_str(), s.text.as_str()),
            None => continue,
        };
        let member = &one.address;
        lines.push(format!("{member}: on {days} day(s), last: {status} {text}"));
        // Whatever begins with a dash is no option.
        let dash = [list, member]
            .iter()
            .any(|one| one.local().starts_with('-'));
        let end = if dash { " --" } else { "" };
        commands.push(format!(
            "listseal subscriber resume{end} {} {}",
            quoted(list),
            quoted(member)
        ));
    }
    let days = rule.period.as_secs() / 86_400;
    Noted::default()
        .reason(Reason::Suspended)
        .with(Variable::Count, lines.len())
        .with(Variable::Days, days)
        .with(Variable::Report, lines.join("\n"))
        .with(Variable::Commands, commands.join("\n"))
}

/// Returns an address as it can be pasted into a shell.
#[must_use]
pub fn quoted(address: &Address) -> String {
    let text = address.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A copy has one name; a list behind a list adds its own.
const MAX_NAMES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::report;

    fn notification(action: &str, envelope_id: &str, returned: &str) -> Notification {
        let text = format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
             Content-Type: message/delivery-status\n\n{envelope_id}\n\nAction: {action}\n\
             Status: 5.1.1\n\n--b\nContent-Type: text/rfc822-headers\n\n{returned}\n--b--\n"
        );
        report::read(text.as_bytes()).unwrap().unwrap()
    }

    fn found(action: &str, envelope_id: &str, returned: &str) -> String {
        let report = notification(action, envelope_id, returned);
        match weigh(&report, |name| (name == "good").then_some(7)) {
            Finding::Failed(7, _) => "failed",
            Finding::Failed(..) => "another",
            Finding::Delayed(_) => "delayed",
            Finding::Unproven => "unproven",
            Finding::Nothing => "nothing",
        }
        .to_owned()
    }

    #[test]
    fn only_the_name_of_the_copy_proves_and_it_may_come_back_in_two_places() {
        let id = "Original-Envelope-Id: good";
        for (action, envelope_id, returned, expected) in [
            ("failed", id, "", "failed"),
            ("failed", "", "X-Listseal-Copy: good", "failed"),
            (
                "failed",
                "Original-Envelope-Id: bad",
                "X-Listseal-Copy: no\nx-listseal-copy: good",
                "failed",
            ),
            ("delayed", id, "", "delayed"),
            (
                "failed",
                "",
                "Message-ID: <good>\nSubject: good",
                "unproven",
            ),
            ("delayed", "", "", "unproven"),
            ("delivered", id, "", "nothing"),
            ("relayed", "", "", "nothing"),
        ] {
            assert_eq!(
                found(action, envelope_id, returned),
                expected,
                "{action} {returned}"
            );
        }
        let many = "X-Listseal-Copy: bad\n".repeat(50) + "X-Listseal-Copy: good";
        assert_eq!(
            found("failed", "", &many),
            "unproven",
            "nobody tries names in rows"
        );
    }

    #[test]
    fn commands_can_be_pasted_whatever_the_address_is() {
        let odd = Address::parse("o'neil$(x)@example.org").unwrap_err();
        assert_eq!(odd.to_string(), "has a character that no address may have");
        let odd = Address::parse("o'neil`$x`@example.org").unwrap();
        assert_eq!(quoted(&odd), "'o'\\''neil`$x`@example.org'");
        assert_eq!(
            quoted(&Address::parse("a.b+c@x.org").unwrap()),
            "a.b+c@x.org"
        );
    }
}
