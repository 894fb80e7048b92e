//! Who sent a message and to which address it was handed in, as SMTP said it.

use crate::model::Address;

/// The SMTP envelope of one received message: one recipient, because the MTA splits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `MAIL FROM` as handed over; empty for the null sender.
    sender: String,
    /// `RCPT TO`: one of our addresses.
    recipient: Address,
    /// It is no mail: the daemon wrote it.
    is_own: bool,
}

impl Envelope {
    /// The sender of a message that came without one: handed in by a person at a terminal, not by
    /// an MTA. It is no null sender, and no address either.
    pub const UNKNOWN: &'static str = "?";

    /// Returns an envelope; `<>`, an empty text and Postfix's `MAILER-DAEMON` are the null sender
    /// (contract decision 12). Angle brackets and control characters are dropped.
    #[must_use]
    pub fn new(sender: &str, recipient: Address) -> Self {
        let bare: String = sender
            .trim()
            .chars()
            .filter(|c| !c.is_control() && !matches!(c, '<' | '>'))
            .take(MAX_SENDER)
            .collect();
        let sender = if bare.eq_ignore_ascii_case("mailer-daemon") {
            String::new()
        } else {
            bare
        };
        Self {
            sender,
            recipient,
            is_own: false,
        }
    }

    /// Returns the envelope of what the daemon tells the people behind `recipient` on its own
    /// account. Nothing that is handed in ever has it.
    #[must_use]
    pub fn own(recipient: Address) -> Self {
        Self {
            sender: String::new(),
            recipient,
            is_own: true,
        }
    }

    /// True for what the daemon wrote itself: a report, not a mail.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Returns the sender as handed over, empty for the null sender.
    #[must_use]
    pub fn sender_text(&self) -> &str {
        &self.sender
    }

    /// Returns the sender where there is one and it is a usable address.
    #[must_use]
    pub fn sender(&self) -> Option<Address> {
        Address::parse(&self.sender).ok()
    }

    /// True for `<>`: a bounce or another automatic answer, never answered (RFC 5321 section 4.5.5).
    #[must_use]
    pub fn is_null_sender(&self) -> bool {
        self.sender.is_empty()
    }

    /// Returns the address the message was handed in for.
    #[must_use]
    pub fn recipient(&self) -> &Address {
        &self.recipient
    }
}

/// Longer senders are cut: nothing is ever mailed to them, they are only shown.
const MAX_SENDER: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_12_three_spellings_of_the_null_sender_are_one() {
        let to = Address::parse("team@example.org").unwrap();
        for text in ["", "<>", " <> ", "MAILER-DAEMON", "mailer-daemon"] {
            assert!(Envelope::new(text, to.clone()).is_null_sender(), "{text:?}");
        }
        assert_eq!(
            Envelope::new("<a@x.org>", to.clone()).sender(),
            Address::parse("a@x.org").ok()
        );
        assert!(!Envelope::new("mailer-daemon@x.org", to).is_null_sender());
    }
}
