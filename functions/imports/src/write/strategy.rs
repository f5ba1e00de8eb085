//! The choice between creating the table, emptying it and adding to it.

use runtime::Failure;

use crate::{
    definition::spec::ImportSpec,
    input::Mode,
    schema::{
        existing::{ExistingColumn, ExistingTable},
        mapping::ColumnMapping,
    },
};

/// The treatment of the table by a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadStrategy {
    /// Creates it, in place of one that an import created.
    Create,
    /// Keeps the table and deletes its rows.
    DeleteRows,
    /// Keeps its rows.
    Append,
}

impl LoadStrategy {
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
        let (columns, imported) = match existing {
            ExistingTable::Missing => return Ok(Self::Create),
            ExistingTable::NotATable => return refused("is there already and is no table"),
            ExistingTable::Table { columns, imported } => (columns, imported),
        };
        match imported {
            Some(imported)
                if imported.iter().map(|column| &column.name).eq(columns.iter().map(|column| &column.name)) =>
            {
                if spec.mode == Mode::Replace {
                    return Ok(Self::Create);
                }
                let imported: Vec<_> = imported.iter().cloned().map(ExistingColumn::from).collect();
                mapping.match_existing(table, &imported).map(|()| Self::Append)
            }
            None if spec.definition.is_none() => refused("is there already and no import made it"),
            Some(_) if spec.definition.is_none() => refused("was changed since an import made it"),
            _ => {
                mapping.match_existing(table, columns)?;
                Ok(if spec.mode == Mode::Replace { Self::DeleteRows } else { Self::Append })
            }
        }
    }
}
