//! The database of a process: SQLite in a file, or PostgreSQL; one small way to use both.
//!
//! Work is a closure over a [`Transaction`], run on a thread where it may wait. SQL is written with `$1`, `$2`, … in
//! the order of the values, and otherwise in what both databases understand.

use std::fmt;

use model::TaskId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{failure::Failure, thread::Ended};

mod postgres;
mod sqlite;
mod value;

pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use value::{Row, Value};

/// `[database]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `BELLWIRE_DATABASE__URL`: `sqlite://path/to/file.db` (`sqlite:///…` from the root) or `postgres://…`. No default.
    pub url: String,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("DatabaseConfig").finish_non_exhaustive()
    }
}

/// An address that is no database we know; it never holds the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("database.url (BELLWIRE_DATABASE__URL): {0}")]
pub struct OpenError(pub(crate) String);

/// What a database did not do.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It is away, busy or full: it may work later.
    #[error("the database cannot be used now: {0}")]
    Passing(String),
    /// It will not work later either: what was asked is wrong, such as SQL that is none.
    #[error("the database refused: {0}")]
    Refused(String),
}

impl From<Ended> for DatabaseError {
    fn from(ended: Ended) -> Self {
        Self::Passing(ended.to_string())
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Passing(_) => Self::passing("The database cannot be used now.", error),
            DatabaseError::Refused(_) => Self::Permanent { reason: "database", message: error.to_string() },
        }
    }
}

/// The database of a process; cheap to clone.
#[derive(Clone)]
pub enum Database {
    /// A file.
    Sqlite(Sqlite),
    /// A server.
    Postgres(Postgres),
}

/// A transaction that both databases understand.
pub trait Transaction {
    /// Runs a statement; answers how many rows it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DatabaseError>;
    /// Runs a query; answers all its rows, so it is for a few.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DatabaseError>;
}

/// The advisory lock of who makes tables: the bytes of `bellwire`.
const PREPARING: i64 = i64::from_be_bytes(*b"bellwire");

/// Where [`Database::once`] writes down what was done.
const EFFECTS: &str = "CREATE TABLE IF NOT EXISTS bellwire_effects (task TEXT PRIMARY KEY, output TEXT NOT NULL)";

impl Database {
    /// Opens it; nothing is connected yet. Called within a runtime.
    pub fn open(config: &DatabaseConfig) -> Result<Self, OpenError> {
        let url = &config.url;
        match url.split_once("://") {
            Some(("sqlite", path)) => Sqlite::open(path).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Postgres::open(url).map(Self::Postgres),
            _ => Err(OpenError("it is neither sqlite://PATH nor postgres://…".to_owned())),
        }
    }

    /// Runs `work` in a transaction: all of it stands once this answers `Ok`, and none of it when `work` fails.
    ///
    /// SQLite has one writer at a time, so in both the transaction begins as one that writes.
    pub async fn transaction<T: Send + 'static, E: From<DatabaseError> + Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        match self {
            Self::Sqlite(sqlite) => sqlite.transaction(work).await,
            Self::Postgres(postgres) => postgres.transaction(work).await,
        }
    }

    /// Makes what is missing, with statements that say `IF NOT EXISTS`, in a transaction of its own.
    ///
    /// PostgreSQL refuses one of two that make the same table at once, `IF NOT EXISTS` or not; here they wait for each
    /// other. Within a longer transaction others would be refused until its end.
    pub async fn prepare(&self, statements: &'static [&'static str]) -> Result<(), DatabaseError> {
        let one_at_a_time = match self {
            Self::Postgres(_) => Some(format!("SELECT pg_advisory_xact_lock({PREPARING})")),
            Self::Sqlite(_) => None,
        };
        self.transaction(move |transaction| {
            for statement in one_at_a_time.as_deref().iter().chain(statements) {
                transaction.execute(statement, &[])?;
            }
            Ok(())
        })
        .await
    }

    /// Has an effect once for a task: `work` and the record of its output are one transaction. Where an earlier run of
    /// the task came to its end, its output is answered and `work` is not run.
    pub async fn once<T>(
        &self,
        task: TaskId,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let is_file = match self {
            Self::Postgres(postgres) => {
                postgres.prepared().get_or_try_init(|| self.prepare(&[EFFECTS])).await?;
                false
            }
            Self::Sqlite(_) => true,
        };
        self.transaction(move |transaction| {
            // A file may be another one by now, and in it this costs nothing.
            if is_file {
                transaction.execute(EFFECTS, &[])?;
            }
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
