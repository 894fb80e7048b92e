//! Decides what becomes of an opened post, by the scenario of the list and the rules above it.
//!
//! # Place in the flow
//!
//! open → **authorize** → harvest, expand, seal (admitted), notice (refused, held).
//!
//! The questions are asked in this order; the first that fits decides.
//!
//! | found | disposition | reason | who is told |
//! | --- | --- | --- | --- |
//! | own X-Loop, more than 50 Received | discard | `loop` | nobody (S38) |
//! | null sender, Auto-Submitted, mail robots | discard | `auto-reply` | nobody (S38) |
//! | Message-ID or same bytes distributed before | discard | `duplicate` | nobody (W1) |
//! | From missing, doubled, unreadable | refuse | `from-...` | nobody: there is no one (S28) |
//! | over `max_size` | refuse | `too-large` | the member |
//! | scenario unusable | refuse | `scenario-error` | the member, the owners |
//! | not encrypted, but over a limit of reading (E8-E13) | refuse | the precise one | the member |
//! | encrypted, `encrypt = "never"` | refuse | `encrypted-not-accepted` | the member |
//! | content key seen, earlier copy unproven, this one proven | hold | `replay` | the deciders (S20) |
//! | content key seen | withhold | `replay` | nobody (S19) |
//! | not decryptable while a key of the list cannot be used, and not refused whatever is inside | wait | `key-unavailable` | the owners (decision 3) |
//! | scenario rejects, encrypted and unprocessable | refuse | `undecryptable` | the member, one text for all causes (S10) |
//! | scenario rejects, a valid signature would have helped | refuse | `not-signed`, `bad-signature`, `from-mismatch`, or what ails the chain | the member |
//! | scenario rejects otherwise | refuse | `not-member`, `not-allowed` | the member |
//! | signed for another list of this site | withhold | `other-list` | the owners (S21) |
//! | signed for others, this list not named | hold | `other-list` | the deciders (S21) |
//! | scenario asks a person | hold | `moderated` | the deciders, the member |
//! | signing time out of its window | hold | `signing-time` | the deciders, the member (S21) |
//! | scenario passes, unprocessable, `on_undecryptable` | admit intact, hold or refuse | `undecryptable` | hold: the deciders; refuse: the member |
//! | scenario passes | admit | | |
//!
//! "The member" is the subscriber, moderator or owner whose address From is, told at the address
//! the list knows (decision 2); anybody else hears nothing, and `,quiet` silences it for members too.
//!
//! # Trust
//!
//! From is what the sender wrote unless the auth method is `smime`. An invalid signature never
//! raises the method; under a scenario that lets `smtp` pass it is a message without signature
//! (decision 1).
//!
//! # Invariants
//!
//! * [`Admitted`] has no other constructor than [`authorize`].
//! * Failures to decrypt and failures found inside encryption share one reason and one disposition
//!   (S10); the precise one is `detail`, which no mail shows.

pub mod admit;
mod binding;
pub mod builtin;
pub mod condition;
pub mod loops;
pub mod scenario;
mod split;
mod verdict;

use time::{Duration, OffsetDateTime};

use crate::authorize::condition::{Role, Subject, has_role};
use crate::authorize::scenario::{Action, Deciders, Method, Scenario};
use crate::model::list::{Encrypt, ListPolicy, OnUndecryptable};
use crate::model::plan::Form;
use crate::model::{Address, Reason};

pub use admit::{Admitted, Held, Outcome, authorize, proven_author, readmit};
pub use verdict::{Binding, Earlier, Facts, Refusal, Replay, Rules, Signature, Verdict};

/// Signatures older than this wait for a person (S21, decision 5).
const OLDEST: Duration = Duration::days(7);
/// Signatures further in the future than this wait for a person (S21, decision 5).
const FURTHEST: Duration = Duration::hours(1);

