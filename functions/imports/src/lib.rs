//! The imports function: a CSV, TSV, JSON Lines or XLSX of any size, streamed from storage into a table.
//!
//! In order of flow:
//!
//! - [`input`]: what it is given; [`config`]: what can be set; `definition` and `definitions`: what an operator wrote
//!   down; `order`: what that comes to, and whether one may ask for it
//! - [`import`]: one import, from its input to its result
//! - `source`, `unpack`, `text`: from stored bytes to UTF-8, at bounded memory
//! - `row`: what a reader yields; `records` (text with delimiters), `json_lines`, and for workbooks `archive` with
//!   `xml` (whether one may be opened), `workbook` and `sheet`
//! - `plan`: what the file's beginning tells, by `sniff`, `columns`, `header` and `infer`; [`column`]: types and
//!   values; `rule`: what a definition asks of a value
//! - `load`: one reading of the whole file into a table; [`rejected`]: rows that do not fit; `stopwatch`
//! - `database`: which one; `standing`: what may be done with a table; `sqlite` and `postgres` (with `copy`, its
//!   format of rows) keep the same promises
//! - [`outcome`]: the task's result and the words for its owner

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod archive;
pub mod column;
mod columns;
pub mod config;
mod copy;
mod database;
mod definition;
mod definitions;
mod header;
pub mod import;
mod infer;
pub mod input;
mod json_lines;
mod load;
mod order;
pub mod outcome;
mod plan;
mod postgres;
mod records;
pub mod rejected;
mod row;
mod rule;
mod sheet;
mod sniff;
mod source;
mod sqlite;
mod standing;
mod stopwatch;
mod text;
mod unpack;
mod workbook;
mod xml;

pub use config::ImportsConfig;
pub use import::{Imports, OpenError};
// What `Imports::open` is given.
pub use runtime::DatabaseConfig;
