//! JSON Lines: an object for each row, a number with all the digits that the database has of it.

use std::io::Write;

use serde_json::Value as Json;

use crate::{broken::Broken, format::Column, points::Picture, row::Value, upload::Outlet, writing::File};

pub(crate) struct JsonLines {
    out: Outlet,
    /// Before each value: `{"a":`, then `,"b":`.
    before: Vec<String>,
    line: Vec<u8>,
}

impl JsonLines {
    pub(crate) fn begin(out: Outlet, columns: &[Column]) -> Self {
        let before = |(at, column): (usize, &Column)| {
            format!("{}{}:", if at == 0 { '{' } else { ',' }, Json::from(column.name.as_str()))
        };
        Self { out, before: columns.iter().enumerate().map(before).collect(), line: Vec::new() }
    }

    fn value(&mut self, value: &Value<'_>) -> serde_json::Result<()> {
        let line = &mut self.line;
        match value {
            Value::Null => serde_json::to_writer(line, &()),
            Value::Boolean(truth) => serde_json::to_writer(line, truth),
            Value::Integer(number) => serde_json::to_writer(line, number),
            // JSON has no infinity.
            Value::Real(number) if !number.is_finite() => serde_json::to_writer(line, &number.to_string()),
            Value::Real(number) => serde_json::to_writer(line, number),
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
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
        && text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

impl File for JsonLines {
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), Broken> {
        self.line.clear();
        for (at, value) in row.iter().enumerate() {
            self.line.extend_from_slice(self.before[at].as_bytes());
            self.value(value).map_err(std::io::Error::from)?;
        }
        self.line.extend_from_slice(b"}\n");
        Ok(self.out.write_all(&self.line)?)
    }

    fn end(self: Box<Self>, _rows: u64, _picture: Option<Picture>) -> Result<(), Broken> {
        Ok(self.out.finish()?)
    }
}
