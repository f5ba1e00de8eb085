//! The reports function: a query that lies in a file, into CSV, XLSX, HTML or JSON Lines.
//!
//! In order of flow:
//!
//! - [`config`]: what can be set; [`input`]: what it is given
//! - [`folder`]: the definitions, read as `written` and checked at start; a [`definition`] each, with its `parameter`s
//! - `sql`: the query's text, its parameters found and put in place of by placeholders; `offer`: a form for it
//! - [`report`]: one report, from its input to its result
//! - `database`: where the rows come from, read alone: `sqlite` and `postgres`; `row`: what comes
//! - `writing`: rows into a file, by `csv_file`, `json_lines`, `xlsx` or `html`; `format`: how a value is shown
//! - `points`: what a chart is made of, however many rows there are; `drawing`: it as SVG
//! - `upload`: the file's bytes on their way to storage; `broken`: why one of the three stopped
//! - [`outcome`]: the task's result and the words for its owner; `expiry`: when the file goes

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod broken;
pub mod config;
mod csv_file;
mod database;
pub mod definition;
mod drawing;
mod expiry;
pub mod folder;
mod format;
mod html;
pub mod input;
mod json_lines;
mod offer;
pub mod outcome;
mod parameter;
mod points;
mod postgres;
pub mod report;
mod row;
mod sql;
mod sqlite;
mod upload;
mod writing;
mod written;
mod xlsx;

pub use config::ReportsConfig;
pub use report::{OpenError, Reports};
pub use runtime::DatabaseConfig;
