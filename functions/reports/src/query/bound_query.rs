//! A query with the values of its parameters.

use std::{collections::BTreeMap, sync::Arc};

use runtime::Failure;
use serde_json::Value;

use crate::definition::{parameter::BoundValue, report_definition::ReportDefinition};

/// The query of a definition with a value for each placeholder, in their order.
#[derive(Debug)]
pub(crate) struct BoundQuery {
    pub(crate) definition: Arc<ReportDefinition>,
    pub(crate) values: Vec<BoundValue>,
}

impl BoundQuery {
    /// Checks and binds the given values; an error names its parameter.
    pub(crate) fn new(definition: Arc<ReportDefinition>, given: &BTreeMap<String, Value>) -> Result<Self, Failure> {
        let parameters = &definition.parameters;
        if let Some(unknown) = given.keys().find(|name| parameters.iter().all(|known| known.name.get_ref() != *name)) {
            let known: Vec<_> = parameters.iter().map(|known| known.name.get_ref().as_str()).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
            let unknown: String = unknown.chars().take(60).collect();
            let name = &definition.name;
            return Err(Failure::input(format!(
                "parameters.{unknown}: the report {name} has no such parameter; {known}"
            )));
        }
        let value = |(name, _): &(String, usize)| {
            let parameter = parameters.iter().find(|known| known.name.get_ref() == name);
            let parameter = parameter.expect("a query's parameters were checked when it was read");
            let wrong = |why| Failure::input(format!("parameters.{name} ({}): {why}", parameter.title()));
            parameter.bind(given.get(name)).map_err(wrong)
        };
        let values = definition.sql.parameters.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Self { definition, values })
    }
}
