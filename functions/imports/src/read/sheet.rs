//! Reads the rows of a sheet, cell by cell. Of a formula the value is taken that the workbook stores beside it; nothing
//! is evaluated here.

use std::{
    fs::File,
    io::BufReader,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use calamine::{Cell, DataRef, XlsxCellReader, XlsxError};
use runtime::Failure;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::read::{
    archive,
    cell::{column_letters, write_value},
    row::{MAX_ROW_BYTES, Row, RowReader, Validity},
    source,
};

/// Columns that a sheet can have.
const MAX_COLUMNS: usize = 16_384;

/// Cells between two checks for a stop: their rows may be numbered as they like, and one may hold very many.
const CHECK_INTERVAL: u64 = 4096;
/// Rows between two reports of progress.
const REPORT_INTERVAL: u64 = 256;

/// Reads the rows of a sheet, leaving out those without a value.
pub(crate) struct SheetReader<'a> {
    cells: XlsxCellReader<'a, BufReader<Arc<File>>>,
    stop: CancellationToken,
    progress: Option<watch::Sender<f64>>,
    /// The number of rows that the sheet declares.
    total: u64,
    cells_read: u64,
    /// The first cell of the next row.
    peeked: Option<Cell<DataRef<'a>>>,
    /// After its last cell the library may not be asked again.
    ended: bool,
    /// The names of the fields, once the header is read.
    pub(crate) names: Vec<String>,
    /// The current row: its fields, the end of each, and which are text.
    line: u64,
    fields: Vec<u8>,
    ends: Vec<usize>,
    is_text: Vec<bool>,
    /// The same as a line of CSV.
    raw: Vec<u8>,
    error: Option<String>,
}

impl<'a> SheetReader<'a> {
    pub(crate) fn new(
        cells: XlsxCellReader<'a, BufReader<Arc<File>>>,
        stop: CancellationToken,
        progress: Option<watch::Sender<f64>>,
    ) -> Self {
        let total = u64::from(cells.dimensions().end.0) + 1;
        Self {
            cells,
            stop,
            progress,
            total,
            cells_read: 0,
            peeked: None,
            ended: false,
            names: Vec::new(),
            line: 0,
            fields: Vec::new(),
            ends: Vec::new(),
            is_text: Vec::new(),
            raw: Vec::new(),
            error: None,
        }
    }

    /// Reads the first row that has a value, which names the fields; `false` if there is none. `check` refuses a
    /// number of fields.
    pub(crate) fn read_header(&mut self, check: impl FnOnce(usize) -> Result<(), Failure>) -> Result<bool, Failure> {
        if !self.read_row()? {
            return Ok(false);
        }
        if let Some(error) = &self.error {
            return Err(Failure::input(format!("the header, row {}: {error}", self.line)));
        }
        check(self.ends.len())?;
        let mut from = 0;
        for end in &self.ends {
            self.names.push(String::from_utf8_lossy(&self.fields[from..*end]).into_owned());
            from = *end;
        }
        Ok(true)
    }

    /// Reads the cells of the next row; `false` at the end.
    fn read_row(&mut self) -> Result<bool, Failure> {
        loop {
            let Some(first) = self.next_cell()? else {
                return Ok(false);
            };
            let row = first.get_position().0;
            self.start_row(row)?;
            let mut cell = first;
            let mut has_value = false;
            loop {
                has_value |= *cell.get_value() != DataRef::Empty;
                self.add_cell(&cell)?;
                match self.next_cell()? {
                    Some(next) if next.get_position().0 == row => cell = next,
                    next => {
                        self.peeked = next;
                        break;
                    }
                }
            }
            if has_value {
                return Ok(true);
            }
        }
    }

