//! The reports function: runs queries that lie in a folder and writes their rows into CSV, XLSX, HTML, PDF or JSON Lines.
//!
//! In order of flow:
//!
//! - [`config`]: the settings; [`input`]: the input of a task
//! - [`report`]: one report from its input to its result, in these steps:
//! - `order`: what a task asks for, and who gets it besides its owner
//! - `definition`: the folder of definitions, read and checked at start
//! - `query`: the rows of a definition's queries, from SQLite or PostgreSQL
//! - `about`: what a report says about itself
//! - `chart`: a bounded number of points for a chart, drawn as SVG
//! - `write`: the rows as a file of one of the formats; `number`: numbers as people read them
//! - `upload`: the bytes of the file on their way to the storage
//! - [`output`]: the result of the task and its toast; `expiry`: the removal of old files
//! - `inspect`: a definition without a folder

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod about;
mod chart;
pub mod config;
mod definition;
mod expiry;
pub mod input;
mod inspect;
mod number;
mod order;
pub mod output;
mod query;
pub mod report;
mod upload;
mod write;

pub use config::ReportsConfig;
pub use delivery::Delivery;
pub use inspect::inspect_definition;
pub use query::role::UnneededRight;
pub use report::{OpenError, Reports};
pub use runtime::DatabaseConfig;
