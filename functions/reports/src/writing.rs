//! Rows into a file, on a thread that may wait.

use std::sync::Arc;

use runtime::Failure;
use tokio::sync::{mpsc, watch};

use crate::{
    broken::Broken,
    csv_file::CsvFile,
    definition::Definition,
    format::Column,
    html::Page,
    input::Format,
    json_lines::JsonLines,
    points::{Picture, Points},
    row::{Batch, Message, Value},
    upload::{Outlet, too_large},
    xlsx::Workbook,
};

/// Batches that wait between the query and the file.
pub(crate) const WAITING: usize = 4;

/// A file that is being written, row by row.
pub(crate) trait File {
    /// Adds a row.
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), Broken>;
    /// Writes what is left, for so many rows, with a chart if the definition asks for one.
    fn end(self: Box<Self>, rows: u64, picture: Option<Picture>) -> Result<(), Broken>;
}

/// One file to write.
pub(crate) struct Writing {
    pub(crate) definition: Arc<Definition>,
    pub(crate) format: Format,
    pub(crate) row_limit: u64,
    pub(crate) byte_limit: u64,
    /// What people hear of it, from 0.0 to 1.0.
    pub(crate) progress: watch::Sender<f64>,
}

impl Writing {
    /// Writes what comes; answers how many rows came.
    pub(crate) fn write(self, mut messages: mpsc::Receiver<Message>, out: Outlet) -> Result<u64, Broken> {
        let Some(Message::Columns(names)) = messages.blocking_recv() else {
            return Err(Broken::Cut);
        };
        let columns = self.columns(names);
        // Only these two have a chart.
        let has_chart = matches!(self.format, Format::Xlsx | Format::Html);
        let chart = self.definition.chart.as_ref().filter(|_| has_chart);
        let mut points = chart.map(|chart| Points::new(chart, &columns)).transpose()?;
        let mut file = self.begin(out, &columns)?;
        let (mut rows, mut bytes) = (0, 0);
        loop {
            match messages.blocking_recv() {
                Some(Message::Rows(batch)) => {
                    bytes += batch.bytes();
                    self.add(&batch, &mut *file, points.as_mut(), &mut rows)?;
                    if bytes > self.byte_limit {
                        return Err(too_large(self.byte_limit).into());
                    }
                    // Nobody knows how many there will be; it goes on, ever slower.
                    self.progress.send_replace(0.9 * rows as f64 / (rows as f64 + 100_000.0));
                }
                Some(Message::End) => break,
                Some(Message::Columns(_)) | None => return Err(Broken::Cut),
            }
        }
        file.end(rows, points.map(Points::finish))?;
        self.progress.send_replace(0.99);
        Ok(rows)
    }

    fn begin(&self, out: Outlet, columns: &[Column]) -> Result<Box<dyn File>, Broken> {
        Ok(match self.format {
            Format::Csv => Box::new(CsvFile::begin(out, columns)?),
            Format::Jsonl => Box::new(JsonLines::begin(out, columns)),
            Format::Html => Box::new(Page::begin(out, &self.definition, columns)?),
            Format::Xlsx => Box::new(Workbook::begin(out, &self.definition, columns)?),
        })
    }

    fn add(
        &self,
        batch: &Batch,
        file: &mut dyn File,
        mut points: Option<&mut Points>,
        rows: &mut u64,
    ) -> Result<(), Broken> {
        batch.for_each(|row| {
            *rows += 1;
            if *rows > self.row_limit {
                return Err(self.too_many().into());
            }
            if let Some(points) = points.as_deref_mut() {
                points.see(row);
            }
            file.row(row)
        })
    }

    fn too_many(&self) -> Failure {
        let most = self.row_limit;
        let message =
            format!("The report has more than {most} rows (reports.row_limit); nothing was kept. Ask for less.");
        Failure::Permanent { reason: "rows", message }
    }

    fn columns(&self, names: Vec<String>) -> Vec<Column> {
        let column = |name: String| {
            let hint = self.definition.columns.iter().find(|hint| hint.name == name);
            let title = hint.and_then(|hint| hint.title.clone()).unwrap_or_else(|| name.clone());
            Column { shown: hint.and_then(|hint| hint.format), name, title }
        };
        names.into_iter().map(column).collect()
    }
}
