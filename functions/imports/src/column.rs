//! The types of columns, and reading a field as one of them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    moment::{self, WrittenDate},
    notation::{FieldKind, Notation},
    number::{self, Decimal, Thousands},
};

pub(crate) use crate::words::{plain_enum, preview};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = plain_enum)]
pub enum ColumnType {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number of 64 bits, without leading zeros or a plus.
    Integer,
    /// A finite number that a double holds without loss: 17 digits, whole numbers 15, with an exponent any.
    Number,
    /// `2026-11-22`, or as the option `dates` says.
    Date,
    /// `2026-11-22 05:00[:00[.000000]]`, with a space or a `T`, without a zone; a date is its midnight.
    Timestamp,
    /// The same with `Z`, `+01`, `+0100` or `+01:00` at its end; it is kept in UTC.
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

    /// Reads a field that is written as ours are; `None` if it is not of this type.
    pub(crate) fn read(self, field: &[u8]) -> Option<(Cow<'_, [u8]>, Value)> {
        self.read_as(field, FieldKind::Value, &Notation::PLAIN)
    }

    /// Reads a field by its notation, as its text in normal form; `None` if it is not of this type. All but text may stand
    /// between blanks.
    pub(crate) fn read_as<'a>(
        self,
        field: &'a [u8],
        kind: FieldKind,
        notation: &Notation,
    ) -> Option<(Cow<'a, [u8]>, Value)> {
        let trimmed = field.trim_ascii();
        if notation.is_null(trimmed, self == Self::Text) {
            return Some((Cow::Borrowed(b""), Value::Null));
        }
        let field = if self == Self::Text { field } else { trimmed };
        if field.is_empty() {
            return Some((Cow::Borrowed(field), Value::Null));
        }
        let Notation { decimal, thousands, dates, .. } = notation;
        let plain = || match kind {
            FieldKind::Value => Some(Cow::Borrowed(field)),
            FieldKind::Untyped | FieldKind::Text => number::plain(field, *decimal, *thousands),
        };
        Some(match self {
            Self::Boolean => (Cow::Borrowed(field), Value::Boolean(parse_boolean(field)?)),
            Self::Integer => {
                let digits = plain()?;
                let value = number::parse_integer(&digits)?;
                (digits, Value::Integer(value))
            }
            Self::Number => {
                let digits = plain()?;
                let value = number::parse_number(&digits)?;
                (digits, Value::Number(value))
            }
            Self::Date => (moment::read_date(field, *dates)?, Value::Text),
            Self::Timestamp => (moment::read_timestamp(field, *dates)?, Value::Text),
            Self::Timestamptz => (moment::read_timestamptz(field, *dates)?, Value::Text),
            Self::Text => (Cow::Borrowed(field), Value::Text),
        })
    }
}

impl ColumnType {
    /// The reason why a field is not of this type.
    pub(crate) fn mismatch(self, field: &[u8]) -> String {
        let (value, expected) = (preview(field), self.as_str());
        let reason = format!("{value:?} is no {expected}");
        let may_be = |number: &[u8], decimal, thousands| {
            number::plain(number, decimal, thousands).is_some_and(|plain| number::parse_number(&plain).is_some())
        };
        let field = field.trim_ascii();
        match self {
            Self::Date | Self::Timestamp | Self::Timestamptz if WrittenDate::parse(field).is_some() => {
                format!("{reason} as far as is known; say the order of day and month (dates)")
            }
            Self::Integer | Self::Number
                if may_be(field, Decimal::Comma, Some(Thousands::Point))
                    || may_be(field, Decimal::Point, Some(Thousands::Comma)) =>
            {
                format!("{reason} as far as is known; say what stands before fractions (decimal, thousands)")
            }
            _ => reason,
        }
    }
}

fn parse_boolean(field: &[u8]) -> Option<bool> {
    match field.len() {
        4 if field.eq_ignore_ascii_case(b"true") => Some(true),
        5 if field.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_null_and_text_keeps_its_blanks() {
        assert_eq!(ColumnType::Integer.read(b"  ").unwrap().1, Value::Null);
        assert_eq!(ColumnType::Text.read(b"").unwrap().1, Value::Null);
        assert_eq!(ColumnType::Text.read(b" a ").unwrap(), (Cow::Borrowed(&b" a "[..]), Value::Text));
    }

    #[test]
    fn words_for_nothing_are_null_and_those_found_out_are_so_beside_numbers_alone() {
        let given = Notation { nulls: vec![b"NA".to_vec()], ..Notation::PLAIN };
        for column_type in [ColumnType::Integer, ColumnType::Text, ColumnType::Date] {
            assert_eq!(column_type.read_as(b" NA ", FieldKind::Untyped, &given).unwrap().1, Value::Null);
        }
        let found = Notation { found_nulls: vec![b"NA".to_vec()], ..Notation::PLAIN };
        assert_eq!(ColumnType::Number.read_as(b"NA", FieldKind::Untyped, &found).unwrap().1, Value::Null);
        assert_eq!(ColumnType::Text.read_as(b"NA", FieldKind::Untyped, &found).unwrap().1, Value::Text);
        assert!(ColumnType::Number.read_as(b"NA", FieldKind::Untyped, &Notation::PLAIN).is_none());
    }

    #[test]
    fn only_the_words_true_and_false_are_boolean() {
        assert_eq!(ColumnType::Boolean.read(b"TRUE").unwrap().1, Value::Boolean(true));
        assert_eq!(ColumnType::Boolean.read(b"false").unwrap().1, Value::Boolean(false));
        let reads = |text: &&&str| ColumnType::Boolean.read(text.as_bytes()).is_some();
        assert!(["yes", "1", "t", "truE "].iter().filter(reads).eq(["truE "].iter()));
    }
}
