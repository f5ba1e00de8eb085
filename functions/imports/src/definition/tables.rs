//! The tables of a definition: one, or one for each of several sheets.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use serde::Deserialize;
use toml::Spanned;

use crate::{
    definition::{
        check::Check,
        columns::{ColumnEntry, DeclaredColumn},
        sheet_tables::{Each, MAX_SHEETS},
    },
    options::SheetChoice,
    table_name::TableName,
};

/// The tables of a definition.
#[derive(Debug)]
pub(crate) enum Tables {
    /// One, of any file.
    One(TableDefinition),
    /// One for each of these sheets of a workbook.
    Sheets(Vec<SheetDefinition>),
    /// One for every sheet that has a value, each named after this one and its sheet.
    Each(TableDefinition),
}

/// A table of a definition.
#[derive(Debug)]
pub(crate) struct TableDefinition {
    pub(crate) table: TableName,
    /// The columns that identify a row for `upsert`.
    pub(crate) key: Vec<String>,
    /// Its columns; if empty, they are inferred from the file.
    pub(crate) columns: Arc<[DeclaredColumn]>,
}

/// A sheet of a definition.
#[derive(Debug)]
pub(crate) struct SheetDefinition {
    pub(crate) sheet: SheetChoice,
    /// Set if it may be missing or empty.
    pub(crate) optional: bool,
    pub(crate) table: TableDefinition,
}

impl Tables {
    /// All of them; of each sheet's the one that they are named after.
    pub(crate) fn all(&self) -> impl Iterator<Item = &TableDefinition> {
        let (one, several) = match self {
            Self::One(table) | Self::Each(table) => (Some(table), &[][..]),
            Self::Sheets(sheets) => (None, sheets.as_slice()),
        };
        one.into_iter().chain(several.iter().map(|sheet| &sheet.table))
    }

    /// The one that this table is of; names are compared as SQLite does, ignoring case.
    pub(crate) fn own(&self, table: &TableName) -> Option<&TableDefinition> {
        let name = table.as_str();
        let is_own = |own: &&TableDefinition| {
            let own = own.table.as_str();
            let begins = || name.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own));
            let is_of_each = matches!(self, Self::Each(_)) && begins() && name[own.len()..].starts_with('_');
            name.eq_ignore_ascii_case(own) || is_of_each
        };
        self.all().find(is_own)
    }

    /// What each sheet's table is named and made after.
    pub(crate) fn of_each(&self) -> Option<&TableDefinition> {
        if let Self::Each(table) = self { Some(table) } else { None }
    }

    /// The formats that they are made of, for people.
    pub(crate) fn formats(&self) -> &'static str {
        match self {
            Self::One(_) => "CSV, TSV, JSON Lines or XLSX; the text formats also as .gz or .zst",
            Self::Sheets(_) | Self::Each(_) => "A workbook, XLSX",
        }
    }
}

/// The tables as a definition's file has them.
pub(super) struct WrittenTables {
    pub(super) table: Option<TableName>,
    pub(super) sheets: Option<Spanned<Each>>,
    pub(super) sheet: Vec<Spanned<SheetEntry>>,
    pub(super) key: Option<Spanned<Vec<String>>>,
    pub(super) column: Vec<Spanned<ColumnEntry>>,
    /// Set if `[file]` says which sheet is read.
    pub(super) names_one_sheet: bool,
}

/// A sheet of a workbook and its table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SheetEntry {
    name: SheetChoice,
    table: TableName,
    #[serde(default)]
    optional: bool,
    key: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    column: Vec<Spanned<ColumnEntry>>,
}

impl Check<'_> {
    /// The tables; `None` after a fault.
    pub(super) fn tables(&mut self, written: WrittenTables, upserts: bool) -> Option<Tables> {
        let WrittenTables { table, sheets, sheet, key, column, names_one_sheet } = written;
        let at = sheet.first().map(Spanned::span).or_else(|| sheets.as_ref().map(Spanned::span));
        if let Some(at) = at.clone().filter(|_| names_one_sheet) {
            self.fault(at, "file.sheet: it is one sheet, and these are several");
        }
        if sheet.is_empty() {
            let Some(table) = table else {
                let why = "table: it is missing; write the table that files go into, or a [[sheet]] with a table for each sheet";
                self.fault(at.unwrap_or(0..0), why);
                return None;
            };
            let columns = self.columns(column);
            let key = self.key(key, (0..0, upserts), &columns);
            let table = TableDefinition { table, key, columns: columns.into() };
            return Some(if sheets.is_some() { Tables::Each(table) } else { Tables::One(table) });
        }
        let at = at.unwrap_or(0..0);
        for (field, is_there) in [
            ("table", table.is_some()),
            ("sheets", sheets.is_some()),
            ("key", key.is_some()),
            ("[[column]]", !column.is_empty()),
        ] {
            if is_there {
                self.fault(at.clone(), format!("{field}: with [[sheet]], it is said of each sheet"));
            }
        }
        self.sheets(sheet, upserts)
    }

    fn sheets(&mut self, entries: Vec<Spanned<SheetEntry>>, upserts: bool) -> Option<Tables> {
        if entries.len() > MAX_SHEETS {
            self.fault(entries[MAX_SHEETS].span(), format!("sheet: a definition has {MAX_SHEETS} at most"));
            return None;
        }
        let mut sheets = Vec::with_capacity(entries.len());
        let mut known: HashMap<String, String> = HashMap::new();
        for entry in entries {
            let at = entry.span();
            let SheetEntry { name, table, optional, key, column } = entry.into_inner();
            if let Some(other) = known.insert(table.as_str().to_ascii_lowercase(), name.to_string()) {
                let table = table.as_str();
                self.fault(at.clone(), format!("the sheets {other} and {name} would both go into the table {table}"));
            }
            let columns = self.columns(column);
            let key = self.key(key, (at, upserts), &columns);
            let table = TableDefinition { table, key, columns: columns.into() };
            sheets.push(SheetDefinition { sheet: name, optional, table });
        }
        Some(Tables::Sheets(sheets))
    }

    fn key(
        &mut self,
        key: Option<Spanned<Vec<String>>>,
        (at, upserts): (Range<usize>, bool),
        columns: &[DeclaredColumn],
    ) -> Vec<String> {
        let Some(key) = key else {
            if upserts {
                self.fault(at, "mode upsert needs a key, the columns that tell rows apart: key = [\"id\"]");
            }
            return Vec::new();
        };
        let (at, key) = (key.span(), key.into_inner());
        if key.is_empty() || !upserts {
            self.fault(at.clone(), "a key names one or more columns, and only mode upsert has one");
        }
        let mut seen = HashSet::new();
        for name in &key {
            if !columns.is_empty() && !columns.iter().any(|column| column.name == *name) {
                self.fault(at.clone(), format!("key: there is no [[column]] of the name {name:?}"));
            }
            if !seen.insert(name) {
                self.fault(at.clone(), format!("key: {name:?} is there twice"));
            }
        }
        key
    }
}
