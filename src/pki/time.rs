//! UTCTime and GeneralizedTime, in the one form that certificates and CMS allow.
//!
//! # See also
//!
//! RFC 5280 section 4.1.2.5.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Tlv, writer};

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

/// Returns `at`, cut to seconds, as UTCTime from 1950 to 2049 and as GeneralizedTime otherwise.
#[must_use]
pub fn write(at: OffsetDateTime) -> Vec<u8> {
    let at = at.to_offset(time::UtcOffset::UTC);
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    let year = at.year();
    if (1950..2050).contains(&year) {
        let text = format!("{:02}{rest}", year.rem_euclid(100));
        writer::element(tag::UTC_TIME, &[text.as_bytes()])
    } else {
        let text = format!("{:04}{rest}", year.clamp(0, 9999));
        writer::element(tag::GENERALIZED_TIME, &[text.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::asn1::Reader;

    #[test]
    fn both_forms_are_read_and_written() {
        for at in [
            datetime!(1949-12-31 23:59:59 UTC),
            datetime!(1950-01-01 0:00 UTC),
            datetime!(1969-07-20 20:17:40 UTC),
            datetime!(2049-12-31 23:59:59 UTC),
            datetime!(2050-01-01 0:00 UTC),
            datetime!(9999-12-31 23:59:59 UTC),
        ] {
            let der = write(at);
            let tlv = Reader::new(&der).read().unwrap();
            assert_eq!(read(&tlv), Ok(at));
        }
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
