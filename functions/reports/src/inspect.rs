//! A definition read as a worker reads it, without a folder: what a fuzzer feeds.

use runtime::definitions::{Fault, Source};

use crate::definition::{folder::read_definition, sheet::SheetDefinition};

/// Reads a definition and its queries; their texts come back with their parameters as they stand in them.
pub fn inspect_definition(toml: &str, queries: &str) -> Result<Vec<String>, Vec<Fault>> {
    let source = |ending: &str, text: &str| Source {
        file: format!("report.{ending}"),
        name: "report".to_owned(),
        text: text.to_owned(),
    };
    let definition = read_definition(&[source("toml", toml), source("sql", queries)])?;
    let text = |SheetDefinition { sql, .. }: &SheetDefinition| {
        sql.with_placeholders(|index| format!(":{}", sql.parameters[index].0))
    };
    Ok(definition.sheets.iter().map(text).collect())
}
