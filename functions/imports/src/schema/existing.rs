//! The table that exists under an import's name, and its columns.

use runtime::Failure;

use crate::{
    column::{Column, ColumnType},
    definition::spec::ImportSpec,
};

/// The table that exists under a name.
pub(crate) enum ExistingTable {
    Missing,
    /// Something else of that name, such as a view.
    NotATable,
    Table {
        columns: Vec<ExistingColumn>,
        /// Set if an import created it.
        imported: Option<ImportedTable>,
        /// What would be lost if it were dropped and created again, in words: views, indexes, privileges, …
        attached: Vec<String>,
        /// A foreign key by which rows of another table would go with its own, in words.
        cascading: Option<String>,
        /// True if it can be given other columns while what is attached stays.
        reshapes: bool,
    },
}

/// The record of a table that an import created.
pub(crate) struct ImportedTable {
    /// Its columns as they were created.
    pub(crate) columns: Vec<Column>,
    pub(crate) owner: TableOwner,
}

/// Whose a table is that an import created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TableOwner {
    /// It was made before owners were recorded.
    Unknown,
    /// The person who created it without a definition.
    Person(String),
    /// A definition that was imported by.
    Definition(String),
}

impl TableOwner {
    /// The owner as it is recorded.
    pub(crate) fn recorded(person: Option<String>, definition: Option<String>) -> Self {
        match (definition, person) {
            (Some(definition), _) => Self::Definition(definition),
            (None, Some(person)) => Self::Person(person),
            (None, None) => Self::Unknown,
        }
    }

    pub(crate) fn person(&self) -> Option<&str> {
        if let Self::Person(person) = self { Some(person) } else { None }
    }

    pub(crate) fn definition(&self) -> Option<&str> {
        if let Self::Definition(definition) = self { Some(definition) } else { None }
    }
}

impl ExistingTable {
    /// The columns that an import created it with.
    pub(crate) fn created(&self) -> Option<&[Column]> {
        match self {
            Self::Table { imported: Some(imported), .. } => Some(&imported.columns),
            _ => None,
        }
    }

    /// True for a table that no import created.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Table { imported: None, .. })
    }

    /// The owner to record after an import; `None` if nothing changes. What an import by a definition wrote to belongs to
    /// that from then on, also when the definition is gone.
    pub(crate) fn new_owner(&self, spec: &ImportSpec) -> Option<TableOwner> {
        match (&spec.definition, self) {
            (_, Self::NotATable | Self::Table { imported: None, .. }) => None,
            (Some(definition), _) => Some(TableOwner::Definition(definition.clone())),
            (None, Self::Missing) => Some(TableOwner::Person(spec.owner.clone())),
            (None, Self::Table { .. }) => None,
        }
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
