//! A report's parameter and the values it accepts.

use jiff::civil::Date;
use runtime::catalogue::{Field, FieldType};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use toml::Spanned;

/// Most characters of a text: it is a term to look for and no document.
const MAX_TEXT: usize = 10_000;

/// `[[parameter]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameter {
    pub(crate) name: Spanned<String>,
    #[serde(rename = "type", deserialize_with = "bindable_type")]
    pub(crate) field_type: FieldType,
    title: Option<String>,
    #[serde(default)]
    hint: String,
    pub(super) default: Option<Spanned<TomlValue>>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    pub(super) choices: Vec<Spanned<TomlValue>>,
}

/// A value of TOML as JSON; a day may be written without quotes.
#[derive(Debug, Deserialize)]
#[serde(from = "toml::Value")]
pub(crate) struct TomlValue(pub(super) Value);

impl From<toml::Value> for TomlValue {
    fn from(value: toml::Value) -> Self {
        Self(match value {
            toml::Value::String(text) => text.into(),
            toml::Value::Integer(number) => number.into(),
            toml::Value::Float(number) => number.into(),
            toml::Value::Boolean(boolean) => boolean.into(),
            toml::Value::Datetime(day) => day.to_string().into(),
            toml::Value::Array(values) => values.into_iter().map(|value| Self::from(value).0).collect(),
            toml::Value::Table(table) => table.into_iter().map(|(name, value)| (name, Self::from(value).0)).collect(),
        })
    }
}

/// A value to bind, of the type that the database takes it as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BoundValue {
    Text(Option<String>),
    Integer(Option<i64>),
    Number(Option<f64>),
    Boolean(Option<bool>),
    /// As text, `2026-11-22`.
    Date(Option<String>),
}

fn bindable_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FieldType, D::Error> {
    match FieldType::deserialize(deserializer)? {
        FieldType::File => Err(D::Error::custom("a query takes no parameter of the type file")),
        field_type => Ok(field_type),
    }
}

impl Parameter {
    pub(crate) fn title(&self) -> String {
        self.title.clone().unwrap_or_else(|| self.name.get_ref().replace('_', " "))
    }

    /// The field that asks for it in a form.
    pub(crate) fn field(&self) -> Field {
        Field {
            path: format!("parameters.{}", self.name.get_ref()),
            title: self.title(),
            field_type: self.field_type,
            default: self.default.as_ref().map(|default| default.get_ref().0.clone()),
            required: self.required,
            choices: self.choices.iter().map(|choice| choice.get_ref().0.clone()).collect(),
            hint: self.hint.clone(),
        }
    }

    /// Reads the given value, the default, or null; the error says what is wrong with the value and does not name the
    /// parameter.
    pub(crate) fn bind(&self, given: Option<&Value>) -> Result<BoundValue, String> {
        // An empty field of a form is no value, unless any text will do.
        let any_text = self.field_type == FieldType::Text && !self.required && self.choices.is_empty();
        let given = given.filter(|value| !value.is_null() && (any_text || value.as_str() != Some("")));
        let value = match (given, &self.default) {
            (Some(value), _) => value,
            (None, Some(default)) => &default.get_ref().0,
            (None, None) if self.required => return Err("it must be given".to_owned()),
            (None, None) => &Value::Null,
        };
        let bound = self.bind_value(value)?;
        let mut choices = self.choices.iter().map(|choice| &choice.get_ref().0);
        if self.choices.is_empty() || value.is_null() || choices.any(|choice| is_same(choice, value)) {
            return Ok(bound);
        }
        let choices: Vec<_> = self.choices.iter().map(|choice| short(&choice.get_ref().0)).collect();
        Err(format!("{} is none of its choices: {}", short(value), choices.join(", ")))
    }

