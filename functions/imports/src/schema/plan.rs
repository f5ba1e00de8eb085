//! The plan of an import: how the file is read and mapped, from its beginning.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use runtime::{Context, Failure, thread};
use tokio_util::sync::CancellationToken;

use crate::{
    definition::spec::{ColumnSpec, ImportSpec},
    input::{Compression, Delimiter, FileOptions, Format},
    read::{
        delimited::DelimitedReader,
        json_lines::{JsonLinesReader, UnknownKeys},
        row::{MAX_ROW_BYTES, RowReader},
        sniff,
        source::{Chunks, FileSource, Peeked},
        text::{TextEncoding, TextReader},
        unpack::{self, UnpackLimit},
        values::{ValueCount, ValueLimit},
        workbook::{Workbook, WorkbookLimits},
    },
    schema::mapping::{ColumnLimit, ColumnMapping},
};

/// Rows of a sheet whose types are inferred in advance.
const SAMPLE_ROWS: usize = 5000;

/// The plan of an import.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) bytes: u64,
    pub(crate) layout: Layout,
    pub(crate) mapping: ColumnMapping,
}

/// The format of a file, with what its reader needs.
#[derive(Debug, Clone)]
pub(crate) enum Layout {
    Text(TextLayout),
    /// A workbook, copied to a temporary file.
    Sheet(Workbook),
}

/// A text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextLayout {
    pub(crate) compression: Compression,
    pub(crate) encoding: TextEncoding,
    pub(crate) format: TextFormat,
}

/// The format of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TextFormat {
    Delimited(Delimiter),
    JsonLines,
}

/// The reader of a text's rows.
pub(crate) enum TextRows {
    Delimited(Box<DelimitedReader>),
    Json(Box<JsonLinesReader>),
}

/// The limits of a file and of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) unpack: UnpackLimit,
    pub(crate) columns: ColumnLimit,
    pub(crate) values: ValueLimit,
}

impl Plan {
    /// Plans the import of a file from its beginning.
    pub(crate) async fn from_sample(
        context: &Context,
        spec: &Arc<ImportSpec>,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let (file, transfer) = FileSource::open(context, &spec.file, None).await?;
        let (spec, stop) = (spec.clone(), context.stop.clone());
        let planning = thread::run(move || Self::of_file(file.bytes, Box::new(file), &spec, limits, stop));
        let (plan, ()) = tokio::join!(planning, transfer);
        plan
    }

    /// Plans the import of a file of so many bytes; for a thread that may wait.
    pub(crate) fn of_file(
        bytes: u64,
        file: Box<dyn Chunks>,
        spec: &ImportSpec,
        limits: Limits,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let file = Peeked::new(file)?;
        if file.head().is_empty() {
            return Err(Failure::input("the file is empty"));
        }
        let compression = spec.options.compression.unwrap_or_else(|| sniff::compression(file.head()));
        let file = Peeked::new(unpack::unpack(Box::new(file), compression, limits.unpack))?;
        let format = spec.options.format.map_or_else(|| sniff::format(file.head()), Ok)?;
        let text_layout =
            |(encoding, format, mapping)| (Layout::Text(TextLayout { compression, encoding, format }), mapping);
        let (layout, mapping) = match format {
            Format::Xlsx if compression != Compression::None => {
                return Err(Failure::input("the file is a packed workbook; unpack it and import that"));
            }
            Format::Xlsx => {
                let read = WorkbookLimits { unpack: limits.unpack, columns: limits.columns.max, stop };
                let workbook = Workbook::copy(file, spec.options.sheet.as_ref(), read)?;
                let mapping = map_sheet(&workbook, spec, limits.columns, ValueCount::new(limits.values, bytes))?;
                (Layout::Sheet(workbook), mapping)
            }
            Format::Jsonl => plan_json(&Sample::read(file)?, spec, limits, bytes).map(text_layout)?,
            Format::Csv | Format::Tsv => {
                plan_delimited(&Sample::read(file)?, format, spec, limits, bytes).map(text_layout)?
            }
        };
        Ok(Self { bytes, layout, mapping })
    }

