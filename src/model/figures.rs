//! Bytes and times in the one form in which names, records and logs show them.

use std::fmt::Write as _;

use time::OffsetDateTime;

/// Returns two lower-case hex digits for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(out, "{byte:02x}"); // writing to a String cannot fail
    }
    out
}

/// Returns the microseconds since 1970, 0 for what was before.
#[must_use]
pub fn micros(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn every_byte_is_two_lower_case_digits() {
        assert_eq!(hex(&[0, 0x0a, 0xff]), "000aff");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn times_before_1970_are_none_and_fractions_are_dropped() {
        assert_eq!(micros(datetime!(1970-01-01 0:00:01.0000019 UTC)), 1_000_001);
        assert_eq!(micros(datetime!(1969-12-31 0:00 UTC)), 0);
    }
}
