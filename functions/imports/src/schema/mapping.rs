//! The mapping from the fields of a file to the columns of its table.

use std::{borrow::Cow, sync::Arc};

use runtime::Failure;

use crate::{
    column::{Column, Value},
    column_names,
    definition::{
        columns::DeclaredColumn,
        rule::Rule,
        spec::{ColumnSpec, ImportSpec},
    },
    notation::Notation,
    read::{
        row::{Row, RowReader},
        values::ValueCount,
    },
    schema::{
        existing::{Accepts, ExistingColumn},
        inference::TypeInference,
    },
};

/// The number of columns that a table of a database can have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnLimit {
    pub(crate) max: usize,
    pub(crate) database: &'static str,
}

impl ColumnLimit {
    /// Ends an import whose file has more columns than a table can have.
    pub(crate) fn check(self, has: usize) -> Result<(), Failure> {
        let Self { max, database } = self;
        match has > max {
            true => Err(Failure::input(format!("the file has {has} columns; a table of {database} has {max} at most"))),
            false => Ok(()),
        }
    }
}

/// A field of the file and its column.
#[derive(Debug, Clone)]
pub(crate) struct MappedField {
    /// Its name in the table.
    pub(crate) name: String,
    /// Its name in the file.
    pub(crate) field: String,
    pub(crate) inference: TypeInference,
    pub(crate) notation: Notation,
    pub(crate) rule: Option<Arc<Rule>>,
    /// Set if it is written to the table.
    pub(crate) used: bool,
}

/// A declared column that is missing in the file, and its default.
#[derive(Debug, Clone)]
pub(crate) struct DefaultColumn {
    pub(crate) column: Column,
    pub(crate) text: String,
    pub(crate) value: Value,
}

/// The mapping from the fields of a file to the columns of its table.
#[derive(Debug, Clone)]
pub(crate) struct ColumnMapping {
    /// In the order of the file.
    pub(crate) fields: Vec<MappedField>,
    /// Written after the fields.
    pub(crate) defaults: Vec<DefaultColumn>,
    /// The columns that identify a row for `upsert`, by their names in the table.
    pub(crate) key: Vec<String>,
    /// The notation that somebody gave.
    notation: Notation,
    /// The columns of a definition; the table has no others.
    declared: Option<Arc<[DeclaredColumn]>>,
    /// Set once the types are final: a row that does not fit is rejected.
    fixed: bool,
}

impl ColumnMapping {
    /// Maps the fields of a file as its import asks.
    pub(crate) fn new(fields: &[String], spec: &ImportSpec) -> Result<Self, Failure> {
        let names = column_names::unique_names(fields.iter().map(String::as_str));
        let notation = Notation::given(&spec.options);
        let mut mapping = match &spec.columns {
            ColumnSpec::Types(types) => {
                let known = |key: &&String| names.contains(key) || fields.contains(key);
                if let Some(unknown) = types.keys().find(|key| !known(key)) {
                    return Err(unknown_column("columns", unknown, &names));
                }
                let mapped = names.iter().zip(fields).map(|(name, field)| {
                    let given = types.get(name).or_else(|| types.get(field));
                    let inference = given.map_or(TypeInference::Unknown, |given| TypeInference::Fixed(*given));
                    MappedField { inference, ..undeclared_field(name, field, true, &notation) }
                });
                Self {
                    fields: mapped.collect(),
                    defaults: Vec::new(),
                    key: Vec::new(),
                    notation: notation.clone(),
                    declared: None,
                    fixed: false,
                }
            }
            ColumnSpec::Declared(declared) => Self::declared(fields, &names, declared, spec)?,
        };
        mapping.set_key(&spec.key)?;
        Ok(mapping)
    }

    fn declared(
        fields: &[String],
        names: &[String],
        declared: &Arc<[DeclaredColumn]>,
        spec: &ImportSpec,
    ) -> Result<Self, Failure> {
        let notation = Notation::given(&spec.options);
        let mut present = vec![false; declared.len()];
        let mut mapped = Vec::with_capacity(fields.len());
        for (field, name) in fields.iter().zip(names) {
            let Some(at) = declared.iter().position(|column| column.from == field.trim_matches(is_blank)) else {
                mapped.push(undeclared_field(name, field, false, &notation));
                continue;
            };
            let column = &declared[at];
            if std::mem::replace(&mut present[at], true) {
                return Err(Failure::input(format!("the file has the column {:?} twice", column.from)));
            }
            mapped.push(declared_field(column, field, &notation));
        }
        let definition = spec.definition.as_deref().unwrap_or_default();
        let mut defaults = Vec::new();
        for (column, _) in declared.iter().zip(&present).filter(|(_, present)| !**present) {
            match &column.rule.default {
                Some(text) => defaults.push(default_column(column, text)),
                None if column.rule.required => {
                    let (from, has) = (&column.from, first_names(names));
                    return Err(Failure::input(format!(
                        "the file has no column {from:?}, which the definition {definition} requires; it has: {has}"
                    )));
                }
                None => {}
            }
        }
        if !mapped.iter().any(|column| column.used) {
            return Err(Failure::input(format!("the file has none of the columns of the definition {definition}")));
        }
        let declared = Some(declared.clone());
        Ok(Self { fields: mapped, defaults, key: Vec::new(), notation, declared, fixed: true })
    }

