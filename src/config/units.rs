//! Sizes and times as people write them: `50 MiB`, `5 d`.

use std::time::Duration;

/// Returns the bytes that `text` names.
///
/// # Errors
///
/// What is wrong with it, as part of a sentence.
///
/// # Examples
///
/// ```
/// assert_eq!(listseal::config::units::size("50 MiB"), Ok(52_428_800));
/// assert_eq!(listseal::config::units::size("2 MB"), Ok(2_000_000));
/// ```
pub fn size(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err("has an unknown unit"),
    };
    number.checked_mul(factor).ok_or("is too large a number")
}

/// Returns `bytes` in the largest binary unit that needs no fraction.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(factor, _)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .map_or_else(
            || format!("{bytes} bytes"),
            |(factor, unit)| format!("{} {unit}", bytes / factor),
        )
}

/// Returns the span of time that `text` names.
///
/// # Errors
///
/// What is wrong with it, as part of a sentence.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "" => return Err("has no unit"),
        _ => return Err("has an unknown unit"),
    };
    number
        .checked_mul(factor)
        .map(Duration::from_secs)
        .ok_or("is too large a number")
}

/// Returns `time` in the largest unit that needs no fraction.
#[must_use]
pub fn show_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    [(86_400, "d"), (3_600, "h"), (60, "min")]
        .into_iter()
        .find(|(factor, _)| seconds >= *factor && seconds.is_multiple_of(*factor))
        .map_or_else(
            || format!("{seconds} s"),
            |(factor, unit)| format!("{} {unit}", seconds / factor),
        )
}

fn split(text: &str) -> Result<(u64, &str), &'static str> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    if digits.is_empty() {
        return Err("does not begin with a whole number");
    }
    let number = digits.parse().map_err(|_| "is too large a number")?;
    Ok((number, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_in_every_unit() {
        assert_eq!(size("123"), Ok(123));
        assert_eq!(size("5k"), Ok(5_120));
        assert_eq!(size("1 GiB"), Ok(1 << 30));
        assert_eq!(duration("60 s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("5d"), Ok(Duration::from_secs(432_000)));
        assert_eq!(duration("10 min"), Ok(Duration::from_secs(600)));
    }

    #[test]
    fn what_is_no_size_or_time_is_refused() {
        for bad in [
            "",
            "MiB",
            "-1",
            "1.5 MiB",
            "5 XiB",
            "99999999999 GiB",
            "99999999999999999999",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in [
            "",
            "5",
            "5 weeks",
            "99999999999999999999 d",
            "999999999999999 d",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shown_sizes_and_times_read_back() {
        for bytes in [0, 1, 1_000, 1_024, 52_428_800, 3 << 30] {
            assert_eq!(size(&show_size(bytes).replace("bytes", "b")), Ok(bytes));
        }
        for seconds in [0, 1, 60, 3_600, 86_400, 90_000] {
            let time = Duration::from_secs(seconds);
            assert_eq!(duration(&show_duration(time)), Ok(time));
        }
    }
}
