//! The inputs of a workflow: offered as a form, and checked when a run starts.

use model::catalogue::{Field, FieldType, Offer};
use serde_json::{Map, Value, json};
use storage::FileKey;

use super::document::{Definition, InputField};

/// Most bytes of a text in an input.
const MAX_TEXT: usize = 16 * 1024;

/// The form that starts a workflow.
pub(crate) fn offer(definition: &Definition) -> Offer {
    let fields = definition.inputs.iter().map(|field| Field {
        path: format!("input.{}", field.name),
        title: if field.title.is_empty() { field.name.clone() } else { field.title.clone() },
        field_type: field.field_type,
        default: field.default.clone(),
        required: field.required,
        choices: field.choices.clone(),
        hint: field.hint.clone(),
    });
    Offer {
        name: definition.name.clone(),
        title: definition.title.clone(),
        description: definition.description.clone(),
        allow: definition.allow.clone(),
        input: Map::from_iter([("workflow".to_owned(), json!(definition.name))]),
        fields: fields.collect(),
    }
}

/// Checks the values of a run's inputs, and adds defaults; null where there is none either.
pub(crate) fn read(definition: &Definition, mut values: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut input = Map::new();
    for field in &definition.inputs {
        let value = values.remove(&field.name).filter(|value| !value.is_null()).or_else(|| field.default.clone());
        match value {
            Some(value) => {
                check_value(field, &value).map_err(|error| format!("input.{}: {error}", field.name))?;
                input.insert(field.name.clone(), value);
            }
            None if field.required => return Err(format!("input.{}: it is missing", field.name)),
            None => {
                input.insert(field.name.clone(), Value::Null);
            }
        }
    }
    match values.keys().next() {
        None => Ok(input),
        Some(unknown) => {
            let known: Vec<_> = definition.inputs.iter().map(|field| field.name.as_str()).collect();
            let shown: String = unknown.chars().take(40).collect();
            Err(format!(
                "input.{shown}: the workflow {} has no such input; it has {}",
                definition.name,
                known.join(", ")
            ))
        }
    }
}

/// Whether a value is one that the field may have.
pub(crate) fn check_value(field: &InputField, value: &Value) -> Result<(), String> {
    check_type(field, value)?;
    if field.choices.is_empty() || field.choices.contains(value) {
        return Ok(());
    }
    let choices: Vec<_> = field.choices.iter().map(Value::to_string).collect();
    Err(format!("{value} is none of {}", choices.join(", ")))
}

/// Whether a value is of the field's type.
pub(crate) fn check_type(field: &InputField, value: &Value) -> Result<(), String> {
    let text = value.as_str().filter(|text| text.len() <= MAX_TEXT);
    let (fits, expected) = match field.field_type {
        FieldType::Text => (text.is_some(), "a text"),
        FieldType::Integer => (value.is_i64() || value.is_u64(), "a whole number"),
        FieldType::Number => (value.is_number(), "a number"),
        FieldType::Boolean => (value.is_boolean(), "true or false"),
        FieldType::Date => (text.is_some_and(is_date), "a day such as \"2026-11-22\""),
        FieldType::Month => (text.is_some_and(is_month), "a month such as \"2026-11\""),
        FieldType::File => (text.is_some_and(|text| text.parse::<FileKey>().is_ok()), "the key of an uploaded file"),
    };
    if fits { Ok(()) } else { Err(format!("it must be {expected}")) }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_month(text: &str) -> bool {
    text.len() == 7 && is_date(&format!("{text}-01"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        let toml = r#"
            title = "T"
            [[input]]
            name = "file"
            type = "file"
            required = true
            [[input]]
            name = "month"
            type = "month"
            default = "2026-11"
            [[input]]
            name = "size"
            type = "integer"
            choices = [1, 2]
        "#;
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn what_is_not_given_is_the_default() {
        let values = json!({ "file": "a/b.csv", "size": 2 });
        let input = read(&definition(), values.as_object().unwrap().clone()).unwrap();
        assert_eq!(Value::Object(input), json!({ "file": "a/b.csv", "month": "2026-11", "size": 2 }));
    }

    #[test]
    fn what_is_wrong_with_an_input_is_named() {
        for (values, expected) in [
            (json!({}), "input.file: it is missing"),
            (json!({ "file": null }), "input.file: it is missing"),
            (json!({ "file": "../secret" }), "input.file: it must be the key"),
            (json!({ "file": "a/b", "month": "2026-13" }), "input.month: it must be a month"),
            (json!({ "file": "a/b", "size": 3 }), "input.size: 3 is none of 1, 2"),
            (json!({ "file": "a/b", "size": "2" }), "input.size: it must be a whole number"),
            (json!({ "file": "a/b", "sise": 2 }), "input.sise: the workflow"),
        ] {
            let error = read(&definition(), values.as_object().unwrap().clone()).unwrap_err();
            assert!(error.contains(expected), "{values}: {error}");
        }
    }

    #[test]
    fn a_form_asks_for_each_input_at_its_place() {
        let offer = offer(&Definition { name: "t".to_owned(), ..definition() });
        assert_eq!(offer.input, *json!({ "workflow": "t" }).as_object().unwrap());
        let fields: Vec<_> = offer.fields.iter().map(|field| (field.path.as_str(), field.required)).collect();
        assert_eq!(fields, [("input.file", true), ("input.month", false), ("input.size", false)]);
    }
}
