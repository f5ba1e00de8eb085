//! XLSX: a workbook with a sheet of rows for each query, which passes through a temporary file, a native chart on another,
//! and a last one about the report.

mod about_sheet;
mod cells;
mod chart_sheet;

use std::{error::Error, io, sync::Arc};

use runtime::Failure;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

use self::cells::{Cells, allowed, number_format};
use super::{error::WriteError, report_file::ReportFile};
use crate::{
    about::{About, WrittenSheet},
    chart::data::ChartResult,
    definition::{
        column::Column,
        sheet::{ONLY_SHEET, SheetDefinition, free_sheet_name},
    },
    query::value::{Display, Value},
    upload::UploadWriter,
};

/// The limit of a sheet, with its header.
const MAX_ROWS: u32 = 1_048_576;
const MAX_COLUMNS: usize = 16_384;
/// Units of UTF-16 in a cell.
const MAX_TEXT: usize = 32_767;
/// Rows that decide how wide columns are.
const MEASURED_ROWS: u32 = 200;
/// Least and most width of a column, in characters.
const WIDTHS: (usize, usize) = (8, 60);

pub(super) struct XlsxFile {
    out: UploadWriter,
    about: Arc<About>,
    book: Workbook,
    /// The names of the sheets that there are or will be.
    names: Vec<String>,
    cells: Cells,
    /// The current sheet: its index, title and columns.
    index: usize,
    title: String,
    columns: Vec<Column>,
    formats: Vec<Option<Format>>,
    widths: Vec<usize>,
    row: u32,
}

impl XlsxFile {
    pub(super) fn new(out: UploadWriter, about: Arc<About>, sheets: &[SheetDefinition], display: Display) -> Self {
        let mut book = Workbook::new();
        book.set_properties(&about_sheet::properties(&about));
        let names = sheets.iter().map(|sheet| sheet.title.clone()).chain(["About".to_owned()]).collect();
        Self {
            out,
            about,
            book,
            names,
            cells: Cells::new(display),
            index: 0,
            title: String::new(),
            columns: Vec::new(),
            formats: Vec::new(),
            widths: Vec::new(),
            row: 0,
        }
    }

    fn sheet(&mut self) -> Result<&mut Worksheet, XlsxError> {
        self.book.worksheet_from_index(self.index)
    }

    fn measure(&mut self, row: &[Value<'_>]) {
        for (index, value) in row.iter().enumerate() {
            let text = self.cells.display.text(value, self.columns[index].format);
            let width = text.chars().take(WIDTHS.1).count() + 2;
            self.widths[index] = self.widths[index].max(width);
        }
    }

    /// The place of what does not fit, for the one who reads why.
    fn place(&self) -> String {
        if self.title == ONLY_SHEET { String::new() } else { format!(" of the sheet {}", self.title) }
    }
}

impl ReportFile for XlsxFile {
    fn begin_sheet(&mut self, sheet: &SheetDefinition, columns: &[Column]) -> Result<(), WriteError> {
        self.title.clone_from(&sheet.title);
        check_columns(columns)?;
        self.index = self.book.worksheets().len();
        let sheet = self.book.add_worksheet_with_constant_memory()?;
        sheet.set_name(&self.title)?;
        let bold = Format::new().set_bold().set_quote_prefix();
        for (index, column) in columns.iter().enumerate() {
            sheet.write_string_with_format(0, index as u16, allowed(&column.title), &bold)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        self.formats = columns.iter().map(|column| column.format.and_then(number_format)).collect();
        self.widths = columns.iter().map(|column| column.title.chars().count() + 3).collect();
        self.columns = columns.to_vec();
        self.row = 0;
        Ok(())
    }

    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        self.row += 1;
        if self.row == MAX_ROWS {
            let (limit, place) = (MAX_ROWS - 1, self.place());
            let what = if place.is_empty() { "The report has".to_owned() } else { format!("The query{place} has") };
            return Err(does_not_fit(format!("{what} more than {limit} rows, which no sheet can hold; take CSV.")));
        }
        if self.row <= MEASURED_ROWS {
            self.measure(row);
        }
        if self.row.is_multiple_of(1024) {
            self.out.check_open()?;
        }
        let sheet = self.book.worksheet_from_index(self.index)?;
        for (index, value) in row.iter().enumerate() {
            let format = (self.columns[index].format, self.formats[index].as_ref());
            let written = self.cells.write(sheet, (self.row, index as u16), value, format);
            if matches!(written, Err(XlsxError::MaxStringLengthExceeded)) {
                let (row, column, place) = (self.row, &self.columns[index].name, self.place());
                return Err(does_not_fit(format!(
                    "The column {column} of row {row}{place} has more than {MAX_TEXT} characters, which no cell can hold; \
                     take CSV."
                )));
            }
            written?;
        }
        Ok(())
    }

