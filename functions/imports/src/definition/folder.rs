//! Reads and checks the folder of definitions when the worker starts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use runtime::{
    catalogue::Offer,
    definitions::{Fault, Faults, Folder},
};

use crate::{
    column::ColumnType,
    definition::{columns::DeclaredColumn, parse::Definition},
    table_name::TableName,
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
        self.0.values().filter(|definition| definition.tables.own(table).is_some())
    }

    /// The forms that start imports by them.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        self.0.values().map(|definition| definition.offer()).collect()
    }
}

/// A table belongs to one definition, or to several that say so and give it the same columns.
fn contradictions(definitions: &BTreeMap<String, Arc<Definition>>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let all: Vec<_> = definitions.values().collect();
    for (at, one) in all.iter().enumerate() {
        let reason = all[..at].iter().find_map(|other| contradiction(one, other));
        faults.extend(reason.map(|reason| Fault { file: format!("{}.toml", one.name), line: None, reason }));
    }
    faults
}

/// What both definitions say of a table.
fn contradiction(one: &Definition, other: &Definition) -> Option<String> {
    let of_one = one.tables.all().filter_map(|table| Some((table, other.tables.own(&table.table)?)));
    let of_other = other.tables.all().filter_map(|table| Some((table, one.tables.own(&table.table)?)));
    of_one.chain(of_other).find_map(|(table, same)| {
        let (name, shown) = (&other.name, table.table.as_str());
        match () {
            () if !(one.shared && other.shared) => Some(format!(
                "the table {shown} belongs to {name}.toml; if both are meant to fill it, write shared = true in both"
            )),
            () if shape(&table.columns) != shape(&same.columns) => {
                Some(format!("{name}.toml gives the table {shown} other columns"))
            }
            () => None,
        }
    })
}

fn shape(columns: &[DeclaredColumn]) -> Vec<(&str, ColumnType)> {
    let mut shape: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.column_type)).collect();
    shape.sort_unstable_by_key(|(name, _)| *name);
    shape
}
