//! UTCTime and GeneralizedTime, in the one form that certificates and CMS allow.
//!
//! # See also
//!
//! RFC 5280 section 4.1.2.5.

use std::time::Duration;

use der::DateTime;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Tlv};

/// Returns the moment that a UTCTime or GeneralizedTime names; years before 1970 are fine.
///
/// # Errors
///
/// [`Asn1Error::Unexpected`] for another type, [`Asn1Error::Value`] for fractions, time zones,
/// missing seconds or a day that does not exist.
pub fn read(tlv: &Tlv) -> Result<OffsetDateTime, Asn1Error> {
    let year_digits = match tlv.tag {
        tag::UTC_TIME => 2,
        tag::GENERALIZED_TIME => 4,
        _ => return Err(Asn1Error::Unexpected),
    };
    let digits = tlv.content.strip_suffix(b"Z").ok_or(Asn1Error::Value)?;
    if digits.len() != year_digits + 10 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Asn1Error::Value);
    }
    let number = |from: usize, count: usize| {
        digits
            .iter()
            .skip(from)
            .take(count)
            .fold(0_u16, |sum, d| sum * 10 + u16::from(d - b'0'))
    };
    let small = |from| u8::try_from(number(year_digits + from, 2)).unwrap_or(u8::MAX);
    let year = match (tlv.tag, number(0, year_digits)) {
        (tag::UTC_TIME, two @ 0..50) => two + 2000,
        (tag::UTC_TIME, two) => two + 1900,
        (_, four) => four,
    };
    let month = Month::try_from(small(0)).map_err(|_| Asn1Error::Value)?;
    let date =
        Date::from_calendar_date(i32::from(year), month, small(2)).map_err(|_| Asn1Error::Value)?;
    let time = Time::from_hms(small(4), small(6), small(8)).map_err(|_| Asn1Error::Value)?;
    Ok(PrimitiveDateTime::new(date, time).assume_utc())
}

/// Returns `at`, cut to seconds, as UTCTime up to 2049 and as GeneralizedTime from then on.
///
/// # Errors
///
/// It lies before 1970 or after 9999: nothing made here does.
pub fn write(at: OffsetDateTime) -> Result<x509_cert::time::Time, der::Error> {
    let seconds = u64::try_from(at.unix_timestamp()).map_err(|_| der::ErrorKind::DateTime)?;
    let at = DateTime::from_unix_duration(Duration::from_secs(seconds))?;
    Ok(at.into())
}

#[cfg(test)]
mod tests {
    use der::Encode as _;
    use time::macros::datetime;

    use super::*;
    use crate::asn1::{Reader, writer};

    #[test]
    fn both_forms_are_read_and_written() {
        for at in [
            datetime!(1970-01-01 0:00 UTC),
            datetime!(2049-12-31 23:59:59 UTC),
            datetime!(2050-01-01 0:00 UTC),
            datetime!(9999-12-31 23:59:59 UTC),
        ] {
            let der = write(at).unwrap().to_der().unwrap();
            let tlv = Reader::new(&der).read().unwrap();
            assert_eq!(read(&tlv), Ok(at));
        }
    }

    #[test]
    fn years_of_two_digits_turn_at_1950() {
        for (text, at) in [
            ("491231235959Z", datetime!(2049-12-31 23:59:59 UTC)),
            ("500101000000Z", datetime!(1950-01-01 0:00 UTC)),
            ("690720201740Z", datetime!(1969-07-20 20:17:40 UTC)),
        ] {
            let der = writer::element(tag::UTC_TIME, &[text.as_bytes()]);
            assert_eq!(read(&Reader::new(&der).read().unwrap()), Ok(at));
        }
        assert!(write(datetime!(1969-07-20 20:17:40 UTC)).is_err());
    }

    #[test]
    fn forms_that_certificates_may_not_use_are_refused() {
        for (tag, text) in [
            (tag::UTC_TIME, "2601010000Z"),
            (tag::UTC_TIME, "260101000000+0100"),
            (tag::UTC_TIME, "260230000000Z"),
            (tag::UTC_TIME, "260101240000Z"),
            (tag::GENERALIZED_TIME, "20260101000000.5Z"),
            (tag::GENERALIZED_TIME, "20260101000000"),
            (tag::GENERALIZED_TIME, ""),
            (tag::INTEGER, "260101000000Z"),
        ] {
            let der = writer::element(tag, &[text.as_bytes()]);
            let tlv = Reader::new(&der).read().unwrap();
            assert!(read(&tlv).is_err(), "{text}");
        }
    }
}
