//! What a declared column asks of its values beyond their type.

use regex::bytes::Regex;

use crate::column::{ColumnType, Value};

/// What a value must be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    /// It may not be missing.
    pub(crate) required: bool,
    /// It may not be missing, for it tells rows apart.
    pub(crate) key: bool,
    /// It may not be less.
    pub(crate) min: Option<Bound>,
    /// It may not be more.
    pub(crate) max: Option<Bound>,
    /// All of it matches.
    pub(crate) pattern: Option<Regex>,
    /// Stands where there is none.
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
    /// Reads it for a column of a type, if that type has an order here.
    pub(crate) fn read(kind: ColumnType, text: &str) -> Option<Self> {
        match (kind, kind.read(text.as_bytes())?.1) {
            (_, Value::Integer(value)) => Some(Self::Integer(value)),
            (_, Value::Number(value)) => Some(Self::Number(value)),
            (ColumnType::Date, Value::Text) => Some(Self::Date(text.trim().to_owned())),
            _ => None,
        }
    }

    fn is_above(&self, text: &[u8], value: Value) -> bool {
        match (self, value) {
            (Self::Integer(bound), Value::Integer(value)) => *bound > value,
            (Self::Number(bound), Value::Number(value)) => *bound > value,
            (Self::Date(bound), Value::Text) => bound.as_bytes() > text,
            _ => false,
        }
    }

    fn is_below(&self, text: &[u8], value: Value) -> bool {
        match (self, value) {
            (Self::Integer(bound), Value::Integer(value)) => *bound < value,
            (Self::Number(bound), Value::Number(value)) => *bound < value,
            (Self::Date(bound), Value::Text) => bound.as_bytes() < text,
            _ => false,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Date(value) => value.clone(),
        }
    }
}

impl Rule {
    /// Why a value does not keep it, if it does not; to be read after the column's name.
    pub(crate) fn broken_by(&self, text: &[u8], value: Value) -> Option<String> {
        if value == Value::Null {
            let reason = if self.key { "it is empty, and it is a key" } else { "it is empty, and it is required" };
            return (self.key || self.required).then(|| reason.to_owned());
        }
        let shown = || String::from_utf8_lossy(text).chars().take(40).collect::<String>();
        if let Some(min) = self.min.as_ref().filter(|min| min.is_above(text, value)) {
            return Some(format!("{} is less than {}", shown(), min.shown()));
        }
        if let Some(max) = self.max.as_ref().filter(|max| max.is_below(text, value)) {
            return Some(format!("{} is more than {}", shown(), max.shown()));
        }
        match &self.pattern {
            // What is shown is what was written, without the anchors that were put around it.
            Some(pattern) if !pattern.is_match(text) => Some(format!("{:?} does not match its pattern", shown())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(rule: &Rule, kind: ColumnType, field: &str) -> Option<String> {
        let (text, value) = kind.read(field.as_bytes()).unwrap();
        rule.broken_by(text, value)
    }

    fn between(kind: ColumnType, min: &str, max: &str) -> Rule {
        Rule { min: Bound::read(kind, min), max: Bound::read(kind, max), ..Rule::default() }
    }

    #[test]
    fn a_value_lies_between_its_bounds() {
        for (kind, min, max, good, less, more) in [
            (ColumnType::Integer, "-2", "10", "-2", "-3", "11"),
            (ColumnType::Number, "0.5", "1e3", "0.5", "0.49", "1000.5"),
            (ColumnType::Date, "2026-01-01", "2026-12-31", "2026-12-31", "2025-12-31", "2027-01-01"),
        ] {
            let rule = between(kind, min, max);
            assert_eq!(broken(&rule, kind, good), None);
            assert_eq!(
                broken(&rule, kind, less).unwrap(),
                format!("{less} is less than {}", rule.min.as_ref().unwrap().shown())
            );
            assert!(broken(&rule, kind, more).unwrap().contains("is more than"), "{more}");
            assert_eq!(broken(&rule, kind, ""), None, "nothing is no value");
        }
        assert_eq!(Bound::read(ColumnType::Text, "a"), None, "text has no order here");
    }

    #[test]
    fn a_pattern_must_match_and_what_is_required_must_be_there() {
        let rule = Rule { required: true, pattern: Some(Regex::new("^(?:[A-Z]{3})$").unwrap()), ..Rule::default() };
        assert_eq!(broken(&rule, ColumnType::Text, "JFK"), None);
        assert_eq!(broken(&rule, ColumnType::Text, "JFKX").unwrap(), "\"JFKX\" does not match its pattern");
        assert_eq!(broken(&rule, ColumnType::Text, "").unwrap(), "it is empty, and it is required");
    }
}
