//! What may leave: finished mail, and nothing else.

use std::fmt;

use crate::notice::Rendered;
use crate::seal::{Passed, Sealed};

/// A finished mail. There is no way to make one of bytes: only what seal or notice made.
#[derive(Clone)]
pub struct Cargo {
    inner: Inner,
}

#[derive(Clone)]
enum Inner {
    Passed(Passed),
    Rendered(Vec<u8>),
    Sealed(Sealed),
}

impl Cargo {
    /// Returns the mail in pieces, to be written one after the other.
    #[must_use]
    pub fn chunks(&self) -> Vec<&[u8]> {
        match &self.inner {
            Inner::Passed(mail) => mail.chunks().to_vec(),
            Inner::Rendered(bytes) => vec![bytes],
            Inner::Sealed(mail) => mail.chunks().to_vec(),
        }
    }

    /// True when it has bytes beyond ASCII, so that the mail server has to offer 8BITMIME.
    #[must_use]
    pub fn needs_8bit(&self) -> bool {
        match &self.inner {
            Inner::Passed(mail) => mail.needs_8bit(),
            Inner::Rendered(bytes) => !bytes.is_ascii(),
            Inner::Sealed(mail) => mail.needs_8bit(),
        }
    }

    /// Returns a mail of these bytes, for the tests of the transports.
    #[cfg(test)]
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            inner: Inner::Rendered(bytes.to_vec()),
        }
    }
}

impl From<&Rendered> for Cargo {
    fn from(notice: &Rendered) -> Self {
        Self {
            inner: Inner::Rendered(notice.bytes()),
        }
    }
}

impl From<Passed> for Cargo {
    fn from(mail: Passed) -> Self {
        Self {
            inner: Inner::Passed(mail),
        }
    }
}

impl From<Sealed> for Cargo {
    fn from(mail: Sealed) -> Self {
        Self {
            inner: Inner::Sealed(mail),
        }
    }
}

impl fmt::Debug for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cargo").finish_non_exhaustive()
    }
}
