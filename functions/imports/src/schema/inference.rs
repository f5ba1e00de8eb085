//! Infers the type of a column from its values.

use std::borrow::Cow;

use crate::{
    column::{ColumnType, Value},
    notation::{FieldKind, Notation},
};

/// The order in which types are tried; a field's type is the first that reads it.
const NARROW_FIRST: [ColumnType; 7] = [
    ColumnType::Integer,
    ColumnType::Number,
    ColumnType::Boolean,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::Timestamptz,
    ColumnType::Text,
];

/// The type of a column, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeInference {
    /// Given; a value that does not fit is rejected.
    Fixed(ColumnType),
    /// Inferred from all values so far; one that does not fit widens it.
    Inferred(ColumnType),
    /// No value seen yet.
    Unknown,
}

impl TypeInference {
    /// The type of the column by what is known.
    pub(crate) fn column_type(self) -> ColumnType {
        match self {
            Self::Fixed(column_type) | Self::Inferred(column_type) => column_type,
            Self::Unknown => ColumnType::Text,
        }
    }

    /// Reads a field; `None` if it does not fit. What is text by its format is no number, whatever it looks like.
    pub(crate) fn read<'a>(
        self,
        field: &'a [u8],
        kind: FieldKind,
        notation: &Notation,
    ) -> Option<(Cow<'a, [u8]>, Value)> {
        match self {
            Self::Fixed(column_type) => column_type.read_as(field, kind, notation),
            Self::Inferred(column_type) => {
                let read = column_type.read_as(field, kind, notation);
                let is_wrong = kind == FieldKind::Text && !column_type.is_written_as_text();
                read.filter(|(_, value)| !is_wrong || field.is_empty() || (*value == Value::Null && !is_blank(field)))
            }
            // As a number, so that words for nothing count.
            Self::Unknown => {
                let nothing = (Cow::Borrowed(&b""[..]), Value::Null);
                let field = field.trim_ascii();
                (field.is_empty() || notation.is_null(field, false)).then_some(nothing)
            }
        }
    }

    /// Learns from a field, which the type must fit.
    pub(crate) fn widen_types(&mut self, field: &[u8], kind: FieldKind, notation: &Notation) {
        if matches!(self, Self::Fixed(_)) || self.read(field, kind, notation).is_some() {
            return;
        }
        let wider: &[ColumnType] = match self {
            Self::Unknown => &NARROW_FIRST,
            Self::Inferred(ColumnType::Integer) => &[ColumnType::Number],
            Self::Inferred(ColumnType::Date) => &[ColumnType::Timestamp],
            _ => &[],
        };
        let mut wider = wider.iter().filter(|wider| kind != FieldKind::Text || wider.is_written_as_text());
        let fitting = wider.find(|wider| wider.read_as(field, kind, notation).is_some());
        *self = Self::Inferred(fitting.copied().unwrap_or(ColumnType::Text));
    }
}

fn is_blank(field: &[u8]) -> bool {
    field.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(fields: &[&str]) -> ColumnType {
        let mut inference = TypeInference::Unknown;
        fields.iter().for_each(|field| inference.widen_types(field.as_bytes(), FieldKind::Untyped, &Notation::PLAIN));
        inference.column_type()
    }

    #[test]
    fn a_column_has_the_narrowest_type_that_holds_all_its_values() {
        assert_eq!(learned(&["1", "", "-7"]), ColumnType::Integer);
        assert_eq!(learned(&["1", "2.5"]), ColumnType::Number);
        assert_eq!(learned(&["true", "False"]), ColumnType::Boolean);
        assert_eq!(learned(&["2026-01-01"]), ColumnType::Date);
        assert_eq!(learned(&["2026-01-01T10:00Z"]), ColumnType::Timestamptz);
        assert_eq!(learned(&["", "", "x"]), ColumnType::Text);
        assert_eq!(learned(&["", " "]), ColumnType::Text);
        assert_eq!(learned(&["00501", "12345"]), ColumnType::Text);
    }

    #[test]
    fn what_does_not_fit_widens_it_to_what_holds_both() {
        assert_eq!(learned(&["1", "x"]), ColumnType::Text);
        assert_eq!(learned(&["1", "true"]), ColumnType::Text);
        assert_eq!(learned(&["true", "1"]), ColumnType::Text);
        assert_eq!(learned(&["1.5", "00501"]), ColumnType::Text);
        assert_eq!(learned(&["2026-01-01", "1"]), ColumnType::Text);
        assert_eq!(learned(&["2026-01-01T10:00", "2026-01-01T10:00Z"]), ColumnType::Text);
        // PostgreSQL reads a date as midnight.
        assert_eq!(learned(&["2026-01-01", "2026-01-01 10:00"]), ColumnType::Timestamp);
        assert_eq!(learned(&["2026-01-01 10:00", "2026-01-01"]), ColumnType::Timestamp);
    }

    #[test]
    fn what_is_text_by_its_format_is_no_number_in_any_order() {
        let learned = |fields: &[(&str, bool)]| {
            let mut inference = TypeInference::Unknown;
            for (field, is_text) in fields {
                let kind = if *is_text { FieldKind::Text } else { FieldKind::Value };
                inference.widen_types(field.as_bytes(), kind, &Notation::PLAIN);
            }
            inference.column_type()
        };
        assert_eq!(learned(&[("12345", true)]), ColumnType::Text);
        assert_eq!(learned(&[("1", false), ("2", true)]), ColumnType::Text);
        assert_eq!(learned(&[("2", true), ("1", false)]), ColumnType::Text);
        assert_eq!(learned(&[("", true), ("1", false)]), ColumnType::Integer);
        assert_eq!(learned(&[("2026-01-01", true)]), ColumnType::Date);
    }
}
