//! One value of a row, as the database typed it, and its text for people.

use std::borrow::Cow;

use jiff::{civil::DateTime, tz::TimeZone};

use super::moment::{Moment, parse_date};
use crate::{
    definition::column::ColumnFormat,
    number::{is_number, real_text, rounded, with_groups},
};

/// A value of the type that the database gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    /// A number in the database's digits, so that none is lost.
    Decimal(&'a str),
    /// `2026-11-22`.
    Date(&'a str),
    /// `2026-11-22 05:00:00`, perhaps with a fraction and an offset.
    Timestamp(&'a str),
    Text(&'a str),
}

/// How values are shown to people.
#[derive(Debug, Clone)]
pub(crate) struct Display {
    /// Instants are shown on the clocks of this zone.
    pub(crate) zone: TimeZone,
    /// Whether thousands are separated. In CSV a spreadsheet of another country would take `12,480` for twelve.
    pub(crate) groups: bool,
}

impl<'a> Value<'a> {
    /// The finite number that it is, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Real(number) => Some(*number),
            Self::Decimal(digits) => digits.parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }

    /// A day or time on the clocks of a zone.
    pub(crate) fn moment(&self, zone: &TimeZone) -> Option<Moment> {
        match self {
            Self::Date(text) => {
                let civil: DateTime = parse_date(text)?.at(0, 0, 0, 0);
                Some(Moment { civil, offset: None, decimals: 0 })
            }
            Self::Timestamp(text) => Some(Moment::parse(text)?.within(zone)),
            _ => None,
        }
    }

    /// Its digits, all of them; `None` if it is no number.
    fn digits(&self) -> Option<Cow<'a, str>> {
        match *self {
            Self::Integer(number) => Some(number.to_string().into()),
            Self::Real(number) if number.is_finite() => Some(number.to_string().into()),
            Self::Decimal(text) if is_number(text) => Some(text.into()),
            _ => None,
        }
    }

    /// Its text as the database has it; the same in all formats for programs.
    pub(crate) fn plain(&self) -> Cow<'a, str> {
        match *self {
            Self::Null => "".into(),
            Self::Boolean(boolean) => if boolean { "true" } else { "false" }.into(),
            Self::Integer(number) => number.to_string().into(),
            Self::Real(number) => real_text(number).into(),
            Self::Decimal(text) | Self::Date(text) | Self::Timestamp(text) | Self::Text(text) => text.into(),
        }
    }
}

impl Display {
    /// The text of a value for people.
    pub(crate) fn text<'a>(&self, value: &Value<'a>, format: Option<ColumnFormat>) -> Cow<'a, str> {
        let number = |shift, decimals| {
            let digits = rounded(&value.digits()?, shift, decimals)?;
            Some(if self.groups { with_groups(&digits) } else { digits })
        };
        let shown = match (format, value) {
            (Some(ColumnFormat::Integer), _) if value.digits().is_some() => number(0, 0),
            (Some(ColumnFormat::Number), _) if value.digits().is_some() => number(0, 2),
            (Some(ColumnFormat::Percent), _) if value.digits().is_some() => number(2, 1).map(|digits| digits + "%"),
            (Some(ColumnFormat::Text), _) => None,
            (Some(ColumnFormat::Date), Value::Timestamp(_)) => {
                value.moment(&self.zone).map(|moment| moment.civil.date().to_string())
            }
            (Some(ColumnFormat::Timestamp), Value::Date(_) | Value::Timestamp(_)) => {
                value.moment(&self.zone).map(Moment::text)
            }
            (_, Value::Timestamp(text)) if has_offset(text) => value.moment(&self.zone).map(Moment::text),
            _ => None,
        };
        shown.map_or_else(|| value.plain(), Cow::from)
    }
}

/// True if a time may have an offset: a quick look, since most have none.
fn has_offset(text: &str) -> bool {
    text.as_bytes().iter().skip(16).any(|byte| matches!(byte, b'+' | b'-' | b'Z' | b'z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_in_the_format_of_its_column() {
        let display = Display { zone: TimeZone::get("Asia/Kolkata").unwrap(), groups: true };
        for (value, format, text) in [
            (Value::Real(0.125), Some(ColumnFormat::Percent), "12.5%"),
            (Value::Decimal("12.3400"), None, "12.3400"),
            (Value::Decimal("12345678901234567890.5"), Some(ColumnFormat::Integer), "12,345,678,901,234,567,891"),
            (Value::Integer(9_007_199_254_740_993), Some(ColumnFormat::Number), "9,007,199,254,740,993.00"),
            (Value::Decimal("NaN"), Some(ColumnFormat::Number), "NaN"),
            (Value::Text("x"), Some(ColumnFormat::Number), "x"),
            (Value::Text("12"), Some(ColumnFormat::Number), "12"),
            (Value::Real(-0.0), None, "0"),
            (Value::Timestamp("2026-11-22 20:00:00+00"), None, "2026-11-23 01:30:00+05:30"),
            (Value::Timestamp("2026-11-22 20:00:00+00"), Some(ColumnFormat::Date), "2026-11-23"),
            (Value::Timestamp("2026-11-22 20:00:00+00"), Some(ColumnFormat::Text), "2026-11-22 20:00:00+00"),
            (Value::Timestamp("2026-11-22 20:00"), None, "2026-11-22 20:00"),
            (Value::Date("2026-11-22"), Some(ColumnFormat::Timestamp), "2026-11-22 00:00:00"),
            (Value::Date("infinity"), Some(ColumnFormat::Date), "infinity"),
        ] {
            assert_eq!(display.text(&value, format), text, "{value:?}");
        }
        let plain = Display { groups: false, ..display };
        assert_eq!(plain.text(&Value::Integer(12_480), Some(ColumnFormat::Integer)), "12480");
    }

    #[test]
    fn a_day_or_a_time_is_seconds_since_1970_on_the_clocks_of_the_zone() {
        let seconds = |value: Value<'_>| value.moment(&TimeZone::UTC).map(Moment::seconds);
        assert_eq!(seconds(Value::Date("1970-01-02")), Some(86_400.0));
        assert_eq!(seconds(Value::Timestamp("1970-01-01 02:00:01.5+02")), Some(1.5));
        assert_eq!(seconds(Value::Date("1970-99-01")), None);
    }
}
