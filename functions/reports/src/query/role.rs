//! What the role of the queries may do besides reading, looked at when the worker starts.
//!
//! Every query runs in a transaction that only reads, so this is a second wall: against a query that was written
//! carelessly, and against functions that reach out of the database.

use std::time::Duration;

use runtime::{Database, DatabaseError};
use tokio::time::sleep;

/// The pause before a database that is away is asked again.
const PAUSE: Duration = Duration::from_secs(10);

/// A right that a reader does not need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnneededRight {
    /// What the role may do, such as `it may write to 3 tables, such as orders`.
    pub what: String,
    /// The statement that takes it away.
    pub revoke: String,
}

/// Finds what the role may do besides reading; nothing in SQLite, which knows no roles and is opened to be read only.
pub(crate) async fn unneeded_rights(database: &Database) -> Result<Vec<UnneededRight>, DatabaseError> {
    let Database::Postgres(postgres) = database else {
        return Ok(Vec::new());
    };
    let mut connection = postgres.connect().await?;
    let found: Vec<(String, String)> =
        sqlx::query_as(include_str!("rights.sql")).persistent(false).fetch_all(&mut connection).await?;
    Ok(found.into_iter().map(|(what, revoke)| UnneededRight { what, revoke }).collect())
}

/// Warns once of each such right; with `refuse` they are an error instead. Waits while the database is away.
pub(crate) async fn check(database: &Database, refuse: bool) -> anyhow::Result<()> {
    let rights = loop {
        match unneeded_rights(database).await {
            Ok(rights) => break rights,
            Err(DatabaseError::Passing(_)) => sleep(PAUSE).await,
            Err(error) if refuse => {
                anyhow::bail!("what the role of the reports may do could not be found out: {error}")
            }
            Err(error) => {
                tracing::warn!(%error, "what the role of the reports may do could not be found out");
                return Ok(());
            }
        }
    };
    for UnneededRight { what, revoke } in &rights {
        tracing::warn!(revoke, "the role of the reports may do more than read (reports.database_url): {what}");
    }
    match rights.first() {
        Some(UnneededRight { what, revoke }) if refuse => anyhow::bail!(
            "the role of the reports may do more than read, and reports.only_readers is set: {what}; {revoke}"
        ),
        _ => Ok(()),
    }
}
