//! The database that tables are in, and what all kinds of it promise: an import is there whole and once, or not at all.

use model::TaskId;
use runtime::{Database, DatabaseConfig, Failure, database::OpenError};

use crate::{
    columns::Width,
    load::{Load, Loaded},
    outcome::Output,
    postgres::{self, Postgres},
    sqlite::{self, Sqlite},
};

/// The database that tables are in.
pub(crate) enum Tables {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Tables {
    /// Opens it; nothing is connected yet.
    pub(crate) fn open(config: &DatabaseConfig) -> Result<Self, OpenError> {
        Ok(match Database::open(config)? {
            Database::Sqlite(database) => Self::Sqlite(Sqlite::new(database)),
            Database::Postgres(database) => Self::Postgres(Postgres::new(database)),
        })
    }

    /// How many columns a table can have.
    pub(crate) fn width(&self) -> Width {
        match self {
            Self::Sqlite(_) => sqlite::WIDTH,
            Self::Postgres(_) => postgres::WIDTH,
        }
    }

    /// What an earlier run of this task came to, if one was whole.
    pub(crate) async fn recorded(&self, task: TaskId) -> Result<Option<Output>, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.recorded(task).await,
            Self::Postgres(postgres) => postgres.recorded(task).await,
        }
    }

    /// Loads a file whole and records it, in one transaction; `bringing` is the work that feeds its records.
    pub(crate) async fn load(&self, load: Load, bringing: impl Future<Output = ()>) -> Result<Loaded, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.load(load, bringing).await,
            Self::Postgres(postgres) => postgres.load(load, bringing).await,
        }
    }
}
