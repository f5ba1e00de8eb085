//! The value of a sheet's cell, written as the text of a field.

use std::io::Write;

use calamine::{DataRef, ExcelDateTime};

/// Writes a value as the text of a field; answers whether it is text, or the reason why it cannot be imported.
pub(crate) fn write_value(value: &DataRef<'_>, to: &mut Vec<u8>) -> Result<bool, String> {
    // Writing to memory does not fail.
    let mut put = |text: std::fmt::Arguments<'_>| drop(to.write_fmt(text));
    match value {
        DataRef::Empty => {}
        DataRef::Int(number) => put(format_args!("{number}")),
        DataRef::Float(number) if !number.is_finite() => return Err(format!("holds {number}")),
        // Sixteen digits and more are written with an exponent, as a number and not as a whole one.
        DataRef::Float(number) if number.abs() >= 1e16 || (*number != 0.0 && number.abs() < 1e-5) => {
            put(format_args!("{number:e}"));
        }
        // There is no -0 in a sheet.
        DataRef::Float(number) => put(format_args!("{}", if *number == 0.0 { 0.0 } else { *number })),
        DataRef::Bool(truth) => put(format_args!("{truth}")),
        DataRef::Error(error) => return Err(format!("holds the error {error}")),
        DataRef::SharedString(text) => put(format_args!("{text}")),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => put(format_args!("{text}")),
        DataRef::DateTime(at) => put(format_args!("{}", date_time(at))),
    }
    Ok(!matches!(value, DataRef::Empty | DataRef::Int(_) | DataRef::Float(_) | DataRef::Bool(_)))
}

/// A date, a date and a time, or a time alone.
fn date_time(at: &ExcelDateTime) -> String {
    if at.is_duration() {
        let seconds = (at.as_f64() * 86_400.0).round();
        let (sign, seconds) = (if seconds < 0.0 { "-" } else { "" }, seconds.abs() as u64);
        return format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, millisecond) = at.to_ymd_hms_milli();
    let mut clock = format!("{hour:02}:{minute:02}:{second:02}");
    if millisecond > 0 {
        clock = format!("{clock}.{millisecond:03}");
    }
    match (at.as_f64(), clock.as_str()) {
        (0.0..1.0, _) => clock,
        (_, "00:00:00") => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {clock}"),
    }
}

/// The letters of a column: A, B, … Z, AA.
pub(crate) fn column_letters(mut column: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.insert(0, char::from(b'A' + (column % 26) as u8));
        if column < 26 {
            return letters.into_iter().collect();
        }
        column = column / 26 - 1;
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn columns_are_called_as_people_call_them() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")] {
            assert_eq!(column_letters(column), name);
        }
    }

    #[test]
    fn values_are_written_as_a_field_has_them() {
        let written = |value: DataRef<'_>| {
            let mut field = Vec::new();
            write_value(&value, &mut field).map(|is_text| (String::from_utf8(field).unwrap(), is_text))
        };
        for (number, text) in [
            (1.0, "1"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (1234.5, "1234.5"),
            (1e20, "1e20"),
            (1.5e-9, "1.5e-9"),
            (123_456_789_012_345.0, "123456789012345"),
        ] {
            assert_eq!(written(DataRef::Float(number)).unwrap(), (text.to_owned(), false));
        }
        assert_eq!(written(DataRef::SharedString("=1+1")).unwrap(), ("=1+1".to_owned(), true));
        assert!(written(DataRef::Float(f64::INFINITY)).is_err());
    }

    #[test]
    fn serial_numbers_are_dates_and_times() {
        let at = |value, kind| date_time(&ExcelDateTime::new(value, kind, false));
        assert_eq!(at(46_348.0, ExcelDateTimeType::DateTime), "2026-11-22");
        assert_eq!(at(46_348.25, ExcelDateTimeType::DateTime), "2026-11-22 06:00:00");
        assert_eq!(at(0.75, ExcelDateTimeType::DateTime), "18:00:00");
        assert_eq!(at(1.5, ExcelDateTimeType::TimeDelta), "36:00:00");
    }
}
