//! Fields of a form, as definitions declare them: read from TOML, checked, offered in the catalogue, and used to read
//! the values of an input.

pub(crate) mod from_schema;

use model::catalogue::{Field, FieldType, check_choice, shown};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use storage::FileKey;

use crate::definitions::Segment;

/// The most characters of a name that an error message shows.
const MAX_SHOWN: usize = 60;

/// A field that a definition declares, such as `[[parameter]]` of a report and `[[input]]` of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormField {
    /// The name of its value in the input.
    pub name: String,
    /// The label; the name if empty.
    #[serde(default)]
    pub title: String,
    /// The type of its values; text if missing.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub field_type: Option<FieldType>,
    /// The value where none is given.
    #[serde(default, deserialize_with = "default")]
    pub default: Option<Value>,
    /// True if a value must be given, unless there is a default.
    #[serde(default)]
    pub required: bool,
    /// The only values that are allowed, if any are listed.
    #[serde(default, deserialize_with = "choices")]
    pub choices: Vec<Value>,
    /// A sentence shown beside the field.
    #[serde(default)]
    pub hint: String,
}

/// An input that does not fit its form.
#[derive(Debug, Clone, PartialEq)]
pub enum InputError<'a> {
    /// The form has no field of this name, which is shortened.
    Unknown(String),
    /// The value of this field is wrong or missing, for this reason.
    Invalid(&'a FormField, String),
}

/// Reads the values of an input: each checked, with defaults for missing ones and null where there is no default.
pub fn read(
    fields: &[FormField],
    given: impl IntoIterator<Item = (String, Value)>,
) -> Result<Map<String, Value>, InputError<'_>> {
    let given: Map<_, _> = given.into_iter().collect();
    if let Some(unknown) = given.keys().find(|name| fields.iter().all(|field| field.name != **name)) {
        return Err(InputError::Unknown(unknown.chars().take(MAX_SHOWN).collect()));
    }
    let read = |field| FormField::read(field, given.get(&field.name)).map(|value| (field.name.clone(), value));
    fields.iter().map(|field| read(field).map_err(|reason| InputError::Invalid(field, reason))).collect()
}

impl FormField {
    /// The type of its values.
    pub fn value_type(&self) -> FieldType {
        self.field_type.unwrap_or(FieldType::Text)
    }

    /// The field as the catalogue offers it; `parent` is where the values of all fields lie in the input.
    pub fn offer(&self, parent: &str) -> Field {
        Field {
            path: format!("{parent}.{}", self.name),
            title: if self.title.is_empty() { self.name.clone() } else { self.title.clone() },
            field_type: self.value_type(),
            default: self.default.clone(),
            required: self.required,
            choices: self.choices.clone(),
            hint: self.hint.clone(),
        }
    }

    /// Checks that the choices are of the field's type, and the default is one of them. Each fault has its path within
    /// the field.
    pub fn check(&self) -> Vec<(Vec<Segment>, String)> {
        let mut faults = Vec::new();
        for (index, choice) in self.choices.iter().enumerate() {
            if let Err(reason) = check_type(self.value_type(), choice) {
                faults.push((vec!["choices".into(), index.into()], format!("choices: {reason}")));
            }
        }
        if faults.is_empty()
            && let Some(Err(reason)) = self.default.as_ref().map(|default| self.check_value(default))
        {
            faults.push((vec!["default".into()], format!("default: {reason}")));
        }
        faults
    }

    /// Reads a value: the given one unless it is null, or the default, or null; it is checked.
    pub fn read(&self, given: Option<&Value>) -> Result<Value, String> {
        match given.filter(|value| !value.is_null()).or(self.default.as_ref()) {
            Some(value) => self.check_value(value).map(|()| value.clone()),
            None if self.required => Err("it must be given".to_owned()),
            None => Ok(Value::Null),
        }
    }

    fn check_value(&self, value: &Value) -> Result<(), String> {
        check_type(self.value_type(), value)?;
        check_choice(&self.choices, value)
    }
}

fn check_type(field_type: FieldType, value: &Value) -> Result<(), String> {
    match field_type {
        FieldType::File if value.as_str().is_none_or(|key| key.parse::<FileKey>().is_err()) => {
            Err(format!("{} is not the key of an uploaded file", shown(value)))
        }
        other => other.check(value),
    }
}

fn default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Ok(Option::<Value>::deserialize(deserializer)?.map(unquoted_date))
}

fn choices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    Ok(Vec::<Value>::deserialize(deserializer)?.into_iter().map(unquoted_date).collect())
}