    /// The character between fields, or `tab`; the format where it has none.
    pub(crate) fn delimiter(&self) -> String {
        match &self.layout {
            Layout::Text(TextLayout { format: TextFormat::Delimited(delimiter), .. }) => delimiter.name(),
            Layout::Text(TextLayout { format: TextFormat::JsonLines, .. }) => "jsonl".to_owned(),
            Layout::Sheet(_) => "xlsx".to_owned(),
        }
    }
}

impl TextLayout {
    /// The reader of its rows.
    pub(crate) fn open(
        self,
        file: Box<dyn Chunks>,
        mapping: &ColumnMapping,
        spec: &ImportSpec,
        limits: Limits,
    ) -> TextRows {
        let text = TextReader::new(unpack::unpack(file, self.compression, limits.unpack), self.encoding);
        match self.format {
            TextFormat::Delimited(delimiter) => {
                TextRows::Delimited(Box::new(DelimitedReader::new(text, delimiter.0, false)))
            }
            TextFormat::JsonLines => {
                let names = mapping.fields.iter().map(|column| column.field.clone()).collect();
                TextRows::Json(Box::new(JsonLinesReader::new(text, names, unknown_keys(spec, limits.columns), false)))
            }
        }
    }
}

/// The first mebibyte of a file.
struct Sample {
    bytes: Bytes,
    /// Set if there is more.
    truncated: bool,
}

impl Sample {
    fn read(mut chunks: impl Chunks) -> Result<Self, Failure> {
        let mut sample = BytesMut::new();
        while sample.len() < MAX_ROW_BYTES {
            match chunks.next()? {
                Some(chunk) => sample.extend_from_slice(&chunk),
                None if sample.is_empty() => return Err(Failure::input("the file is empty")),
                None => return Ok(Self { bytes: sample.freeze(), truncated: false }),
            }
        }
        Ok(Self { bytes: sample.freeze(), truncated: true })
    }

    /// Its encoding, and its text as UTF-8.
    fn decode(&self, options: &FileOptions) -> Result<(TextEncoding, Bytes), Failure> {
        let encoding = options.encoding.map_or(TextEncoding::Ascii, |encoding| TextEncoding::Declared(encoding.0));
        let mut text = TextReader::new(Box::new(Some(self.bytes.clone())), encoding);
        let mut decoded = Vec::new();
        while text.fill(&mut decoded)? {}
        Ok((text.encoding(), decoded.into()))
    }
}

type TextPlan = (TextEncoding, TextFormat, ColumnMapping);

fn plan_delimited(
    sample: &Sample,
    format: Format,
    spec: &ImportSpec,
    limits: Limits,
    file_bytes: u64,
) -> Result<TextPlan, Failure> {
    let (encoding, text) = sample.decode(&spec.options)?;
    let by_format = (format == Format::Tsv).then_some(Delimiter(b'\t'));
    let delimiter = spec.options.delimiter.or(by_format).unwrap_or_else(|| sniff::delimiter(&text, sample.truncated));
    let mut rows = DelimitedReader::new(TextReader::of_utf_8(text), delimiter.0, sample.truncated);
    if !rows.read_header(|fields| limits.columns.check(fields))? {
        return Err(match sample.truncated {
            true => rows.too_long(),
            false => Failure::input("the file has no header, only empty lines"),
        });
    }
    let mut mapping = ColumnMapping::new(&rows.names, spec)?;
    learn_types(&mut rows, &mut mapping, usize::MAX, ValueCount::new(limits.values, file_bytes))?;
    Ok((encoding, TextFormat::Delimited(delimiter), mapping))
}

fn plan_json(sample: &Sample, spec: &ImportSpec, limits: Limits, file_bytes: u64) -> Result<TextPlan, Failure> {
    let (encoding, text) = sample.decode(&spec.options)?;
    let reader = |names: Vec<String>| {
        let unknown_keys = unknown_keys(spec, limits.columns);
        JsonLinesReader::new(TextReader::of_utf_8(text.clone()), names, unknown_keys, sample.truncated)
    };
    // Read twice: the columns are known only at the end.
    let mut rows = reader(Vec::new());
    let (mut objects, mut error) = (0, None);
    let mut values = ValueCount::new(limits.values, file_bytes);
    while let Some(row) = rows.next_row()? {
        values.add(&row)?;
        match row.error() {
            None => objects += 1,
            Some(reason) => drop(error.get_or_insert_with(|| format!("line {}: {reason}", row.line))),
        }
    }
    if objects == 0 {
        let reason = error.unwrap_or_else(|| "its first line is longer than 1 MiB, or there is none".to_owned());
        return Err(Failure::input(format!("the file is not JSON Lines, an object on each line; {reason}")));
    }
    let mut mapping = ColumnMapping::new(rows.names(), spec)?;
    let values = ValueCount::new(limits.values, file_bytes);
    learn_types(&mut reader(rows.names().to_vec()), &mut mapping, usize::MAX, values)?;
    Ok((encoding, TextFormat::JsonLines, mapping))
}

