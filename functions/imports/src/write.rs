//! Rows into a table: whole and once, or not at all.
//!
//! - `job`: a load, of one table or of several; `load`: reads all rows of a table into a sink; `rejected`: the file of rows
//!   that do not fit
//! - `strategy`: whether the table is created, emptied or extended; `sql`: statements that both databases share
//! - `own_tables`: the record of tasks and tables; `quota`: what one person may take
//! - `database`: SQLite or PostgreSQL; `sqlite` and `postgres` load a table, `sqlite_schema` and `postgres_catalog` tell
//!   what is there, `postgres_records` is `own_tables` in the latter,
//!   `postgres_copy` sends rows to it, `copy` is the text format of PostgreSQL's COPY, `postgres_swap` puts the new tables
//!   in place of the old ones
//! - `refused`: rows that the database refuses; `batches` finds them in PostgreSQL, which refuses all that came with one

pub(crate) mod batches;
pub(crate) mod copy;
pub(crate) mod database;
pub(crate) mod job;
pub(crate) mod load;
pub(crate) mod own_tables;
pub(crate) mod postgres;
mod postgres_catalog;
mod postgres_copy;
mod postgres_records;
mod postgres_swap;
pub(crate) mod quota;
pub(crate) mod refused;
pub(crate) mod rejected;
pub(crate) mod sql;
pub(crate) mod sqlite;
mod sqlite_schema;
pub(crate) mod strategy;
