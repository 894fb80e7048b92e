//! Copies that are not sealed: posts that came in clear, and ciphertext passed on unopened.
//!
//! # Invariants
//!
//! * The body is the received one, byte for byte, in CRLF form: signatures over it hold (decision
//!   13). It is never re-encoded; where a mail server cannot carry 8-bit text, the copy fails.
//! * All recipients share one copy.

use std::sync::Arc;

use super::{Outer, SealError};
use crate::mime::Entity;
use crate::mime::canon::crlf;

/// A mail with the list's header around the received body. Clones share their bytes.
#[derive(Clone)]
pub struct Passed {
    header: Arc<[u8]>,
    body: Arc<[u8]>,
    eight_bit: bool,
}

impl Passed {
    /// Passes on `mail` as it came, with the list's fields in place of the received ones.
    ///
    /// This is for mail that came in clear and for ciphertext that was not opened; what was
    /// decrypted has to go through [`super::Sealing`].
    ///
    /// # Errors
    ///
    /// [`SealError::Header`] when the list's settings do not make a header.
    pub fn new(mail: &Entity, outer: &Outer) -> Result<Self, SealError> {
        Ok(Self::of(outer.passed()?.with_body(b""), &crlf(mail.body())))
    }

    /// Passes `mail` on to people behind the list, unopened, with the list's loop mark.
    ///
    /// # Errors
    ///
    /// As [`Passed::new`].
    pub fn forwarded(mail: &Entity, outer: &Outer) -> Result<Self, SealError> {
        Ok(Self::of(
            outer.forwarded()?.with_body(b""),
            &crlf(mail.body()),
        ))
    }

    /// Sends `entity`, which the list has signed, in place of the received body.
    ///
    /// # Errors
    ///
    /// As [`Passed::new`].
    pub fn signed(entity: &[u8], outer: &Outer) -> Result<Self, SealError> {
        Ok(Self::of(
            outer.around_new_body()?.as_bytes().to_vec(),
            &crlf(entity),
        ))
    }

    fn of(header: Vec<u8>, body: &[u8]) -> Self {
        Self {
            eight_bit: !(header.is_ascii() && body.is_ascii()),
            header: header.into(),
            body: body.into(),
        }
    }

    /// Returns the mail in pieces, to be written one after the other.
    #[must_use]
    pub fn chunks(&self) -> [&[u8]; 2] {
        [&self.header, &self.body]
    }

    /// Returns its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header.len().saturating_add(self.body.len())
    }

    /// True when it has bytes beyond ASCII, so that the mail server has to offer 8BITMIME.
    #[must_use]
    pub fn needs_8bit(&self) -> bool {
        self.eight_bit
    }
}
