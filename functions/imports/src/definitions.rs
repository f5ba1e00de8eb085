//! The folder of definitions, read and checked when the worker starts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use runtime::{
    catalogue::Offer,
    definitions::{Fault, Faults, Folder, Source},
};

use crate::{
    definition::{Declared, Definition},
    input::TableName,
};

/// All definitions, by name.
#[derive(Debug, Default)]
pub(crate) struct Definitions(BTreeMap<String, Arc<Definition>>);

impl Definitions {
    /// Reads each `NAME.toml` of a folder; an empty path is a folder with none.
    pub(crate) fn read(folder: &Path) -> Result<Self, Faults> {
        let setting = "imports.definitions (BELLWIRE_IMPORTS__DEFINITIONS)";
        Folder::open(setting, folder, ["toml"]).read(read, contradictions).map(Self)
    }

    /// The one of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Definition>> {
        self.0.get(name)
    }

    /// All their names, for a person who wrote another one.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Those of a table.
    pub(crate) fn of(&self, table: &TableName) -> impl Iterator<Item = &Arc<Definition>> {
        self.0.values().filter(|definition| is_same(&definition.table, table))
    }

    /// The forms that start them.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        self.0.values().map(|definition| definition.offer()).collect()
    }
}

/// SQLite's names have no case.
fn is_same(one: &TableName, other: &TableName) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

fn read([source]: &[Source; 1]) -> Result<Arc<Definition>, Vec<Fault>> {
    let found = Definition::read(&source.name, &source.text);
    let faults = |faults: Vec<(std::ops::Range<usize>, String)>| {
        faults.into_iter().map(|(at, reason)| source.fault_at(at.start, reason)).collect()
    };
    found.map(Arc::new).map_err(faults)
}

/// Two definitions of one table say the same of it.
fn contradictions(definitions: &BTreeMap<String, Arc<Definition>>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let all: Vec<_> = definitions.values().collect();
    for (at, one) in all.iter().enumerate() {
        if let Some(other) = all[..at].iter().find(|other| is_same(&one.table, &other.table))
            && shape(&one.columns) != shape(&other.columns)
        {
            let reason = format!("{}.toml gives the table {} other columns", other.name, one.table.as_str());
            faults.push(Fault { file: format!("{}.toml", one.name), line: None, reason });
        }
    }
    faults
}

fn shape(columns: &[Declared]) -> Vec<(&str, crate::column::ColumnType)> {
    let mut shape: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    shape.sort_unstable_by_key(|(name, _)| *name);
    shape
}
