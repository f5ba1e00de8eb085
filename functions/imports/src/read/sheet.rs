//! Reads the rows of a sheet.

use std::{collections::HashMap, mem};

use runtime::Failure;

use crate::{
    output::{EmptiedCell, EmptiedCells},
    read::{
        cell::{CellValue, column_letters},
        row::{MAX_ROW_BYTES, Row, RowReader, Validity},
        source::Progress,
        xlsx::cells::Cells,
    },
};

/// Columns that a sheet can have.
const MAX_COLUMNS: usize = 16_384;
/// Rows between two reports of progress.
const REPORT_INTERVAL: u64 = 256;
/// The number of emptied cells in the result.
const FIRST_CELLS: usize = 5;

/// Reads the rows of a sheet, leaving out those without a value. A value beyond the header makes a column of its own.
pub(crate) struct SheetReader<'a> {
    cells: Cells<'a>,
    progress: Option<Progress>,
    row: RowBuffer,
    /// The names of the fields, once the header is read.
    pub(crate) names: Vec<String>,
    /// The row as a line of CSV.
    raw: Vec<u8>,
}

/// The current row.
#[derive(Default)]
struct RowBuffer {
    line: u64,
    has_value: bool,
    /// Its fields, the end of each, and which are text.
    fields: Vec<u8>,
    ends: Vec<usize>,
    is_text: Vec<bool>,
    /// Its fields beyond the header, by their place among those.
    beyond: Vec<(usize, Vec<u8>, bool)>,
    beyond_bytes: usize,
    /// Fields that the table does not get, as they stand in the sheet.
    faults: Vec<(usize, String)>,
    error: Option<String>,
    /// The columns of the header, once it is read.
    header: Option<usize>,
    /// The columns beyond it that have a value, in the order of their appearance, and their places in that.
    more: Vec<usize>,
    places: HashMap<usize, usize>,
    /// The number of columns that may come to.
    max_columns: usize,
    emptied: EmptiedCells,
}

impl<'a> SheetReader<'a> {
    pub(crate) fn new(cells: Cells<'a>, max_columns: usize, progress: Option<Progress>) -> Self {
        let row = RowBuffer { max_columns, ..RowBuffer::default() };
        Self { cells, progress, row, names: Vec::new(), raw: Vec::new() }
    }

    /// Reads the first row that has a value, which names the fields; `false` if there is none. `check` refuses a
    /// number of fields.
    pub(crate) fn read_header(&mut self, check: impl FnOnce(usize) -> Result<(), Failure>) -> Result<bool, Failure> {
        if !self.read_row()? {
            return Ok(false);
        }
        let row = &mut self.row;
        if let Some(error) = &row.error {
            return Err(Failure::input(format!("the header, row {}: {error}", row.line)));
        }
        check(row.ends.len())?;
        let mut from = 0;
        for end in &row.ends {
            self.names.push(String::from_utf8_lossy(&row.fields[from..*end]).into_owned());
            from = *end;
        }
        row.header = Some(row.ends.len());
        row.emptied = EmptiedCells::default();
        Ok(true)
    }

