//! The notices there are, and the variables their templates may use.
//!
//! # Invariants
//!
//! * The table of variables is published in `docs/templates.md`; a test holds the two together.
//! * No variable can hold subject, body or key material: there is none for them (contract S39, S42).

use crate::model::Reason;

macro_rules! kinds {
    ($($variant:ident, $name:literal, $audience:ident, $purpose:literal;)+) => {
        /// One notice.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $purpose] $variant,)+
        }

        impl Kind {
            /// Every notice, by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name: of the template file and in plans.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns what the notice is for, in a few words.
            #[must_use]
            pub fn purpose(self) -> &'static str {
                match self { $(Self::$variant => $purpose,)+ }
            }

            /// Returns who reads it.
            #[must_use]
            pub fn audience(self) -> Audience {
                match self { $(Self::$variant => Audience::$audience,)+ }
            }

            /// Returns the built-in English text.
            pub(super) fn english(self) -> &'static str {
                match self { $(Self::$variant => include_str!(concat!("../../templates/", $name, ".txt")),)+ }
            }
        }
    };
}

kinds! {
    BadSignature, "bad-signature", Member, "a post whose signature does not hold was refused";
    CertificatePending, "certificate-pending", Owner, "a changed certificate waits for approval";
    Held, "held", Owner, "a post waits for a decision; the post is enclosed";
    KeyUnavailable, "key-unavailable", Owner, "the list's private key cannot be used";
    ListCertificate, "list-certificate", Member, "the list's certificate, enclosed";
    NewPost, "new-post", Member, "there is a new post, for subscribers with mode=notice";
    OwnerReport, "owner-report", Owner, "what could not be delivered or read";
    Registered, "registered", Member, "a certificate was stored";
    RegistrationFailed, "registration-failed", Member, "a certificate was not stored, and why";
    Rejected, "rejected", Member, "a post was refused by the rules of the list";
    ScenarioError, "scenario-error", Owner, "the rules of the list cannot be used";
    Suspended, "suspended", Owner, "members were suspended because their mail comes back";
    Undecryptable, "undecryptable", Member, "a post that could not be processed was refused";
    Waiting, "waiting", Member, "a post waits for the moderators";
    CertMissing, "x509-user-cert-missing", Member, "instead of a post that cannot be sealed to the reader";
}

/// Who reads a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Subscribers and registrants: built in in several languages.
    Member,
    /// Owners, moderators and site administrators: built in in English.
    Owner,
}

impl Kind {
    /// Returns the notice with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Returns the notice that tells a member of a refusal.
    #[must_use]
    pub fn for_refusal(reason: Reason) -> Self {
        match reason {
            Reason::BadSignature | Reason::SignerUnknown => Self::BadSignature,
            Reason::Undecryptable => Self::Undecryptable,
            _ => Self::Rejected,
        }
    }

    /// Returns the value of `Auto-Submitted` (RFC 3834 section 5): an answer to one mail, or made on
    /// our own account.
    pub(super) fn auto_submitted(self) -> &'static str {
        match self {
            Self::CertificatePending
            | Self::Held
            | Self::KeyUnavailable
            | Self::NewPost
            | Self::OwnerReport
            | Self::ScenarioError
            | Self::Suspended
            | Self::CertMissing => "auto-generated",
            Self::BadSignature
            | Self::ListCertificate
            | Self::Registered
            | Self::RegistrationFailed
            | Self::Rejected
            | Self::Undecryptable
            | Self::Waiting => "auto-replied",
        }
    }

    /// Returns the built-in text in `lang`, where there is one.
    pub(super) fn translated(self, lang: &str) -> Option<&'static str> {
        match lang {
            "de" => german(self),
            "en" => Some(self.english()),
            "fr" => french(self),
            _ => None,
        }
    }
}

macro_rules! translations {
    ($function:ident, $lang:literal) => {
        fn $function(kind: Kind) -> Option<&'static str> {
            Some(match kind {
                Kind::BadSignature => text!($lang, "bad-signature"),
                Kind::ListCertificate => text!($lang, "list-certificate"),
                Kind::NewPost => text!($lang, "new-post"),
                Kind::Registered => text!($lang, "registered"),
                Kind::RegistrationFailed => text!($lang, "registration-failed"),
                Kind::Rejected => text!($lang, "rejected"),
                Kind::Undecryptable => text!($lang, "undecryptable"),
                Kind::Waiting => text!($lang, "waiting"),
                Kind::CertMissing => text!($lang, "x509-user-cert-missing"),
                Kind::CertificatePending
                | Kind::Held
                | Kind::KeyUnavailable
                | Kind::OwnerReport
                | Kind::ScenarioError
                | Kind::Suspended => return None,
            })
        }
    };
}

macro_rules! text {
    ($lang:literal, $name:literal) => {
        include_str!(concat!("../../templates/", $name, ".", $lang, ".txt"))
    };
}

