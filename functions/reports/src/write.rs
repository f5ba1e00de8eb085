//! Writes rows into a file.
//!
//! - `file_writer`: all rows of the queries into one file, within the limits
//! - `report_file`: what each format implements: `csv`, `json_lines`, `html`, `xlsx`, `pdf`
//! - `parts`: one file, or an archive of several; `formula`: texts that a spreadsheet would compute
//! - `error`: a failed write as a failed task

mod csv;
mod error;
pub(crate) mod file_writer;
mod formula;
mod html;
mod json_lines;
mod parts;
pub(crate) mod pdf;
mod report_file;
mod xlsx;
