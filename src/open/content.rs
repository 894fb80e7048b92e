//! Bytes that opening has come to: a run of the received message, or of a buffer made on the way.
//!
//! # Invariants
//!
//! * Buffers are wiped when the last reference goes; nothing here is copied without need.

use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A run of bytes whose owner is the received message or a shared buffer.
#[derive(Clone)]
pub(super) enum Content {
    /// A run of the message as received.
    Received(Range<usize>),
    /// A run of decrypted, enclosed or inflated bytes.
    Made(Arc<Zeroizing<Vec<u8>>>, Range<usize>),
}

impl Content {
    /// Returns the whole of a new buffer.
    pub(super) fn made(bytes: Zeroizing<Vec<u8>>) -> Self {
        let range = 0..bytes.len();
        Self::Made(Arc::new(bytes), range)
    }

    /// Returns the bytes; `message` is the received message.
    pub(super) fn bytes<'a>(&'a self, message: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Received(range) => message.get(range.clone()),
            Self::Made(buffer, range) => buffer.get(range.clone()),
        }
        .unwrap_or_default()
    }

    /// Returns the run that `part` is, which must be cut from [`Content::bytes`].
    pub(super) fn narrowed(&self, message: &[u8], part: &[u8]) -> Self {
        let whole = self.bytes(message);
        let skipped = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
        let moved = |range: &Range<usize>| {
            let start = range.start.saturating_add(skipped);
            start..start.saturating_add(part.len())
        };
        match self {
            Self::Received(range) => Self::Received(moved(range)),
            Self::Made(buffer, range) => Self::Made(Arc::clone(buffer), moved(range)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_place_in_the_message_and_in_buffers() {
        let message = b"0123456789";
        let whole = Content::Received(0..10);
        let part = whole.narrowed(message, &whole.bytes(message)[2..8]);
        let inner = part.narrowed(message, &part.bytes(message)[1..3]);
        assert_eq!(inner.bytes(message), b"34");
        let made = Content::made(Zeroizing::new(b"abcdef".to_vec()));
        let part = made.narrowed(message, &made.bytes(message)[3..]);
        assert_eq!(part.bytes(message), b"def");
    }
}
