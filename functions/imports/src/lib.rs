//! The imports function: streams a CSV, TSV, JSON Lines or XLSX file of any size from storage into a table.
//!
//! In order of flow:
//!
//! - `config`: the settings; `input`: the job's input; `options`: how its file is to be read
//! - `table_name`, `column` and `column_names`: the names of tables, the types and names of columns; `notation`, `number` and `moment`: how values are written, which `clues` find out
//! - `definition`: an operator's definitions, and what an input and its definition ask for together
//! - `import`: one import, from its input to its output
//! - `read`: from stored bytes to rows, at bounded memory
//! - `schema`: the columns of the file and of the table, from the file's beginning
//! - `write`: rows into a table of SQLite or PostgreSQL, in one transaction that also records the task
//! - `output`: the task's result and its toast
//! - `preview`: how a file would be read; `inspect`: the same reading without a database

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod clues;
mod column;
mod column_names;
mod config;
mod definition;
mod import;
mod input;
mod inspect;
mod moment;
mod notation;
mod number;
mod options;
mod output;
mod preview;
mod read;
mod schema;
mod table_name;
mod words;
mod write;

pub use column::{Column, ColumnType};
pub use config::{ImportsConfig, TablePattern};
pub use import::{Imports, OpenError, Outcome};
pub use inspect::{Inspection, inspect_definition, inspect_file};
pub use options::{Compression, Format};
pub use output::{Imported, Output, SheetsOutput};
pub use preview::{Preview, SheetPreviews};
// The second argument of `Imports::open`.
pub use runtime::DatabaseConfig;
