//! CSV as RFC 4180 has it, for spreadsheets or for programs.

use std::{io::Write, sync::Arc};

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

    fn write_value(&mut self, index: usize, value: &Value<'_>) {
        let Some(display) = &self.display else {
            return match value {
                // A line without anything would be no row to many programs.
                Value::Null if self.formats.len() == 1 => self.write_quoted(""),
                Value::Text("") => self.write_quoted(""),
                value => self.write_field(&value.plain()),
            };
        };
        let text = display.text(value, self.formats[index]);
        match value {
            Value::Null if self.formats.len() == 1 => self.write_quoted(""),
            // A negative number is none that a spreadsheet has to compute.
            value if value.number().is_some() => self.write_field(&text),
            _ => self.write_field(&harmless(&text)),
        }
    }

    fn write_field(&mut self, text: &str) {
        let needs_quotes = |byte: u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
        if text.bytes().any(needs_quotes) || text.starts_with(' ') || text.ends_with(' ') {
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
            self.write_value(index, value);
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
