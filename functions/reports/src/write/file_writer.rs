//! Writes the rows of the queries into one file, on a blocking thread.

use std::sync::Arc;

use runtime::Failure;
use tokio::sync::{mpsc, watch};

use super::{
    csv::CsvFile,
    error::WriteError,
    html::HtmlFile,
    json_lines::JsonLinesFile,
    parts::Parts,
    pdf::{PdfFile, font::FontFiles},
    report_file::ReportFile,
    xlsx::XlsxFile,
};
use crate::{
    about::{About, WrittenSheet},
    chart::data::ChartSampler,
    definition::{report_definition::ReportDefinition, sheet::SheetDefinition},
    input::Format,
    query::{
        batch::{Message, RowBatch},
        value::Display,
    },
    upload::{UploadWriter, too_large},
};

/// One file to write.
pub(crate) struct FileWriter {
    pub(crate) definition: Arc<ReportDefinition>,
    pub(crate) about: Arc<About>,
    pub(crate) display: Display,
    pub(crate) fonts: Arc<FontFiles>,
    pub(crate) limits: Limits,
    /// The task's progress, from 0.0 to 1.0.
    pub(crate) progress: watch::Sender<f64>,
}

/// The most that a report may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) rows: u64,
    pub(crate) pdf_rows: u64,
    pub(crate) bytes: u64,
}

/// The sheet that is written, and what of it counts.
struct Current {
    sampler: Option<ChartSampler>,
    written: WrittenSheet,
}

impl FileWriter {
    /// Writes all rows that come and returns what was written.
    pub(crate) fn write(
        self,
        messages: mpsc::Receiver<Message>,
        out: UploadWriter,
    ) -> Result<Vec<WrittenSheet>, Failure> {
        Ok(self.write_messages(messages, out)?)
    }

    fn write_messages(
        &self,
        mut messages: mpsc::Receiver<Message>,
        out: UploadWriter,
    ) -> Result<Vec<WrittenSheet>, WriteError> {
        let mut file = self.open(out)?;
        let mut sheets = Vec::new();
        let mut definitions = self.definition.sheets.iter();
        let mut current: Option<Current> = None;
        let (mut rows, mut bytes) = (0, 0);
        loop {
            match messages.blocking_recv() {
                Some(Message::Columns(names)) => {
                    sheets.extend(end(current.take(), &mut *file)?);
                    let sheet = definitions.next().ok_or(Failure::Stopped)?;
                    current = Some(self.begin(sheet, names, &mut *file)?);
                }
                Some(Message::Rows(batch)) => {
                    bytes += batch.bytes();
                    let current = current.as_mut().ok_or(Failure::Stopped)?;
                    self.write_batch(&batch, &mut *file, current, &mut rows)?;
                    if bytes > self.limits.bytes {
                        return Err(too_large(self.limits.bytes).into());
                    }
                    // The number of rows is unknown: the progress approaches 0.9, ever slower.
                    self.progress.send_replace(0.9 * rows as f64 / (rows as f64 + 100_000.0));
                }
                Some(Message::End) => break,
                None => return Err(Failure::Stopped.into()),
            }
        }
        sheets.extend(end(current.take(), &mut *file)?);
        file.finish(&sheets)?;
        self.progress.send_replace(0.99);
        Ok(sheets)
    }

    fn open(&self, out: UploadWriter) -> Result<Box<dyn ReportFile>, WriteError> {
        let (about, display) = (self.about.clone(), self.display.clone());
        let parts = |out| Parts::new(out, about.is_zipped(), self.limits.bytes);
        Ok(match about.format {
            Format::Csv => Box::new(CsvFile::new(parts(out), about, Some(display))),
            Format::CsvRaw => Box::new(CsvFile::new(parts(out), about, None)),
            Format::Jsonl => Box::new(JsonLinesFile::new(parts(out), about)),
            Format::Html => Box::new(HtmlFile::new(out, about, display)?),
            Format::Xlsx => Box::new(XlsxFile::new(out, about, &self.definition.sheets, display)),
            Format::Pdf => Box::new(PdfFile::new(out, about, display, self.fonts.clone())?),
        })
    }

    fn begin(
        &self,
        sheet: &SheetDefinition,
        names: Vec<String>,
        file: &mut dyn ReportFile,
    ) -> Result<Current, WriteError> {
        let columns = sheet.columns(names);
        let chart = sheet.chart.as_ref().filter(|_| !self.about.format.is_bare());
        let sampler = chart.map(|chart| ChartSampler::new(chart, &columns, &self.display)).transpose()?;
        file.begin_sheet(sheet, &columns)?;
        Ok(Current { sampler, written: WrittenSheet { name: sheet.title.clone(), rows: 0, columns } })
    }

    fn write_batch(
        &self,
        batch: &RowBatch,
        file: &mut dyn ReportFile,
        Current { sampler, written }: &mut Current,
        rows: &mut u64,
    ) -> Result<(), WriteError> {
        batch.for_each(|row| {
            *rows += 1;
            if *rows > self.limits.rows {
                return Err(too_many_rows(self.limits.rows).into());
            }
            if self.about.format == Format::Pdf && *rows > self.limits.pdf_rows {
                return Err(too_many_rows_of_a_pdf(self.limits.pdf_rows).into());
            }
            written.rows += 1;
            if let Some(sampler) = sampler {
                sampler.add(row);
            }
            file.write_row(row)
        })
    }
}

fn end(current: Option<Current>, file: &mut dyn ReportFile) -> Result<Option<WrittenSheet>, WriteError> {
    let Some(Current { sampler, written }) = current else { return Ok(None) };
    file.end_sheet(written.rows, sampler.map(ChartSampler::finish))?;
    Ok(Some(written))
}

fn too_many_rows(limit: u64) -> Failure {
    let message = format!("The report has more than {limit} rows (reports.row_limit); nothing was kept. Ask for less.");
    Failure::Permanent { reason: "rows", message }
}

fn too_many_rows_of_a_pdf(limit: u64) -> Failure {
    let message = format!(
        "The report has more than {limit} rows, the most of a PDF (reports.pdf_row_limit); nothing was kept. Ask for less, \
         or take XLSX or CSV."
    );
    Failure::Permanent { reason: "rows", message }
}
