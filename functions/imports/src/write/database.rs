//! The database that tables are in. Whichever it is, an import is there whole and once, or not at all.

use model::TaskId;
use runtime::{Database, DatabaseConfig, Failure, database::OpenError};

use crate::{
    output::Output,
    schema::mapping::ColumnLimit,
    write::{
        load::{LoadJob, LoadOutcome},
        postgres::{self, Postgres},
        sqlite::{self, Sqlite},
    },
};

/// The database that tables are in.
pub(crate) enum TableDatabase {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl TableDatabase {
    /// Opens it; nothing is connected yet.
    pub(crate) fn open(config: &DatabaseConfig) -> Result<Self, OpenError> {
        Ok(match Database::open(config)? {
            Database::Sqlite(database) => Self::Sqlite(Sqlite(database)),
            Database::Postgres(database) => Self::Postgres(Postgres(database)),
        })
    }

    /// The number of columns that a table can have.
    pub(crate) fn column_limit(&self) -> ColumnLimit {
        match self {
            Self::Sqlite(_) => sqlite::COLUMN_LIMIT,
            Self::Postgres(_) => postgres::COLUMN_LIMIT,
        }
    }

    /// The result of an earlier run of this task, if one was completed.
    pub(crate) async fn earlier_output(&self, task: TaskId) -> Result<Option<Output>, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.earlier_output(task).await,
            Self::Postgres(postgres) => postgres.earlier_output(task).await,
        }
    }

    /// Loads a file and records the task, in one transaction; `transfer` feeds its reader.
    pub(crate) async fn load(&self, job: LoadJob, transfer: impl Future<Output = ()>) -> Result<LoadOutcome, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.load(job, transfer).await,
            Self::Postgres(postgres) => postgres.load(job, transfer).await,
        }
    }
}
