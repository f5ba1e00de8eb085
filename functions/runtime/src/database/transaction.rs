//! A transaction in either database.

use crate::database::{
    error::DatabaseError,
    value::{Row, Value},
};

/// The SQL that a database understands, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, in which a transaction that writes is alone.
    Sqlite,
    /// PostgreSQL, in which rows are locked.
    Postgres,
}

/// A transaction in either database.
pub trait Transaction {
    /// Runs a statement; returns the number of rows that it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DatabaseError>;
    /// Runs a query; returns all its rows, so it is for a few.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DatabaseError>;
    /// The database's dialect.
    fn dialect(&self) -> Dialect;
}