    /// Reads a value of the parameter's type.
    pub(super) fn bind_value(&self, value: &Value) -> Result<BoundValue, String> {
        use FieldType as T;
        let wrong = |expected: &str| Err(format!("{} is not {expected}", short(value)));
        match (self.field_type, value) {
            (T::Text | T::Month | T::File, Value::Null) => Ok(BoundValue::Text(None)),
            (T::Integer, Value::Null) => Ok(BoundValue::Integer(None)),
            (T::Number, Value::Null) => Ok(BoundValue::Number(None)),
            (T::Boolean, Value::Null) => Ok(BoundValue::Boolean(None)),
            (T::Date, Value::Null) => Ok(BoundValue::Date(None)),
            (T::Text, Value::String(text)) if text.contains('\0') => wrong("a text without null characters"),
            (T::Text, Value::String(text)) if text.chars().count() > MAX_TEXT => {
                Err(format!("the text is longer than {MAX_TEXT} characters"))
            }
            (T::Text, Value::String(text)) => Ok(BoundValue::Text(Some(text.clone()))),
            (T::Text | T::File, _) => wrong("a text"),
            (T::Integer, _) => match value.as_i64() {
                Some(number) => Ok(BoundValue::Integer(Some(number))),
                None => wrong("a whole number of 64 bits"),
            },
            (T::Number, _) => match value.as_f64() {
                Some(number) => Ok(BoundValue::Number(Some(number))),
                None => wrong("a number"),
            },
            (T::Boolean, Value::Bool(boolean)) => Ok(BoundValue::Boolean(Some(*boolean))),
            (T::Boolean, _) => wrong("true or false"),
            (T::Date, Value::String(text)) if is_date(text) => Ok(BoundValue::Date(Some(text.clone()))),
            (T::Date, _) => wrong("a day; write it like 2026-11-22"),
            (T::Month, Value::String(text)) if is_date(&format!("{text}-01")) => {
                Ok(BoundValue::Text(Some(text.clone())))
            }
            (T::Month, _) => wrong("a month; write it like 2026-11"),
        }
    }
}

/// 2 and 2.0 are the same choice.
fn is_same(choice: &Value, value: &Value) -> bool {
    choice == value || choice.as_f64().is_some_and(|number| value.as_f64() == Some(number))
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok_and(|date| date.to_string() == text)
}

/// A value for a message, cut if it is long.
fn short(value: &Value) -> String {
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

    fn of(field_type: FieldType) -> Parameter {
        let (name, title, hint) = (Spanned::new(0..0, "p".to_owned()), None, String::new());
        Parameter { name, title, hint, field_type, default: None, required: false, choices: Vec::new() }
    }

    fn spanned(value: Value) -> Spanned<TomlValue> {
        Spanned::new(0..0, TomlValue(value))
    }

    #[test]
    fn a_value_is_of_its_parameters_type() {
        use FieldType::*;
        for (kind, value, bound) in [
            (Text, json!("'; DROP TABLE t; --"), BoundValue::Text(Some("'; DROP TABLE t; --".into()))),
            (Text, json!(""), BoundValue::Text(Some("".into()))),
            (Integer, json!(-7), BoundValue::Integer(Some(-7))),
            (Number, json!(7), BoundValue::Number(Some(7.0))),
            (Boolean, json!(false), BoundValue::Boolean(Some(false))),
            (Date, json!("2024-02-29"), BoundValue::Date(Some("2024-02-29".into()))),
            (Month, json!("2026-11"), BoundValue::Text(Some("2026-11".into()))),
            (Integer, json!(""), BoundValue::Integer(None)),
            (Date, json!(null), BoundValue::Date(None)),
        ] {
            assert_eq!(of(kind).bind(Some(&value)), Ok(bound), "{value}");
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
            let error = of(kind).bind(Some(&value)).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_missing_value_is_its_default_or_null_or_asked_for() {
        let mut parameter = of(FieldType::Integer);
        assert_eq!(parameter.bind(None), Ok(BoundValue::Integer(None)));
        parameter.required = true;
        assert_eq!(parameter.bind(Some(&json!(""))), Err("it must be given".to_owned()));
        parameter.default = Some(spanned(json!(5)));
        assert_eq!(parameter.bind(None), Ok(BoundValue::Integer(Some(5))));
        assert_eq!(parameter.bind(Some(&json!(6))), Ok(BoundValue::Integer(Some(6))));
        let mut text = of(FieldType::Text);
        text.required = true;
        assert_eq!(text.bind(Some(&json!(""))), Err("it must be given".to_owned()), "an empty text is none");
    }

    #[test]
    fn a_value_is_one_of_its_choices() {
        let mut parameter = of(FieldType::Number);
        parameter.choices = vec![spanned(json!(2)), spanned(json!(3.5))];
        assert_eq!(parameter.bind(Some(&json!(2.0))), Ok(BoundValue::Number(Some(2.0))));
        assert_eq!(parameter.bind(Some(&json!(4))).unwrap_err(), "4 is none of its choices: 2, 3.5");
    }
}
