//! The queries of a report with the values of its parameters.

use std::{collections::BTreeMap, sync::Arc};

use runtime::{
    Failure,
    catalogue::FieldType,
    form::{self, FormField, InputError},
};
use serde_json::{Map, Value};

use crate::definition::{report_definition::ReportDefinition, sheet::SheetDefinition};

/// A definition with a value for each placeholder of its queries.
#[derive(Debug)]
pub(crate) struct BoundReport {
    pub(crate) definition: Arc<ReportDefinition>,
    /// All parameters, by name: the given value, the default, or null.
    pub(crate) parameters: Map<String, Value>,
    /// For each sheet, the values of its query in the order of their first use.
    pub(crate) values: Vec<Vec<BoundValue>>,
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

impl BoundReport {
    /// Checks and binds the given values; an error names its parameter.
    pub(crate) fn new(definition: Arc<ReportDefinition>, given: BTreeMap<String, Value>) -> Result<Self, Failure> {
        let parameters = &definition.parameters;
        let is_given = |name: &str, value: &Value| {
            let parameter = parameters.iter().find(|parameter| parameter.name == name);
            parameter.is_none_or(|parameter| value.as_str() != Some("") || takes_any_text(parameter))
        };
        let given = given.into_iter().filter(|(name, value)| is_given(name, value));
        let read = form::read(parameters, given).map_err(|error| input_failure(&definition, error))?;
        let bind = |(name, _): &(String, usize)| {
            let parameter = parameters.iter().find(|parameter| parameter.name == *name);
            let parameter = parameter.expect("a query's parameters were checked when it was read");
            BoundValue::new(parameter.value_type(), &read[name])
        };
        let values = |sheet: &SheetDefinition| sheet.sql.parameters.iter().map(bind).collect();
        let values = definition.sheets.iter().map(values).collect();
        Ok(Self { definition, parameters: read, values })
    }
}

/// An empty field of a form is no value, unless any text will do.
fn takes_any_text(parameter: &FormField) -> bool {
    parameter.value_type() == FieldType::Text && !parameter.required && parameter.choices.is_empty()
}

fn input_failure(definition: &ReportDefinition, error: InputError<'_>) -> Failure {
    Failure::input(match error {
        InputError::Unknown(name) => {
            let known: Vec<_> = definition.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("parameters.{name}: the report {} has no such parameter; it has {known}", definition.name)
        }
        InputError::Invalid(parameter, reason) => {
            format!("parameters.{} ({}): {reason}", parameter.name, parameter.title)
        }
    })
}

impl BoundValue {
    /// A checked value of a parameter of this type.
    fn new(field_type: FieldType, value: &Value) -> Self {
        let text = || value.as_str().map(str::to_owned);
        match field_type {
            FieldType::Text | FieldType::Month | FieldType::File => Self::Text(text()),
            FieldType::Integer => Self::Integer(value.as_i64()),
            FieldType::Number => Self::Number(value.as_f64()),
            FieldType::Boolean => Self::Boolean(value.as_bool()),
            FieldType::Date => Self::Date(text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::sql_template::SqlTemplate;

    fn bind(parameter: Value, value: Value) -> Result<BoundValue, String> {
        let definition = json!({"title": "T", "parameter": [parameter], "sheet": [{}]});
        let mut definition: ReportDefinition = serde_json::from_value(definition).unwrap();
        definition.sheets[0].sql = SqlTemplate::parse("SELECT :p", 0).unwrap();
        let report = BoundReport::new(Arc::new(definition), BTreeMap::from([("p".to_owned(), value)]));
        report.map(|report| report.values[0][0].clone()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_value_is_bound_as_its_parameters_type() {
        for (field_type, value, bound) in [
            ("text", json!("'; DROP TABLE t; --"), BoundValue::Text(Some("'; DROP TABLE t; --".into()))),
            ("text", json!(""), BoundValue::Text(Some("".into()))),
            ("integer", json!(-7), BoundValue::Integer(Some(-7))),
            ("number", json!(7), BoundValue::Number(Some(7.0))),
            ("boolean", json!(false), BoundValue::Boolean(Some(false))),
            ("date", json!("2024-02-29"), BoundValue::Date(Some("2024-02-29".into()))),
            ("month", json!("2026-11"), BoundValue::Text(Some("2026-11".into()))),
            ("integer", json!(""), BoundValue::Integer(None)),
            ("date", json!(null), BoundValue::Date(None)),
        ] {
            assert_eq!(bind(json!({"name": "p", "type": field_type}), value), Ok(bound));
        }
    }

    #[test]
    fn an_empty_text_is_no_value_where_one_must_be_given() {
        let error = "parameters.p (P): it must be given".to_owned();
        for field_type in ["text", "integer"] {
            let parameter = json!({"name": "p", "title": "P", "type": field_type, "required": true});
            assert_eq!(bind(parameter, json!("")), Err(error.clone()));
        }
    }
}
