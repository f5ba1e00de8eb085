//! The value of a sheet's cell, written as the text of a field.

use std::io::Write;

use crate::read::{serial, xlsx::formats::NumberFormat};

/// The value of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CellValue<'a> {
    Empty,
    Text(&'a str),
    /// A whole number as it is written: a double would not hold every digit.
    Whole(&'a str),
    Number(f64),
    Boolean(bool),
    /// A day, a time or a duration as text.
    Moment(String),
    /// A number that is formatted as a day and is none.
    NoMoment(f64),
    /// An error such as `#DIV/0!`, by the word that the workbook has for it.
    Error(&'a str),
    /// A formula whose result the workbook does not hold.
    NoResult,
    /// What no program writes; worded to follow "holds".
    Broken(&'static str),
}

impl<'a> CellValue<'a> {
    /// The value of a number in a format; `None` if the text is no number.
    pub(crate) fn number(text: &'a str, format: NumberFormat, from_1904: bool) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
        let is_whole = digits.iter().all(u8::is_ascii_digit) && !matches!(digits, [] | [b'0', ..]);
        if is_whole && format == NumberFormat::Number {
            return Some(Self::Whole(text));
        }
        // Not the words that Rust has for what is no finite number.
        let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        let number: f64 = text.parse().ok().filter(|_| plain)?;
        Some(match format {
            NumberFormat::Number if number.is_finite() => Self::Number(number),
            NumberFormat::Number => Self::Broken("a number that is too large"),
            _ => match serial::text(number, format, from_1904) {
                Some(moment) => Self::Moment(moment),
                None => Self::NoMoment(number),
            },
        })
    }

    /// Writes it as the text of a field; the reason why there is none, worded to follow "holds".
    pub(crate) fn write(&self, to: &mut Vec<u8>) -> Result<(), String> {
        // Writing to memory does not fail.
        let mut put = |text: std::fmt::Arguments<'_>| drop(to.write_fmt(text));
        match self {
            Self::Empty => {}
            Self::Text(text) | Self::Whole(text) => put(format_args!("{text}")),
            // Sixteen digits and more are written with an exponent, as a number and not as a whole one.
            Self::Number(number) if number.abs() >= 1e16 || (*number != 0.0 && number.abs() < 1e-5) => {
                put(format_args!("{number:e}"));
            }
            // There is no -0 in a sheet.
            Self::Number(number) => put(format_args!("{}", if *number == 0.0 { 0.0 } else { *number })),
            Self::Boolean(truth) => put(format_args!("{truth}")),
            Self::Moment(text) => put(format_args!("{text}")),
            Self::NoMoment(number) => return Err(format!("{number} as a date, which no calendar has")),
            Self::Error(word) => return Err(format!("the error {}", crate::column::preview(word.as_bytes()))),
            Self::NoResult => return Err("a formula whose result is not stored".to_owned()),
            Self::Broken(what) => return Err((*what).to_owned()),
        }
        Ok(())
    }

    /// True if it is text whatever it looks like.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Moment(_))
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
    use super::*;

    #[test]
    fn columns_are_called_as_people_call_them() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")] {
            assert_eq!(column_letters(column), name);
        }
    }

    #[test]
    fn numbers_are_written_as_a_field_has_them_and_keep_their_digits() {
        let written = |text: &str| {
            let mut field = Vec::new();
            let value = CellValue::number(text, NumberFormat::Number, false)?;
            value.write(&mut field).ok()?;
            Some(String::from_utf8(field).unwrap())
        };
        for (number, text) in [
            ("1", "1"),
            ("-0", "0"),
            ("0", "0"),
            ("-0.0", "0"),
            ("007", "7"),
            ("1.0", "1"),
            ("0.1", "0.1"),
            ("0.10000000000000001", "0.1"),
            ("1234.5", "1234.5"),
            ("1E+20", "1e20"),
            ("1.5E-9", "1.5e-9"),
            ("123456789012345", "123456789012345"),
            ("9007199254740993", "9007199254740993"),
            ("12345678901234567890", "12345678901234567890"),
        ] {
            assert_eq!(written(number).as_deref(), Some(text));
        }
        for none in ["", "x", "NaN", "inf", "1,5", "1e999", "--1"] {
            assert_eq!(written(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_no_value_says_what_it_is() {
        let reason = |value: CellValue<'_>| value.write(&mut Vec::new()).unwrap_err();
        assert_eq!(reason(CellValue::Error("#SPILL!")), "the error #SPILL!");
        let day = CellValue::number("60", NumberFormat::Day, false).unwrap();
        assert_eq!(reason(day), "60 as a date, which no calendar has");
    }
}