/// A date that TOML has without quotes, which serde shows as an object with one key.
pub(crate) fn unquoted_date(value: Value) -> Value {
    match value.get("$__toml_private_datetime") {
        Some(date) => date.clone(),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(field_type: FieldType) -> FormField {
        serde_json::from_value(json!({ "name": "p", "type": field_type })).unwrap()
    }

    #[test]
    fn a_value_is_of_its_fields_type() {
        use FieldType::*;
        for (field_type, value) in [
            (Text, json!("'; DROP TABLE t; --")),
            (Text, json!("")),
            (Integer, json!(-7)),
            (Number, json!(7)),
            (Number, json!(7.5)),
            (Boolean, json!(false)),
            (Date, json!("2024-02-29")),
            (Month, json!("2026-11")),
            (File, json!("a/b.csv")),
            (Date, json!(null)),
        ] {
            assert_eq!(field(field_type).read(Some(&value)).as_ref(), Ok(&value));
        }
        for (field_type, value, words) in [
            (Text, json!(5), "5 is not a text"),
            (Text, json!("a\0b"), "null characters"),
            (Text, json!("x".repeat(16 * 1024 + 1)), "longer than"),
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
            (File, json!("../secret"), "is not the key of an uploaded file"),
            (Text, json!({"a": "x".repeat(99)}), "… is not a text"),
        ] {
            let error = field(field_type).read(Some(&value)).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_missing_value_is_its_default_or_null_or_an_error() {
        let mut field = field(FieldType::Integer);
        assert_eq!(field.read(None), Ok(Value::Null));
        field.required = true;
        assert_eq!(field.read(Some(&Value::Null)), Err("it must be given".to_owned()));
        field.default = Some(json!(5));
        assert_eq!(field.read(None), Ok(json!(5)));
        assert_eq!(field.read(Some(&json!(6))), Ok(json!(6)));
    }

    #[test]
    fn a_value_is_one_of_its_choices() {
        let mut field = field(FieldType::Number);
        field.choices = vec![json!(2), json!(3.5)];
        assert_eq!(field.read(Some(&json!(2.0))), Ok(json!(2.0)));
        assert_eq!(field.read(Some(&json!(4))).unwrap_err(), "4 is none of its choices: 2, 3.5");
    }

    #[test]
    fn a_declaration_is_read_from_toml_and_its_faults_have_a_path() {
        let field: FormField = toml::from_str("name = 'day'\ntype = 'date'\ndefault = 2026-11-22").unwrap();
        assert_eq!((&field.default, field.check()), (&Some(json!("2026-11-22")), Vec::new()));
        let written = serde_json::to_value(&field).unwrap();
        assert_eq!(serde_json::from_value::<FormField>(written).unwrap(), field);
        let field: FormField = toml::from_str("name = 'n'\ntype = 'integer'\nchoices = [1, 'x']\ndefault = 3").unwrap();
        let reason = "choices: \"x\" is not a whole number of 64 bits".to_owned();
        assert_eq!(field.check(), [(vec!["choices".into(), 1.into()], reason)]);
        let field: FormField = toml::from_str("name = 'n'\ntype = 'integer'\nchoices = [1]\ndefault = 3").unwrap();
        assert_eq!(field.check(), [(vec!["default".into()], "default: 3 is none of its choices: 1".to_owned())]);
        let field: FormField = toml::from_str("name = 'n'\ndefault = 3").unwrap();
        assert_eq!(field.check()[0].1, "default: 3 is not a text");
        assert!(toml::from_str::<FormField>("name = 'n'\nrequire = true").is_err());
    }

    #[test]
    fn an_input_is_read_field_by_field_and_offered_at_its_path() {
        let mut month = field(FieldType::Month);
        month.default = Some(json!("2026-11"));
        let fields =
            [month, FormField { name: "size".to_owned(), title: "Size".to_owned(), ..field(FieldType::Integer) }];
        let read = |given: Value| read(&fields, given.as_object().unwrap().clone());
        assert_eq!(read(json!({ "size": 2 })), Ok(json!({ "p": "2026-11", "size": 2 }).as_object().unwrap().clone()));
        assert_eq!(read(json!({ "sise": 2 })), Err(InputError::Unknown("sise".to_owned())));
        assert!(
            matches!(read(json!({ "size": "2" })), Err(InputError::Invalid(FormField { name, .. }, _)) if name == "size")
        );
        let offers: Vec<_> =
            fields.iter().map(|field| field.offer("input")).map(|field| (field.path, field.title)).collect();
        assert_eq!(offers, [("input.p".to_owned(), "p".to_owned()), ("input.size".to_owned(), "Size".to_owned())]);
    }
}
