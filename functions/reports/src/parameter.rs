//! A report's parameter, and the values it may have.

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

/// Most characters of a text: it is a word to look for and no document.
const LONGEST_TEXT: usize = 10_000;

/// What a parameter's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ParameterType {
    /// A text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A day, `2026-11-22`.
    Date,
    /// A month, `2026-11`; a text to the database.
    Month,
}

/// `[[parameter]]`, checked.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) hint: String,
    pub(crate) parameter_type: ParameterType,
    pub(crate) default: Option<Value>,
    pub(crate) required: bool,
    pub(crate) choices: Vec<Value>,
}

/// A value to bind, of the type that the database takes it as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Text(Option<String>),
    Integer(Option<i64>),
    Number(Option<f64>),
    Boolean(Option<bool>),
    /// As text, `2026-11-22`.
    Date(Option<String>),
}

impl ParameterType {
    /// Reads a value; the text says what it should have been.
    pub(crate) fn read(self, value: &Value) -> Result<Bound, String> {
        let wrong = |expected: &str| Err(format!("{} is not {expected}", short(value)));
        match (self, value) {
            (Self::Text | Self::Month, Value::Null) => Ok(Bound::Text(None)),
            (Self::Integer, Value::Null) => Ok(Bound::Integer(None)),
            (Self::Number, Value::Null) => Ok(Bound::Number(None)),
            (Self::Boolean, Value::Null) => Ok(Bound::Boolean(None)),
            (Self::Date, Value::Null) => Ok(Bound::Date(None)),
            (Self::Text, Value::String(text)) if text.contains('\0') => wrong("a text without null characters"),
            (Self::Text, Value::String(text)) if text.chars().count() > LONGEST_TEXT => {
                Err(format!("the text is longer than {LONGEST_TEXT} characters"))
            }
            (Self::Text, Value::String(text)) => Ok(Bound::Text(Some(text.clone()))),
            (Self::Text, _) => wrong("a text"),
            (Self::Integer, _) => value
                .as_i64()
                .map_or_else(|| wrong("a whole number of 64 bits"), |number| Ok(Bound::Integer(Some(number)))),
            (Self::Number, _) => {
                value.as_f64().map_or_else(|| wrong("a number"), |number| Ok(Bound::Number(Some(number))))
            }
            (Self::Boolean, Value::Bool(truth)) => Ok(Bound::Boolean(Some(*truth))),
            (Self::Boolean, _) => wrong("true or false"),
            (Self::Date, Value::String(text)) if is_date(text) => Ok(Bound::Date(Some(text.clone()))),
            (Self::Date, _) => wrong("a day; write it like 2026-11-22"),
            (Self::Month, Value::String(text)) if is_date(&format!("{text}-01")) => Ok(Bound::Text(Some(text.clone()))),
            (Self::Month, _) => wrong("a month; write it like 2026-11"),
        }
    }
}

impl Parameter {
    /// Reads the value that was given, if any; the text says what is wrong with it and never which parameter it is.
    pub(crate) fn read(&self, given: Option<&Value>) -> Result<Bound, String> {
        // An empty field of a form is no value, unless any text will do.
        let any_text = self.parameter_type == ParameterType::Text && !self.required && self.choices.is_empty();
        let given = given.filter(|value| !value.is_null() && (any_text || value.as_str() != Some("")));
        let value = match (given, &self.default) {
            (Some(value), _) | (None, Some(value)) => value,
            (None, None) if self.required => return Err("it must be given".to_owned()),
            (None, None) => &Value::Null,
        };
        let bound = self.parameter_type.read(value)?;
        if self.choices.is_empty() || value.is_null() || self.choices.iter().any(|choice| is_same(choice, value)) {
            return Ok(bound);
        }
        let choices: Vec<_> = self.choices.iter().map(short).collect();
        Err(format!("{} is none of its choices: {}", short(value), choices.join(", ")))
    }
}

/// 2 and 2.0 are the same choice.
fn is_same(choice: &Value, value: &Value) -> bool {
    choice == value || choice.as_f64().is_some_and(|number| value.as_f64() == Some(number))
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok_and(|date| date.to_string() == text)
}

/// A value as words show it, not too long.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(parameter_type: ParameterType) -> Parameter {
        let (name, title, hint) = ("p".to_owned(), String::new(), String::new());
        Parameter { name, title, hint, parameter_type, default: None, required: false, choices: Vec::new() }
    }

    #[test]
    fn a_value_is_of_its_parameters_type() {
        use ParameterType::*;
        for (kind, value, bound) in [
            (Text, json!("'; DROP TABLE t; --"), Bound::Text(Some("'; DROP TABLE t; --".into()))),
            (Text, json!(""), Bound::Text(Some("".into()))),
            (Integer, json!(-7), Bound::Integer(Some(-7))),
            (Number, json!(7), Bound::Number(Some(7.0))),
            (Boolean, json!(false), Bound::Boolean(Some(false))),
            (Date, json!("2024-02-29"), Bound::Date(Some("2024-02-29".into()))),
            (Month, json!("2026-11"), Bound::Text(Some("2026-11".into()))),
            (Integer, json!(""), Bound::Integer(None)),
            (Date, json!(null), Bound::Date(None)),
        ] {
            assert_eq!(of(kind).read(Some(&value)), Ok(bound), "{value}");
        }
        for (kind, value, words) in [
            (Text, json!(5), "5 is not a text"),
            (Text, json!("a\0b"), "null characters"),
            (Text, json!("x".repeat(10_001)), "longer than"),
            (Integer, json!(1.5), "1.5 is not a whole number"),
            (Integer, json!("5"), "\"5\" is not a whole number"),
            (Integer, json!(9_223_372_036_854_775_808_u64), "is not a whole number"),
            (Number, json!("x"), "\"x\" is not a number"),
            (Boolean, json!(1), "1 is not true or false"),
            (Date, json!("2026-02-30"), "is not a day; write it like 2026-11-22"),
            (Date, json!("20260230"), "is not a day"),
            (Date, json!("2026-01-01T00:00"), "is not a day"),
            (Month, json!("2026-13"), "is not a month; write it like 2026-11"),
            (Month, json!(["2026-11"]), "is not a month"),
            (Text, json!({"a": "x".repeat(99)}), "… is not a text"),
        ] {
            let error = of(kind).read(Some(&value)).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_missing_value_is_its_default_or_null_or_asked_for() {
        let mut parameter = of(ParameterType::Integer);
        assert_eq!(parameter.read(None), Ok(Bound::Integer(None)));
        parameter.required = true;
        assert_eq!(parameter.read(Some(&json!(""))), Err("it must be given".to_owned()));
        parameter.default = Some(json!(5));
        assert_eq!(parameter.read(None), Ok(Bound::Integer(Some(5))));
        assert_eq!(parameter.read(Some(&json!(6))), Ok(Bound::Integer(Some(6))));
        let mut text = of(ParameterType::Text);
        text.required = true;
        assert_eq!(text.read(Some(&json!(""))), Err("it must be given".to_owned()), "an empty text is none");
    }

    #[test]
    fn a_value_is_one_of_its_choices() {
        let mut parameter = of(ParameterType::Number);
        parameter.choices = vec![json!(2), json!(3.5)];
        assert_eq!(parameter.read(Some(&json!(2.0))), Ok(Bound::Number(Some(2.0))));
        assert_eq!(parameter.read(Some(&json!(4))).unwrap_err(), "4 is none of its choices: 2, 3.5");
    }
}
