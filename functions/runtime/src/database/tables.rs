//! Tables of our own in a user's database, created where they are missing.

use rusqlite::TransactionBehavior;
use sqlx::{Connection, PgConnection};
use tracing::warn;

use crate::database::error::DatabaseError;

/// The advisory lock of the process that creates tables: the bytes of `bellwire`.
const CREATING: i64 = i64::from_be_bytes(*b"bellwire");

/// A set of tables that is created as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    /// Their names: when all exist with their indexes, nothing is created, so a role that may create nothing can use them.
    pub names: &'static [&'static str],
    /// The names of their indexes, which tables of older versions may lack: they go on without where they cannot be created.
    pub indexes: &'static [&'static str],
    /// The statements for SQLite, each with `IF NOT EXISTS`.
    pub sqlite: &'static str,
    /// The statements for PostgreSQL, each with `IF NOT EXISTS`.
    pub postgres: &'static str,
}

impl Tables {
    /// Tables whose statements are the same in both databases.
    pub const fn portable(names: &'static [&'static str], indexes: &'static [&'static str], sql: &'static str) -> Self {
        Self { names, indexes, sqlite: sql, postgres: sql }
    }

    /// Creates what is missing, in a transaction of its own.
    pub fn create_in_sqlite(&self, connection: &mut rusqlite::Connection) -> Result<(), DatabaseError> {
        let mut exists = connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2")?;
        let mut missing = false;
        for (kind, names) in [("table", self.names), ("index", self.indexes)] {
            for name in names {
                missing |= !exists.exists([kind, name])?;
            }
        }
        drop(exists);
        if missing {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(self.sqlite)?;
            transaction.commit()?;
        }
        Ok(())
    }

    /// Creates what is missing in the current schema, in a transaction of its own: schemas of one database share no
    /// records.
    ///
    /// PostgreSQL refuses one of two that create the same table at once, `IF NOT EXISTS` or not; here they wait for each
    /// other.
    pub async fn create_in_postgres(&self, connection: &mut PgConnection) -> Result<(), DatabaseError> {
        if self.exist_in_postgres(connection).await? {
            return Ok(());
        }
        let only_indexes = exist(connection, self.names).await?;
        match self.run_in_postgres(connection).await {
            Err(error) if only_indexes && is_forbidden(&error) => {
                let (tables, indexes) = (self.names.join(", "), self.indexes.join(", "));
                warn!(%error, "the tables {tables} do without the indexes {indexes}; let their owner create them");
                Ok(())
            }
            ended => Ok(ended?),
        }
    }

    async fn run_in_postgres(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let mut transaction = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CREATING).execute(&mut *transaction).await?;
        sqlx::raw_sql(self.postgres).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    pub(super) async fn exist_in_postgres(&self, connection: &mut PgConnection) -> Result<bool, DatabaseError> {
        exist(connection, &[self.names, self.indexes].concat()).await
    }
}

/// Whether a role may not do it.
fn is_forbidden(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|answer| answer.code()).as_deref() == Some("42501")
}

/// Whether there are tables and indexes of these names in the current schema.
async fn exist(connection: &mut PgConnection, names: &[&str]) -> Result<bool, DatabaseError> {
    let sql = "
        SELECT coalesce(bool_and(to_regclass(quote_ident(current_schema()) || '.' || quote_ident(name)) IS NOT NULL), true)
        FROM unnest($1::text[]) AS name";
    Ok(sqlx::query_scalar(sql).bind(names).fetch_one(connection).await?)
}
