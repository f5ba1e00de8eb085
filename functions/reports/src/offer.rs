//! A report as a form.

use runtime::catalogue::{Field, FieldType, Offer};
use serde_json::json;

use crate::{
    definition::Definition,
    parameter::{Parameter, ParameterType},
};

/// What can be started: this report, with a field for each parameter and one for its format.
pub(crate) fn of(definition: &Definition) -> Offer {
    let mut fields: Vec<_> = definition.parameters.iter().map(field).collect();
    fields.push(Field {
        path: "format".to_owned(),
        title: "Format".to_owned(),
        field_type: FieldType::Text,
        default: Some(json!(definition.formats[0])),
        required: true,
        choices: definition.formats.iter().map(|format| json!(format)).collect(),
        hint: String::new(),
    });
    Offer {
        name: definition.name.clone(),
        title: definition.title.clone(),
        description: definition.description.clone(),
        allow: definition.allow.clone(),
        input: [("report".to_owned(), json!(definition.name))].into_iter().collect(),
        fields,
    }
}

fn field(parameter: &Parameter) -> Field {
    Field {
        path: format!("parameters.{}", parameter.name),
        title: parameter.title.clone(),
        field_type: match parameter.parameter_type {
            ParameterType::Text => FieldType::Text,
            ParameterType::Integer => FieldType::Integer,
            ParameterType::Number => FieldType::Number,
            ParameterType::Boolean => FieldType::Boolean,
            ParameterType::Date => FieldType::Date,
            ParameterType::Month => FieldType::Month,
        },
        default: parameter.default.clone(),
        required: parameter.required,
        choices: parameter.choices.clone(),
        hint: parameter.hint.clone(),
    }
}
