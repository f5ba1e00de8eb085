//! The columns of an import: what the file has, what the table shall have, and how the one becomes the other.

use std::sync::Arc;

use runtime::Failure;

use crate::{
    column::{Column, ColumnType, Value},
    definition::Declared,
    header,
    infer::Kind,
    order::{Order, Wanted},
    row::Record,
    rule::Rule,
};

/// How many columns a table can have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width {
    pub(crate) most: usize,
    /// Of which database.
    pub(crate) database: &'static str,
}

impl Width {
    /// Ends an import whose file has more columns than a table can have.
    pub(crate) fn check(self, has: usize) -> Result<(), Failure> {
        let Self { most, database } = self;
        match has > most {
            true => {
                Err(Failure::input(format!("the file has {has} columns; a table of {database} has {most} at most")))
            }
            false => Ok(()),
        }
    }
}

/// A field of the file, with what is known of its type.
#[derive(Debug, Clone)]
pub(crate) struct PlannedColumn {
    /// Its name in the table.
    pub(crate) name: String,
    /// Its name in the file.
    pub(crate) field: String,
    pub(crate) kind: Kind,
    /// What it must hold beyond that.
    pub(crate) rule: Option<Arc<Rule>>,
    /// Whether it comes to the table.
    pub(crate) used: bool,
}

/// A declared column that the file has not, and what stands in it.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) column: Column,
    pub(crate) text: String,
    pub(crate) value: Value,
}

/// All of them.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// In the order of the file's fields.
    pub(crate) fields: Vec<PlannedColumn>,
    /// Those that come after them.
    pub(crate) filled: Vec<Filled>,
    /// By which `upsert` tells rows apart, as they are called in the table.
    pub(crate) key: Vec<String>,
    /// Those of a definition, of which there are no others.
    declared: Option<Arc<[Declared]>>,
    /// Whether a value or a field that does not fit is the row's fault, and never widens anything.
    pub(crate) fixed: bool,
}

impl Columns {
    /// What the names of the file's fields and the order tell.
    pub(crate) fn of(fields: &[String], order: &Order) -> Result<Self, Failure> {
        let names = header::names(fields.iter().map(String::as_str));
        let mut columns = match &order.columns {
            Wanted::Types(types) => {
                let known = |key: &&String| names.contains(key) || fields.contains(key);
                if let Some(unknown) = types.keys().find(|key| !known(key)) {
                    return Err(no_column("columns", unknown, &names));
                }
                let planned = names.iter().zip(fields).map(|(name, field)| {
                    let kind = types.get(name).or_else(|| types.get(field));
                    let kind = kind.map_or(Kind::Unknown, |kind| Kind::Given(*kind));
                    PlannedColumn { name: name.clone(), field: field.clone(), kind, rule: None, used: true }
                });
                let fields = planned.collect();
                Self { fields, filled: Vec::new(), key: Vec::new(), declared: None, fixed: false }
            }
            Wanted::Declared(declared) => Self::declared(fields, &names, declared, order)?,
        };
        columns.set_key(&order.key)?;
        Ok(columns)
    }

    fn declared(
        fields: &[String],
        names: &[String],
        declared: &Arc<[Declared]>,
        order: &Order,
    ) -> Result<Self, Failure> {
        let mut taken = vec![false; declared.len()];
        let mut planned = Vec::with_capacity(fields.len());
        for (field, name) in fields.iter().zip(names) {
            let comes_from = |column: &Declared| column.from == field.trim();
            let Some(at) = declared.iter().position(comes_from) else {
                let (name, field) = (name.clone(), field.clone());
                planned.push(PlannedColumn { name, field, kind: Kind::Unknown, rule: None, used: false });
                continue;
            };
            let column = &declared[at];
            if std::mem::replace(&mut taken[at], true) {
                return Err(Failure::input(format!("the file has the column {:?} twice", column.from)));
            }
            planned.push(coming_from(column, field));
        }
        let mut filled = Vec::new();
        for (column, _) in declared.iter().zip(&taken).filter(|(_, taken)| !**taken) {
            match &column.rule.default {
                Some(text) => filled.push(filled_with(column, text)),
                None if column.rule.required => {
                    let definition = order.definition.as_deref().unwrap_or_default();
                    let shown = names.iter().take(50).map(String::as_str).collect::<Vec<_>>().join(", ");
                    let from = &column.from;
                    return Err(Failure::input(format!(
                        "the file has no column {from:?}, which the definition {definition} requires; it has: {shown}"
                    )));
                }
                None => {}
            }
        }
        if !planned.iter().any(|column| column.used) {
            let definition = order.definition.as_deref().unwrap_or_default();
            return Err(Failure::input(format!("the file has none of the columns of the definition {definition}")));
        }
        Ok(Self { fields: planned, filled, key: Vec::new(), declared: Some(declared.clone()), fixed: true })
    }

    fn set_key(&mut self, key: &[String]) -> Result<(), Failure> {
        for wanted in key {
            let found = self
                .fields
                .iter_mut()
                .find(|column| column.used && (column.name.eq_ignore_ascii_case(wanted) || column.field == *wanted));
            let Some(column) = found else {
                let names: Vec<_> = self.put().into_iter().map(|column| column.name).collect();
                return Err(no_column("key", wanted, &names));
            };
            if self.key.contains(&column.name) {
                return Err(Failure::input(format!("key: {wanted:?} is there twice")));
            }
            self.key.push(column.name.clone());
            let rule = column.rule.as_deref().cloned().unwrap_or_default();
            column.rule = Some(Arc::new(Rule { key: true, ..rule }));
        }
        Ok(())
    }

