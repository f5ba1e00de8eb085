//! The requirements of a definition on a column's values beyond their type.

use std::{cmp::Ordering, fmt};

use regex::bytes::Regex;

use crate::column::{ColumnType, Value, preview};

/// The requirements on a column's values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    /// It may not be empty.
    pub(crate) required: bool,
    /// It may not be empty, because it identifies the row.
    pub(crate) is_key: bool,
    pub(crate) min: Option<Bound>,
    pub(crate) max: Option<Bound>,
    /// The whole value must match it.
    pub(crate) pattern: Option<Regex>,
    /// Used where a value is missing.
    pub(crate) default: Option<String>,
}

/// A least or greatest value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Integer(i64),
    Number(f64),
    /// A day, which sorts as text does.
    Date(String),
}

impl Bound {
    /// Parses a bound for a column of a type; `None` if it is not of that type or the type has no bounds.
    pub(crate) fn parse(column_type: ColumnType, text: &str) -> Option<Self> {
        let (text, value) = column_type.read(text.as_bytes())?;
        match (column_type, value) {
            (_, Value::Integer(value)) => Some(Self::Integer(value)),
            (_, Value::Number(value)) => Some(Self::Number(value)),
            (ColumnType::Date, Value::Text) => Some(Self::Date(String::from_utf8_lossy(&text).into_owned())),
            _ => None,
        }
    }

    /// Compares it with a value of its type.
    fn compare(&self, text: &[u8], value: Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Integer(bound), Value::Integer(value)) => bound.partial_cmp(&value),
            (Self::Number(bound), Value::Number(value)) => bound.partial_cmp(&value),
            (Self::Date(bound), Value::Text) => bound.as_bytes().partial_cmp(text),
            _ => None,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Date(value) => value.fmt(f),
        }
    }
}

impl Rule {
    /// The reason why a value breaks the rule, worded to follow the column's name.
    pub(crate) fn violation(&self, text: &[u8], value: Value) -> Option<String> {
        if value == Value::Null {
            let reason = if self.is_key { "it is empty, and it is a key" } else { "it is empty, and it is required" };
            return (self.is_key || self.required).then(|| reason.to_owned());
        }
        let is = |bound: &&Bound, order| bound.compare(text, value) == Some(order);
        if let Some(min) = self.min.as_ref().filter(|min| is(min, Ordering::Greater)) {
            return Some(format!("{} is less than {min}", preview(text)));
        }
        if let Some(max) = self.max.as_ref().filter(|max| is(max, Ordering::Less)) {
            return Some(format!("{} is more than {max}", preview(text)));
        }
        // The pattern is not shown: anchors were put around it.
        let mismatch = self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text));
        mismatch.then(|| format!("{:?} does not match its pattern", preview(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(rule: &Rule, column_type: ColumnType, field: &str) -> Option<String> {
        let (text, value) = column_type.read(field.as_bytes()).unwrap();
        rule.violation(&text, value)
    }

    fn between(column_type: ColumnType, min: &str, max: &str) -> Rule {
        Rule { min: Bound::parse(column_type, min), max: Bound::parse(column_type, max), ..Rule::default() }
    }

    #[test]
    fn a_value_lies_between_its_bounds() {
        for (column_type, min, max, good, less, more) in [
            (ColumnType::Integer, "-2", "10", "-2", "-3", "11"),
            (ColumnType::Number, "0.5", "1e3", "0.5", "0.49", "1000.5"),
            (ColumnType::Date, "2026-01-01", "2026-12-31", "2026-12-31", "2025-12-31", "2027-01-01"),
        ] {
            let rule = between(column_type, min, max);
            assert_eq!(violation(&rule, column_type, good), None);
            assert_eq!(
                violation(&rule, column_type, less).unwrap(),
                format!("{less} is less than {}", rule.min.as_ref().unwrap())
            );
            assert!(violation(&rule, column_type, more).unwrap().contains("is more than"), "{more}");
            assert_eq!(violation(&rule, column_type, ""), None, "nothing is no value");
        }
        assert_eq!(Bound::parse(ColumnType::Text, "a"), None, "text has no order here");
    }

    #[test]
    fn a_pattern_must_match_and_what_is_required_must_be_there() {
        let rule = Rule { required: true, pattern: Some(Regex::new("^(?:[A-Z]{3})$").unwrap()), ..Rule::default() };
        assert_eq!(violation(&rule, ColumnType::Text, "JFK"), None);
        assert_eq!(violation(&rule, ColumnType::Text, "JFKX").unwrap(), "\"JFKX\" does not match its pattern");
        assert_eq!(violation(&rule, ColumnType::Text, "").unwrap(), "it is empty, and it is required");
    }
}