/// Returns what becomes of a post; the module's table is its specification.
#[must_use]
pub fn decide(facts: &Facts<'_>, rules: &Rules<'_>) -> Verdict {
    let list = &rules.policy.address;
    if let Some(reason) = loops::find(facts.header, rules.envelope, facts.from.ok(), list) {
        return Verdict::Discard(reason);
    }
    if rules.replay.duplicate {
        return Verdict::Discard(Reason::Duplicate);
    }
    let sender = match facts.from {
        Ok(sender) => sender,
        Err(reason) => return refuse(reason, Some(reason), None),
    };
    let subject = Subject {
        sender,
        encrypted: facts.encrypted,
        header: facts.header,
        policy: rules.policy,
        roster: rules.roster,
    };
    let member = member(&subject);
    if facts.size > rules.policy.max_size {
        return refuse(Reason::TooLarge, None, member);
    }
    let Some(scenario) = rules.scenario else {
        return Verdict::Refuse(Refusal {
            reason: Reason::ScenarioError,
            detail: None,
            label: None,
            tell: member,
            tell_owners: true,
        });
    };
    if facts.cut_short && !facts.encrypted {
        let reason = facts.reason.unwrap_or(Reason::MimeMalformed);
        return refuse(reason, Some(reason), member);
    }
    if facts.encrypted && rules.policy.encrypt == Encrypt::Never {
        return refuse(Reason::EncryptedNotAccepted, None, member);
    }
    if let Some(verdict) = replayed(facts, rules) {
        return verdict;
    }
    let keyless = matches!(facts.reason, Some(Reason::NoKey | Reason::NoRecipient));
    // Whom the rules refuse whatever he can prove need not wait: strangers cannot fill the spool.
    let hopeless = || scenario.decide(&subject, Method::Smime).action == Action::Reject;
    let shut = facts.encrypted && facts.decrypted != Some(true);
    if rules.key_unavailable && shut && keyless && !hopeless() {
        return Verdict::Wait(Reason::KeyUnavailable);
    }
    by_scenario(facts, rules, scenario, &subject, member)
}

/// S19, S20. Holding the genuine copy that comes second makes the theft of the first one loud.
fn replayed(facts: &Facts<'_>, rules: &Rules<'_>) -> Option<Verdict> {
    let earlier = rules.replay.content_key?;
    if earlier.proven || facts.author.is_none() {
        return Some(Verdict::Withhold {
            reason: Reason::Replay,
            tell_owners: false,
        });
    }
    (!rules.released).then(|| Verdict::Hold {
        reason: Reason::Replay,
        deciders: people(rules.policy, Deciders::Moderators),
        tell: None,
    })
}

fn by_scenario(
    facts: &Facts<'_>,
    rules: &Rules<'_>,
    scenario: &Scenario,
    subject: &Subject<'_>,
    member: Option<Address>,
) -> Verdict {
    let unopened = is_unopened(facts);
    // What stays shut speaks for nobody, whoever signed its outside (S30).
    let method = if facts.author.is_some() && !unopened {
        Method::Smime
    } else {
        Method::Smtp
    };
    let ruling = scenario.decide(subject, method);
    let known = member.is_some();
    let told = member.filter(|_| !ruling.quiet);
    if ruling.action == Action::Reject {
        return Verdict::Refuse(Refusal {
            reason: why_rejected(facts, scenario, subject, known),
            detail: facts.reason.or(facts.chain),
            label: ruling.label,
            tell: told,
            tell_owners: false,
        });
    }
    if let Some(verdict) = misdirected(facts, rules) {
        return verdict;
    }
    let hold = |reason, deciders| Verdict::Hold {
        reason,
        deciders: people(rules.policy, deciders),
        tell: told.clone(),
    };
    if let (Action::Ask(deciders), false) = (ruling.action, rules.released) {
        return hold(Reason::Moderated, deciders);
    }
    if unopened {
        return match rules.policy.on_undecryptable {
            OnUndecryptable::Hold if !rules.released => {
                hold(Reason::Undecryptable, Deciders::Moderators)
            }
            OnUndecryptable::Forward | OnUndecryptable::Hold => Verdict::Admit {
                form: Form::Intact,
                binding: Binding::None,
            },
            OnUndecryptable::Reject => refuse(Reason::Undecryptable, facts.reason, told),
        };
    }
    if !rules.released && out_of_window(facts, rules.now) {
        return hold(Reason::SigningTime, Deciders::Moderators);
    }
    let form = if facts.encrypted || rules.policy.encrypt == Encrypt::Always {
        Form::Seal
    } else {
        Form::Clear
    };
    Verdict::Admit {
        form,
        binding: if facts.named.contains(&rules.policy.address) {
            Binding::Bound
        } else {
            Binding::None
        },
    }
}