    fn end_sheet(&mut self, _rows: u64, chart: Option<ChartResult>) -> Result<(), WriteError> {
        let (last, widths) = (self.row, std::mem::take(&mut self.widths));
        let sheet = self.sheet()?;
        for (column, width) in (0..).zip(&widths) {
            sheet.set_column_width(column, (*width).clamp(WIDTHS.0, WIDTHS.1) as f64)?;
        }
        if let Some(column) = widths.len().checked_sub(1) {
            sheet.autofilter(0, 0, last, column as u16)?;
        }
        if let Some(chart) = chart {
            let wanted = if self.title == ONLY_SHEET { "Chart".to_owned() } else { format!("{} chart", self.title) };
            let name = free_sheet_name(&wanted, &self.names);
            let sheet = self.book.add_worksheet();
            sheet.set_name(&name)?;
            chart_sheet::write(sheet, &name, chart)?;
            self.names.push(name);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, sheets: &[WrittenSheet]) -> Result<(), WriteError> {
        let about = self.book.add_worksheet();
        about.set_name("About")?;
        about_sheet::write(about, &self.about, sheets)?;
        self.book.save_to_writer(&mut self.out)?;
        Ok(self.out.finish()?)
    }
}

fn check_columns(columns: &[Column]) -> Result<(), WriteError> {
    if columns.len() > MAX_COLUMNS {
        let message = format!("The report has {} columns; a sheet has {MAX_COLUMNS} at most.", columns.len());
        return Err(does_not_fit(message));
    }
    let too_long = |column: &&Column| column.title.encode_utf16().count() > MAX_TEXT;
    match columns.iter().position(|column| too_long(&column)) {
        Some(index) => Err(does_not_fit(format!(
            "The title of column {} has more than {MAX_TEXT} characters, which no cell can hold.",
            index + 1
        ))),
        None => Ok(()),
    }
}

/// It would not fit the next time either.
fn does_not_fit(message: String) -> WriteError {
    Failure::Permanent { reason: "xlsx", message }.into()
}

impl From<XlsxError> for WriteError {
    /// An error of the system, which the library may wrap twice, may pass; one of the library would come again.
    fn from(error: XlsxError) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = match &error {
            XlsxError::IoError(inner) => Some(inner),
            error => error.source(),
        };
        while let Some(link) = cause {
            if let Some(inner) = link.downcast_ref::<io::Error>() {
                return io::Error::new(inner.kind(), error.to_string()).into();
            }
            cause = link.source();
        }
        does_not_fit(format!("The workbook cannot be made: {error}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(count: usize, title: &str) -> Vec<Column> {
        let column = |index| Column { name: format!("c{index}"), title: title.to_owned(), format: None };
        (0..count).map(column).collect()
    }

    fn message(result: Result<(), WriteError>) -> String {
        match result {
            Err(WriteError::Refused(Failure::Permanent { message, .. })) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_no_sheet_can_have_is_refused_for_good() {
        assert!(check_columns(&columns(MAX_COLUMNS, "é")).is_ok());
        assert_eq!(
            message(check_columns(&columns(16_385, "t"))),
            "The report has 16385 columns; a sheet has 16384 at most."
        );
        let title = "😀".repeat(16_384);
        assert!(message(check_columns(&columns(2, &title))).starts_with("The title of column 1 has more than 32767"));
        let again = XlsxError::SheetnameReused("x".to_owned());
        assert!(message(Err(again.into())).starts_with("The workbook cannot be made: "));
        let full = XlsxError::IoError(io::ErrorKind::StorageFull.into());
        assert!(matches!(WriteError::from(full), WriteError::Io(error) if error.kind() == io::ErrorKind::StorageFull));
    }
}
