//! The interface of the file formats.

use super::error::WriteError;
use crate::{chart::data::ChartResult, query::value::Value};

/// A file that is written row by row.
pub(super) trait RowWriter {
    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError>;
    /// Writes the rest, with the chart if the definition declares one, and completes the upload.
    fn finish(self: Box<Self>, rows: u64, chart: Option<ChartResult>) -> Result<(), WriteError>;
}
