//! The database that reports read.

use runtime::{DatabaseConfig, Failure};

use super::{postgres::Postgres, run::QueryRun, sqlite::Sqlite};

/// A database that is only read, however a query is written.
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Checks the address without connecting. The error never holds the address.
    pub(crate) fn open(config: &DatabaseConfig) -> Result<Self, String> {
        match config.url.split_once("://") {
            Some(("sqlite", path)) => Sqlite::open(path).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Postgres::open(&config.url).map(Self::Postgres),
            _ => Err("it is neither sqlite://PATH nor postgres://…".to_owned()),
        }
    }

    /// Runs a query to its end.
    pub(crate) async fn run(&self, run: QueryRun) -> Result<(), Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.run(run).await,
            Self::Postgres(postgres) => postgres.run(run).await,
        }
    }
}
