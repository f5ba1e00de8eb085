//! The inputs of a workflow: offered as a form, and checked when a run starts.

use model::catalogue::Offer;
use runtime::form::{self, InputError};
use serde_json::{Map, Value, json};

use super::document::Definition;

/// The form that starts a workflow.
pub(crate) fn offer(definition: &Definition) -> Offer {
    Offer {
        name: definition.name.clone(),
        title: definition.title.clone(),
        description: definition.description.clone(),
        allow: definition.allow.clone(),
        input: Map::from_iter([("workflow".to_owned(), json!(definition.name))]),
        fields: definition.inputs.iter().map(|field| field.offer("input")).collect(),
    }
}

/// Reads the values of a run's inputs, with defaults; null where there is none either.
pub(crate) fn read(definition: &Definition, values: Map<String, Value>) -> Result<Map<String, Value>, String> {
    form::read(&definition.inputs, values).map_err(|error| match error {
        InputError::Invalid(field, reason) => format!("input.{}: {reason}", field.name),
        InputError::Unknown(unknown) => {
            let known: Vec<_> = definition.inputs.iter().map(|field| field.name.as_str()).collect();
            let (name, known) = (&definition.name, known.join(", "));
            format!("input.{unknown}: the workflow {name} has no such input; it has {known}")
        }
    })
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
            (json!({}), "input.file: it must be given"),
            (json!({ "file": null }), "input.file: it must be given"),
            (json!({ "file": "../secret" }), "input.file: \"../secret\" is not the key of an uploaded file"),
            (json!({ "file": "a/b", "month": "2026-13" }), "input.month: \"2026-13\" is not a month"),
            (json!({ "file": "a/b", "size": 3 }), "input.size: 3 is none of its choices: 1, 2"),
            (json!({ "file": "a/b", "size": "2" }), "input.size: \"2\" is not a whole number"),
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
