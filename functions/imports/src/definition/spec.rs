//! Resolves an input and the definition that it names, and checks that its owner may import so.

use std::{collections::BTreeMap, sync::Arc};

use runtime::{Context, Failure};
use storage::FileKey;

use crate::{
    column::ColumnType,
    config::{ImportsConfig, TablePattern},
    definition::{
        folder::Definitions,
        parse::{DeclaredColumn, Definition},
        rejected::RejectedLimits,
    },
    input::{Input, Mode, TableName},
    options::{Compression, FileOptions, Format},
};

/// A resolved import.
#[derive(Debug, Clone)]
pub(crate) struct ImportSpec {
    pub(crate) file: FileKey,
    pub(crate) table: TableName,
    pub(crate) mode: Mode,
    pub(crate) key: Vec<String>,
    pub(crate) options: FileOptions,
    pub(crate) columns: ColumnSpec,
    /// The name of the definition it follows.
    pub(crate) definition: Option<String>,
    /// The user id of the task's owner.
    pub(crate) owner: String,
    /// Set if the settings let everybody write to the table, whoever made it.
    pub(crate) shared: bool,
    /// The rows that may be rejected; `None` if a person accepted any number.
    pub(crate) rejected: Option<RejectedLimits>,
}

/// The columns as far as they are known before the file is read.
#[derive(Debug, Clone)]
pub(crate) enum ColumnSpec {
    /// The types of some columns, by name.
    Types(BTreeMap<String, ColumnType>),
    /// All columns, with their rules.
    Declared(Arc<[DeclaredColumn]>),
}

impl ImportSpec {
    /// Resolves an input, or refuses it.
    pub(crate) fn resolve(
        input: Input,
        definitions: &Definitions,
        config: &ImportsConfig,
        context: &Context,
    ) -> Result<Self, Failure> {
        let spec = Self::unchecked(input, definitions, config, context)?;
        match spec.options.contradiction() {
            Some(reason) => Err(Failure::input(reason)),
            None => Ok(spec),
        }
    }

    fn unchecked(
        input: Input,
        definitions: &Definitions,
        config: &ImportsConfig,
        context: &Context,
    ) -> Result<Self, Failure> {
        let Some(name) = &input.definition else {
            return Self::from_input(input, definitions, config, context);
        };
        let definition = definitions.get(name).ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            let names = definitions.names();
            Failure::input(match names.is_empty() {
                true => format!("definition: there is no {name:?}; this worker has no definitions"),
                false => format!("definition: there is no {name:?}; there are: {}", names.join(", ")),
            })
        })?;
        if !context.is_allowed(&definition.allow) {
            return Err(forbidden());
        }
        Self::from_definition(definition, input, config, context)
    }

    /// True if it gives names that the file's columns must have.
    pub(crate) fn names_columns(&self) -> bool {
        match &self.columns {
            ColumnSpec::Types(types) => !types.is_empty() || !self.key.is_empty(),
            ColumnSpec::Declared(_) => true,
        }
    }

    /// An import of any file, of which only this much is known.
    pub(crate) fn undefined(format: Option<Format>, compression: Option<Compression>) -> Result<Self, Failure> {
        let options = FileOptions { format, compression, ..FileOptions::default() };
        Ok(Self {
            file: "a/file".parse().map_err(|error| Failure::input(format!("{error}")))?,
            table: TableName::try_from("t".to_owned()).map_err(Failure::input)?,
            mode: Mode::Replace,
            key: Vec::new(),
            options,
            columns: ColumnSpec::Types(BTreeMap::new()),
            definition: None,
            owner: String::new(),
            shared: false,
            rejected: None,
        })
    }

    fn from_input(
        mut input: Input,
        definitions: &Definitions,
        config: &ImportsConfig,
        context: &Context,
    ) -> Result<Self, Failure> {
        let missing = || Failure::input("table: it is missing; name a table, or a definition");
        let table = input.table.clone().ok_or_else(missing)?;
        // Otherwise leaving the definition out would get around its "allow", its rules and its modes.
        if definitions.for_table(&table).next().is_some() {
            return Err(belongs_to_definition(&table, definitions, context));
        }
        if !config.tables.iter().any(|pattern| pattern.matches(&table)) {
            let patterns: Vec<_> = config.tables.iter().map(TablePattern::as_str).collect();
            let allowed = if patterns.is_empty() { "none".to_owned() } else { patterns.join(", ") };
            let table = table.as_str();
            return Err(Failure::Permanent {
                reason: "table",
                message: format!("imports may not go into the table {table}; they may go into: {allowed}"),
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
        let options = input.take_options();
        let columns = ColumnSpec::Types(input.columns);
        let shared = config.shared_tables.iter().any(|pattern| pattern.matches(&table));
        let (key, owner) = (input.key, context.owner.clone());
        let rejected = (!input.accept_rejected).then(|| RejectedLimits::of(config));
        Ok(Self { file: input.file, table, mode, key, options, columns, definition: None, owner, shared, rejected })
    }

    fn from_definition(
        definition: &Arc<Definition>,
        mut input: Input,
        config: &ImportsConfig,
        context: &Context,
    ) -> Result<Self, Failure> {
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
        let options = definition.file.or(input.take_options()).map_err(fixed)?;
        let columns = match definition.columns.is_empty() {
            true => ColumnSpec::Types(BTreeMap::new()),
            false => ColumnSpec::Declared(definition.columns.clone()),
        };
        let key = if mode == Mode::Upsert { definition.key.clone() } else { Vec::new() };
        let table = definition.table.clone();
        let limits = RejectedLimits::of(config).overridden(definition.rejected);
        let rejected = (!input.accept_rejected).then_some(limits);
        let (definition, owner) = (Some(name.clone()), context.owner.clone());
        Ok(Self { file: input.file, table, mode, key, options, columns, definition, owner, shared: false, rejected })
    }
}

/// Ends an import that leaves out the definition of its table.
fn belongs_to_definition(table: &TableName, definitions: &Definitions, context: &Context) -> Failure {
    let allowed = definitions.for_table(table).filter(|definition| context.is_allowed(&definition.allow));
    let names: Vec<_> = allowed.map(|definition| definition.name.as_str()).collect();
    match names.as_slice() {
        [] => forbidden(),
        names => Failure::Permanent {
            reason: "table",
            message: format!(
                "the table {} belongs to the definition {}; name that instead of the table",
                table.as_str(),
                names.join(", ")
            ),
        },
    }
}

fn forbidden() -> Failure {
    Failure::Permanent { reason: "forbidden", message: "You may not start this import.".to_owned() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An import without a definition.
    pub(crate) fn spec(input: serde_json::Value) -> ImportSpec {
        let mut input: Input = serde_json::from_value(input).unwrap();
        let options = input.take_options();
        let (table, mode) = (input.table.unwrap(), input.mode.unwrap_or_default());
        let columns = ColumnSpec::Types(input.columns);
        let (key, owner) = (input.key, "ada".to_owned());
        let (file, definition, rejected) = (input.file, None, None);
        ImportSpec { file, table, mode, key, options, columns, definition, owner, shared: false, rejected }
    }
}
