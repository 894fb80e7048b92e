//! Where a certificate stands among the certificates of one address.
//!
//! # See also
//!
//! Sympa's certificate directory: `<address>`, `<address>@enc`, `<address>@sign`.

use crate::pki::certificate::Usage;

/// What a stored certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// Signing and encryption.
    Both,
    /// Encryption alone.
    Encrypt,
    /// Signing alone.
    Sign,
}

impl Slot {
    /// Returns what follows the escaped address in the file name.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Both => "",
            Self::Encrypt => "@enc",
            Self::Sign => "@sign",
        }
    }

    /// Returns the slot for a certificate of this usage; `None` where it is of no use for mail.
    #[must_use]
    pub fn of(usage: Usage) -> Option<Self> {
        match (usage.sign, usage.encrypt) {
            (true, true) => Some(Self::Both),
            (false, true) => Some(Self::Encrypt),
            (true, false) => Some(Self::Sign),
            (false, false) => None,
        }
    }

    /// True where mail is encrypted with what stands there.
    #[must_use]
    pub fn encrypts(self) -> bool {
        self != Self::Sign
    }
}
