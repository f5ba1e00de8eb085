//! CSV as RFC 4180 has it, in UTF-8 with a byte order mark: spreadsheets take it for another encoding without one.
//! Programs that mind the mark have JSON Lines.

use std::{fmt, io::Write};

use super::{error::WriteError, formula::is_formula, row_writer::RowWriter};
use crate::{chart::data::ChartResult, definition::column::Column, query::value::Value, upload::UploadWriter};

pub(super) struct CsvWriter {
    writer: csv::Writer<UploadWriter>,
    number: Vec<u8>,
}

impl CsvWriter {
    pub(super) fn new(mut out: UploadWriter, columns: &[Column]) -> Result<Self, WriteError> {
        out.write_all("\u{feff}".as_bytes())?;
        let writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        let mut file = Self { writer, number: Vec::new() };
        for column in columns {
            file.write_text(&column.name)?;
        }
        file.end_row()?;
        Ok(file)
    }

    /// A text that a spreadsheet would compute gets an apostrophe before it, which makes it a text there.
    fn write_text(&mut self, text: &str) -> Result<(), WriteError> {
        match is_formula(text) {
            true => self.write_field(format!("'{text}").as_bytes()),
            false => self.write_field(text.as_bytes()),
        }
    }

    fn write_number(&mut self, number: impl fmt::Display) -> Result<(), WriteError> {
        self.number.clear();
        write!(self.number, "{number}")?;
        Ok(self.writer.write_field(&self.number)?)
    }

    fn write_field(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        Ok(self.writer.write_field(bytes)?)
    }

    fn end_row(&mut self) -> Result<(), WriteError> {
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }
}

impl RowWriter for CsvWriter {
    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        for value in row {
            match value {
                Value::Null => self.write_field(b"")?,
                Value::Boolean(boolean) => self.write_field(if *boolean { b"true" } else { b"false" })?,
                Value::Integer(number) => self.write_number(number)?,
                Value::Real(number) => self.write_number(number)?,
                Value::Decimal(text) | Value::Date(text) | Value::Timestamp(text) | Value::Text(text) => {
                    self.write_text(text)?;
                }
            }
        }
        self.end_row()
    }

    fn finish(self: Box<Self>, _rows: u64, _chart: Option<ChartResult>) -> Result<(), WriteError> {
        let out = self.writer.into_inner().map_err(|error| error.into_error())?;
        Ok(out.finish()?)
    }
}

impl From<csv::Error> for WriteError {
    fn from(error: csv::Error) -> Self {
        Self::Io(error.into())
    }
}
