//! Times of events, as publishers write them: RFC 3339 over the whole of its range.

use std::borrow::Cow;

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use serde::{Deserialize, Deserializer, de::Error};

/// Most digits of a fraction of a second that count; a timestamp holds nanoseconds.
const MAX_FRACTION: usize = 9;
/// The first second of RFC 3339's range: the year 0 in UTC.
const FIRST_SECOND: i64 = -62_167_219_200;
/// The letters of a time without its fraction and its offset.
const DATE_AND_TIME: usize = "2026-11-28T21:00:00".len();

/// Reads a time. One later than a timestamp holds (the end of the year 9999, which means "never") becomes the last that it
/// holds, one before the year 0 in UTC its first moment; digits beyond nanoseconds are left out.
pub fn parse(text: &str) -> Result<Timestamp, jiff::Error> {
    let text = with_short_fraction(text);
    let time = text.parse().or_else(|error| clamped(&text).ok_or(error))?;
    Ok(time.max(Timestamp::constant(FIRST_SECOND, 0)))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    text.map(|text| parse(&text).map_err(D::Error::custom)).transpose()
}

fn with_short_fraction(text: &str) -> Cow<'_, str> {
    let Some((whole, rest)) = text.split_once('.') else { return text.into() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    match digits > MAX_FRACTION {
        true => format!("{whole}.{}{}", &rest[..MAX_FRACTION], &rest[digits..]).into(),
        false => text.into(),
    }
}

/// The nearest timestamp to a valid time.
fn clamped(text: &str) -> Option<Timestamp> {
    let (local, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, Offset::UTC),
        None => {
            let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
            (local, offset_of(offset)?)
        }
    };
    let local: DateTime = local.get(DATE_AND_TIME..).and(local.parse().ok())?;
    let beyond = if local.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    Some(offset.to_timestamp(local).unwrap_or(beyond))
}

/// The offset that `+hh:mm` or `-hh:mm` names.
fn offset_of(text: &str) -> Option<Offset> {
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<u8>().ok().filter(|hours| *hours < 24)? as i32 * 3600
        + minutes.parse::<u8>().ok().filter(|minutes| *minutes < 60)? as i32 * 60;
    match text.as_bytes()[0] {
        b'+' => Offset::from_seconds(seconds).ok(),
        b'-' => Offset::from_seconds(-seconds).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_over_the_whole_range_are_read_and_the_ends_are_the_last_and_the_first() {
        for last in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.9999999+00:00", // DateTimeOffset.MaxValue of .NET
            "9999-12-31T23:59:59.999999999-23:59",
        ] {
            assert_eq!(parse(last).unwrap(), Timestamp::MAX, "{last}");
        }
        for (text, same) in [
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), // DateTime.MinValue of .NET
            ("0000-01-01T00:00:00+00:00", "0000-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00+23:59", "0000-01-01T00:00:00Z"),
            ("2026-11-28T21:00:00.12345678901234567890+01:00", "2026-11-28T20:00:00.123456789Z"),
            ("2026-11-28T21:00:00.1-00:00", "2026-11-28T21:00:00.1Z"),
            ("2026-11-28t21:00:00z", "2026-11-28T21:00:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), same, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "soon",
            "9999-12-31",
            "9999-12-31Z",
            "2026-13-01T00:00:00Z",
            "9999-12-31T23:59:59",
            "9999-12-31T25:00:00Z",
            "é9999-12-31T23:59:59",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