    fn set_key(&mut self, key: &[String]) -> Result<(), Failure> {
        for wanted in key {
            let found = self
                .fields
                .iter_mut()
                .find(|column| column.used && (column.name.eq_ignore_ascii_case(wanted) || column.field == *wanted));
            let Some(column) = found else {
                let names: Vec<_> = self.insert_columns().into_iter().map(|column| column.name).collect();
                return Err(unknown_column("key", wanted, &names));
            };
            if self.key.contains(&column.name) {
                return Err(Failure::input(format!("key: {wanted:?} is there twice")));
            }
            self.key.push(column.name.clone());
            let rule = column.rule.as_deref().cloned().unwrap_or_default();
            column.rule = Some(Arc::new(Rule { is_key: true, ..rule }));
        }
        Ok(())
    }

    /// Learns the types from a row; one that will be rejected is left out.
    pub(crate) fn widen_types(&mut self, row: &Row<'_>) {
        if !self.accepts_new_fields() || row.len() < self.fields.len() || row.error().is_some() {
            return;
        }
        self.add_fields(row.names);
        if row.has_value_beyond(self.fields.len()) {
            return;
        }
        for (at, (column, field)) in self.fields.iter_mut().zip(row.fields()).enumerate() {
            column.inference.widen_types(field, row.kind(at), &column.notation);
        }
    }

    /// Learns the types from so many rows.
    pub(crate) fn learn_types(
        &mut self,
        rows: &mut impl RowReader,
        max_rows: usize,
        mut values: ValueCount,
    ) -> Result<(), Failure> {
        for _ in 0..max_rows {
            let Some(row) = rows.next_row()? else { break };
            values.add(&row)?;
            self.widen_types(&row);
        }
        Ok(())
    }

    /// Maps new fields of the file to columns.
    fn add_fields(&mut self, names: &[String]) {
        if names.len() <= self.fields.len() {
            return;
        }
        // Those that were there get the same names again.
        let all = column_names::unique_names(names.iter().map(String::as_str));
        for (name, field) in all.into_iter().zip(names).skip(self.fields.len()) {
            let mut declared = self.declared.iter().flat_map(|declared| declared.iter());
            let column = match declared.find(|column| column.from == *field) {
                Some(column) => declared_field(column, field, &self.notation),
                None => undeclared_field(&name, field, self.declared.is_none(), &self.notation),
            };
            self.defaults.retain(|default| default.column.name != column.name);
            self.fields.push(column);
        }
    }

    /// True if a field that first appears in a later row becomes a column.
    pub(crate) fn accepts_new_fields(&self) -> bool {
        !self.fixed || self.declared.is_some()
    }

    /// The columns that rows are written to, in this order.
    pub(crate) fn insert_columns(&self) -> Vec<Column> {
        let used = self.fields.iter().filter(|column| column.used);
        let used = used.map(|column| Column::new(&column.name, column.inference.column_type()));
        used.chain(self.defaults.iter().map(|default| default.column.clone())).collect()
    }

    /// The columns of the table, if it is created.
    pub(crate) fn table_columns(&self) -> Vec<Column> {
        match &self.declared {
            Some(declared) => declared.iter().map(|column| Column::new(&column.name, column.column_type)).collect(),
            None => self.insert_columns(),
        }
    }

    /// The file's fields that are not written; the first fifty.
    pub(crate) fn ignored_fields(&self) -> Vec<String> {
        self.fields.iter().filter(|column| !column.used).take(50).map(|column| column.field.clone()).collect()
    }