    /// Learns from a row what its columns must hold; one that is not as its file is tells nothing.
    pub(crate) fn learn(&mut self, row: &Record<'_>) {
        if !self.takes_new_fields() || row.len() < self.fields.len() || row.fault().is_some() {
            return;
        }
        self.grow(row.names);
        if row.len() > self.fields.len() {
            return;
        }
        for (at, (column, field)) in self.fields.iter_mut().zip(row.fields()).enumerate() {
            column.kind.learn(field, row.is_text(at));
        }
    }

    /// Takes new fields of the file for columns.
    fn grow(&mut self, names: &[String]) {
        if names.len() <= self.fields.len() {
            return;
        }
        // The names of those that were there are the same again.
        let all = header::names(names.iter().map(String::as_str));
        for (name, field) in all.into_iter().zip(names).skip(self.fields.len()) {
            let declared = self.declared.iter().flat_map(|declared| declared.iter());
            let column = match declared.into_iter().find(|column| column.from == *field) {
                Some(column) => coming_from(column, field),
                None => PlannedColumn { name, field: field.clone(), kind: Kind::Unknown, rule: None, used: true },
            };
            self.filled.retain(|filled| filled.column.name != column.name);
            self.fields.push(column);
        }
    }

    /// Whether a field that comes late is one more column.
    pub(crate) fn takes_new_fields(&self) -> bool {
        !self.fixed || self.declared.is_some()
    }

    /// Those that rows are written to, in this order.
    pub(crate) fn put(&self) -> Vec<Column> {
        let used = self.fields.iter().filter(|column| column.used);
        let used = used.map(|column| Column { name: column.name.clone(), kind: column.kind.kind() });
        used.chain(self.filled.iter().map(|filled| filled.column.clone())).collect()
    }

    /// Those of the table, were it to be made.
    pub(crate) fn table(&self) -> Vec<Column> {
        match &self.declared {
            Some(declared) => {
                declared.iter().map(|column| Column { name: column.name.clone(), kind: column.kind }).collect()
            }
            None => self.put(),
        }
    }

    /// The file's fields that do not come to the table.
    pub(crate) fn ignored(&self) -> Vec<String> {
        self.fields.iter().filter(|column| !column.used).take(50).map(|column| column.field.clone()).collect()
    }

    /// Takes the names and types of a table that is there: what does not fit them is rejected.
    pub(crate) fn fit(&mut self, table: &str, existing: &[Existing]) -> Result<(), Failure> {
        let find = |name: &str| {
            let found = existing.iter().find(|known| known.name.eq_ignore_ascii_case(name));
            found.ok_or_else(|| {
                let names: Vec<_> = existing.iter().map(|column| column.name.as_str()).collect();
                let names = names.join(", ");
                Failure::input(format!("the file has a column {name} that the table {table} has not; it has: {names}"))
            })
        };
        for column in self.fields.iter_mut().filter(|column| column.used) {
            let known = find(&column.name)?;
            let declared = self.declared.is_some().then(|| column.kind.kind());
            column.kind = Kind::Given(known.read_as(declared, table)?);
            if let Some(key) = self.key.iter_mut().find(|key| **key == column.name) {
                key.clone_from(&known.name);
            }
            column.name.clone_from(&known.name);
        }
        for filled in &mut self.filled {
            let known = find(&filled.column.name)?;
            known.read_as(Some(filled.column.kind), table)?;
            filled.column.name.clone_from(&known.name);
        }
        self.fixed = true;
        Ok(())
    }
}

/// A column of a table that is there.
#[derive(Debug, Clone)]
pub(crate) struct Existing {
    pub(crate) name: String,
    /// Its type in the database's own words.
    pub(crate) type_name: String,
    pub(crate) holds: Holds,
}

/// What a column of the database can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// What this type holds.
    Type(ColumnType),
    /// Anything.
    Anything,
    /// Nothing that an import knows.
    Nothing,
}

impl Existing {
    /// As which type values for it are read, `declared` being what a definition says.
    fn read_as(&self, declared: Option<ColumnType>, table: &str) -> Result<ColumnType, Failure> {
        let Self { name, type_name, holds } = self;
        match (*holds, declared) {
            (Holds::Type(own), None) => Ok(own),
            (Holds::Anything, declared) => Ok(declared.unwrap_or(ColumnType::Text)),
            (Holds::Type(own), Some(declared)) if own.holds(declared) => Ok(declared),
            (_, Some(declared)) => {
                let declared = declared.as_str();
                let message =
                    format!("the column {name} of the table {table} is {type_name}, which holds no {declared}");
                Err(Failure::Permanent { reason: "table", message })
            }
            (Holds::Nothing, None) => {
                let message = format!("the column {name} of the table {table} is {type_name}, which no import knows");
                Err(Failure::Permanent { reason: "table", message })
            }
        }
    }
}

fn coming_from(column: &Declared, field: &str) -> PlannedColumn {
    PlannedColumn {
        name: column.name.clone(),
        field: field.to_owned(),
        kind: Kind::Given(column.kind),
        rule: Some(Arc::new(column.rule.clone())),
        used: true,
    }
}

fn filled_with(column: &Declared, text: &str) -> Filled {
    // Checked when the definition was read.
    let value = column.kind.read(text.as_bytes()).map_or(Value::Null, |(_, value)| value);
    Filled { column: Column { name: column.name.clone(), kind: column.kind }, text: text.to_owned(), value }
}

fn no_column(field: &str, wanted: &str, names: &[String]) -> Failure {
    let shown = names.iter().take(50).map(String::as_str).collect::<Vec<_>>().join(", ");
    let wanted: String = wanted.chars().take(64).collect();
    Failure::input(format!("{field}: the file has no column {wanted:?}; it has: {shown}"))
}
