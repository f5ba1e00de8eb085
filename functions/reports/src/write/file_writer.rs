//! Writes the rows of a query into one file, on a blocking thread.

use std::sync::Arc;

use runtime::Failure;
use tokio::sync::{mpsc, watch};

use super::{
    csv::CsvWriter, error::WriteError, html::HtmlWriter, json_lines::JsonLinesWriter, row_writer::RowWriter,
    xlsx::XlsxWriter,
};
use crate::{
    chart::data::ChartSampler,
    definition::{column::Column, report_definition::ReportDefinition},
    input::Format,
    query::batch::{Message, RowBatch},
    upload::{UploadWriter, too_large},
};

/// One file to write.
pub(crate) struct FileWriter {
    pub(crate) definition: Arc<ReportDefinition>,
    pub(crate) format: Format,
    pub(crate) row_limit: u64,
    pub(crate) byte_limit: u64,
    /// The task's progress, from 0.0 to 1.0.
    pub(crate) progress: watch::Sender<f64>,
}

impl FileWriter {
    /// Writes all rows that come and returns their number.
    pub(crate) fn write(self, messages: mpsc::Receiver<Message>, out: UploadWriter) -> Result<u64, Failure> {
        Ok(self.write_messages(messages, out)?)
    }

    fn write_messages(&self, mut messages: mpsc::Receiver<Message>, out: UploadWriter) -> Result<u64, WriteError> {
        let Some(Message::Columns(names)) = messages.blocking_recv() else {
            return Err(Failure::Stopped.into());
        };
        let columns = self.definition.columns(names);
        let has_charts = matches!(self.format, Format::Xlsx | Format::Html);
        let chart = self.definition.chart.as_ref().filter(|_| has_charts);
        let mut sampler = chart.map(|chart| ChartSampler::new(chart, &columns)).transpose()?;
        let mut file = self.open(out, &columns)?;
        let (mut rows, mut bytes) = (0, 0);
        loop {
            match messages.blocking_recv() {
                Some(Message::Rows(batch)) => {
                    bytes += batch.bytes();
                    self.write_batch(&batch, &mut *file, sampler.as_mut(), &mut rows)?;
                    if bytes > self.byte_limit {
                        return Err(too_large(self.byte_limit).into());
                    }
                    // The number of rows is unknown: the progress approaches 0.9, ever slower.
                    self.progress.send_replace(0.9 * rows as f64 / (rows as f64 + 100_000.0));
                }
                Some(Message::End) => break,
                Some(Message::Columns(_)) | None => return Err(Failure::Stopped.into()),
            }
        }
        file.finish(rows, sampler.map(ChartSampler::finish))?;
        self.progress.send_replace(0.99);
        Ok(rows)
    }

    fn open(&self, out: UploadWriter, columns: &[Column]) -> Result<Box<dyn RowWriter>, WriteError> {
        Ok(match self.format {
            Format::Csv => Box::new(CsvWriter::new(out, columns)?),
            Format::Jsonl => Box::new(JsonLinesWriter::new(out, columns)),
            Format::Html => Box::new(HtmlWriter::new(out, &self.definition, columns)?),
            Format::Xlsx => Box::new(XlsxWriter::new(out, &self.definition, columns)?),
        })
    }

    fn write_batch(
        &self,
        batch: &RowBatch,
        file: &mut dyn RowWriter,
        mut sampler: Option<&mut ChartSampler>,
        rows: &mut u64,
    ) -> Result<(), WriteError> {
        batch.for_each(|row| {
            *rows += 1;
            if *rows > self.row_limit {
                return Err(too_many_rows(self.row_limit).into());
            }
            if let Some(sampler) = sampler.as_deref_mut() {
                sampler.add(row);
            }
            file.write_row(row)
        })
    }
}

fn too_many_rows(limit: u64) -> Failure {
    let message = format!("The report has more than {limit} rows (reports.row_limit); nothing was kept. Ask for less.");
    Failure::Permanent { reason: "rows", message }
}
