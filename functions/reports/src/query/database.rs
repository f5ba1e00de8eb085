//! The database that reports read.

use runtime::{Database, Failure};

use super::{postgres, run::QueryRun, sqlite};

/// Runs a query to its end; the database is only read, however the query is written.
pub(crate) async fn run(database: &Database, run: QueryRun) -> Result<(), Failure> {
    match database {
        Database::Sqlite(database) => sqlite::run(database.clone(), run).await,
        Database::Postgres(database) => postgres::run(database, run).await,
    }
}
