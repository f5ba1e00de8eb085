//! One report: its query, its parameters, and what it becomes.

use std::collections::BTreeMap;

use runtime::Failure;
use serde_json::Value;

use crate::{
    format::Shown,
    input::Format,
    parameter::{Bound, Parameter},
    sql::Sql,
    written::ChartType,
};

/// A definition that was read and checked.
#[derive(Debug, Clone)]
pub struct Definition {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    /// At least one; the first is the usual one.
    pub(crate) formats: Vec<Format>,
    pub(crate) allow: Vec<String>,
    /// In the order of the form.
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) chart: Option<Chart>,
    pub(crate) columns: Vec<Hint>,
    pub(crate) sql: Sql,
}

/// `[chart]`; whether the columns are there is known once the query runs.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) chart_type: ChartType,
    pub(crate) x: String,
    pub(crate) y: Vec<String>,
}

/// `[[column]]`: how a column is shown.
#[derive(Debug, Clone)]
pub(crate) struct Hint {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) format: Option<Shown>,
}

/// A query with the values of its parameters, in the order of its placeholders.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) report: String,
    pub(crate) sql: Sql,
    pub(crate) values: Vec<Bound>,
}

impl Definition {
    /// Its name: that of its files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format that was asked for, or the usual one.
    pub(crate) fn format(&self, asked: Option<Format>) -> Result<Format, Failure> {
        match asked {
            None => Ok(self.formats[0]),
            Some(format) if self.formats.contains(&format) => Ok(format),
            Some(format) => {
                let offered: Vec<_> = self.formats.iter().map(|format| format.as_str()).collect();
                let (name, offered) = (&self.name, offered.join(", "));
                Err(Failure::input(format!("format: the report {name} is not made as {format}, but as {offered}")))
            }
        }
    }

    /// The query with these values, each checked; what is wrong names its parameter.
    pub(crate) fn query(&self, given: &BTreeMap<String, Value>) -> Result<Query, Failure> {
        if let Some(unknown) = given.keys().find(|name| self.parameters.iter().all(|known| known.name != **name)) {
            let known: Vec<_> = self.parameters.iter().map(|known| known.name.as_str()).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
            let unknown: String = unknown.chars().take(60).collect();
            let name = &self.name;
            return Err(Failure::input(format!(
                "parameters.{unknown}: the report {name} has no such parameter; {known}"
            )));
        }
        let value = |(name, _): &(String, usize)| {
            let parameter = self.parameters.iter().find(|known| known.name == *name);
            let parameter = parameter.expect("a query's parameters were checked when it was read");
            let wrong = |why| Failure::input(format!("parameters.{name} ({}): {why}", parameter.title));
            parameter.read(given.get(name)).map_err(wrong)
        };
        let values = self.sql.names.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Query { report: self.name.clone(), sql: self.sql.clone(), values })
    }
}
