//! Reads and checks the folder of definitions when the worker starts.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use runtime::{
    catalogue::Offer,
    definitions::{Fault, Faults, Source, fault_of_name, files},
};

use crate::{
    column::ColumnType,
    definition::parse::{DeclaredColumn, Definition},
    input::TableName,
};

/// The definitions of a worker, by name.
#[derive(Debug, Default)]
pub(crate) struct Definitions(BTreeMap<String, Arc<Definition>>);

impl Definitions {
    /// Reads each `NAME.toml` of a folder; an empty path is a folder with none.
    pub(crate) fn read(folder: &Path) -> Result<Self, Faults> {
        let setting = "imports.definitions (BELLWIRE_IMPORTS__DEFINITIONS)";
        let (mut definitions, mut faults) = (BTreeMap::new(), Vec::new());
        let names = files(folder, &["toml"]).unwrap_or_else(|fault| {
            faults.push(fault);
            Vec::new()
        });
        for file in names {
            match read(folder, &file) {
                Ok(definition) => drop(definitions.insert(definition.name.clone(), Arc::new(definition))),
                Err(found) => faults.extend(found),
            }
        }
        faults.extend(contradictions(&definitions));
        Faults::unless_none(setting, faults).map(|()| Self(definitions))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Definition>> {
        self.0.get(name)
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The definitions of a table.
    pub(crate) fn for_table(&self, table: &TableName) -> impl Iterator<Item = &Arc<Definition>> {
        self.0.values().filter(|definition| is_same(&definition.table, table))
    }

    /// The forms that start them.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        self.0.values().map(|definition| definition.offer()).collect()
    }
}

/// Whether two names are one table: SQLite ignores case.
fn is_same(one: &TableName, other: &TableName) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

fn read(folder: &Path, file: &str) -> Result<Definition, Vec<Fault>> {
    let source = Source::read(folder, file).map_err(|fault| vec![fault])?;
    if let Some(why) = fault_of_name(&source.name) {
        return Err(vec![source.fault(why)]);
    }
    let faults = |faults: Vec<(_, String)>| {
        let told = faults.into_iter().map(|(at, why): (std::ops::Range<usize>, _)| source.fault_at(at.start, why));
        told.collect()
    };
    Definition::parse(&source.name, &source.text).map_err(faults)
}

/// Definitions of one table must give it the same columns.
fn contradictions(definitions: &BTreeMap<String, Arc<Definition>>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let all: Vec<_> = definitions.values().collect();
    for (at, one) in all.iter().enumerate() {
        if let Some(other) = all[..at].iter().find(|other| is_same(&one.table, &other.table))
            && shape(&one.columns) != shape(&other.columns)
        {
            let why = format!("{}.toml gives the table {} other columns", other.name, one.table.as_str());
            faults.push(Fault { file: format!("{}.toml", one.name), line: None, why });
        }
    }
    faults
}

fn shape(columns: &[DeclaredColumn]) -> Vec<(&str, ColumnType)> {
    let mut shape: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.column_type)).collect();
    shape.sort_unstable_by_key(|(name, _)| *name);
    shape
}
