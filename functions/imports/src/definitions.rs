//! The folder of definitions, read and checked when the worker starts.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use runtime::catalogue::Offer;

use crate::{
    definition::{Declared, Definition},
    input::TableName,
};

/// Bytes that one may have.
const LARGEST: u64 = 256 * 1024;
/// How many there may be.
const MOST: usize = 1000;

/// All definitions, by name.
#[derive(Debug, Default)]
pub(crate) struct Definitions(BTreeMap<String, Arc<Definition>>);

/// What is wrong with the definitions: every fault, each with its file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct DefinitionError(Vec<String>);

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "imports.definitions (BELLWIRE_IMPORTS__DEFINITIONS): {}", self.0.join("; "))
    }
}

impl Definitions {
    /// Reads each `NAME.toml` of a folder; an empty path is a folder with none.
    pub(crate) fn read(folder: &Path) -> Result<Self, DefinitionError> {
        if folder.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        let shown = |error: io::Error| DefinitionError(vec![format!("the folder {}: {error}", folder.display())]);
        let files = files(folder).map_err(shown)?;
        if files.len() > MOST {
            return Err(DefinitionError(vec![format!("{}: more than {MOST} definitions", folder.display())]));
        }
        let (mut definitions, mut faults) = (BTreeMap::new(), Vec::new());
        for file in files {
            match read(&file) {
                Ok(definition) => drop(definitions.insert(definition.name.clone(), Arc::new(definition))),
                Err(told) => faults.extend(told),
            }
        }
        faults.extend(contradictions(folder, &definitions));
        if faults.is_empty() { Ok(Self(definitions)) } else { Err(DefinitionError(faults)) }
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

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Definition, Vec<String>> {
    let shown = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fault = |why: String| vec![format!("{shown}: {why}")];
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(fault("the name of a definition has 1 to 64 of a-z, 0-9, '-' and '_'".to_owned()));
    }
    let bytes = fs::metadata(file).map_err(|error| fault(error.to_string()))?.len();
    if bytes > LARGEST {
        return Err(fault(format!("it is larger than {} KiB", LARGEST / 1024)));
    }
    let text = fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    Definition::read(name, &text).map_err(|faults| {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        faults.into_iter().map(|(at, why)| format!("{shown}:{}: {why}", line(at.start))).collect()
    })
}

/// Two definitions of one table say the same of it.
fn contradictions(folder: &Path, definitions: &BTreeMap<String, Arc<Definition>>) -> Vec<String> {
    let mut faults = Vec::new();
    let all: Vec<_> = definitions.values().collect();
    for (at, one) in all.iter().enumerate() {
        if let Some(other) = all[..at].iter().find(|other| is_same(&one.table, &other.table))
            && shape(&one.columns) != shape(&other.columns)
        {
            let (one, other, table) = (&one.name, &other.name, one.table.as_str());
            let fault = format!("{other}.toml and {one}.toml give the table {table} different columns");
            faults.push(format!("{}: {fault}", folder.display()));
        }
    }
    faults
}

fn shape(columns: &[Declared]) -> Vec<(&str, crate::column::ColumnType)> {
    let mut shape: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    shape.sort_unstable_by_key(|(name, _)| *name);
    shape
}
