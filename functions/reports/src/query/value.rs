//! One value of a row, as the database typed it, and its text for people.

use jiff::civil::{Date, DateTime};

use crate::{definition::column::ColumnFormat, number::grouped};

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
    /// `2026-11-22 05:00:00`, perhaps with a fraction and a zone.
    Timestamp(&'a str),
    Text(&'a str),
}

impl Value<'_> {
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

    /// A date or timestamp as seconds since 1970, its zone ignored.
    pub(crate) fn seconds(&self) -> Option<f64> {
        let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
        let (Self::Date(text) | Self::Timestamp(text)) = self else {
            return None;
        };
        let time = match text.len() {
            10 => text.parse::<Date>().ok()?.at(0, 0, 0, 0),
            _ => {
                let zone = text.get(16..)?.find(['+', '-', 'Z']).map_or(text.len(), |at| at + 16);
                text[..zone].parse().ok()?
            }
        };
        Some(time.duration_since(epoch).as_secs_f64())
    }

    /// Its text on a page.
    pub(crate) fn text(&self, format: Option<ColumnFormat>) -> String {
        match (format, self.number()) {
            (Some(ColumnFormat::Integer), Some(number)) => return grouped(number, 0),
            (Some(ColumnFormat::Number), Some(number)) => return grouped(number, 2),
            (Some(ColumnFormat::Percent), Some(number)) => return grouped(number * 100.0, 1) + "%",
            _ => {}
        }
        match self {
            Self::Null => String::new(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Timestamp(text) if format == Some(ColumnFormat::Date) => text.get(..10).unwrap_or(text).to_owned(),
            Self::Decimal(text) | Self::Date(text) | Self::Timestamp(text) | Self::Text(text) => (*text).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_in_the_format_of_its_column() {
        assert_eq!(Value::Real(0.125).text(Some(ColumnFormat::Percent)), "12.5%");
        assert_eq!(Value::Decimal("12.3400").text(None), "12.3400");
        assert_eq!(Value::Text("x").text(Some(ColumnFormat::Number)), "x");
    }

    #[test]
    fn a_day_or_a_time_is_seconds_since_1970() {
        assert_eq!(Value::Date("1970-01-02").seconds(), Some(86_400.0));
        assert_eq!(Value::Timestamp("1970-01-01 00:00:01.5+02").seconds(), Some(1.5));
        assert_eq!(Value::Date("1970-99-01").seconds(), None);
    }
}
