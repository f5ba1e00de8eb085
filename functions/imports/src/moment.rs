//! Dates and times as files write them, and the one normal form of each: SQLite compares them as text, so one moment must
//! be one text, and texts must sort as moments do.

use std::borrow::Cow;

use jiff::{SignedDuration, civil::DateTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::plain_enum;

/// The order of day, month and year in a date that is not written as `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = plain_enum)]
pub enum DateOrder {
    /// `2026.11.22`
    Ymd,
    /// `22/11/2026`
    Dmy,
    /// `11/22/2026`
    Mdy,
}

/// Three numbers of a date as they stand, and what follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrittenDate<'a> {
    pub(crate) parts: [u32; 3],
    /// The character between the numbers.
    pub(crate) separator: u8,
    /// Set if the first number has four digits, and not the last.
    pub(crate) year_first: bool,
    /// Empty, or a blank or `T` and a time.
    pub(crate) rest: &'a [u8],
}

/// Reads a date: `2026-11-22` and `2026/11/22` always, others by their order.
pub(crate) fn read_date(field: &[u8], order: Option<DateOrder>) -> Option<Cow<'_, [u8]>> {
    if is_date(field) {
        return Some(Cow::Borrowed(field));
    }
    let written = WrittenDate::parse(field).filter(|written| written.rest.is_empty())?;
    written.normal(order).map(|date| Cow::Owned(date.into_bytes()))
}

/// Reads a date and a time without a zone as `2026-11-22 05:00:00`; a date is its midnight.
pub(crate) fn read_timestamp(field: &[u8], order: Option<DateOrder>) -> Option<Cow<'_, [u8]>> {
    let (date, rest) = split_date(field, order)?;
    if rest.is_empty() {
        return Some(Cow::Owned([&*date, b" 00:00:00"].concat()));
    }
    let (time, zone) = Time::parse(rest)?;
    if !zone.is_empty() {
        return None;
    }
    Some(match time.is_normal(field, &date) {
        true => Cow::Borrowed(field),
        false => Cow::Owned([&*date, b" ", time.normal().as_bytes()].concat()),
    })
}

/// Reads a date and a time with a zone, as `2026-11-22 04:00:00+00:00`: by this end, and not by `Z`, a second sorts
/// before its fractions.
pub(crate) fn read_timestamptz(field: &[u8], order: Option<DateOrder>) -> Option<Cow<'_, [u8]>> {
    let (date, rest) = split_date(field, order)?;
    let (time, zone) = Time::parse(rest)?;
    let minutes = zone_minutes(zone)?;
    if minutes == 0 {
        let is_normal = zone == b"+00:00" && time.is_normal(&field[..field.len() - zone.len()], &date);
        return Some(match is_normal {
            true => Cow::Borrowed(field),
            false => Cow::Owned([&*date, b" ", time.normal().as_bytes(), b"+00:00"].concat()),
        });
    }
    let local: DateTime = format!("{}T{}", std::str::from_utf8(&date).ok()?, time.normal()).parse().ok()?;
    let utc = local.checked_sub(SignedDuration::from_mins(minutes)).ok()?;
    // The year 0 is none, and a database has no year of five digits in this form.
    (1..=9999).contains(&utc.year()).then(|| Cow::Owned(format!("{utc}+00:00").replacen('T', " ", 1).into_bytes()))
}

/// The date at the beginning in its normal form, and the time after it.
fn split_date(field: &[u8], order: Option<DateOrder>) -> Option<(Cow<'_, [u8]>, &[u8])> {
    if field.len() >= 10 && is_date(&field[..10]) {
        return Some((Cow::Borrowed(&field[..10]), &field[10..]));
    }
    let written = WrittenDate::parse(field)?;
    let date = written.normal(order)?;
    Some((Cow::Owned(date.into_bytes()), written.rest))
}

impl<'a> WrittenDate<'a> {
    /// Splits a date of one or two digits for day and month, and four for the year.
    pub(crate) fn parse(field: &'a [u8]) -> Option<Self> {
        let date = field.iter().position(|byte| matches!(byte, b' ' | b'T')).unwrap_or(field.len());
        let (date, rest) = field.split_at(date);
        let separator = *date.iter().find(|byte| !byte.is_ascii_digit()).filter(|byte| b"/.-".contains(byte))?;
        let mut numbers = date.split(|byte| *byte == separator);
        let numbers = [numbers.next()?, numbers.next()?, numbers.next()?, numbers.next().unwrap_or_default()];
        let lengths = numbers.map(<[u8]>::len);
        let year_first = match lengths {
            [4, 1..=2, 1..=2, 0] => true,
            [1..=2, 1..=2, 4, 0] => false,
            _ => return None,
        };
        let parts = [parse_digits(numbers[0])?, parse_digits(numbers[1])?, parse_digits(numbers[2])?];
        Some(Self { parts, separator, year_first, rest })
    }

