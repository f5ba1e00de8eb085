//! CSV as RFC 4180 has it, in UTF-8 with a byte order mark: without one, spreadsheets read it as something else.
//! Programs that mind have JSON Lines.

use std::io::Write;

use crate::{
    broken::Broken,
    format::{Column, is_formula},
    points::Picture,
    row::Value,
    upload::Outlet,
    writing::File,
};

pub(crate) struct CsvFile {
    writer: csv::Writer<Outlet>,
    number: Vec<u8>,
}

impl CsvFile {
    pub(crate) fn begin(mut out: Outlet, columns: &[Column]) -> Result<Self, Broken> {
        out.write_all("\u{feff}".as_bytes())?;
        let writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        let mut file = Self { writer, number: Vec::new() };
        for column in columns {
            file.text(&column.name)?;
        }
        file.end_of_row()?;
        Ok(file)
    }

    /// A text that a spreadsheet would compute gets an apostrophe before it, which makes it a text there.
    fn text(&mut self, text: &str) -> Result<(), Broken> {
        match is_formula(text) {
            true => self.field(format!("'{text}").as_bytes()),
            false => self.field(text.as_bytes()),
        }
    }

    fn number(&mut self, number: std::fmt::Arguments<'_>) -> Result<(), Broken> {
        self.number.clear();
        self.number.write_fmt(number)?;
        self.writer.write_field(&self.number).map_err(broken)
    }

    fn field(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.writer.write_field(bytes).map_err(broken)
    }

    fn end_of_row(&mut self) -> Result<(), Broken> {
        self.writer.write_record(None::<&[u8]>).map_err(broken)
    }
}

impl File for CsvFile {
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), Broken> {
        for value in row {
            match value {
                Value::Null => self.field(b"")?,
                Value::Boolean(truth) => self.field(if *truth { b"true" } else { b"false" })?,
                Value::Integer(number) => self.number(format_args!("{number}"))?,
                Value::Real(number) => self.number(format_args!("{number}"))?,
                Value::Decimal(text) | Value::Date(text) | Value::Timestamp(text) | Value::Text(text) => {
                    self.text(text)?;
                }
            }
        }
        self.end_of_row()
    }

    fn end(self: Box<Self>, _rows: u64, _picture: Option<Picture>) -> Result<(), Broken> {
        let out = self.writer.into_inner().map_err(|error| error.into_error())?;
        Ok(out.finish()?)
    }
}

fn broken(error: csv::Error) -> Broken {
    std::io::Error::from(error).into()
}
