//! Numbers as files write them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::plain_enum;

/// The character before the fraction of a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum Decimal {
    /// `1.5`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `1,5`
    #[serde(rename = ",")]
    Comma,
}

/// The character between groups of three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = plain_enum)]
pub enum Thousands {
    /// `1,234`
    #[serde(rename = ",")]
    Comma,
    /// `1.234`
    #[serde(rename = ".")]
    Point,
    /// `1 234`, also with a blank that does not break.
    #[serde(rename = " ")]
    Blank,
    /// `1'234`, also with a curved one.
    #[serde(rename = "'")]
    Apostrophe,
    /// `1_234`
    #[serde(rename = "_")]
    Underscore,
}

impl Decimal {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Point => b'.',
            Self::Comma => b',',
        }
    }
}

impl Thousands {
    /// The ways to write it.
    fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Comma => &[","],
            Self::Point => &["."],
            Self::Blank => &[" ", "\u{A0}", "\u{202F}", "\u{2009}"],
            Self::Apostrophe => &["'", "\u{2019}"],
            Self::Underscore => &["_"],
        }
    }

    pub(crate) fn byte(self) -> u8 {
        self.texts()[0].as_bytes()[0]
    }

    /// The digits of a whole number without its groups; `None` if a group has not three digits.
    pub(crate) fn ungroup(self, whole: &[u8]) -> Option<Cow<'_, [u8]>> {
        if whole.iter().all(u8::is_ascii_digit) {
            return Some(Cow::Borrowed(whole));
        }
        let first = whole.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // "0.123" is no grouped number.
        if !(1..=3).contains(&first) || whole[0] == b'0' {
            return None;
        }
        let (mut digits, mut rest) = (whole[..first].to_vec(), &whole[first..]);
        let separator = self.texts().iter().find(|text| rest.starts_with(text.as_bytes()))?.as_bytes();
        while !rest.is_empty() {
            let group = rest.strip_prefix(separator)?.get(..3).filter(|group| group.iter().all(u8::is_ascii_digit))?;
            digits.extend_from_slice(group);
            rest = &rest[separator.len() + 3..];
        }
        Some(Cow::Owned(digits))
    }
}

/// A whole number with its groups joined, or a number with a point before its fraction; `None` if it is written otherwise.
pub(crate) fn plain(field: &[u8], decimal: Decimal, thousands: Option<Thousands>) -> Option<Cow<'_, [u8]>> {
    if decimal == Decimal::Point && thousands.is_none() {
        return Some(Cow::Borrowed(field));
    }
    let (sign, unsigned) = match field {
        [b'-', unsigned @ ..] => (&field[..1], unsigned),
        unsigned => (&b""[..], unsigned),
    };
    let fraction = memchr::memchr(decimal.byte(), unsigned);
    let exponent = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(unsigned.len());
    let end = fraction.unwrap_or(exponent).min(exponent);
    let (whole, rest) = unsigned.split_at(end);
    let digits = match thousands {
        Some(thousands) => thousands.ungroup(whole)?,
        None => Cow::Borrowed(whole),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match rest {
        [b',', fraction @ ..] => Some(Cow::Owned([sign, &digits, b".", fraction].concat())),
        _ if matches!(digits, Cow::Borrowed(_)) => Some(Cow::Borrowed(field)),
        _ => Some(Cow::Owned([sign, &digits, rest].concat())),
    }
    .filter(|_| rest.first() != Some(&b',') || decimal == Decimal::Comma)
}