    /// The date by an order; `None` if it is none in the calendar or is not written in that order.
    fn normal(&self, order: Option<DateOrder>) -> Option<String> {
        let [first, second, third] = self.parts;
        let (year, month, day) = match order {
            // Nobody writes the day second after the year; with dots it may be a version.
            _ if self.year_first && (self.separator == b'/' || order == Some(DateOrder::Ymd)) => (first, second, third),
            Some(DateOrder::Dmy) if !self.year_first => (third, second, first),
            Some(DateOrder::Mdy) if !self.year_first => (third, first, second),
            _ => return None,
        };
        exists(year, month, day).then(|| format!("{year:04}-{month:02}-{day:02}"))
    }
}

/// A time of the day.
struct Time<'a> {
    hours: u32,
    minutes: u32,
    seconds: u32,
    /// The digits after the point.
    fraction: &'a [u8],
}

impl<'a> Time<'a> {
    /// Parses a blank or `T` and `05:00[:00[.000000]]`; also answers what follows, the zone.
    fn parse(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let [b' ' | b'T', h, hh, b':', m, mm, rest @ ..] = text else { return None };
        let (hours, minutes) = (parse_digits(&[*h, *hh])?, parse_digits(&[*m, *mm])?);
        let mut time = Self { hours, minutes, seconds: 0, fraction: &[] };
        let mut rest = rest;
        if let [b':', s, ss, after @ ..] = rest {
            time.seconds = parse_digits(&[*s, *ss])?;
            rest = after;
            if let [b'.', fraction @ ..] = rest {
                let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
                // PostgreSQL keeps six and would round the rest away.
                if !(1..=6).contains(&count) {
                    return None;
                }
                (time.fraction, rest) = fraction.split_at(count);
            }
        }
        (time.hours < 24 && time.minutes < 60 && time.seconds < 60).then_some((time, rest))
    }

    /// True if a date with this time is written as it would be.
    fn is_normal(&self, field: &[u8], date: &[u8]) -> bool {
        let length =
            date.len() + " 00:00:00".len() + if self.fraction.is_empty() { 0 } else { 1 + self.fraction.len() };
        field.starts_with(date)
            && field.get(date.len()) == Some(&b' ')
            && field.len() == length
            && self.fraction.last() != Some(&b'0')
    }

    fn normal(&self) -> String {
        let Self { hours, minutes, seconds, fraction } = self;
        let mut time = format!("{hours:02}:{minutes:02}:{seconds:02}");
        let digits = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        if digits > 0 {
            time.push('.');
            time.extend(fraction[..digits].iter().map(|digit| char::from(*digit)));
        }
        time
    }
}

fn is_date(field: &[u8]) -> bool {
    if field.len() != 10 || field[4] != b'-' || field[7] != b'-' {
        return false;
    }
    let (year, month, day) = (parse_digits(&field[..4]), parse_digits(&field[5..7]), parse_digits(&field[8..]));
    matches!((year, month, day), (Some(year), Some(month), Some(day)) if exists(year, month, day))
}

/// True if there is such a day.
fn exists(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year >= 1 && (1..=days).contains(&day)
}

