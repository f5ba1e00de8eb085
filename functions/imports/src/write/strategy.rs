//! The choice between creating the table, emptying it and adding to it.

use runtime::Failure;

use crate::{
    definition::spec::ImportSpec,
    input::Mode,
    schema::{
        existing::{ExistingColumn, ExistingTable, ImportedTable, TableOwner},
        mapping::ColumnMapping,
    },
};

/// The treatment of the table by a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadStrategy {
    /// Creates it where there is none.
    Create,
    /// Creates it in place of one that an import created, to which nobody attached anything.
    Recreate,
    /// Keeps the table with all that is attached to it, and deletes its rows.
    DeleteRows,
    /// The same, and gives it the columns of the file; refused where something attached rests on one that goes.
    Reshape,
    /// Keeps its rows.
    Append,
}

impl LoadStrategy {
    /// True if rows that were there are gone after it.
    pub(crate) fn replaces_rows(self) -> bool {
        matches!(self, Self::Recreate | Self::DeleteRows | Self::Reshape)
    }

    /// Chooses the strategy, or refuses the table; where the table stays, the columns take its names and types.
    pub(crate) fn choose(
        existing: &ExistingTable,
        spec: &ImportSpec,
        mapping: &mut ColumnMapping,
    ) -> Result<Self, Failure> {
        let table = spec.table.as_str();
        let refused = |reason: &str| {
            let message = format!("the table {table} {reason}, so it was left alone; choose another name");
            Err(Failure::Permanent { reason: "table", message })
        };
        let (columns, imported, attached, cascading, reshapes) = match existing {
            ExistingTable::Missing => return Ok(Self::Create),
            ExistingTable::NotATable => return refused("is there already and is no table"),
            ExistingTable::Table { columns, imported, attached, cascading, reshapes } => {
                (columns, imported, attached, cascading, *reshapes)
            }
        };
        let delete_rows = || match cascading {
            None => Ok(Self::DeleteRows),
            Some(foreign_key) => {
                let message = format!(
                    "the table {table} was left alone: if its rows were replaced, {foreign_key} would delete or change \
                     rows there as well"
                );
                Err(Failure::Permanent { reason: "table", message })
            }
        };
        let names = columns.iter().map(|column| &column.name);
        match imported {
            Some(ImportedTable { columns: created, owner }) if created.iter().map(|column| &column.name).eq(names) => {
                if let Some(reason) = belongs_to_another(owner, spec) {
                    return refused(reason);
                }
                let created: Vec<_> = created.iter().cloned().map(ExistingColumn::from).collect();
                if spec.mode != Mode::Replace {
                    return mapping.match_existing(table, &created).map(|()| Self::Append);
                }
                match attached.as_slice() {
                    [] if cascading.is_none() => Ok(Self::Recreate),
                    _ if mapping.fit_existing(&created) => delete_rows(),
                    _ if reshapes && cascading.is_none() => {
                        mapping.take_over(&created);
                        Ok(Self::Reshape)
                    }
                    attached => Err(would_be_lost(table, &created, attached)),
                }
            }
            None if spec.definition.is_none() => refused("is there already and no import made it"),
            Some(_) if spec.definition.is_none() => refused("was changed since an import made it"),
            _ => {
                mapping.match_existing(table, columns)?;
                if spec.mode == Mode::Replace { delete_rows() } else { Ok(Self::Append) }
            }
        }
    }
}

/// The reason why an import without a definition leaves a table of this owner alone.
fn belongs_to_another(owner: &TableOwner, spec: &ImportSpec) -> Option<&'static str> {
    match owner {
        _ if spec.definition.is_some() || spec.shared => None,
        TableOwner::Unknown => None,
        TableOwner::Person(person) if *person == spec.owner => None,
        TableOwner::Person(_) => Some("was made by an import of somebody else"),
        TableOwner::Definition(_) => Some("was made by a definition"),
    }
}

/// Ends a replacement by a file with other columns, where more than the table's own rows would go.
pub(crate) fn would_be_lost(table: &str, columns: &[ExistingColumn], attached: &[String]) -> Failure {
    let columns: Vec<_> = columns.iter().map(|column| format!("{} {}", column.name, column.type_name)).collect();
    let message = format!(
        "the table {table} was left alone: the file has other columns than it ({}), and to create it anew would lose \
         what others attached to it: {}",
        columns.join(", "),
        attached.join(", ")
    );
    Failure::Permanent { reason: "table", message }
}
