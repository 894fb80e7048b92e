//! The name of one message in the spool.

use std::fmt;
use std::str::FromStr;

/// Sixteen hex digits each of microseconds, randomness and content digest (contract 2.3).
///
/// Uniqueness never depends on the clock; the time part only makes names sort by arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpoolId {
    micros: u64,
    random: u64,
    digest: u64,
}

/// A file name that is no spool id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a spool id: 48 lower-case hex digits are expected")]
pub struct BadId;

impl SpoolId {
    /// Returns the id of a message that arrived at `micros` since 1970 with the first eight bytes
    /// of its content digest.
    #[must_use]
    pub fn new(micros: u64, random: u64, digest: [u8; 8]) -> Self {
        Self {
            micros,
            random,
            digest: u64::from_be_bytes(digest),
        }
    }

    /// Microseconds since 1970 at intake, by the clock of that moment.
    #[must_use]
    pub fn micros(self) -> u64 {
        self.micros
    }

    /// First eight bytes of the digest of the file that bears this name.
    #[must_use]
    pub fn digest(self) -> [u8; 8] {
        self.digest.to_be_bytes()
    }
}

impl fmt::Display for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:016x}{:016x}{:016x}",
            self.micros, self.random, self.digest
        )
    }
}

impl fmt::Debug for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpoolId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 48 || !text.bytes().all(plain) {
            return Err(BadId);
        }
        let part = |range| {
            text.get(range)
                .and_then(|hex| u64::from_str_radix(hex, 16).ok())
                .ok_or(BadId)
        };
        Ok(Self {
            micros: part(0..16)?,
            random: part(16..32)?,
            digest: part(32..48)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_id_reads_back_and_nothing_else_does() {
        let id = SpoolId::new(1_700_000_000_000_000, 7, *b"12345678");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "x",
            &"G".repeat(48),
            &"A".repeat(48),
            "../../../../../../../../../../../../../../../etc/pa",
        ] {
            assert_eq!(bad.parse::<SpoolId>(), Err(BadId), "{bad}");
        }
    }
}