/// The minutes by which a zone is ahead: `Z`, `+01`, `+0100` or `+01:00`, also after a blank.
fn zone_minutes(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        [b'Z'] => return Some(0),
        [sign, hours @ ..] if hours.len() == 2 => (sign, hours, &b"00"[..]),
        [sign, rest @ ..] if rest.len() == 4 => (sign, &rest[..2], &rest[2..]),
        [sign, rest @ ..] if rest.len() == 5 && rest[2] == b':' => (sign, &rest[..2], &rest[3..]),
        _ => return None,
    };
    let (hours, minutes) = (parse_digits(hours)?, parse_digits(minutes)?);
    let ahead = i64::from(hours * 60 + minutes);
    match sign {
        _ if hours >= 15 || minutes >= 60 => None,
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

fn parse_digits(field: &[u8]) -> Option<u32> {
    field.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(read: Option<Cow<'_, [u8]>>) -> Option<String> {
        read.map(|read| String::from_utf8(read.into_owned()).unwrap())
    }

    fn date(field: &str, order: Option<DateOrder>) -> Option<String> {
        text(read_date(field.as_bytes(), order))
    }

    fn zoned(field: &str) -> Option<String> {
        text(read_timestamptz(field.as_bytes(), None))
    }

    #[test]
    fn dates_and_times_exist_in_the_calendar() {
        for good in ["2026-11-22", "2024-02-29", "2000-02-29"] {
            assert_eq!(date(good, None).as_deref(), Some(good));
        }
        for bad in ["2023-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "0000-01-01", "22-11-2026", "2026-1-2"] {
            assert_eq!(date(bad, None), None, "{bad}");
        }
        for bad in ["2026-11-22 24:00", "2026-11-22 05:60", "2026-11-22 05:00:60", "2026-11-22T05:00:00.1234567"] {
            assert_eq!(read_timestamp(bad.as_bytes(), None), None, "{bad}");
            assert_eq!(zoned(&format!("{bad}Z")), None, "{bad}");
        }
        assert_eq!(zoned("2026-11-22 05:00+99:00"), None);
        assert_eq!(zoned("2026-11-22 05:00"), None);
        assert_eq!(zoned("2026-11-22"), None);
    }

    #[test]
    fn one_moment_is_one_text() {
        for same in [
            "2026-11-22T05:00:00Z",
            "2026-11-22 05:00Z",
            "2026-11-22T06:00:00+01:00",
            "2026-11-22T06:00:00.000+01",
            "2026-11-21T21:30:00-0730",
            "2026-11-22 05:00:00+00:00",
            "2026-11-22 05:00:00-00:00",
        ] {
            assert_eq!(zoned(same).as_deref(), Some("2026-11-22 05:00:00+00:00"), "{same}");
        }
        assert_eq!(zoned("2026-11-22T00:30:00.250+01:00").as_deref(), Some("2026-11-21 23:30:00.25+00:00"));
        for same in ["2026-11-22", "2026-11-22T00:00", "2026-11-22 00:00:00.000"] {
            assert_eq!(text(read_timestamp(same.as_bytes(), None)).as_deref(), Some("2026-11-22 00:00:00"), "{same}");
        }
        assert_eq!(zoned("0001-01-01T00:00:00+01:00"), None, "it lies before the first year");
        assert_eq!(zoned("9999-12-31T23:30:00-01:00"), None, "it lies after the last year");
    }

    #[test]
    fn texts_sort_as_moments_do() {
        let moments =
            ["2026-11-22T05:00:00Z", "2026-11-22T06:00:00.05+01:00", "2026-11-22 05:00:00.5Z", "2026-11-22T05:01Z"];
        let texts: Vec<_> = moments.iter().map(|moment| zoned(moment).unwrap()).collect();
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn other_orders_are_read_where_they_are_known() {
        for (field, order, day) in [
            ("1/2/2026", DateOrder::Dmy, "2026-02-01"),
            ("1/2/2026", DateOrder::Mdy, "2026-01-02"),
            ("22.11.2026", DateOrder::Dmy, "2026-11-22"),
            ("22-11-2026", DateOrder::Dmy, "2026-11-22"),
            ("2026.11.22", DateOrder::Ymd, "2026-11-22"),
            ("2026-11-22", DateOrder::Dmy, "2026-11-22"),
        ] {
            assert_eq!(date(field, Some(order)).as_deref(), Some(day), "{field}");
            assert_eq!(date(field, None).is_some(), field == day, "{field}");
        }
        assert_eq!(date("2026/1/2", None).as_deref(), Some("2026-01-02"));
        for (bad, order) in [
            ("22/11/2026", DateOrder::Mdy),
            ("11/22/2026", DateOrder::Dmy),
            ("1/2/26", DateOrder::Dmy),
            ("1/2-2026", DateOrder::Dmy),
            ("2026.1.2.3", DateOrder::Ymd),
            ("31.02.2026", DateOrder::Dmy),
        ] {
            assert_eq!(date(bad, Some(order)), None, "{bad}");
        }
        let at = read_timestamp(b"22.11.2026 05:30", Some(DateOrder::Dmy));
        assert_eq!(text(at).as_deref(), Some("2026-11-22 05:30:00"));
        let at = read_timestamptz(b"22/11/2026 05:30:00+01:00", Some(DateOrder::Dmy));
        assert_eq!(text(at).as_deref(), Some("2026-11-22 04:30:00+00:00"));
    }
}