fn map_sheet(
    workbook: &Workbook,
    spec: &ImportSpec,
    limit: ColumnLimit,
    values: ValueCount,
) -> Result<ColumnMapping, Failure> {
    workbook.read(None, |sheet| {
        if !sheet.read_header(|fields| limit.check(fields))? {
            return Err(Failure::input("the sheet has no header, only empty cells"));
        }
        let mut mapping = ColumnMapping::new(&sheet.names, spec)?;
        learn_types(sheet, &mut mapping, SAMPLE_ROWS, values)?;
        Ok(mapping)
    })
}

fn learn_types(
    rows: &mut impl RowReader,
    mapping: &mut ColumnMapping,
    max_rows: usize,
    mut values: ValueCount,
) -> Result<(), Failure> {
    for _ in 0..max_rows {
        let Some(row) = rows.next_row()? else { break };
        values.add(&row)?;
        mapping.widen_types(&row);
    }
    Ok(())
}

/// The treatment of keys of JSON Lines that the plan does not have.
fn unknown_keys(spec: &ImportSpec, limit: ColumnLimit) -> UnknownKeys {
    match &spec.columns {
        ColumnSpec::Declared(declared) => UnknownKeys::AddDeclared(declared.clone()),
        ColumnSpec::Types(_) => UnknownKeys::Add(limit.max),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(text: &[u8], truncated: bool) -> Result<TextPlan, String> {
        let spec =
            crate::definition::spec::tests::spec(json!({"file": "a/b", "table": "t", "columns": {"id": "text"}}));
        let limits = Limits {
            unpack: UnpackLimit { max_bytes: 1 << 30 },
            columns: ColumnLimit { max: 2000, database: "a test" },
            values: ValueLimit { max_bytes: 1 << 30 },
        };
        let sample = Sample { bytes: Bytes::copy_from_slice(text), truncated };
        plan_delimited(&sample, Format::Csv, &spec, limits, text.len() as u64).map_err(|error| error.to_string())
    }

    fn columns(plan: &TextPlan) -> String {
        let name_and_type = |column: &crate::column::Column| format!("{} {}", column.name, column.column_type.as_str());
        plan.2.table_columns().iter().map(name_and_type).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_sample_tells_delimiter_names_and_types() {
        let found = plan(b"id;A B;b\n1;2;x\n2;;y\nragged\n", false).unwrap();
        assert!(matches!(found, (TextEncoding::Ascii, TextFormat::Delimited(Delimiter(b';')), _)));
        assert_eq!(columns(&found), "id text, A_B integer, b text");
    }

    #[test]
    fn a_row_that_is_cut_at_the_end_of_the_sample_tells_nothing() {
        assert_eq!(columns(&plan(b"id,n\n1,2\n1,2.", true).unwrap()), "id text, n integer");
        assert_eq!(columns(&plan(b"id,n\n1,2\n1,2.", false).unwrap()), "id text, n number");
    }

    #[test]
    fn what_has_no_header_or_no_column_of_a_given_name_is_told() {
        let told = |text: &[u8], cut| plan(text, cut).err().unwrap();
        assert!(told(b"\n\r\n", false).contains("no header"));
        assert_eq!(told(b"a,b\n", false), "columns: the file has no column \"id\"; it has: a, b");
        assert!(told(b"id\0,b\n", false).contains("line 1, is not text"));
        assert!(told(&vec![b'x'; MAX_ROW_BYTES], true).contains("line 1 is longer than 1 MiB"));
        assert!(told(b"id,\"x\n1,2\n", true).contains("the quote (\") that opens in line 1"));
        let wide = vec![b','; 500_000];
        assert_eq!(told(&wide, false), "the file has 500001 columns; a table of a test has 2000 at most");
    }
}