/// S21: a signed entity that says for whom it is goes to nobody else.
fn misdirected(facts: &Facts<'_>, rules: &Rules<'_>) -> Option<Verdict> {
    let list = &rules.policy.address;
    if facts.author.is_none() || facts.named.is_empty() || facts.named.contains(list) {
        return None;
    }
    if facts.named.iter().any(|address| (rules.is_list)(address)) {
        return Some(Verdict::Withhold {
            reason: Reason::OtherList,
            tell_owners: true,
        });
    }
    // The list may have been in Bcc: a person can tell, the program cannot.
    (!rules.released).then(|| Verdict::Hold {
        reason: Reason::OtherList,
        deciders: people(rules.policy, Deciders::Moderators),
        tell: None,
    })
}

fn out_of_window(facts: &Facts<'_>, now: OffsetDateTime) -> bool {
    // Without proof the time is the sender's claim and proves nothing either way.
    facts
        .signing_time
        .filter(|_| facts.author.is_some())
        .is_some_and(|signed| now - signed > OLDEST || signed - now > FURTHEST)
}

/// True where there is nothing inside that could be distributed (S10, S12: a substituted key gives
/// garbage, which is not MIME).
fn is_unopened(facts: &Facts<'_>) -> bool {
    let garbage = matches!(
        facts.reason,
        Some(Reason::NotMime | Reason::MimeMalformed | Reason::DecryptFailed)
    );
    facts.encrypted && (facts.decrypted != Some(true) || facts.cut_short || garbage)
}

/// Returns the reason that may be told: what a member could do about it.
fn why_rejected(
    facts: &Facts<'_>,
    scenario: &Scenario,
    subject: &Subject<'_>,
    member: bool,
) -> Reason {
    let outcast = if member {
        Reason::NotAllowed
    } else {
        Reason::NotMember
    };
    // Asked of the scenario alone, so that the answer cannot depend on what was inside (S10).
    if scenario.decide(subject, Method::Smime).action == Action::Reject {
        return outcast;
    }
    if is_unopened(facts) || (facts.encrypted && facts.signature == Signature::Invalid) {
        return Reason::Undecryptable;
    }
    match facts.signature {
        // In clear there is nothing to hide: what the signer can mend he is told (decision 2).
        Signature::Invalid => match facts.reason {
            None | Some(Reason::DigestMismatch | Reason::SignatureMismatch) => Reason::BadSignature,
            Some(precise) => precise,
        },
        Signature::None => Reason::NotSigned,
        Signature::Valid => facts.chain.unwrap_or(if facts.author.is_none() {
            Reason::FromMismatch
        } else {
            outcast
        }),
    }
}

/// Returns where to tell the sender, if the list knows him (decision 2).
fn member(subject: &Subject<'_>) -> Option<Address> {
    if let Some(found) = subject.roster.find(subject.sender) {
        return Some(found.address.clone());
    }
    [Role::Owner, Role::Editor, Role::Listmaster]
        .into_iter()
        .any(|role| has_role(role, subject.sender, subject))
        .then(|| subject.sender.clone())
}

fn people(policy: &ListPolicy, deciders: Deciders) -> Vec<Address> {
    let chosen = match deciders {
        Deciders::Listmasters if !policy.listmasters.is_empty() => &policy.listmasters,
        Deciders::Owners => &policy.owners,
        Deciders::Listmasters | Deciders::Moderators => policy.deciders(),
    };
    chosen.to_vec()
}

