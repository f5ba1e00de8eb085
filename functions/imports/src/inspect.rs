//! Files and definitions read as imports read them, without a database: what a fuzzer feeds.

use bytes::Bytes;
use runtime::{Failure, definitions::Source};
use tokio_util::sync::CancellationToken;

use crate::{
    column::{Column, Value},
    definition::{parse::Definition, spec::ImportSpec},
    options::{Compression, Format},
    read::{
        row::{Row, RowReader},
        unpack::UnpackLimit,
        values::{ValueCount, ValueLimit},
    },
    schema::{
        limits::Limits,
        mapping::{ColumnLimit, ColumnMapping},
        plan::{Layout, Plan},
        text_plan::TextRows,
    },
    write::load::{RowOutcome, RowSink, write_row},
};

/// What a file's bytes came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The columns that a table of it would have.
    pub columns: Vec<Column>,
    /// Rows that would be written, those included that widened a type.
    pub rows: u64,
    /// Rows that would be rejected.
    pub rejected: u64,
    /// Bytes of the values of the written rows.
    pub value_bytes: u64,
}

/// Reads a whole file, detecting what is not given; what is unpacked, and its values, may come to so many bytes. Fails as
/// an import would.
pub fn inspect_file(
    content: Bytes,
    format: Option<Format>,
    compression: Option<Compression>,
    unpacked_limit: u64,
) -> Result<Inspection, Failure> {
    let limits = Limits {
        unpack: UnpackLimit { max_bytes: unpacked_limit },
        columns: ColumnLimit { max: 2000, database: "no database" },
        values: ValueLimit { max_bytes: unpacked_limit },
    };
    let spec = ImportSpec::undefined(format, compression)?;
    let values = || ValueCount::new(limits.values, content.len() as u64);
    let chunks = || Box::new(Some(content.clone()));
    let Plan { layout, mapping, .. } =
        Plan::of_file(content.len() as u64, chunks(), &spec, limits, CancellationToken::new())?;
    match layout {
        Layout::Sheet(workbook) => workbook.read(None, |sheet| {
            sheet.read_header(|_| Ok(()))?;
            sheet.expect(mapping.fields.iter().map(|column| column.field.as_str()), mapping.accepts_new_fields());
            inspect_rows(sheet, mapping, values())
        }),
        Layout::Text(layout) => match layout.open(chunks(), &mapping, &spec, limits) {
            TextRows::Delimited(mut rows) => {
                rows.read_header(|_| Ok(()))?;
                inspect_rows(&mut *rows, mapping, values())
            }
            TextRows::Json(mut rows) => inspect_rows(&mut *rows, mapping, values()),
        },
    }
}

/// Reads the text of a definition; the error names each fault by its line.
pub fn inspect_definition(text: &str) -> Result<(), String> {
    let source = Source { file: "definition.toml".to_owned(), name: "definition".to_owned(), text: text.to_owned() };
    let faults = |faults: Vec<_>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    Definition::parse(&source).map(drop).map_err(faults)
}

fn inspect_rows(
    rows: &mut impl RowReader,
    mut mapping: ColumnMapping,
    mut values: ValueCount,
) -> Result<Inspection, Failure> {
    let (mut written, mut rejected, mut counted) = (0, 0, CountedBytes::default());
    while let Some(row) = rows.next_row()? {
        values.add(&row)?;
        match write_row(&row, &mapping, &mut counted)? {
            RowOutcome::Written => {
                counted.end_row(&row)?;
                written += 1;
            }
            RowOutcome::Rejected(_) => {
                counted.discard_row();
                rejected += 1;
            }
            RowOutcome::DoesNotFit => {
                counted.discard_row();
                mapping.widen_types(&row);
                written += 1;
            }
        }
    }
    Ok(Inspection { columns: mapping.insert_columns(), rows: written, rejected, value_bytes: counted.written })
}

/// Counts the bytes of the rows that it is given.
#[derive(Default)]
struct CountedBytes {
    row: u64,
    written: u64,
}

impl RowSink for CountedBytes {
    fn put(&mut self, _: usize, text: &[u8], _: Value) -> Result<(), Failure> {
        self.row += text.len() as u64;
        Ok(())
    }

    fn end_row(&mut self, _: &Row<'_>) -> Result<(), Failure> {
        self.written += std::mem::take(&mut self.row);
        Ok(())
    }

    fn discard_row(&mut self) {
        self.row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_a_database() {
        let read = |text: &'static str| inspect_file(Bytes::from_static(text.as_bytes()), None, None, 1 << 20);
        let found = read("a,b\n1,x\n2\n3,y\n").unwrap();
        assert_eq!((found.rows, found.rejected, found.value_bytes), (2, 1, 4));
        assert_eq!(found.columns.len(), 2);
        assert_eq!(read("{\"a\":1}\n{\"a\":\"x\",\"b\":2}\n").unwrap().rows, 2);
        assert_eq!(read("").unwrap_err().to_string(), "the file is empty");
        assert_eq!(inspect_definition("title = \"T\"\ntable = \"t\"\n"), Ok(()));
        assert!(inspect_definition("title = 1").unwrap_err().contains("definition.toml:1"));
    }
}