    /// Goes on with the names that were found before; where no column may come to them, a row with more is rejected.
    pub(crate) fn expect<'n>(&mut self, names: impl Iterator<Item = &'n str>, may_grow: bool) {
        for name in names.skip(self.names.len()) {
            if let Some(column) = column_of_name(name) {
                self.row.place_of(column);
                self.names.push(name.to_owned());
            }
        }
        if !may_grow {
            self.row.max_columns = self.names.len();
        }
    }

    /// Reads the cells of the next row; `false` at the end.
    fn read_row(&mut self) -> Result<bool, Failure> {
        let Self { cells, row, .. } = self;
        while let Some(number) = cells.next_row()? {
            row.start(number)?;
            if (row.line.is_multiple_of(REPORT_INTERVAL) || row.line == 1)
                && let Some(progress) = &self.progress
            {
                let total = u64::from(cells.declared_rows).max(row.line);
                progress.report(row.line as f64 / total as f64);
            }
            while let Some((column, value)) = cells.next_cell()? {
                row.add(column as usize, &value)?;
            }
            if row.has_value {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fills the row up to the names' length, and writes it as CSV.
    fn finish_row(&mut self) {
        let Self { row, names, raw, .. } = self;
        for column in row.more.iter().skip(names.len() - row.header.unwrap_or_default()) {
            names.push(format!("column_{}", column + 1));
        }
        row.finish(names.len());
        raw.clear();
        let mut from = 0;
        for (at, end) in row.ends.iter().enumerate() {
            let field = &row.fields[mem::replace(&mut from, *end)..*end];
            let fault = row.faults.iter().find(|(place, _)| *place == at);
            let field = fault.map_or(field, |(_, text)| text.as_bytes());
            if at > 0 {
                raw.push(b',');
            }
            if field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
                let text = String::from_utf8_lossy(field).replace('"', "\"\"");
                raw.extend_from_slice(format!("\"{text}\"").as_bytes());
            } else {
                raw.extend_from_slice(field);
            }
        }
    }
}

impl RowBuffer {
    fn start(&mut self, row: u32) -> Result<(), Failure> {
        let line = u64::from(row) + 1;
        if line <= self.line {
            return Err(Failure::input(format!("the workbook is broken: row {line} comes after row {}", self.line)));
        }
        self.line = line;
        self.has_value = false;
        self.fields.clear();
        self.ends.clear();
        self.is_text.clear();
        self.beyond.clear();
        self.beyond_bytes = 0;
        self.faults.clear();
        self.error = None;
        Ok(())
    }

    fn add(&mut self, column: usize, value: &CellValue<'_>) -> Result<(), Failure> {
        if column >= MAX_COLUMNS {
            let line = self.line;
            return Err(Failure::input(format!("the workbook is broken: row {line} has a cell beyond column XFD")));
        }
        if column < self.ends.len() {
            self.error
                .get_or_insert_with(|| format!("its cells are not in order, at column {}", column_letters(column)));
            return Ok(());
        }
        if *value == CellValue::Empty {
            return Ok(());
        }
        self.has_value = true;
        match self.header {
            Some(header) if column >= header => self.add_beyond(header, column, value),
            _ => {
                self.pad(column);
                let from = self.fields.len();
                if let Err(reason) = value.write(&mut self.fields) {
                    self.fields.truncate(from);
                    self.add_fault(column, column, reason, value);
                }
                self.is_text.push(value.is_text());
                self.ends.push(self.fields.len());
            }
        }
        if self.fields.len() + self.beyond_bytes > MAX_ROW_BYTES {
            return Err(Failure::input(format!("row {} is longer than 1 MiB, more than a row may have", self.line)));
        }
        Ok(())
    }

    fn add_beyond(&mut self, header: usize, column: usize, value: &CellValue<'_>) {
        let Some(place) = self.place_of(column) else {
            let (at, last) = (column_letters(column), column_letters(header.saturating_sub(1)));
            self.error.get_or_insert_with(|| format!("it has a value in column {at}, and the header ends at {last}"));
            return;
        };
        let mut field = Vec::new();
        if let Err(reason) = value.write(&mut field) {
            field.clear();
            self.add_fault(column, header + place, reason, value);
        }
        self.beyond_bytes += field.len();
        self.beyond.push((place, field, value.is_text()));
    }

    /// The place of a column among those beyond the header; `None` where there may not be one more.
    fn place_of(&mut self, column: usize) -> Option<usize> {
        if let Some(place) = self.places.get(&column) {
            return Some(*place);
        }
        let place = self.more.len();
        if self.header.unwrap_or_default() + place >= self.max_columns {
            return None;
        }
        self.more.push(column);
        self.places.insert(column, place);
        Some(place)
    }

    /// A cell that gets no value: in the header its word is the name.
    fn add_fault(&mut self, column: usize, place: usize, reason: String, value: &CellValue<'_>) {
        let word = if let CellValue::Error(word) = value { (*word).to_owned() } else { reason.clone() };
        if self.header.is_none() {
            self.fields.extend_from_slice(word.as_bytes());
            return;
        }
        self.faults.push((place, word));
        self.emptied.cells += 1;
        if self.emptied.first.len() < FIRST_CELLS {
            self.emptied.first.push(EmptiedCell { line: self.line, column: column_letters(column), reason });
        }
    }

    /// Adds empty fields up to so many.
    fn pad(&mut self, fields: usize) {
        self.ends.resize(self.ends.len().max(fields), self.fields.len());
        self.is_text.resize(self.ends.len(), false);
    }

    /// Appends the fields beyond the header in the order of their places.
    fn finish(&mut self, names: usize) {
        self.pad(self.header.unwrap_or_default());
        let header = self.ends.len();
        let mut beyond = mem::take(&mut self.beyond);
        beyond.sort_unstable_by_key(|(place, _, _)| *place);
        for (place, field, is_text) in &beyond {
            self.pad(header + place);
            self.fields.extend_from_slice(field);
            self.ends.push(self.fields.len());
            self.is_text.push(*is_text);
        }
        self.pad(names);
        if memchr::memchr(0, &self.fields).is_some() {
            self.error.get_or_insert_with(|| "it has a NUL character".to_owned());
        }
    }
}

/// The column that a field beyond the header is named after.
fn column_of_name(name: &str) -> Option<usize> {
    name.strip_prefix("column_")?.parse::<usize>().ok()?.checked_sub(1)
}

impl RowReader for SheetReader<'_> {
    fn next_row(&mut self) -> Result<Option<Row<'_>>, Failure> {
        if !self.read_row()? {
            return Ok(None);
        }
        self.finish_row();
        let Self { row, raw, names, .. } = self;
        let RowBuffer { line, fields, ends, is_text, more, error, .. } = row;
        let validity = error.as_deref().map_or(Validity::Valid, Validity::Invalid);
        // Without columns beyond the header, a row brings no new names.
        let names = if more.is_empty() { &[][..] } else { names.as_slice() };
        Ok(Some(Row { line: *line, raw, validity, fields, ends, gap: 0, is_text, names }))
    }

    fn encoding_name(&self) -> String {
        "utf-8".to_owned()
    }

    fn emptied(&self) -> EmptiedCells {
        self.row.emptied.clone()
    }
}