fn refuse(reason: Reason, detail: Option<Reason>, tell: Option<Address>) -> Verdict {
    Verdict::Refuse(Refusal {
        reason,
        detail,
        label: None,
        tell,
        tell_owners: false,
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::model::Envelope;
    use crate::model::list::*;
    use crate::model::roster::Roster;

    pub(super) fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    pub(super) fn policy() -> ListPolicy {
        ListPolicy {
            title: "A team, of sorts".to_owned(),
            owners: vec![address("olga@example.org")],
            moderators: vec![address("mod@example.org")],
            listmasters: vec![address("root@example.org")],
            max_size: 1000,
            ..ListPolicy::new(address("team@example.org"))
        }
    }

    pub(super) fn roster() -> Roster {
        let text = "alice@example.org aliases=a.work@example.net\nbob@example.org\ncarol@example.org mode=nomail\n";
        Roster::parse(text).0
    }

    const NOW: OffsetDateTime = datetime!(2026-11-20 10:00 UTC);

    /// One message and its list; the defaults are a member's plain, unsigned mail.
    struct Case {
        send: &'static str,
        policy: ListPolicy,
        sender: &'static str,
        from: Result<Address, Reason>,
        encrypted: bool,
        decrypted: Option<bool>,
        signature: Signature,
        chain: Option<Reason>,
        proven: bool,
        reason: Option<Reason>,
        cut_short: bool,
        signing_time: Option<OffsetDateTime>,
        named: Vec<Address>,
        header: Vec<(&'static str, &'static str)>,
        size: u64,
        replay: Replay,
        key_unavailable: bool,
        released: bool,
    }

    fn case(send: &'static str) -> Case {
        Case {
            send,
            policy: policy(),
            sender: "alice@example.org",
            from: Ok(address("alice@example.org")),
            encrypted: false,
            decrypted: None,
            signature: Signature::None,
            chain: None,
            proven: false,
            reason: None,
            cut_short: false,
            signing_time: None,
            named: Vec::new(),
            header: Vec::new(),
            size: 100,
            replay: Replay::default(),
            key_unavailable: false,
            released: false,
        }
    }

    impl Case {
        fn from(mut self, text: &str) -> Self {
            self.from = Ok(address(text));
            self
        }
        fn signed(mut self) -> Self {
            self.signature = Signature::Valid;
            self.proven = true;
            self
        }
        fn invalid(mut self, reason: Reason) -> Self {
            self.signature = Signature::Invalid;
            self.reason = Some(reason);
            self
        }
        fn opened(mut self) -> Self {
            self.encrypted = true;
            self.decrypted = Some(true);
            self
        }
        fn shut(mut self, reason: Reason) -> Self {
            self.encrypted = true;
            self.decrypted = Some(false);
            self.reason = Some(reason);
            self
        }
        fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
            change(&mut self);
            self
        }
        fn verdict(&self) -> Verdict {
            let lookup = |name: &str| -> Vec<String> {
                let same = |n: &&(&str, &str)| n.0.eq_ignore_ascii_case(name);
                self.header
                    .iter()
                    .filter(same)
                    .map(|(_, v)| (*v).to_owned())
                    .collect()
            };
            let scenario = builtin::builtin(self.send);
            let roster = roster();
            let envelope = Envelope::new(self.sender, self.policy.address.clone());
            let from = self.from.as_ref().map_err(|reason| *reason);
            let facts = Facts {
                from,
                encrypted: self.encrypted,
                decrypted: self.decrypted,
                cut_short: self.cut_short,
                signature: self.signature,
                chain: self.chain,
                author: from.ok().filter(|_| self.proven),
                reason: self.reason,
                signing_time: self.signing_time,
                named: &self.named,
                header: &lookup,
                size: self.size,
            };
            let is_list = |a: &Address| a.local().starts_with("list");
            let rules = Rules {
                policy: &self.policy,
                roster: &roster,
                scenario: scenario.as_ref(),
                envelope: &envelope,
                replay: self.replay,
                is_list: &is_list,
                key_unavailable: self.key_unavailable,
                released: self.released,
                now: NOW,
            };
            decide(&facts, &rules)
        }
        /// The reason of a refusal and whether somebody is told.
        fn refused(&self) -> (Reason, Option<String>) {
            match self.verdict() {
                Verdict::Refuse(one) => (one.reason, one.tell.map(|a| a.to_string())),
                other => panic!("not refused: {other:?}"),
            }
        }
        fn held(&self) -> (Reason, Vec<String>, Option<String>) {
            match self.verdict() {
                Verdict::Hold {
                    reason,
                    deciders,
                    tell,
                } => (
                    reason,
                    deciders.iter().map(ToString::to_string).collect(),
                    tell.map(|a| a.to_string()),
                ),
                other => panic!("not held: {other:?}"),
            }
        }
        fn form(&self) -> Form {
            match self.verdict() {
                Verdict::Admit { form, .. } => form,
                other => panic!("not admitted: {other:?}"),
            }
        }
    }

    const ALICE: &str = "alice@example.org";

    #[test]
    fn signed_posts_pass_private_smime_in_the_form_they_came() {
        assert_eq!(case("private_smime").signed().form(), Form::Clear);
        assert_eq!(case("private_smime").signed().opened().form(), Form::Seal);
        let always = case("private_smime")
            .signed()
            .with(|c| c.policy.encrypt = Encrypt::Always);
        assert_eq!(always.form(), Form::Seal);
    }

    #[test]
    fn s24_signed_only_lists_never_fall_back_to_unsigned() {
        let told = |c: Case| c.refused();
        let alice = Some(ALICE.to_owned());
        let base = || case("private_smime");
        for (found, reason) in [
            (base(), Reason::NotSigned),
            (base().opened(), Reason::NotSigned),
            (base().invalid(Reason::DigestMismatch), Reason::BadSignature),
            (base().invalid(Reason::SignerUnknown), Reason::SignerUnknown),
            (
                base().with(|c| {
                    c.signature = Signature::Valid;
                    c.chain = Some(Reason::Expired);
                }),
                Reason::Expired,
            ),
            (
                base().with(|c| c.signature = Signature::Valid),
                Reason::FromMismatch,
            ),
        ] {
            assert_eq!(told(found), (reason, alice.clone()));
        }
    }

    #[test]
    fn s10_failures_inside_encryption_are_one() {
        let causes = [
            Reason::NoRecipient,
            Reason::NoKey,
            Reason::DecryptFailed,
            Reason::WeakCipher,
            Reason::BadParameters,
            Reason::Malformed,
            Reason::UnsupportedAlgorithm,
        ];
        let mut verdicts: Vec<Case> = causes
            .into_iter()
            .map(|r| case("private_smime").shut(r))
            .collect();
        verdicts.push(
            case("private_smime")
                .opened()
                .with(|c| c.reason = Some(Reason::NotMime)),
        );
        verdicts.push(
            case("private_smime")
                .opened()
                .invalid(Reason::DigestMismatch),
        );
        verdicts.push(
            case("private_smime")
                .opened()
                .invalid(Reason::SignerUnknown),
        );
        for one in verdicts {
            assert_eq!(
                one.refused(),
                (Reason::Undecryptable, Some(ALICE.to_owned())),
                "{:?}",
                one.reason
            );
        }
    }

    #[test]
    fn s11_strangers_hear_nothing() {
        for one in [
            case("private_smime").from("eve@x.org"),
            case("private_smime").from("eve@x.org").signed(),
            case("private_smime")
                .from("eve@x.org")
                .shut(Reason::DecryptFailed),
            case("private").from("eve@x.org"),
            case("private").from("eve@x.org").with(|c| c.size = 5000),
        ] {
            assert_eq!(one.refused().1, None);
        }
        assert_eq!(
            case("private").from("eve@x.org").refused().0,
            Reason::NotMember
        );
    }

    #[test]
    fn members_are_told_at_the_address_the_list_knows() {
        assert_eq!(
            case("closed").from("a.work@example.net").refused(),
            (Reason::NotAllowed, Some(ALICE.to_owned()))
        );
        assert_eq!(
            case("closed").from("olga@example.org").refused(),
            (Reason::NotAllowed, Some("olga@example.org".to_owned()))
        );
    }

    #[test]
    fn from_that_nobody_can_name_is_refused_without_a_word() {
        let one = case("public").with(|c| c.from = Err(Reason::FromAmbiguous));
        assert_eq!(one.refused(), (Reason::FromAmbiguous, None));
    }

    #[test]
    fn undecryptable_posts_follow_the_list_where_the_scenario_lets_them_pass() {
        let base = || case("private").shut(Reason::NoRecipient);
        assert_eq!(base().form(), Form::Intact);
        let hold = base().with(|c| c.policy.on_undecryptable = OnUndecryptable::Hold);
        assert_eq!(hold.held().0, Reason::Undecryptable);
        assert_eq!(hold.with(|c| c.released = true).form(), Form::Intact);
        let reject = base().with(|c| c.policy.on_undecryptable = OnUndecryptable::Reject);
        assert_eq!(
            reject.refused(),
            (Reason::Undecryptable, Some(ALICE.to_owned()))
        );
    }

    #[test]
    fn s30_signature_around_what_stays_shut_proves_nobody() {
        let one = case("private_smime").signed().shut(Reason::NoRecipient);
        assert_eq!(one.refused().0, Reason::Undecryptable);
    }

    #[test]
    fn decision_1_private_takes_an_invalid_signature_as_none() {
        assert_eq!(
            case("private").invalid(Reason::DigestMismatch).form(),
            Form::Clear
        );
        assert_eq!(case("private").opened().form(), Form::Seal);
    }

    #[test]
    fn encrypted_posts_are_refused_where_nothing_is_sealed() {
        let one = case("public")
            .opened()
            .with(|c| c.policy.encrypt = Encrypt::Never);
        assert_eq!(one.refused().0, Reason::EncryptedNotAccepted);
        let plain = case("public").with(|c| c.policy.encrypt = Encrypt::Never);
        assert_eq!(plain.form(), Form::Clear);
    }

    #[test]
    fn s19_seen_content_key_is_withheld_silently_under_every_scenario() {
        for send in ["private_smime", "public"] {
            for (proven, earlier) in [(false, false), (false, true), (true, true)] {
                let one = case(send).opened().with(|c| {
                    c.proven = proven;
                    c.replay.content_key = Some(Earlier { proven: earlier });
                });
                let silent = Verdict::Withhold {
                    reason: Reason::Replay,
                    tell_owners: false,
                };
                assert_eq!(one.verdict(), silent, "{send} {proven} {earlier}");
            }
        }
    }

    #[test]
    fn s20_genuine_copy_after_a_stolen_one_is_held() {
        let one = case("public").signed().opened().with(|c| {
            c.replay.content_key = Some(Earlier { proven: false });
        });
        assert_eq!(
            one.held(),
            (Reason::Replay, vec!["mod@example.org".to_owned()], None)
        );
        assert_eq!(one.with(|c| c.released = true).form(), Form::Seal);
    }

    #[test]
    fn s21_post_signed_for_others_is_not_distributed() {
        let named = |names: &[&str]| {
            let names = names.iter().map(|n| address(n)).collect();
            case("private_smime")
                .signed()
                .opened()
                .with(|c| c.named = names)
        };
        let other = named(&["list-b@example.org", "bob@example.org"]);
        assert_eq!(
            other.verdict(),
            Verdict::Withhold {
                reason: Reason::OtherList,
                tell_owners: true
            }
        );
        assert_eq!(named(&["bob@example.org"]).held().0, Reason::OtherList);
        let bound = named(&["bob@example.org", "Team@example.org"]).verdict();
        assert_eq!(
            bound,
            Verdict::Admit {
                form: Form::Seal,
                binding: Binding::Bound
            }
        );
        let unbound = named(&[]).verdict();
        assert_eq!(
            unbound,
            Verdict::Admit {
                form: Form::Seal,
                binding: Binding::None
            }
        );
    }

    #[test]
    fn s21_signing_time_outside_its_window_waits_for_a_person() {
        for (offset, admitted) in [
            (Duration::days(-7), true),
            (Duration::days(-7) - Duration::SECOND, false),
            (Duration::hours(1), true),
            (Duration::hours(1) + Duration::SECOND, false),
        ] {
            let one = case("private_smime")
                .signed()
                .with(|c| c.signing_time = Some(NOW + offset));
            match one.verdict() {
                Verdict::Admit { .. } => assert!(admitted, "{offset}"),
                Verdict::Hold {
                    reason: Reason::SigningTime,
                    ..
                } => assert!(!admitted, "{offset}"),
                other => panic!("{other:?}"),
            }
        }
        let old = case("private_smime").signed().with(|c| {
            c.signing_time = Some(NOW - Duration::days(30));
            c.released = true;
        });
        assert_eq!(old.form(), Form::Clear);
    }

    #[test]
    fn moderated_posts_are_held_for_the_moderators_and_released_by_them() {
        let one = case("editorkey");
        assert_eq!(
            one.held(),
            (
                Reason::Moderated,
                vec!["mod@example.org".to_owned()],
                Some(ALICE.to_owned())
            )
        );
        assert_eq!(one.with(|c| c.released = true).form(), Form::Clear);
        let nobody = case("editorkey").with(|c| c.policy.moderators.clear());
        assert_eq!(nobody.held().1, ["olga@example.org"]);
        let refused = case("closed").with(|c| c.released = true);
        assert_eq!(
            refused.refused().0,
            Reason::NotAllowed,
            "release does not overrule a rejection"
        );
    }

    #[test]
    fn decision_3_unusable_key_makes_the_mail_wait() {
        let one = case("private")
            .shut(Reason::NoRecipient)
            .with(|c| c.key_unavailable = true);
        assert_eq!(one.verdict(), Verdict::Wait(Reason::KeyUnavailable));
        let plain = case("private").with(|c| c.key_unavailable = true);
        assert_eq!(plain.form(), Form::Clear);
        let broken = case("private")
            .shut(Reason::DecryptFailed)
            .with(|c| c.key_unavailable = true);
        assert_eq!(broken.form(), Form::Intact, "another key was the right one");
    }

    #[test]
    fn list_without_usable_scenario_denies() {
        let one = case("no-such-scenario").signed();
        let Verdict::Refuse(refusal) = one.verdict() else {
            panic!()
        };
        assert_eq!(refusal.reason, Reason::ScenarioError);
        assert!(refusal.tell_owners && refusal.tell.is_some());
    }

    #[test]
    fn loops_and_duplicates_are_dropped_before_anything_else() {
        let looped = case("public").with(|c| c.header = vec![("X-Loop", "team@example.org")]);
        assert_eq!(looped.verdict(), Verdict::Discard(Reason::Loop));
        let twice = case("closed").with(|c| c.replay.duplicate = true);
        assert_eq!(twice.verdict(), Verdict::Discard(Reason::Duplicate));
        let bounce = case("public").with(|c| c.sender = "<>");
        assert_eq!(bounce.verdict(), Verdict::Discard(Reason::AutoReply));
    }

    #[test]
    fn e8_message_over_a_limit_is_refused_and_encrypted_ones_say_no_more() {
        let over = |send| {
            case(send).with(|c| {
                c.cut_short = true;
                c.reason = Some(Reason::LimitExceeded);
            })
        };
        assert_eq!(over("public").refused().0, Reason::LimitExceeded);
        let inside = over("private_smime").opened();
        assert_eq!(inside.refused().0, Reason::Undecryptable);
        assert_eq!(over("private").opened().form(), Form::Intact);
    }

    #[test]
    fn too_large_posts_are_refused_and_the_limit_itself_passes() {
        let at = |size| case("public").with(|c| c.size = size);
        assert_eq!(at(1000).form(), Form::Clear);
        assert_eq!(
            at(1001).refused(),
            (Reason::TooLarge, Some(ALICE.to_owned()))
        );
    }
}
