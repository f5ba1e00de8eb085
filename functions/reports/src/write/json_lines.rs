//! JSON Lines: an object for each row, a number with all the digits that the database has of it.

use std::{
    io::{self, Write},
    sync::Arc,
};

use serde_json::{Value as Json, value::RawValue};

use super::{error::WriteError, parts::Parts, report_file::ReportFile};
use crate::{
    about::{About, WrittenSheet},
    chart::data::ChartResult,
    definition::{column::Column, sheet::SheetDefinition},
    query::value::Value,
};

pub(super) struct JsonLinesFile {
    parts: Parts,
    about: Arc<About>,
    /// The text before each value: `{"a":`, then `,"b":`.
    prefixes: Vec<String>,
    line: Vec<u8>,
}

impl JsonLinesFile {
    pub(super) fn new(parts: Parts, about: Arc<About>) -> Self {
        Self { parts, about, prefixes: Vec::new(), line: Vec::new() }
    }

    fn write_value(&mut self, value: &Value<'_>) -> serde_json::Result<()> {
        let line = &mut self.line;
        match value {
            Value::Null => serde_json::to_writer(line, &()),
            Value::Boolean(boolean) => serde_json::to_writer(line, boolean),
            Value::Integer(number) => serde_json::to_writer(line, number),
            Value::Real(number) if number.is_finite() => serde_json::to_writer(line, number),
            // JSON has no infinity.
            Value::Real(_) => serde_json::to_writer(line, &*value.plain()),
            Value::Decimal(text) if is_json_number(text) => {
                line.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Value::Decimal(text) | Value::Date(text) | Value::Timestamp(text) | Value::Text(text) => {
                serde_json::to_writer(line, text)
            }
        }
    }
}

fn is_json_number(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
        && text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

impl ReportFile for JsonLinesFile {
    fn begin_sheet(&mut self, sheet: &SheetDefinition, columns: &[Column]) -> Result<(), WriteError> {
        let prefix = |(index, column): (usize, &Column)| {
            format!("{}{}:", if index == 0 { '{' } else { ',' }, Json::from(column.name.as_str()))
        };
        self.prefixes = columns.iter().enumerate().map(prefix).collect();
        Ok(self.parts.begin(&format!("{}.jsonl", sheet.name))?)
    }

    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        self.line.clear();
        for (index, value) in row.iter().enumerate() {
            self.line.extend_from_slice(self.prefixes[index].as_bytes());
            self.write_value(value).map_err(io::Error::from)?;
        }
        self.line.extend_from_slice(b"}\n");
        Ok(self.parts.write_all(&self.line)?)
    }

    fn end_sheet(&mut self, _rows: u64, _chart: Option<ChartResult>) -> Result<(), WriteError> {
        Ok(())
    }

    fn finish(self: Box<Self>, sheets: &[WrittenSheet]) -> Result<(), WriteError> {
        Ok(self.parts.finish(|| self.about.json(sheets))?)
    }
}
