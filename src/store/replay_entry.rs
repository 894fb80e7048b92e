//! One record of the replay store, as bytes.
//!
//! ```text
//! 0   kind: 1 content key, 2 Message-ID, 3 bytes, 4 number
//! 1   1 where the author was proven
//! 8   seconds since 1970, signed
//! 16  HMAC, or the number in the first 8 bytes
//! 48  spool id
//! ```

use time::OffsetDateTime;

use crate::model::{SpoolId, hex};
use crate::store::replay::{Key, Seen, What};

/// Bytes of a record without its checksum.
pub(super) const PAYLOAD: usize = 76;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The newest number given to a post.
    Number {
        number: u64,
        id: SpoolId,
        at: OffsetDateTime,
    },
    /// Something that was distributed.
    Seen {
        key: Key,
        seen: Seen,
        at: OffsetDateTime,
    },
}

const NUMBER: u8 = 4;

impl Entry {
    pub(super) fn to_payload(self) -> Vec<u8> {
        let (kind, proven, at, id) = match self {
            Self::Number { id, at, .. } => (NUMBER, false, at, id),
            Self::Seen { key, seen, at } => (kind(key.what), seen.proven, at, seen.id),
        };
        let mut out = vec![kind, u8::from(proven), 0, 0, 0, 0, 0, 0];
        out.extend_from_slice(&at.unix_timestamp().to_be_bytes());
        match self {
            Self::Number { number, .. } => {
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&[0; 24]);
            }
            Self::Seen { key, .. } => out.extend_from_slice(&key.mac),
        }
        out.extend_from_slice(&id_bytes(id));
        out.resize(PAYLOAD, 0);
        out
    }

    pub(super) fn from_payload(payload: &[u8]) -> Option<Self> {
        let at = i64::from_be_bytes(array(payload, 8)?);
        let at = OffsetDateTime::from_unix_timestamp(at).ok()?;
        let id = id_from(payload.get(48..72)?)?;
        let what = match payload.first()? {
            1 => What::ContentKey,
            2 => What::MessageId,
            3 => What::Bytes,
            4 => {
                let number = u64::from_be_bytes(array(payload, 16)?);
                return Some(Self::Number { number, id, at });
            }
            _ => return None,
        };
        let mac = array(payload, 16)?;
        let proven = *payload.get(1)? == 1;
        Some(Self::Seen {
            key: Key { what, mac },
            seen: Seen { id, proven },
            at,
        })
    }

    pub(super) fn is_expired(&self, now: OffsetDateTime) -> bool {
        match self {
            Self::Number { .. } => false,
            Self::Seen { key, at, .. } => key
                .what
                .lifetime()
                .is_some_and(|lifetime| now - *at > lifetime),
        }
    }
}

fn kind(what: What) -> u8 {
    match what {
        What::ContentKey => 1,
        What::MessageId => 2,
        What::Bytes => 3,
    }
}

fn array<const N: usize>(payload: &[u8], from: usize) -> Option<[u8; N]> {
    payload
        .get(from..from.checked_add(N)?)
        .and_then(|bytes| bytes.try_into().ok())
}

fn id_bytes(id: SpoolId) -> Vec<u8> {
    let hex = id.to_string();
    hex.as_bytes()
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect()
}

fn id_from(bytes: &[u8]) -> Option<SpoolId> {
    hex(bytes).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_as_they_were_written() {
        let id = SpoolId::new(1_700_000_000_000_000, u64::MAX, *b"12345678");
        let at = OffsetDateTime::from_unix_timestamp(-5).unwrap();
        for what in [What::ContentKey, What::MessageId, What::Bytes] {
            for proven in [false, true] {
                let key = Key { what, mac: [7; 32] };
                let entry = Entry::Seen {
                    key,
                    seen: Seen { id, proven },
                    at,
                };
                assert_eq!(entry.to_payload().len(), PAYLOAD);
                assert_eq!(Entry::from_payload(&entry.to_payload()), Some(entry));
            }
        }
        let entry = Entry::Number {
            number: 1 << 40,
            id,
            at,
        };
        assert_eq!(Entry::from_payload(&entry.to_payload()), Some(entry));
        assert_eq!(Entry::from_payload(&[0; PAYLOAD]), None);
        assert_eq!(Entry::from_payload(&[1; 20]), None);
    }
}
