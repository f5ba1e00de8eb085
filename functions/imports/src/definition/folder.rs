//! Reads and checks the folder of definitions when the worker starts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use runtime::{
    catalogue::Offer,
    definitions::{Fault, Faults, Folder},
};

use crate::{
    column::ColumnType,
    definition::parse::{DeclaredColumn, Definition},
    input::TableName,
};

/// The setting of the folder.
pub(crate) const SETTING: &str = "imports.definitions (BELLWIRE_IMPORTS__DEFINITIONS)";

/// The definitions of a worker, by name.
#[derive(Debug, Default)]
pub(crate) struct Definitions(BTreeMap<String, Arc<Definition>>);

impl Definitions {
    /// Reads each `NAME.toml` of a folder; an empty path is a folder with none.
    pub(crate) fn read(folder: &Path) -> Result<Self, Faults> {
        let folder = Folder::open(SETTING, folder, ["toml"]);
        folder.read(|[source]| Definition::parse(source).map(Arc::new), contradictions).map(Self)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Definition>> {
        self.0.get(name)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The definitions of a table.
    pub(crate) fn for_table(&self, table: &TableName) -> impl Iterator<Item = &Arc<Definition>> {
        self.0.values().filter(|definition| is_same(&definition.table, table))
    }

    /// The forms that start imports by them.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        self.0.values().map(|definition| definition.offer()).collect()
    }
}

/// Compares the names of tables as SQLite does, ignoring case.
fn is_same(one: &TableName, other: &TableName) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

/// A table belongs to one definition, or to several that say so and give it the same columns.
fn contradictions(definitions: &BTreeMap<String, Arc<Definition>>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let all: Vec<_> = definitions.values().collect();
    for (at, one) in all.iter().enumerate() {
        let Some(other) = all[..at].iter().find(|other| is_same(&one.table, &other.table)) else { continue };
        let (name, table) = (&other.name, one.table.as_str());
        let reason = match () {
            () if !(one.shared && other.shared) => {
                format!(
                    "the table {table} belongs to {name}.toml; if both are meant to fill it, write shared = true in both"
                )
            }
            () if shape(&one.columns) != shape(&other.columns) => {
                format!("{name}.toml gives the table {table} other columns")
            }
            () => continue,
        };
        faults.push(Fault { file: format!("{}.toml", one.name), line: None, reason });
    }
    faults
}

fn shape(columns: &[DeclaredColumn]) -> Vec<(&str, ColumnType)> {
    let mut shape: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.column_type)).collect();
    shape.sort_unstable_by_key(|(name, _)| *name);
    shape
}
