//! Turns an opened message and its decision into what may go on.
//!
//! # Place in the flow
//!
//! [`Opened`] → [`authorize`] → [`Admitted`] → harvest, expand, seal.
//!
//! # Invariants
//!
//! * [`authorize`], and [`readmit`] for what it let pass, are the only makers of [`Admitted`] and [`Held`]: what is to be distributed, or
//!   shown to moderators, has been decided on.
//! * An author counts as proven when the signature covers the plaintext: one around ciphertext could
//!   be anybody's who saw it (contract S16, S20).

use std::fmt;

use crate::authorize::verdict::{Binding, Facts, Refusal, Rules, Signature, Verdict};
use crate::authorize::{binding, decide};
use crate::mime::Field;
use crate::model::plan::{Disposition, Form, Plan, What};
use crate::model::{Address, Reason};
use crate::open;
use crate::open::Opened;

/// A post that goes to the subscribers.
pub struct Admitted {
    opened: Opened,
    sender: Address,
    proven: bool,
    form: Form,
    binding: Binding,
}

/// A post that waits for people.
pub struct Held {
    opened: Opened,
    /// Why it waits.
    pub reason: Reason,
    /// Who decides.
    pub deciders: Vec<Address>,
    /// The author to tell that the post waits.
    pub tell: Option<Address>,
}

/// What became of a message.
#[derive(Debug)]
pub enum Outcome {
    /// It goes to the subscribers.
    Admitted(Admitted),
    /// Dropped without a word.
    Discarded(Reason),
    /// It waits for people.
    Held(Held),
    /// Not let through.
    Refused(Refusal),
    /// The message waits until the list's key can be used.
    Waiting(Reason),
    /// Kept in `bad/`, the sender hears nothing.
    Withheld {
        /// Why.
        reason: Reason,
        /// Whether the owners are told.
        tell_owners: bool,
    },
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("form", &self.form)
            .field("proven", &self.proven)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Admitted {
    /// Returns the opened message.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Returns the From address, proven or not.
    #[must_use]
    pub fn sender(&self) -> &Address {
        &self.sender
    }

    /// Returns the From address where a signature over the content proves it.
    #[must_use]
    pub fn author(&self) -> Option<&Address> {
        self.proven.then_some(&self.sender)
    }

    /// Returns in which form the post leaves.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Returns whether the signature says that the post is for this list (contract S21).
    #[must_use]
    pub fn binding(&self) -> Binding {
        self.binding
    }
}

impl Held {
    /// Returns the opened message: to learn its certificates, and to show it to the deciders sealed.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }
}

/// Decides on `opened`, which is what `message`, as received, was opened to.
#[must_use]
pub fn authorize(opened: Opened, message: &[u8], rules: &Rules<'_>) -> Outcome {
    let (verdict, proven) = judge(&opened, message, rules);
    let sender = opened.from().ok().cloned();
    match (verdict, sender) {
        (Verdict::Admit { form, binding }, Some(sender)) => Outcome::Admitted(Admitted {
            opened,
            sender,
            proven,
            form,
            binding,
        }),
        // Nothing is admitted without a From address; the compiler does not know that.
        (Verdict::Admit { .. }, None) => Outcome::Withheld {
            reason: Reason::FromMissing,
            tell_owners: false,
        },
        (
            Verdict::Hold {
                reason,
                deciders,
                tell,
            },
            _,
        ) => Outcome::Held(Held {
            opened,
            reason,
            deciders,
            tell,
        }),
        (Verdict::Discard(reason), _) => Outcome::Discarded(reason),
        (Verdict::Refuse(refusal), _) => Outcome::Refused(refusal),
        (Verdict::Wait(reason), _) => Outcome::Waiting(reason),
        (
            Verdict::Withhold {
                reason,
                tell_owners,
            },
            _,
        ) => Outcome::Withheld {
            reason,
            tell_owners,
        },
    }
}

/// Returns a post that was admitted before and is opened again after a restart: the verdict of the
/// durable `plan` holds (decision 15).
///
/// `None` where message and plan do not fit: nothing is passed on then, least of all in clear what
/// came encrypted (S23).
#[must_use]
pub fn readmit(opened: Opened, plan: &Plan) -> Option<Admitted> {
    if plan.disposition != Disposition::Distribute {
        return None;
    }
    let has = |what: &What| plan.items.iter().any(|item| item.what == *what);
    let form = if has(&What::Intact) {
        Form::Intact
    } else if has(&What::Copy) {
        Form::Clear
    } else {
        Form::Seal
    };
    let fits = match form {
        Form::Clear => !opened.encrypted(),
        Form::Intact => true,
        Form::Seal => opened.decrypted() != Some(false),
    };
    let sender = plan.sender.clone().filter(|_| fits)?;
    Some(Admitted {
        opened,
        sender,
        proven: plan.authenticated,
        form,
        binding: Binding::None,
    })
}

fn judge(opened: &Opened, message: &[u8], rules: &Rules<'_>) -> (Verdict, bool) {
    let fields = opened.fields();
    let header = |name: &str| -> Vec<String> {
        // The rules judge what the author wrote; marks of the way here stand outside alone.
        if AUTHORED
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
            && let Some(protected) = opened.protected_fields()
        {
            let same = |field: &&Field<'_>| field.is(name);
            return protected.iter().filter(same).map(Field::value).collect();
        }
        let same = |field: &&Field<'_>| field.is(name);
        fields.iter().filter(same).map(Field::value).collect()
    };
    let covers = !opened.encrypted() || opened.signature_covers_plaintext();
    let author = proven_author(opened);
    let named = author.map_or_else(Vec::new, |author| {
        let protected = opened.protected_fields().unwrap_or_default();
        binding::named(opened.innermost(message), &protected, author)
    });
    let chain = opened.signer().and_then(|signer| signer.chain.as_ref());
    let facts = Facts {
        from: opened.from(),
        encrypted: opened.encrypted(),
        decrypted: opened.decrypted(),
        cut_short: opened.was_cut_short(),
        signature: match opened.signature() {
            open::Verdict::Invalid => Signature::Invalid,
            open::Verdict::None => Signature::None,
            open::Verdict::Valid if !covers => Signature::None,
            open::Verdict::Valid => Signature::Valid,
        },
        chain: chain
            .filter(|_| !is_trusted(opened))
            .map(|chain| chain.reason.unwrap_or(Reason::UnknownIssuer)),
        author,
        reason: opened.reason(),
        signing_time: opened
            .signer()
            .and_then(|signer| signer.evidence.signing_time),
        named: &named,
        header: &header,
        size: message.len() as u64,
    };
    (decide(&facts, rules), author.is_some())
}

/// Fields that the author writes and header protection covers.
const AUTHORED: [&str; 5] = ["From", "To", "Cc", "Date", "Subject"];

fn is_trusted(opened: &Opened) -> bool {
    opened.signer().is_some_and(open::Signer::is_trusted)
}

/// Returns the author where the signature that proves him covers the content.
#[must_use]
pub fn proven_author(opened: &Opened) -> Option<&Address> {
    opened
        .author()
        .filter(|_| !opened.encrypted() || opened.signature_covers_plaintext())
}
