//! Writes rows into a file.
//!
//! - `file_writer`: all rows of a query into one file, within the limits
//! - `row_writer`: what each format implements: `csv`, `json_lines`, `html`, `xlsx`
//! - `formula`: texts that a spreadsheet would compute
//! - `error`: a failed write as a failed task

mod csv;
mod error;
pub(crate) mod file_writer;
mod formula;
mod html;
mod json_lines;
mod row_writer;
mod xlsx;
