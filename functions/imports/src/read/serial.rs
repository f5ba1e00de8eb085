//! Days, times and durations, which a workbook keeps as numbers of days.

use jiff::{ToSpan, civil::Date};

use crate::read::xlsx::formats::NumberFormat;

const DAY_MILLISECONDS: i64 = 86_400_000;
/// More than any calendar has.
const MAX_DAYS: f64 = 1e8;
/// The days before those from which both are counted: the number 1 is 1900-01-01, or 1904-01-02.
const FROM_1900: Date = Date::constant(1899, 12, 31);
const FROM_1904: Date = Date::constant(1904, 1, 1);

/// The text of a number of days, to the millisecond; `None` where the calendar does not have it. Programs disagree about
/// negative ones, and all of them count a 1900-02-29 that never was.
pub(crate) fn text(serial: f64, format: NumberFormat, from_1904: bool) -> Option<String> {
    if serial.is_nan() || serial.abs() > MAX_DAYS {
        return None;
    }
    let milliseconds = (serial * DAY_MILLISECONDS as f64).round() as i64;
    if format == NumberFormat::Elapsed {
        let sign = if milliseconds < 0 { "-" } else { "" };
        return Some(format!("{sign}{}", clock(milliseconds.abs())));
    }
    let (days, rest) = (milliseconds.div_euclid(DAY_MILLISECONDS), milliseconds.rem_euclid(DAY_MILLISECONDS));
    if days == 0 && !(from_1904 && format == NumberFormat::Day) {
        return Some(clock(rest));
    }
    let day = match (days, from_1904) {
        (..0, _) | (60, false) => return None,
        (days, true) => FROM_1904.checked_add(days.days()),
        // After the day that never was.
        (61.., false) => FROM_1900.checked_add((days - 1).days()),
        (days, false) => FROM_1900.checked_add(days.days()),
    };
    let day = day.ok()?;
    Some(if rest == 0 { day.to_string() } else { format!("{day} {}", clock(rest)) })
}

/// Hours, of which there may be many, minutes and seconds; milliseconds where there are some.
fn clock(milliseconds: i64) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 { clock } else { format!("{clock}.{rest:03}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_day_that_spreadsheets_show() {
        for (serial, from_1904, shown) in [
            (46_348.0, false, Some("2026-11-22")),
            (46_348.25, false, Some("2026-11-22 06:00:00")),
            (46_348.000_011_574_07, false, Some("2026-11-22 00:00:01")),
            (46_347.999_999_999_9, false, Some("2026-11-22")),
            (44_886.0, true, Some("2026-11-22")),
            (1.0, false, Some("1900-01-01")),
            (59.0, false, Some("1900-02-28")),
            (60.0, false, None),
            (60.5, false, None),
            (61.0, false, Some("1900-03-01")),
            (0.75, false, Some("18:00:00")),
            (0.0, false, Some("00:00:00")),
            (0.0, true, Some("1904-01-01")),
            (1.0, true, Some("1904-01-02")),
            (60.0, true, Some("1904-03-01")),
            (-1.0, false, None),
            (-0.5, true, None),
            (2_958_465.0, false, Some("9999-12-31")),
            (2_958_465.999_5, false, Some("9999-12-31 23:59:16.800")),
            (2_958_466.0, false, None),
            (1e9, false, None),
            (f64::INFINITY, false, None),
            (f64::NAN, false, None),
        ] {
            assert_eq!(text(serial, NumberFormat::Day, from_1904).as_deref(), shown, "{serial} {from_1904}");
        }
    }

    #[test]
    fn a_duration_has_many_hours_and_keeps_its_fractions() {
        let elapsed = |serial| text(serial, NumberFormat::Elapsed, false);
        assert_eq!(elapsed(1.5).unwrap(), "36:00:00");
        assert_eq!(elapsed(0.000_014_317_129_629_629_63).unwrap(), "00:00:01.237");
        assert_eq!(elapsed(-0.25).unwrap(), "-06:00:00");
        assert_eq!(elapsed(60.0).unwrap(), "1440:00:00");
        assert_eq!(text(0.500_005_787, NumberFormat::Time, true).unwrap(), "12:00:00.500");
        assert_eq!(elapsed(1e12), None);
    }
}