    /// Takes over the names and types of a table that an import created, where all its columns are there and hold the
    /// values so far; answers whether they are.
    pub(crate) fn fit_existing(&mut self, created: &[ExistingColumn]) -> bool {
        let columns = self.table_columns();
        let holds = |column: &Column| {
            let accepts = find_column(created, &column.name).map(|existing| existing.accepts);
            matches!(accepts, Some(Accepts::Type(own)) if own.accepts(column.column_type))
        };
        if columns.len() != created.len() || !columns.iter().all(holds) {
            return false;
        }
        for column in self.fields.iter_mut().filter(|column| column.used) {
            let Some(existing) = find_column(created, &column.name) else { return false };
            if let (TypeInference::Inferred(_) | TypeInference::Unknown, Accepts::Type(own)) =
                (column.inference, existing.accepts)
            {
                column.inference = TypeInference::Inferred(own);
            }
            column.name.clone_from(&existing.name);
        }
        for DefaultColumn { column, .. } in &mut self.defaults {
            let Some(existing) = find_column(created, &column.name) else { return false };
            column.name.clone_from(&existing.name);
        }
        true
    }

    /// Takes over the names and types of those columns of a table that an import created which hold the values so far.
    pub(crate) fn take_over(&mut self, created: &[ExistingColumn]) {
        for column in self.fields.iter_mut().filter(|column| column.used) {
            let Some(existing) = find_column(created, &column.name) else { continue };
            let needed = column.inference.column_type();
            if let Accepts::Type(own) = existing.accepts
                && own.accepts(needed)
                && !matches!(column.inference, TypeInference::Fixed(_))
            {
                column.inference = TypeInference::Inferred(own);
            }
            column.name.clone_from(&existing.name);
        }
        for DefaultColumn { column, .. } in &mut self.defaults {
            if let Some(existing) = find_column(created, &column.name) {
                column.name.clone_from(&existing.name);
            }
        }
    }

    /// Takes over the names and types of an existing table, after which a row that does not fit is rejected.
    pub(crate) fn match_existing(&mut self, table: &str, existing: &[ExistingColumn]) -> Result<(), Failure> {
        let find = |name: &str| {
            find_column(existing, name).ok_or_else(|| {
                let names: Vec<_> = existing.iter().map(|column| column.name.as_str()).collect();
                let names = names.join(", ");
                Failure::input(format!("the file has a column {name} that the table {table} has not; it has: {names}"))
            })
        };
        for column in self.fields.iter_mut().filter(|column| column.used) {
            let existing = find(&column.name)?;
            let declared = self.declared.is_some().then(|| column.inference.column_type());
            column.inference = TypeInference::Fixed(existing.read_type(declared, table)?);
            if let Some(key) = self.key.iter_mut().find(|key| **key == column.name) {
                key.clone_from(&existing.name);
            }
            column.name.clone_from(&existing.name);
        }
        for DefaultColumn { column, .. } in &mut self.defaults {
            let existing = find(&column.name)?;
            existing.read_type(Some(column.column_type), table)?;
            column.name.clone_from(&existing.name);
        }
        self.fixed = true;
        Ok(())
    }
}

/// The column of a name; where none is written so, one that differs by case.
fn find_column<'a>(existing: &'a [ExistingColumn], name: &str) -> Option<&'a ExistingColumn> {
    let exact = existing.iter().find(|known| known.name == name);
    exact.or_else(|| existing.iter().find(|known| known.name.eq_ignore_ascii_case(name)))
}

fn declared_field(column: &DeclaredColumn, field: &str, notation: &Notation) -> MappedField {
    MappedField {
        name: column.name.clone(),
        field: field.to_owned(),
        inference: TypeInference::Fixed(column.column_type),
        notation: notation.clone(),
        rule: Some(Arc::new(column.rule.clone())),
        used: true,
    }
}

fn undeclared_field(name: &str, field: &str, used: bool, notation: &Notation) -> MappedField {
    let (name, field, notation) = (name.to_owned(), field.to_owned(), notation.clone());
    MappedField { name, field, inference: TypeInference::Unknown, notation, rule: None, used }
}

fn default_column(column: &DeclaredColumn, text: &str) -> DefaultColumn {
    // Checked when the definition was read.
    let read = column.column_type.read(text.as_bytes());
    let (text, value) = read.unwrap_or((Cow::Borrowed(b""), Value::Null));
    let text = String::from_utf8_lossy(&text).into_owned();
    DefaultColumn { column: Column::new(&column.name, column.column_type), text, value }
}

/// True for blanks, and for the byte order mark that a program has put before a header for a second time.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{FEFF}'
}

fn unknown_column(input_field: &str, wanted: &str, names: &[String]) -> Failure {
    let (wanted, has): (String, _) = (wanted.chars().take(64).collect(), first_names(names));
    Failure::input(format!("{input_field}: the file has no column {wanted:?}; it has: {has}"))
}

fn first_names(names: &[String]) -> String {
    names.iter().take(50).map(String::as_str).collect::<Vec<_>>().join(", ")
}
