//! The table that exists under an import's name, and its columns.

use runtime::Failure;

use crate::column::{Column, ColumnType};

/// The table that exists under a name.
pub(crate) enum ExistingTable {
    Missing,
    /// Something else of that name, such as a view.
    NotATable,
    /// A table; `imported` has its columns as an import created them, if one did.
    Table {
        columns: Vec<ExistingColumn>,
        imported: Option<Vec<Column>>,
    },
}

impl ExistingTable {
    /// True for a table that no import created.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Table { imported: None, .. })
    }
}

/// A column of an existing table.
#[derive(Debug, Clone)]
pub(crate) struct ExistingColumn {
    pub(crate) name: String,
    /// Its type as the database calls it.
    pub(crate) type_name: String,
    pub(crate) accepts: Accepts,
}

/// The values that an existing column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Those of this type.
    Type(ColumnType),
    Any,
    /// None that an import can write.
    Unsupported,
}

impl From<Column> for ExistingColumn {
    fn from(Column { name, column_type }: Column) -> Self {
        Self { name, type_name: column_type.as_str().to_owned(), accepts: Accepts::Type(column_type) }
    }
}

impl ExistingColumn {
    /// The type as which values for it are read; a definition may declare a narrower one.
    pub(crate) fn read_type(&self, declared: Option<ColumnType>, table: &str) -> Result<ColumnType, Failure> {
        let Self { name, type_name, accepts } = self;
        let refused = |reason: String| {
            let message = format!("the column {name} of the table {table} is {type_name}, which {reason}");
            Err(Failure::Permanent { reason: "table", message })
        };
        match (*accepts, declared) {
            (Accepts::Type(own), None) => Ok(own),
            (Accepts::Any, declared) => Ok(declared.unwrap_or(ColumnType::Text)),
            (Accepts::Type(own), Some(declared)) if own.accepts(declared) => Ok(declared),
            (_, Some(declared)) => refused(format!("holds no {}", declared.as_str())),
            (Accepts::Unsupported, None) => refused("no import knows".to_owned()),
        }
    }
}