translations!(german, "de");
translations!(french, "fr");

macro_rules! variables {
    ($($variant:ident, $name:literal, $shape:ident, $meaning:literal, $sample:literal;)+) => {
        /// A variable that templates may use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Variable {
            $(#[doc = $meaning] $variant,)+
        }

        impl Variable {
            /// Every variable, by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name in templates and in plans.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns what it holds.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// Returns whether it is one value or several lines.
            #[must_use]
            pub fn shape(self) -> Shape {
                match self { $(Self::$variant => Shape::$shape,)+ }
            }

            /// Returns a value to try templates with.
            pub(super) fn sample(self) -> &'static str {
                match self { $(Self::$variant => $sample,)+ }
            }
        }
    };
}

variables! {
    Commands, "commands", Lines, "command lines for the administrator", "listseal spool release 0123\nlistseal spool discard 0123";
    Count, "count", Text, "a number of messages, copies or certificates", "3";
    Date, "date", Text, "day and time of the notice, in UTC", "2026-11-20 10:00 UTC";
    Days, "days", Text, "a number of days", "7";
    Domain, "domain", Text, "the domain of the list", "example.org";
    Encrypted, "encrypted", Text, "`yes` when the message came encrypted, else empty", "yes";
    Expires, "expires", Text, "when a certificate expires, in UTC", "2027-11-20 10:00 UTC";
    File, "file", Text, "a file that needs the administrator's hand", "/etc/listseal/lists/example.org/team/private_key";
    Fingerprint, "fingerprint", Text, "SHA-256 of the certificate that the notice is about", "0011223344556677";
    List, "list", Text, "address of the list, or of the site", "team@example.org";
    ListFingerprint, "list_fingerprint", Text, "SHA-256 of the list's own certificate", "8899aabbccddeeff";
    ListName, "list_name", Text, "the list's address before the @", "team";
    ListOwner, "list_owner", Text, "address of the owners", "team-owner@example.org";
    ListRegister, "list_register", Text, "address that stores the certificate of a signed mail", "team-register@example.org";
    ListRequest, "list_request", Text, "address for commands", "team-request@example.org";
    ListSendkey, "list_sendkey", Text, "address that sends the list's certificate", "team-sendkey@example.org";
    MessageRef, "message_ref", Text, "our own name of the message, for `listseal spool`", "0123456789abcdef";
    Problem, "problem", Text, "what a file or setting is wrong with, for administrators", "line 3: unknown condition";
    Reason, "reason", Text, "code of the reason, see reasons.md", "not-signed";
    ReasonText, "reason_text", Text, "the reason as a sentence without full stop, in the language of the notice", "the message is not signed";
    Remedy, "remedy", Text, "what to do about it, in the language of the notice", "Sign your message with your certificate and send it again.";
    Report, "report", Lines, "lines of a report", "2 messages could not be read\n1 copy was refused";
    Rule, "rule", Text, "the name that the scenario's `reject` gives its reason", "send_subscriber_smime";
    Sender, "sender", Text, "From address of the message", "alice@example.org";
    Title, "title", Text, "title of the list", "The team";
    To, "to", Text, "address of the reader", "bob@example.org";
}

/// Whether a variable is one value or several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A list of lines, for `{% for line in ... %}`.
    Lines,
    /// One value.
    Text,
}

impl Variable {
    /// Returns the variable with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_variables_read_back_and_are_sorted_by_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
        }
        assert!(Kind::ALL.is_sorted_by_key(|kind| kind.name()));
        assert!(Variable::ALL.is_sorted_by_key(|one| one.name()));
        assert_eq!(Variable::from_name("subject"), None);
        assert_eq!(Variable::from_name("body"), None);
    }

    #[test]
    fn what_members_read_is_built_in_in_three_languages() {
        for kind in Kind::ALL {
            let translated = ["de", "fr"].map(|lang| kind.translated(lang).is_some());
            let expected = kind.audience() == Audience::Member;
            assert_eq!(translated, [expected; 2], "{}", kind.name());
        }
    }

    #[test]
    fn published_table_of_variables_and_notices_is_this_one() {
        let published = include_str!("../../docs/templates.md");
        let mut expected = String::from("| variable | holds |\n| --- | --- |\n");
        for one in Variable::ALL {
            let lines = if one.shape() == Shape::Lines {
                ", a list of lines"
            } else {
                ""
            };
            expected += &format!("| `{}` | {}{lines} |\n", one.name(), one.meaning());
        }
        expected += "\n| notice | read by | sent when |\n| --- | --- | --- |\n";
        for kind in Kind::ALL {
            let audience = match kind.audience() {
                Audience::Member => "members",
                Audience::Owner => "owners, moderators",
            };
            expected += &format!("| `{}` | {audience} | {} |\n", kind.name(), kind.purpose());
        }
        assert!(
            published.contains(&expected),
            "docs/templates.md must contain:\n{expected}"
        );
    }
}
