//! What is to be done: an input, together with the definition that it names, and whether its owner may ask for it.

use std::{collections::BTreeMap, sync::Arc};

use runtime::{Context, Failure};
use storage::FileKey;

use crate::{
    column::ColumnType,
    config::TablePattern,
    definition::{Declared, Definition},
    definitions::Definitions,
    input::{FileOptions, Input, Mode, TableName},
};

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) file: FileKey,
    pub(crate) table: TableName,
    pub(crate) mode: Mode,
    pub(crate) key: Vec<String>,
    pub(crate) options: FileOptions,
    pub(crate) columns: Wanted,
    /// The definition by which it is done.
    pub(crate) definition: Option<String>,
}

/// What is known of the columns before the file is.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// The types of some, by their names.
    Types(BTreeMap<String, ColumnType>),
    /// All of them, and what they must hold.
    Declared(Arc<[Declared]>),
}

impl Order {
    /// Makes sense of an input, or says what is wrong with it.
    pub(crate) fn of(
        input: Input,
        definitions: &Definitions,
        tables: &[TablePattern],
        context: &Context,
    ) -> Result<Self, Failure> {
        let Some(name) = &input.definition else {
            return Self::without(input, definitions, tables, context);
        };
        let definition = definitions.get(name).ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            let known = definitions.names();
            Failure::input(match known.is_empty() {
                true => format!("definition: there is no {shown:?}; this worker has no definitions"),
                false => format!("definition: there is no {shown:?}; there are: {}", known.join(", ")),
            })
        })?;
        if !context.is_allowed(&definition.allow) {
            return Err(forbidden());
        }
        Self::by(definition, input)
    }

    fn without(
        input: Input,
        definitions: &Definitions,
        tables: &[TablePattern],
        context: &Context,
    ) -> Result<Self, Failure> {
        let missing = || Failure::input("table: it is missing; name a table, or a definition");
        let table = input.table.clone().ok_or_else(missing)?;
        // Otherwise "allow" would be no more than a suggestion.
        if definitions.of(&table).any(|definition| !context.is_allowed(&definition.allow)) {
            return Err(forbidden());
        }
        if !tables.iter().any(|pattern| pattern.covers(&table)) {
            let patterns: Vec<_> = tables.iter().map(TablePattern::as_str).collect();
            let which = if patterns.is_empty() { "none".to_owned() } else { patterns.join(", ") };
            let table = table.as_str();
            return Err(Failure::Permanent {
                reason: "table",
                message: format!("imports may not go into the table {table}; they may go into: {which}"),
            });
        }
        let mode = input.mode.unwrap_or_default();
        match (mode, input.key.is_empty()) {
            (Mode::Upsert, true) => {
                Err(Failure::input("key: mode upsert needs the columns that tell rows apart, such as [\"id\"]"))
            }
            (Mode::Replace | Mode::Append, false) => Err(Failure::input("key: only mode upsert has a key")),
            _ => Ok(()),
        }?;
        let options = said(&input);
        let columns = Wanted::Types(input.columns);
        Ok(Self { file: input.file, table, mode, key: input.key, options, columns, definition: None })
    }

    fn by(definition: &Arc<Definition>, input: Input) -> Result<Self, Failure> {
        let name = &definition.name;
        let fixed = |field: &str| Failure::input(format!("{field}: the definition {name} says it; leave it out"));
        if input.table.is_some() {
            return Err(fixed("table"));
        }
        if !input.key.is_empty() {
            return Err(fixed("key"));
        }
        if !input.columns.is_empty() {
            return Err(fixed("columns"));
        }
        let mode = input.mode.unwrap_or(definition.mode);
        if mode != definition.mode && !definition.modes.contains(&mode) {
            return Err(fixed("mode"));
        }
        let options = merged(&definition.file, said(&input)).map_err(fixed)?;
        let columns = match definition.columns.is_empty() {
            true => Wanted::Types(BTreeMap::new()),
            false => Wanted::Declared(definition.columns.clone()),
        };
        let key = if mode == Mode::Upsert { definition.key.clone() } else { Vec::new() };
        let table = definition.table.clone();
        Ok(Self { file: input.file, table, mode, key, options, columns, definition: Some(name.clone()) })
    }
}

fn forbidden() -> Failure {
    Failure::Permanent { reason: "forbidden", message: "You may not start this import.".to_owned() }
}

fn said(input: &Input) -> FileOptions {
    FileOptions {
        format: input.format,
        compression: input.compression,
        sheet: input.sheet.clone(),
        delimiter: input.delimiter,
        encoding: input.encoding,
    }
}

/// What the definition leaves open, the input may say; `Err` names what it may not.
fn merged(fixed: &FileOptions, said: FileOptions) -> Result<FileOptions, &'static str> {
    fn either<T: Clone>(fixed: &Option<T>, said: Option<T>, field: &'static str) -> Result<Option<T>, &'static str> {
        match (fixed, said) {
            (Some(_), Some(_)) => Err(field),
            (fixed, said) => Ok(said.or_else(|| fixed.clone())),
        }
    }
    Ok(FileOptions {
        format: either(&fixed.format, said.format, "format")?,
        compression: either(&fixed.compression, said.compression, "compression")?,
        sheet: either(&fixed.sheet, said.sheet, "sheet")?,
        delimiter: either(&fixed.delimiter, said.delimiter, "delimiter")?,
        encoding: either(&fixed.encoding, said.encoding, "encoding")?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An order without a definition.
    pub(crate) fn order(input: serde_json::Value) -> Order {
        let input: Input = serde_json::from_value(input).unwrap();
        let options = said(&input);
        let (table, mode) = (input.table.unwrap(), input.mode.unwrap_or_default());
        let columns = Wanted::Types(input.columns);
        Order { file: input.file, table, mode, key: input.key, options, columns, definition: None }
    }
}
