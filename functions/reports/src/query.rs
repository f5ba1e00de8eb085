//! Runs a query: rows in batches from SQLite or PostgreSQL, both of which are only read.
//!
//! - `bound_query`: a definition's query with the values of its parameters
//! - `database`: the database that is read: `sqlite` or `postgres`
//! - `run`: one run of a query, its limits and its errors
//! - `role`: what the database lets a query do besides reading
//! - `batch`: the rows that come back, of `value`s

pub(crate) mod batch;
pub(crate) mod bound_query;
pub(crate) mod database;
mod postgres;
pub(crate) mod role;
pub(crate) mod run;
mod sqlite;
pub(crate) mod value;
