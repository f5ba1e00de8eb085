//! What belongs to a question besides its text: how many must answer it and by when, what it shows, and its form.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Decision;
use crate::catalogue::{Field, check_choice, shown};

/// What belongs to a question besides its text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// The time by which it must be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many people must approve; one if it is 0. One rejection is enough.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub needed: u32,
    /// True if whoever started the run may not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub others_only: bool,
    /// Values that are shown with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<ShownValue>,
    /// The files of the run's owner that those who are asked may read while it is open: their keys, `<id>/<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The fields of the form that is filled in with an approval; their paths are their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// A value that is shown with a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownValue {
    /// What it is.
    pub title: String,
    /// The value, as a text.
    pub value: String,
}

impl Details {
    /// True if there are none.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// How many people must approve.
    pub fn needed(&self) -> usize {
        self.needed.max(1) as usize
    }

    /// Reads the values of its form: with those of an approval all that must be filled in.
    pub fn read_values(&self, mut given: Map<String, Value>, decision: Decision) -> Result<Map<String, Value>, String> {
        let mut read = Map::new();
        for field in &self.fields {
            let name = field.name();
            let value = given.remove(name).filter(|value| !value.is_null());
            let value = match value.or_else(|| field.default.clone().filter(|_| decision == Decision::Approve)) {
                Some(value) => {
                    let checked = field.field_type.check(&value).and_then(|()| check_choice(&field.choices, &value));
                    checked.map_err(|reason| format!("{name}: {reason}"))?;
                    value
                }
                None if field.required && decision == Decision::Approve => {
                    return Err(format!("{name}: it must be given"));
                }
                None => Value::Null,
            };
            read.insert(name.to_owned(), value);
        }
        match given.keys().next() {
            Some(unknown) => Err(format!("{}: the question has no such field", shown(&json!(unknown)))),
            None => Ok(read),
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::FieldType;

    #[test]
    fn the_values_of_a_form_are_checked_and_a_rejection_may_leave_it_empty() {
        let field = |name: &str, field_type, required| Field {
            path: name.to_owned(),
            title: name.to_owned(),
            field_type,
            default: None,
            required,
            choices: Vec::new(),
            hint: String::new(),
        };
        let amount = field("amount", FieldType::Integer, true);
        let size = Field { choices: vec![json!("S"), json!("L")], ..field("size", FieldType::Text, false) };
        let day = Field { default: Some(json!("2026-11-29")), ..field("day", FieldType::Date, true) };
        let details = Details { fields: vec![amount, size, day], ..Details::default() };
        let read = |given: Value, decision| details.read_values(given.as_object().unwrap().clone(), decision);
        let whole = json!({ "amount": 7, "size": null, "day": "2026-11-29" });
        assert_eq!(read(json!({ "amount": 7 }), Decision::Approve).map(Value::Object), Ok(whole));
        for (given, words) in [
            (json!({}), "amount: it must be given"),
            (json!({ "amount": null }), "amount: it must be given"),
            (json!({ "amount": "7" }), "amount: \"7\" is not a whole number"),
            (json!({ "amount": 7, "size": "M" }), "size: \"M\" is none of its choices: \"S\", \"L\""),
            (json!({ "amount": 7, "day": "tomorrow" }), "day: \"tomorrow\" is not a day"),
            (json!({ "amount": 7, "colour": "red" }), "\"colour\": the question has no such field"),
        ] {
            let error = read(given.clone(), Decision::Approve).unwrap_err();
            assert!(error.contains(words), "{given}: {error}");
        }
        assert!(read(json!({}), Decision::Reject).is_ok());
        assert!(read(json!({ "amount": "7" }), Decision::Reject).is_err());
    }
}
