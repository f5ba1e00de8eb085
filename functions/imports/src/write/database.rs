//! The database that tables are in. Whichever it is, an import is there whole and once, or not at all.

use model::TaskId;
use runtime::{Database, DatabaseConfig, Failure, database::OpenError};

use crate::{
    output::Imported,
    schema::mapping::ColumnLimit,
    write::{
        job::{LoadJob, LoadOutcome},
        postgres, sqlite,
    },
};

/// The database that tables are in.
pub(crate) struct TableDatabase(Database);

impl TableDatabase {
    /// Opens it; nothing is connected yet.
    pub(crate) fn open(config: &DatabaseConfig) -> Result<Self, OpenError> {
        Database::open(config).map(Self)
    }

    /// The number of columns that a table can have.
    pub(crate) fn column_limit(&self) -> ColumnLimit {
        match &self.0 {
            Database::Sqlite(_) => sqlite::COLUMN_LIMIT,
            Database::Postgres(_) => postgres::COLUMN_LIMIT,
        }
    }

    /// The result of an earlier run of this task, if one was completed.
    pub(crate) async fn earlier_output(&self, task: TaskId) -> Result<Option<Imported>, Failure> {
        match &self.0 {
            Database::Sqlite(database) => sqlite::earlier_output(database, task).await,
            Database::Postgres(database) => postgres::earlier_output(database, task).await,
        }
    }

    /// Loads a file and records the task, in one transaction; `transfer` feeds its reader.
    pub(crate) async fn load(&self, job: LoadJob, transfer: impl Future<Output = ()>) -> Result<LoadOutcome, Failure> {
        match &self.0 {
            Database::Sqlite(database) => sqlite::load(database, job, transfer).await,
            Database::Postgres(database) => postgres::load(database, job, transfer).await,
        }
    }
}
