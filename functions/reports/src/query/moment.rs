//! Days and times as databases write them. What only begins like one is a text.

use jiff::{
    civil::{Date, DateTime},
    tz::{Offset, TimeZone},
};

/// A day with a time, and the offset from UTC where it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    pub(crate) civil: DateTime,
    pub(crate) offset: Option<Offset>,
    /// Digits of its fraction of a second.
    pub(crate) decimals: u8,
}

impl Moment {
    /// Reads `2026-11-22 05:00`, `2026-11-22T05:00:00.25Z`, `2026-11-22 05:00:00+01:30`, and nothing besides.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let date = parse_date(text.get(..10)?)?;
        let mut rest = match bytes.get(10..)? {
            [b' ' | b'T' | b't', rest @ ..] => rest,
            _ => return None,
        };
        let hour = number(&mut rest, 2)?;
        skip(&mut rest, b':')?;
        let minute = number(&mut rest, 2)?;
        let (mut second, mut nanosecond, mut decimals) = (0, 0, 0);
        if skip(&mut rest, b':').is_some() {
            second = number(&mut rest, 2)?;
            if skip(&mut rest, b'.').is_some() {
                decimals = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                if !(1..=9).contains(&decimals) {
                    return None;
                }
                nanosecond = number(&mut rest, decimals)? * 10_i32.pow(9 - decimals as u32);
            }
        }
        let offset = match rest {
            [] => None,
            [b'Z' | b'z'] => Some(Offset::UTC),
            [b'+' | b'-', ..] => Some(parse_offset(rest)?),
            _ => return None,
        };
        // A leap second is none that a calendar has; a library would take it for another.
        let fits = hour <= 23 && minute <= 59 && second <= 59;
        let civil = fits.then(|| date.at(hour as i8, minute as i8, second as i8, nanosecond))?;
        Some(Self { civil, offset, decimals: decimals as u8 })
    }

    /// The same instant on the clocks of a time zone; one without an offset stays as it is.
    pub(crate) fn within(self, zone: &TimeZone) -> Self {
        let converted = self.offset.and_then(|offset| {
            let instant = offset.to_timestamp(self.civil).ok()?;
            let offset = zone.to_offset(instant);
            Some(Self { civil: offset.to_datetime(instant), offset: Some(offset), ..self })
        });
        converted.unwrap_or(self)
    }

    /// Seconds since 1970 on its own clock.
    pub(crate) fn seconds(self) -> f64 {
        self.civil.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_secs_f64()
    }

    /// `2026-11-22 05:00:00+01:00`.
    pub(crate) fn text(self) -> String {
        let fraction = match self.decimals {
            0 => String::new(),
            decimals => format!(".{:09}", self.civil.subsec_nanosecond())[..1 + usize::from(decimals)].to_owned(),
        };
        format!("{}{fraction}{}", self.civil.strftime("%Y-%m-%d %H:%M:%S"), self.offset_text())
    }

    /// `+01:00`; empty without an offset.
    pub(crate) fn offset_text(self) -> String {
        let Some(offset) = self.offset else { return String::new() };
        let (sign, seconds) = (if offset.seconds() < 0 { '-' } else { '+' }, offset.seconds().abs());
        let text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
        match seconds % 60 {
            0 => text,
            rest => format!("{text}:{rest:02}"),
        }
    }
}

/// Reads `2026-11-22`, a day that the calendar has.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let (mut rest, is_long) = (bytes, bytes.len() == 10);
    let year = number(&mut rest, 4).filter(|_| is_long)?;
    skip(&mut rest, b'-')?;
    let month = number(&mut rest, 2)?;
    skip(&mut rest, b'-')?;
    Date::new(year as i16, month as i8, number(&mut rest, 2)? as i8).ok()
}

/// Reads `+01`, `-01:30`, `+0130` and `+00:19:32`.
fn parse_offset(text: &[u8]) -> Option<Offset> {
    let (sign, mut rest) = (if text[0] == b'-' { -1 } else { 1 }, &text[1..]);
    let mut seconds = number(&mut rest, 2)? * 3600;
    for unit in [60, 1] {
        if rest.is_empty() {
            break;
        }
        let _ = skip(&mut rest, b':');
        seconds += number(&mut rest, 2).filter(|part| *part < 60)? * unit;
    }
    rest.is_empty().then(|| Offset::from_seconds(sign * seconds).ok())?
}

/// Takes a number of exactly so many digits.
fn number(text: &mut &[u8], digits: usize) -> Option<i32> {
    let (taken, rest) = text.split_at_checked(digits)?;
    *text = rest;
    taken.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i32::from(byte - b'0')))
}

fn skip(text: &mut &[u8], byte: u8) -> Option<()> {
    *text = text.strip_prefix(&[byte])?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_whole_or_not_at_all() {
        for (text, expected) in [
            ("2026-11-22 05:00", "2026-11-22 05:00:00"),
            ("2026-11-22T05:06:07", "2026-11-22 05:06:07"),
            ("2026-11-22 05:06:07.250", "2026-11-22 05:06:07.250"),
            ("2026-11-22T05:00:00Z", "2026-11-22 05:00:00+00:00"),
            ("2026-11-22 05:00:00+0530", "2026-11-22 05:00:00+05:30"),
            ("1891-01-01 00:00:00-00:19:32", "1891-01-01 00:00:00-00:19:32"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().text(), expected);
        }
        for text in [
            "2026-11-22T05:00:00Z-host-7",
            "2026-11-22 05:00:00 BC",
            "2026-11-22 05:00:00 Europe/Berlin",
            "2026-11-22 05",
            "2026-11-22 05:0",
            "2026-11-22 24:00",
            "2026-06-30 23:59:60",
            "2026-02-30 05:00",
            "2026-11-22 05:00:00.",
            "2026-11-22 05:00:00.1234567891",
            "2026-11-22 05:00:00+",
            "2026-11-22 05:00:00+1",
            "2026-11-22 05:00:00+99",
            "2026-11-22 05:00:00+01:75",
            "2026-11-22  05:00",
            "12026-11-22 05:00",
            "２026-11-22 05:00",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_instant_is_shown_on_the_clocks_of_the_zone_and_a_time_without_offset_as_it_is() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-07-01 23:30:00Z", "2026-07-02 01:30:00+02:00"),
            ("2026-10-25 00:30:00+00", "2026-10-25 02:30:00+02:00"),
            ("2026-10-25 01:30:00+00", "2026-10-25 02:30:00+01:00"),
            ("2026-12-01 00:00:00-08:00", "2026-12-01 09:00:00+01:00"),
            ("2026-12-01 00:00:00", "2026-12-01 00:00:00"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().within(&berlin).text(), expected);
        }
    }

    #[test]
    fn a_day_is_one_that_the_calendar_has() {
        assert!(parse_date("2024-02-29").is_some());
        for text in ["2026-02-30", "2026-1-1", "2026-01-01 ", "+026-01-01", "2026/01/01", ""] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