    fn next_cell(&mut self) -> Result<Option<Cell<DataRef<'a>>>, Failure> {
        if self.peeked.is_some() || self.ended {
            return Ok(self.peeked.take());
        }
        self.cells_read += 1;
        if self.cells_read.is_multiple_of(CHECK_INTERVAL) && self.stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        let cell = catch_panic(|| self.cells.next_cell())?;
        self.ended = cell.is_none();
        Ok(cell)
    }

    fn start_row(&mut self, row: u32) -> Result<(), Failure> {
        let line = u64::from(row) + 1;
        if line <= self.line {
            return Err(Failure::input(format!("the workbook is broken: row {line} comes after row {}", self.line)));
        }
        self.line = line;
        if (self.line.is_multiple_of(REPORT_INTERVAL) || self.line == 1)
            && let Some(progress) = &self.progress
        {
            source::report_progress(progress, self.line as f64 / self.total.max(self.line) as f64);
        }
        self.fields.clear();
        self.ends.clear();
        self.is_text.clear();
        self.error = None;
        Ok(())
    }

    fn add_cell(&mut self, cell: &Cell<DataRef<'a>>) -> Result<(), Failure> {
        let column = cell.get_position().1 as usize;
        let value = cell.get_value();
        if column < self.ends.len() {
            self.error
                .get_or_insert_with(|| format!("its cells are not in order, at column {}", column_letters(column)));
            return Ok(());
        }
        if *value == DataRef::Empty {
            return Ok(());
        }
        if column >= MAX_COLUMNS {
            return Err(Failure::input(format!(
                "the workbook is broken: row {} has a cell beyond column XFD",
                self.line
            )));
        }
        // Beyond the header it has no column.
        if !self.names.is_empty() && column >= self.names.len() {
            let (at, last) = (column_letters(column), column_letters(self.names.len() - 1));
            self.error.get_or_insert_with(|| format!("it has a value in column {at}, and the header ends at {last}"));
            return Ok(());
        }
        self.pad(column);
        match write_value(value, &mut self.fields) {
            Ok(is_text) => self.is_text.push(is_text),
            Err(reason) => {
                self.is_text.push(true);
                self.error.get_or_insert_with(|| format!("its column {} {reason}", column_letters(column)));
            }
        }
        self.ends.push(self.fields.len());
        if self.fields.len() > MAX_ROW_BYTES {
            return Err(Failure::input(format!("row {} is longer than 1 MiB, more than a row may have", self.line)));
        }
        Ok(())
    }

    /// Adds empty fields up to so many.
    fn pad(&mut self, fields: usize) {
        self.ends.resize(self.ends.len().max(fields), self.fields.len());
        self.is_text.resize(self.ends.len(), false);
    }

    /// Fills the row up to the header's length, and writes it as CSV.
    fn finish_row(&mut self) {
        self.pad(self.names.len());
        if memchr::memchr(0, &self.fields).is_some() {
            self.error.get_or_insert_with(|| "it has a NUL character".to_owned());
        }
        self.raw.clear();
        let mut from = 0;
        for (at, end) in self.ends.iter().enumerate() {
            let field = &self.fields[mem::replace(&mut from, *end)..*end];
            if at > 0 {
                self.raw.push(b',');
            }
            if field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
                let text = String::from_utf8_lossy(field).replace('"', "\"\"");
                self.raw.extend_from_slice(format!("\"{text}\"").as_bytes());
            } else {
                self.raw.extend_from_slice(field);
            }
        }
    }
}

impl RowReader for SheetReader<'_> {
    fn next_row(&mut self) -> Result<Option<Row<'_>>, Failure> {
        if !self.read_row()? {
            return Ok(None);
        }
        self.finish_row();
        let validity = self.error.as_deref().map_or(Validity::Valid, Validity::Invalid);
        let Self { line, raw, fields, ends, is_text, .. } = self;
        Ok(Some(Row { line: *line, raw, validity, fields, ends, gap: 0, is_text, names: &[] }))
    }

    fn encoding_name(&self) -> String {
        "utf-8".to_owned()
    }
}

/// Calls the library; where it panics over a hostile file, the file is broken and not the worker.
pub(crate) fn catch_panic<T>(read: impl FnOnce() -> Result<T, XlsxError>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| match error {
            XlsxError::Password => archive::has_password(),
            error => Failure::input(format!("the workbook is broken: {error}")),
        }),
        Err(_) => Err(Failure::input("the workbook is broken; what it says of itself makes no sense")),
    }
}
