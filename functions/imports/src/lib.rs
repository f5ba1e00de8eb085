//! The imports function: a CSV or TSV of any size, streamed from storage into a table.
//!
//! In order of flow:
//!
//! - [`input`]: what it is given; [`config`]: what can be set
//! - [`import`]: one import, from its input to its result
//! - `source`, `text`, `records`: from stored bytes to UTF-8 to rows, at bounded memory
//! - `plan`: what the file's first mebibyte tells, by `sniff`, `header` and `infer`; [`column`]: types and values
//! - `load`: one reading of the whole file into a table; [`rejected`]: rows that do not fit
//! - [`database`]: which one; `sqlite` and `postgres` (with `copy`, its format of rows) keep the same promises
//! - `thread`: where what would hold up the runtime is done
//! - [`outcome`]: the task's result and the words for its owner

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod column;
pub mod config;
mod copy;
pub mod database;
mod header;
pub mod import;
mod infer;
pub mod input;
mod load;
pub mod outcome;
mod plan;
mod postgres;
mod records;
pub mod rejected;
mod sniff;
mod source;
mod sqlite;
mod text;
mod thread;

pub use config::{DatabaseConfig, ImportsConfig};
pub use database::OpenError;
pub use import::Imports;
