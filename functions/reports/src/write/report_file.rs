//! The interface of the file formats.

use super::error::WriteError;
use crate::{
    about::WrittenSheet,
    chart::data::ChartResult,
    definition::{column::Column, sheet::SheetDefinition},
    query::value::Value,
};

/// A file that is written sheet by sheet, row by row.
pub(super) trait ReportFile {
    /// Begins a sheet; the one before has ended.
    fn begin_sheet(&mut self, sheet: &SheetDefinition, columns: &[Column]) -> Result<(), WriteError>;
    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError>;
    /// Ends a sheet of so many rows, with the chart if the definition declares one.
    fn end_sheet(&mut self, rows: u64, chart: Option<ChartResult>) -> Result<(), WriteError>;
    /// Writes the rest and completes the upload.
    fn finish(self: Box<Self>, sheets: &[WrittenSheet]) -> Result<(), WriteError>;
}
