//! CSV as RFC 4180 has it, for spreadsheets or for programs.

use std::{
    io::{self, Write},
    sync::Arc,
};

use super::{error::WriteError, formula::harmless, parts::Parts, report_file::ReportFile};
use crate::{
    about::{About, WrittenSheet},
    chart::data::ChartResult,
    definition::{
        column::{Column, ColumnFormat},
        sheet::SheetDefinition,
    },
    query::value::{Display, Value},
};

/// Spreadsheets take a file for another encoding without one.
const BYTE_ORDER_MARK: &str = "\u{feff}";

const NEEDS_QUOTES: [bool; 256] = {
    let mut bytes = [false; 256];
    let (found, mut at) = (*b",\"\r\n", 0);
    while at < found.len() {
        bytes[found[at] as usize] = true;
        at += 1;
    }
    bytes
};

pub(super) struct CsvFile {
    parts: Parts,
    about: Arc<About>,
    /// How values are shown; `None`: as the database has them.
    display: Option<Display>,
    formats: Vec<Option<ColumnFormat>>,
    line: Vec<u8>,
}

impl CsvFile {
    pub(super) fn new(parts: Parts, about: Arc<About>, display: Option<Display>) -> Self {
        // In another country a spreadsheet would take 12,480 for twelve.
        let display = display.map(|display| Display { groups: false, ..display });
        Self { parts, about, display, formats: Vec::new(), line: Vec::new() }
    }

    fn write_value(&mut self, index: usize, value: &Value<'_>) -> io::Result<()> {
        let format = self.formats[index];
        match (value, &self.display) {
            // A line without anything would be no row to many programs.
            (Value::Null, _) if self.formats.len() == 1 => self.write_quoted(""),
            (Value::Null, _) => self.line.push(b','),
            (Value::Integer(number), _) if format.is_none() => write!(self.line, "{number},")?,
            (Value::Text(""), None) => self.write_quoted(""),
            (value, None) => self.write_field(&value.plain()),
            // A negative number is none that a spreadsheet has to compute.
            (value, Some(display)) if value.number().is_some() => self.write_field(&display.text(value, format)),
            (value, Some(display)) => self.write_field(&harmless(&display.text(value, format))),
        }
        Ok(())
    }

    fn write_field(&mut self, text: &str) {
        let needs_quotes = text.bytes().any(|byte| NEEDS_QUOTES[usize::from(byte)]);
        if needs_quotes || text.starts_with(' ') || text.ends_with(' ') {
            return self.write_quoted(text);
        }
        self.line.extend_from_slice(text.as_bytes());
        self.line.push(b',');
    }

    fn write_quoted(&mut self, text: &str) {
        self.line.push(b'"');
        for (index, piece) in text.split('"').enumerate() {
            if index > 0 {
                self.line.extend_from_slice(b"\"\"");
            }
            self.line.extend_from_slice(piece.as_bytes());
        }
        self.line.extend_from_slice(b"\",");
    }

    fn end_row(&mut self) -> Result<(), WriteError> {
        self.line.pop();
        self.line.extend_from_slice(b"\r\n");
        self.parts.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }
}

impl ReportFile for CsvFile {
    fn begin_sheet(&mut self, sheet: &SheetDefinition, columns: &[Column]) -> Result<(), WriteError> {
        self.parts.begin(&format!("{}.csv", sheet.name))?;
        self.formats = columns.iter().map(|column| column.format).collect();
        if self.display.is_some() {
            self.parts.write_all(BYTE_ORDER_MARK.as_bytes())?;
        }
        for column in columns {
            match self.display {
                Some(_) => self.write_field(&harmless(&column.title)),
                None => self.write_field(&column.name),
            }
        }
        self.end_row()
    }

    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        for (index, value) in row.iter().enumerate() {
            self.write_value(index, value)?;
        }
        self.end_row()
    }

    fn end_sheet(&mut self, _rows: u64, _chart: Option<ChartResult>) -> Result<(), WriteError> {
        Ok(())
    }

    fn finish(self: Box<Self>, sheets: &[WrittenSheet]) -> Result<(), WriteError> {
        Ok(self.parts.finish(|| self.about.json(sheets))?)
    }
}
