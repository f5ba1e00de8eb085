//! The database that reports read.

use runtime::{Database, Failure};

use super::{postgres, run::QueryRun, sqlite};

/// Runs the queries to their end; the database is only read, however they are written.
pub(crate) async fn run(database: &Database, run: QueryRun) -> Result<(), Failure> {
    match database {
        Database::Sqlite(database) => sqlite::run(database.clone(), run).await,
        Database::Postgres(database) => postgres::run(database, run).await,
    }
}
