//! The database of a process: SQLite in a file, or PostgreSQL; one small way to use both.
//!
//! Work is a closure over a [`Transaction`], run on a thread where it may wait. SQL is written with `$1`, `$2`, … in
//! the order of the values, and otherwise in what both databases understand. Work that streams takes a connection of
//! [`Sqlite`] or [`Postgres`] itself.

use model::TaskId;
use serde::{Serialize, de::DeserializeOwned};

use crate::failure::Failure;

mod address;
mod config;
mod error;
mod postgres;
mod sqlite;
mod tables;
mod transaction;
mod value;

pub use config::{DatabaseConfig, OpenError};
pub use error::{DatabaseError, passes_in_postgres, passes_in_sqlite, sqlstate_passes};
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use tables::Tables;
pub use transaction::{Dialect, Transaction};
pub use value::{Row, Value};

/// The database of a process; cheap to clone.
#[derive(Clone)]
pub enum Database {
    /// A file.
    Sqlite(Sqlite),
    /// A server.
    Postgres(Postgres),
}

/// The record of [`Database::once`].
const EFFECTS: Tables = Tables::portable(
    &["bellwire_effects"],
    &[],
    "CREATE TABLE IF NOT EXISTS bellwire_effects (task TEXT PRIMARY KEY, output TEXT NOT NULL)",
);

impl Database {
    /// Opens the database of `[database]`; nothing is connected yet. Called within a Tokio runtime.
    pub fn open(config: &DatabaseConfig) -> Result<Self, OpenError> {
        Self::open_url("database.url (BELLWIRE_DATABASE__URL)", &config.url, "bellwire")
    }

    /// Opens the database of another setting; PostgreSQL shows the name of the application.
    pub fn open_url(setting: &'static str, url: &str, application: &str) -> Result<Self, OpenError> {
        let opened = match url.split_once("://") {
            Some(("sqlite", path)) => Sqlite::open(path).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Postgres::open(setting, url, application).map(Self::Postgres),
            _ => Err("it is neither sqlite://PATH nor postgres://…"),
        };
        opened.map_err(|reason| OpenError { setting, reason })
    }

    /// Runs `work` in a transaction: all of it is committed once this returns `Ok`, and none of it when `work` fails.
    ///
    /// SQLite has one writer at a time, so in both the transaction begins as one that writes.
    pub async fn transaction<T: Send + 'static, E: From<DatabaseError> + Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.run(None, work).await
    }

    /// The same, after creating those of the tables that are missing.
    pub async fn transaction_with<T: Send + 'static, E: From<DatabaseError> + Send + 'static>(
        &self,
        tables: &'static Tables,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.run(Some(tables), work).await
    }

    async fn run<T: Send + 'static, E: From<DatabaseError> + Send + 'static>(
        &self,
        tables: Option<&'static Tables>,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        match self {
            Self::Sqlite(sqlite) => sqlite.transaction(tables, work).await,
            Self::Postgres(postgres) => postgres.transaction(tables, work).await,
        }
    }

    /// Has an effect once for a task: `work` and the record of its output are one transaction. Where an earlier run of
    /// the task came to its end, its output is returned and `work` is not run.
    pub async fn once<T>(
        &self,
        task: TaskId,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        self.transaction_with(&EFFECTS, move |transaction| {
            let task = Value::from(task.to_string());
            // Two runs of one task wait for each other here: the second finds what the first wrote.
            let sql = "INSERT INTO bellwire_effects (task, output) VALUES ($1, '') ON CONFLICT DO NOTHING";
            if transaction.execute(sql, std::slice::from_ref(&task))? == 0 {
                let rows = transaction.query("SELECT output FROM bellwire_effects WHERE task = $1", &[task])?;
                let output = rows.first().and_then(|row| row.text(0)).unwrap_or_default();
                return serde_json::from_str(output)
                    .map_err(|error| Failure::passing("The record of an earlier run cannot be read.", error));
            }
            let output = work(transaction)?;
            let text = serde_json::to_string(&output)
                .map_err(|error| Failure::passing("The output cannot be written down.", error))?;
            transaction.execute("UPDATE bellwire_effects SET output = $1 WHERE task = $2", &[text.into(), task])?;
            Ok(output)
        })
        .await
    }
}
