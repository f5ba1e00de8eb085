//! Which type a column has, from the values it holds.

use crate::column::{ColumnType, Value};

/// From narrow to wide; a field's type is the first that reads it.
const NARROW_FIRST: [ColumnType; 7] = [
    ColumnType::Integer,
    ColumnType::Number,
    ColumnType::Boolean,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::Timestamptz,
    ColumnType::Text,
];

/// What is known of a column's type so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The input names it: what does not fit is rejected.
    Given(ColumnType),
    /// All values so far fit it: what does not fit widens it.
    Inferred(ColumnType),
    /// No value so far.
    Unknown,
}

impl Kind {
    /// The type of the column, should nothing more be learned.
    pub(crate) fn kind(self) -> ColumnType {
        match self {
            Self::Given(kind) | Self::Inferred(kind) => kind,
            Self::Unknown => ColumnType::Text,
        }
    }

    /// Reads a field as the column stands; `None` if it does not fit. What `is_text` is no number by its looks.
    pub(crate) fn read(self, field: &[u8], is_text: bool) -> Option<(&[u8], Value)> {
        match self {
            Self::Given(kind) => kind.read(field),
            Self::Inferred(kind) if is_text && !kind.is_written_as_text() && !field.is_empty() => None,
            Self::Inferred(kind) => kind.read(field),
            Self::Unknown => field.trim_ascii().is_empty().then_some((&b""[..], Value::Null)),
        }
    }

    /// Learns from a field that the column must hold.
    pub(crate) fn learn(&mut self, field: &[u8], is_text: bool) {
        if matches!(self, Self::Given(_)) || self.read(field, is_text).is_some() {
            return;
        }
        let wider: &[ColumnType] = match self {
            Self::Unknown => &NARROW_FIRST,
            Self::Inferred(ColumnType::Integer) => &[ColumnType::Number],
            Self::Inferred(ColumnType::Date) => &[ColumnType::Timestamp],
            _ => &[],
        };
        let mut wider = wider.iter().filter(|kind| !is_text || kind.is_written_as_text());
        let fitting = wider.find(|kind| kind.read(field).is_some());
        *self = Self::Inferred(fitting.copied().unwrap_or(ColumnType::Text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(fields: &[&str]) -> ColumnType {
        let mut kind = Kind::Unknown;
        fields.iter().for_each(|field| kind.learn(field.as_bytes(), false));
        kind.kind()
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
            let mut kind = Kind::Unknown;
            fields.iter().for_each(|(field, is_text)| kind.learn(field.as_bytes(), *is_text));
            kind.kind()
        };
        assert_eq!(learned(&[("12345", true)]), ColumnType::Text);
        assert_eq!(learned(&[("1", false), ("2", true)]), ColumnType::Text);
        assert_eq!(learned(&[("2", true), ("1", false)]), ColumnType::Text);
        assert_eq!(learned(&[("", true), ("1", false)]), ColumnType::Integer);
        assert_eq!(learned(&[("2026-01-01", true)]), ColumnType::Date);
    }
}