/// Reads digits that are surely a number: a ZIP code would lose its leading zero.
pub(crate) fn parse_integer(field: &[u8]) -> Option<i64> {
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

/// Reads a number that a double holds without loss.
pub(crate) fn parse_number(field: &[u8]) -> Option<f64> {
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
    // A number with an exponent is a double from the start; of others a digit would be lost.
    let most_digits = match (part, exponent) {
        (_, Some(_)) => usize::MAX,
        (Some(_), None) => 17,
        (None, None) => 15,
    };
    if !fits || !scaled || significant_digits(whole, part) > most_digits {
        return None;
    }
    let value: f64 = std::str::from_utf8(field).ok()?.parse().ok()?;
    // A database would refuse what is too small as well as what is too large.
    let vanished = value == 0.0 && mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    (value.is_finite() && !vanished).then_some(value)
}

/// The number of digits from the first that is not 0, without zeros at the end of the fraction.
fn significant_digits(whole: &[u8], part: Option<&[u8]>) -> usize {
    let part = part.unwrap_or_default();
    let part = &part[..part.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1)];
    whole.iter().chain(part).skip_while(|digit| **digit == b'0').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_integers_unless_a_digit_would_be_lost() {
        for (text, value) in
            [("0", 0), ("-12", -12), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(parse_integer(text.as_bytes()), Some(value));
        }
        for bad in ["007", "-0", "+1", "1.0", "9223372036854775808", "1 000", "1,000", "\u{663}", "-", "0x1"] {
            assert_eq!(parse_integer(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_finite_and_keep_their_digits() {
        for (text, value) in [("1.5", 1.5), ("-0.25", -0.25), (".5", 0.5), ("1e3", 1000.0), ("5.", 5.0), ("12", 12.0)] {
            assert_eq!(parse_number(text.as_bytes()), Some(value));
        }
        assert!(parse_number(b"0.30000000000000004").is_some());
        assert!(parse_number(b"0.000000000000000000001").is_some());
        assert_eq!(parse_number(b"1.510000000000000000e+02"), Some(151.0), "NumPy writes nineteen digits");
        assert_eq!(parse_number(b"2.50000000000000000000"), Some(2.5));
        let lost = ["9007199254740993", "0.123456789012345678"];
        let strange = ["00.5", "1e999", "1e-999", "NaN", "inf", ".", "-", "1e", "1.2.3", "+1", "1e5.0", "--1", "e5"];
        for bad in lost.iter().chain(&strange) {
            assert_eq!(parse_number(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_number_is_read_by_its_notation_or_not_at_all() {
        use Decimal::{Comma, Point};
        let by = |decimal, thousands, field: &str| {
            plain(field.as_bytes(), decimal, thousands).map(|plain| String::from_utf8(plain.into_owned()).unwrap())
        };
        for (decimal, thousands, field, number) in [
            (Comma, None, "1,5", "1.5"),
            (Comma, None, "-0,25", "-0.25"),
            (Comma, None, "1,234", "1.234"),
            (Comma, None, "1,5e3", "1.5e3"),
            (Comma, None, "1e3", "1e3"),
            (Comma, None, "12", "12"),
            (Comma, Some(Thousands::Point), "-1.234.567,5", "-1234567.5"),
            (Comma, Some(Thousands::Point), "1.234", "1234"),
            (Comma, Some(Thousands::Blank), "1\u{202F}234,5", "1234.5"),
            (Point, Some(Thousands::Comma), "1,234", "1234"),
            (Point, Some(Thousands::Comma), "1,234.50", "1234.50"),
            (Point, Some(Thousands::Comma), "0.5", "0.5"),
            (Point, Some(Thousands::Apostrophe), "1'234'567.8", "1234567.8"),
        ] {
            assert_eq!(by(decimal, thousands, field).as_deref(), Some(number), "{field}");
        }
        for (decimal, thousands, field) in [
            (Comma, None, "1.5"),
            (Comma, None, "1.234"),
            (Comma, None, "1.234,5"),
            (Comma, Some(Thousands::Point), "1.23"),
            (Comma, Some(Thousands::Point), "0.123"),
            (Comma, Some(Thousands::Point), "1234.567"),
            (Point, Some(Thousands::Comma), "1,23"),
            (Point, Some(Thousands::Comma), "12,34,567"),
            (Point, Some(Thousands::Comma), "1,234 567"),
            (Point, Some(Thousands::Blank), "1 234\u{A0}567"),
            (Point, Some(Thousands::Blank), "1,5"),
        ] {
            let read = by(decimal, thousands, field).and_then(|plain| parse_number(plain.as_bytes()));
            assert_eq!(read, None, "{field}");
        }
        let twice = by(Comma, None, "1,2,3").and_then(|plain| parse_number(plain.as_bytes()));
        assert_eq!(twice, None);
    }
}
