//! A resolved import: a file, or a sheet of one, into a table.

use std::{collections::BTreeMap, sync::Arc};

use runtime::Failure;
use serde_json::Value;
use storage::FileKey;

use crate::{
    column::ColumnType,
    definition::{columns::DeclaredColumn, rejected::RejectedLimits},
    input::Mode,
    options::{Compression, FileOptions, Format},
    table_name::TableName,
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
    /// The input that imports the rows which fit, however many do not.
    pub(crate) again: Value,
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
            again: Value::Null,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::input::Input;

    /// An import without a definition.
    pub(crate) fn spec(input: serde_json::Value) -> ImportSpec {
        let mut input: Input = serde_json::from_value(input).unwrap();
        let options = input.take_options();
        let (table, mode) = (input.table.unwrap(), input.mode.unwrap_or_default());
        let columns = ColumnSpec::Types(input.columns);
        let (key, owner) = (input.key, "ada".to_owned());
        let (file, definition, rejected) = (input.file, None, None);
        let (shared, again) = (false, Value::Null);
        ImportSpec { file, table, mode, key, options, columns, definition, owner, shared, rejected, again }
    }
}
