//! Who of the subscribers gets a copy of a post, in which form, and who cannot and why.
//!
//! # Place in the flow
//!
//! authorize → **expand** → plan → seal.
//!
//! # Invariants
//!
//! * A subscriber without usable certificate never gets a sealed post in clear: his item is
//!   [`What::Withheld`] (contract S23, S35).
//! * Who is suspended gets nothing, and has an item that says so: the figures tell who missed a post.
//! * Items stand in the order of the roster, one a subscriber at most; the author gets his copy too,
//!   as in Sympa.

use std::collections::BTreeMap;

use crate::model::list::{ListPolicy, MissingCertificate};
use crate::model::plan::{Form, Item, What};
use crate::model::roster::{Mode, Roster, Subscriber};
use crate::model::{Address, Reason};

/// Name of the template for subscribers with `mode=notice`.
pub const NEW_POST: &str = "new-post";

/// Returns one item for every subscriber who is to get something.
///
/// `certificate` answers whether a copy can be sealed to an address now, and what stands in the way;
/// it is asked for sealed posts alone. `is_suspended` tells whose mail came back too often.
pub fn expand<T>(
    form: Form,
    policy: &ListPolicy,
    roster: &Roster,
    is_suspended: &dyn Fn(&Address) -> bool,
    mut certificate: impl FnMut(&Address) -> Result<T, Reason>,
) -> Vec<Item> {
    roster
        .subscribers()
        .iter()
        .filter_map(|subscriber| {
            let what = match (subscriber.mode, form) {
                (Mode::Nomail, _) => return None,
                _ if is_suspended(&subscriber.address) => What::Withheld {
                    reason: Reason::Suspended,
                    notice: false,
                },
                (Mode::Notice, _) => What::Notice {
                    kind: NEW_POST.to_owned(),
                    facts: BTreeMap::new(),
                    enclose: false,
                },
                (Mode::Mail, Form::Clear) => What::Copy,
                (Mode::Mail, Form::Intact) => What::Intact,
                (Mode::Mail, Form::Seal) => match certificate(&subscriber.address) {
                    Ok(_) => What::Sealed,
                    Err(reason) => What::Withheld {
                        reason,
                        notice: policy.missing_certificate == MissingCertificate::Notice,
                    },
                },
            };
            Some(item(subscriber, policy, what))
        })
        .collect()
}

fn item(subscriber: &Subscriber, policy: &ListPolicy, what: What) -> Item {
    Item {
        to: subscriber.address.clone(),
        lang: language(subscriber, policy).to_owned(),
        what,
    }
}

/// Returns the language a subscriber is written to in.
#[must_use]
pub fn language<'a>(subscriber: &'a Subscriber, policy: &'a ListPolicy) -> &'a str {
    subscriber.lang.as_deref().unwrap_or(&policy.lang)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::list::*;

    fn policy(missing: MissingCertificate) -> ListPolicy {
        ListPolicy {
            missing_certificate: missing,
            lang: "de".to_owned(),
            ..ListPolicy::new(Address::parse("team@example.org").unwrap())
        }
    }

    fn items(form: Form, missing: MissingCertificate) -> Vec<(String, String, What)> {
        let (roster, bad) = Roster::parse(
            "a@x.org\nb@x.org lang=fr\nc@x.org mode=nomail\nd@x.org mode=notice\ne@x.org\n",
        );
        assert!(bad.is_empty());
        let lookup = |address: &Address| match address.local() {
            "a" => Ok(()),
            "b" => Err(Reason::Expired),
            _ => Err(Reason::NoCertificate),
        };
        let suspended = |address: &Address| address.local() == "s";
        expand(form, &policy(missing), &roster, &suspended, lookup)
            .into_iter()
            .map(|i| (i.to.to_string(), i.lang, i.what))
            .collect()
    }

    #[test]
    fn sealed_post_reaches_who_can_read_it_and_tells_the_others() {
        let found = items(Form::Seal, MissingCertificate::Notice);
        let names: Vec<_> = found
            .iter()
            .map(|(to, lang, _)| (to.as_str(), lang.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("a@x.org", "de"),
                ("b@x.org", "fr"),
                ("d@x.org", "de"),
                ("e@x.org", "de")
            ]
        );
        let withheld = |reason| What::Withheld {
            reason,
            notice: true,
        };
        assert_eq!(found[0].2, What::Sealed);
        assert_eq!(found[1].2, withheld(Reason::Expired));
        assert!(
            matches!(&found[2].2, What::Notice { kind, enclose: false, .. } if kind == NEW_POST)
        );
        assert_eq!(found[3].2, withheld(Reason::NoCertificate));
    }

    #[test]
    fn suspended_members_get_nothing_in_any_form_and_are_counted() {
        let (roster, _) = Roster::parse("a@x.org\nb@x.org mode=notice\nc@x.org mode=nomail\n");
        for form in [Form::Clear, Form::Intact, Form::Seal] {
            let policy = policy(MissingCertificate::Notice);
            let all = |_: &Address| true;
            let found = expand(form, &policy, &roster, &all, |_| Ok::<_, Reason>(()));
            let withheld = What::Withheld {
                reason: Reason::Suspended,
                notice: false,
            };
            assert_eq!(found.len(), 2);
            assert!(found.iter().all(|item| item.what == withheld));
        }
    }

    #[test]
    fn missing_certificate_can_be_silent_but_never_clear() {
        let found = items(Form::Seal, MissingCertificate::Nothing);
        assert_eq!(
            found[1].2,
            What::Withheld {
                reason: Reason::Expired,
                notice: false
            }
        );
        assert!(
            found
                .iter()
                .all(|(_, _, what)| !matches!(what, What::Copy | What::Intact))
        );
    }

    #[test]
    fn clear_and_intact_posts_ask_for_no_certificate() {
        for (form, what) in [(Form::Clear, What::Copy), (Form::Intact, What::Intact)] {
            let found = items(form, MissingCertificate::Notice);
            assert_eq!(found.len(), 4);
            assert_eq!(found.iter().filter(|one| one.2 == what).count(), 3);
        }
    }
}
