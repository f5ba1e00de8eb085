//! The types of columns, and reading a field as one of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = plain_enum)]
pub enum ColumnType {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number of 64 bits, without leading zeros or a plus.
    Integer,
    /// A finite number that a double holds without loss: 17 digits, whole numbers 15.
    Number,
    /// `2026-11-22`.
    Date,
    /// `2026-11-22 05:00[:00[.000000]]`, with a space or a `T`, without a zone; a date is its midnight.
    Timestamp,
    /// The same with `Z`, `+01`, `+0100` or `+01:00` at its end.
    Timestamptz,
    /// Anything.
    Text,
}

/// The value that a field was read as; its text is passed beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text,
}

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the table.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
}

impl Column {
    pub(crate) fn new(name: &str, column_type: ColumnType) -> Self {
        Self { name: name.to_owned(), column_type }
    }
}

/// Makes the schema of an enum one list of words, so that an error over another word names all of them.
pub(crate) fn plain_enum(schema: &mut schemars::Schema) {
    let Some(serde_json::Value::Array(variants)) = schema.remove("oneOf") else {
        return;
    };
    let word = |variant: &serde_json::Value| variant.get("const").cloned();
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), variants.iter().filter_map(word).collect());
}

impl ColumnType {
    /// The type as it is written: `integer`, `text`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Text => "text",
        }
    }

    /// True for types that JSON and workbooks write as text.
    pub(crate) fn is_written_as_text(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::Timestamptz | Self::Text)
    }

    /// True if a column of this type takes all values of another one unchanged.
    pub(crate) fn accepts(self, other: Self) -> bool {
        self == other
            || matches!((self, other), (Self::Number, Self::Integer) | (Self::Timestamp, Self::Date))
            || (self == Self::Text && other != Self::Boolean)
    }

    /// Reads a field; `None` if it is not of this type. All but text may stand between blanks.
    pub(crate) fn read(self, field: &[u8]) -> Option<(&[u8], Value)> {
        let field = if self == Self::Text { field } else { field.trim_ascii() };
        if field.is_empty() {
            return Some((field, Value::Null));
        }
        let value = match self {
            Self::Boolean => Value::Boolean(parse_boolean(field)?),
            Self::Integer => Value::Integer(parse_integer(field)?),
            Self::Number => Value::Number(parse_number(field)?),
            Self::Date => is_date(field).then_some(Value::Text)?,
            Self::Timestamp => is_timestamp(field, false).then_some(Value::Text)?,
            Self::Timestamptz => is_timestamp(field, true).then_some(Value::Text)?,
            Self::Text => Value::Text,
        };
        Some((field, value))
    }
}

