//! A definition read as a worker reads it, without a folder: what a fuzzer feeds.

use runtime::definitions::{Fault, Source};

use crate::definition::folder::read_definition;

/// Reads a definition and its query; the query's text comes back with its parameters as they stand in it.
pub fn inspect_definition(toml: &str, query: &str) -> Result<String, Vec<Fault>> {
    let source = |ending: &str, text: &str| Source {
        file: format!("report.{ending}"),
        name: "report".to_owned(),
        text: text.to_owned(),
    };
    let definition = read_definition(&[source("toml", toml), source("sql", query)])?;
    let sql = &definition.sql;
    Ok(sql.with_placeholders(|index| format!(":{}", sql.parameters[index].0)))
}
