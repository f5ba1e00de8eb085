//! Runs queries: rows in batches from SQLite or PostgreSQL, both of which are only read.
//!
//! - `bound_report`: a definition's queries with the values of its parameters
//! - `database`: the database that is read: `sqlite` or `postgres`
//! - `run`: one run of them, its limits and its errors
//! - `role`: what the database lets a query do besides reading
//! - `batch`: the rows that come back, of `value`s; `moment`: days and times

pub(crate) mod batch;
pub(crate) mod bound_report;
pub(crate) mod database;
pub(crate) mod moment;
mod postgres;
pub(crate) mod role;
pub(crate) mod run;
mod sqlite;
pub(crate) mod value;