fn parse_boolean(field: &[u8]) -> Option<bool> {
    match field.len() {
        4 if field.eq_ignore_ascii_case(b"true") => Some(true),
        5 if field.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// Reads digits that are surely a number: a ZIP code would lose its leading zero.
fn parse_integer(field: &[u8]) -> Option<i64> {
    let (negative, digits) = match field {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 || (digits[0] == b'0' && (negative || digits.len() > 1)) {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Counted below zero, where there is one more number.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

fn parse_number(field: &[u8]) -> Option<f64> {
    let unsigned = field.strip_prefix(b"-").unwrap_or(field);
    let (mantissa, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, part) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (&mantissa[..at], Some(&mantissa[at + 1..])),
        None => (mantissa, None),
    };
    let plain = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    let digits = whole.len() + part.map_or(0, <[u8]>::len);
    let fits = digits > 0 && plain(whole) && part.is_none_or(plain) && !(whole.len() > 1 && whole[0] == b'0');
    let scaled = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
        !digits.is_empty() && digits.len() <= 4 && plain(digits)
    });
    if !fits || !scaled || significant_digits(whole, part) > if part.is_none() && exponent.is_none() { 15 } else { 17 }
    {
        return None;
    }
    let value: f64 = std::str::from_utf8(field).ok()?.parse().ok()?;
    // A database would refuse what is too small as well as what is too large.
    let vanished = value == 0.0 && mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    (value.is_finite() && !vanished).then_some(value)
}

/// The number of digits from the first that is not 0.
fn significant_digits(whole: &[u8], part: Option<&[u8]>) -> usize {
    let digits = whole.iter().chain(part.unwrap_or_default());
    digits.skip_while(|digit| **digit == b'0').count()
}

fn is_date(field: &[u8]) -> bool {
    if field.len() != 10 || field[4] != b'-' || field[7] != b'-' {
        return false;
    }
    let (Some(year), Some(month), Some(day)) =
        (parse_digits(&field[..4]), parse_digits(&field[5..7]), parse_digits(&field[8..]))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year >= 1 && (1..=days).contains(&day)
}

fn is_timestamp(field: &[u8], has_zone: bool) -> bool {
    if field.len() == 10 && !has_zone {
        return is_date(field);
    }
    if field.len() < 16 || !is_date(&field[..10]) || !matches!(field[10], b' ' | b'T') {
        return false;
    }
    let time = &field[11..];
    if !is_time(&time[..5]) {
        return false;
    }
    let mut rest = &time[5..];
    if let [b':', tens, ones, after @ ..] = rest {
        if parse_digits(&[*tens, *ones]).is_none_or(|seconds| seconds > 59) {
            return false;
        }
        rest = after;
        if let [b'.', fraction @ ..] = rest {
            let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            // PostgreSQL keeps six and would round the rest away.
            if !(1..=6).contains(&count) {
                return false;
            }
            rest = &fraction[count..];
        }
    }
    if has_zone { is_zone(rest) } else { rest.is_empty() }
}

fn is_time(field: &[u8]) -> bool {
    field[2] == b':'
        && parse_digits(&field[..2]).is_some_and(|hours| hours < 24)
        && parse_digits(&field[3..5]).is_some_and(|minutes| minutes < 60)
}

fn is_zone(zone: &[u8]) -> bool {
    let (hours, minutes) = match zone {
        [b'Z'] => return true,
        [b'+' | b'-', hours @ ..] if hours.len() == 2 => (hours, &b"00"[..]),
        [b'+' | b'-', rest @ ..] if rest.len() == 4 => rest.split_at(2),
        [b'+' | b'-', rest @ ..] if rest.len() == 5 && rest[2] == b':' => (&rest[..2], &rest[3..]),
        _ => return false,
    };
    parse_digits(hours).is_some_and(|hours| hours < 15) && parse_digits(minutes).is_some_and(|minutes| minutes < 60)
}

fn parse_digits(field: &[u8]) -> Option<u32> {
    field.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
}

/// The beginning of a value, for a message.
pub(crate) fn preview(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(column_type: ColumnType, text: &str) -> bool {
        column_type.read(text.as_bytes()).is_some()
    }

    #[test]
    fn whole_numbers_are_integers_unless_a_digit_would_be_lost() {
        for (text, value) in [("0", 0), ("-12", -12), (" 7 ", 7), ("9223372036854775807", i64::MAX)] {
            assert_eq!(ColumnType::Integer.read(text.as_bytes()).unwrap().1, Value::Integer(value));
        }
        let least = "-9223372036854775808";
        assert_eq!(ColumnType::Integer.read(least.as_bytes()).unwrap().1, Value::Integer(i64::MIN));
        for bad in ["007", "-0", "+1", "1.0", "9223372036854775808", "1 000", "1,000", "٣", "-", "0x1"] {
            assert!(!reads(ColumnType::Integer, bad), "{bad}");
        }
    }

    #[test]
    fn numbers_are_finite_and_keep_their_digits() {
        for (text, value) in [("1.5", 1.5), ("-0.25", -0.25), (".5", 0.5), ("1e3", 1000.0), ("5.", 5.0), ("12", 12.0)] {
            assert_eq!(ColumnType::Number.read(text.as_bytes()).unwrap().1, Value::Number(value));
        }
        assert!(reads(ColumnType::Number, "0.30000000000000004"));
        assert!(reads(ColumnType::Number, "0.000000000000000000001"));
        let lost = ["9007199254740993", "0.123456789012345678"];
        let strange = ["00.5", "1e999", "1e-999", "NaN", "inf", ".", "-", "1e", "1.2.3", "+1", "1e5.0", "--1", "e5"];
        for bad in lost.iter().chain(&strange) {
            assert!(!reads(ColumnType::Number, bad), "{bad}");
        }
    }

    #[test]
    fn dates_and_times_exist_in_the_calendar() {
        for good in ["2026-11-22", "2024-02-29", "2000-02-29"] {
            assert!(reads(ColumnType::Date, good), "{good}");
        }
        for bad in ["2023-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "0000-01-01", "22-11-2026", "2026-1-2"] {
            assert!(!reads(ColumnType::Date, bad), "{bad}");
        }
        for good in ["2026-11-22 05:00", "2026-11-22T05:00:59", "2026-11-22T05:00:59.123456"] {
            assert!(reads(ColumnType::Timestamp, good), "{good}");
            for zone in ["Z", "+01", "-0130", "+14:00"] {
                assert!(reads(ColumnType::Timestamptz, &format!("{good}{zone}")), "{good}{zone}");
                assert!(!reads(ColumnType::Timestamp, &format!("{good}{zone}")), "{good}{zone}");
            }
            assert!(!reads(ColumnType::Timestamptz, good), "{good}");
        }
        for bad in ["2026-11-22 24:00", "2026-11-22 05:60", "2026-11-22 05:00:60", "2026-11-22T05:00:00.1234567"] {
            assert!(!reads(ColumnType::Timestamp, bad), "{bad}");
        }
        assert!(!reads(ColumnType::Timestamptz, "2026-11-22 05:00+99:00"));
    }

    #[test]
    fn nothing_is_null_and_text_keeps_its_blanks() {
        assert_eq!(ColumnType::Integer.read(b"  ").unwrap().1, Value::Null);
        assert_eq!(ColumnType::Text.read(b"").unwrap().1, Value::Null);
        assert_eq!(ColumnType::Text.read(b" a ").unwrap(), (&b" a "[..], Value::Text));
    }

    #[test]
    fn only_the_words_true_and_false_are_boolean() {
        assert_eq!(ColumnType::Boolean.read(b"TRUE").unwrap().1, Value::Boolean(true));
        assert_eq!(ColumnType::Boolean.read(b"false").unwrap().1, Value::Boolean(false));
        assert!(["yes", "1", "t", "truE "].iter().filter(|text| reads(ColumnType::Boolean, text)).eq(["truE "].iter()));
    }
}
