//! What is known of a file before it is loaded, from its beginning.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use encoding_rs::UTF_8;
use runtime::{Context, Failure, thread};

use crate::{
    columns::{Columns, Width},
    input::{Compression, Delimiter, FileOptions, Format},
    json_lines::{JsonLines, Unknown},
    order::{Order, Wanted},
    records::Records,
    row::{LONGEST_ROW, Rows},
    sniff,
    source::{self, Pieces, Sample, Source, Start},
    text::{Known, Text},
    unpack::{self, UnpackLimit},
    workbook::Workbook,
};

/// Rows of a sheet that are looked at.
const ROWS: usize = 5000;

/// How a file is read, and what its columns are.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) bytes: u64,
    pub(crate) layout: Layout,
    pub(crate) columns: Columns,
}

/// How a file is read.
#[derive(Debug, Clone)]
pub(crate) enum Layout {
    /// As text with delimiters.
    Delimited { packed: Compression, encoding: Known, delimiter: Delimiter },
    /// As JSON Lines.
    Json { packed: Compression, encoding: Known },
    /// As a workbook, which was copied.
    Sheet(Workbook),
}

/// How far a file and a table may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) unpack: UnpackLimit,
    pub(crate) width: Width,
}

impl Plan {
    /// Looks at the start of the file.
    pub(crate) async fn make(context: &Context, order: &Arc<Order>, limits: Limits) -> Result<Self, Failure> {
        let download = source::open(context, &order.file).await?;
        let bytes = download.bytes;
        let (source, bringing) = Source::looked_at(download, context);
        let (order, stop) = (order.clone(), context.stop.clone());
        let looking = thread::run(move || {
            let start = Start::of(Box::new(source))?;
            if start.head().is_empty() {
                return Err(Failure::input("the file is empty"));
            }
            let packed = order.options.compression.unwrap_or_else(|| sniff::compression(start.head()));
            let start = Start::of(unpack::unpacked(Box::new(start), packed, limits.unpack))?;
            let format = order.options.format.map_or_else(|| sniff::format(start.head()), Ok)?;
            let (layout, columns) = match format {
                Format::Xlsx if packed != Compression::None => {
                    return Err(Failure::input("the file is a packed workbook; unpack it and import that"));
                }
                Format::Xlsx => {
                    let book = Workbook::copy(start, order.options.sheet.clone(), limits.unpack, stop)?;
                    let columns = of_sheet(&book, &order, limits.width)?;
                    (Layout::Sheet(book), columns)
                }
                Format::Jsonl => {
                    let (sample, cut) = take_sample(start)?;
                    of_json(sample, cut, packed, &order, limits.width)?
                }
                Format::Csv | Format::Tsv => {
                    let (sample, cut) = take_sample(start)?;
                    of_delimited(sample, cut, packed, format, &order, limits.width)?
                }
            };
            Ok(Self { bytes, layout, columns })
        });
        let (plan, ()) = tokio::join!(looking, bringing);
        plan
    }

    /// What stands between the fields: a character, or `tab`; where it is no such text, its format.
    pub(crate) fn delimiter(&self) -> String {
        match &self.layout {
            Layout::Delimited { delimiter, .. } => delimiter.shown(),
            Layout::Json { .. } => "jsonl".to_owned(),
            Layout::Sheet(_) => "xlsx".to_owned(),
        }
    }
}

/// The first mebibyte, and whether there is more.
fn take_sample(mut pieces: impl Pieces) -> Result<(Bytes, bool), Failure> {
    let mut sample = BytesMut::new();
    while sample.len() < LONGEST_ROW {
        match pieces.next()? {
            Some(piece) => sample.extend_from_slice(&piece),
            None if sample.is_empty() => return Err(Failure::input("the file is empty")),
            None => return Ok((sample.freeze(), false)),
        }
    }
    Ok((sample.freeze(), true))
}

/// The sample as UTF-8.
fn decode(sample: Bytes, options: &FileOptions) -> Result<(Known, Bytes), Failure> {
    let said = options.encoding.map_or(Known::Ascii, |encoding| Known::Said(encoding.0));
    let mut text = Text::new(Sample::boxed(sample), said);
    let mut decoded = Vec::new();
    while text.fill(&mut decoded)? {}
    Ok((text.known(), decoded.into()))
}

fn of_delimited(
    sample: Bytes,
    cut: bool,
    packed: Compression,
    format: Format,
    order: &Order,
    width: Width,
) -> Result<(Layout, Columns), Failure> {
    let (encoding, text) = decode(sample, &order.options)?;
    let by_format = (format == Format::Tsv).then_some(Delimiter(b'\t'));
    let delimiter = order.options.delimiter.or(by_format).unwrap_or_else(|| sniff::delimiter(&text, cut));
    let mut records = Records::new(Text::new(Sample::boxed(text), Known::Said(UTF_8)), delimiter.0, cut);
    if !records.read_header(|fields| width.check(fields))? {
        return Err(match cut {
            true => records.too_long(),
            false => Failure::input("the file has no header, only empty lines"),
        });
    }
    let mut columns = Columns::of(records.names(), order)?;
    learn(&mut records, &mut columns, usize::MAX)?;
    Ok((Layout::Delimited { packed, encoding, delimiter }, columns))
}

fn of_json(
    sample: Bytes,
    cut: bool,
    packed: Compression,
    order: &Order,
    width: Width,
) -> Result<(Layout, Columns), Failure> {
    let (encoding, text) = decode(sample, &order.options)?;
    let reader = |names: Vec<String>| {
        let text = Text::new(Sample::boxed(text.clone()), Known::Said(UTF_8));
        JsonLines::new(text, names, unknown_keys(order, width), cut)
    };
    // Twice: which columns there are is known at the end alone.
    let mut first = reader(Vec::new());
    let (mut objects, mut fault) = (0, None);
    while let Some(row) = first.next()? {
        match row.fault() {
            None => objects += 1,
            Some(reason) => drop(fault.get_or_insert_with(|| format!("line {}: {reason}", row.line))),
        }
    }
    if objects == 0 {
        let why = fault.unwrap_or_else(|| "its first line is longer than 1 MiB, or there is none".to_owned());
        return Err(Failure::input(format!("the file is not JSON Lines, an object on each line; {why}")));
    }
    let mut columns = Columns::of(first.names(), order)?;
    learn(&mut reader(first.names().to_vec()), &mut columns, usize::MAX)?;
    Ok((Layout::Json { packed, encoding }, columns))
}

fn of_sheet(book: &Workbook, order: &Order, width: Width) -> Result<Columns, Failure> {
    book.read(None, |sheet| {
        if !sheet.read_header(|fields| width.check(fields))? {
            return Err(Failure::input("the sheet has no header, only empty cells"));
        }
        let mut columns = Columns::of(sheet.names(), order)?;
        learn(sheet, &mut columns, ROWS)?;
        Ok(columns)
    })
}

fn learn(rows: &mut impl Rows, columns: &mut Columns, most: usize) -> Result<(), Failure> {
    let mut left = most;
    while left > 0
        && let Some(row) = rows.next()?
    {
        columns.learn(&row);
        left -= 1;
    }
    Ok(())
}

/// What a reader of JSON Lines does with a key that the plan does not know.
pub(crate) fn unknown_keys(order: &Order, width: Width) -> Unknown {
    match &order.columns {
        Wanted::Declared(declared) => Unknown::Only(declared.clone()),
        Wanted::Types(_) => Unknown::Learn(width.most),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(text: &[u8], cut: bool) -> Result<(Layout, Columns), String> {
        let order = crate::order::tests::order(json!({"file": "a/b", "table": "t", "columns": {"id": "text"}}));
        let width = Width { most: 2000, database: "a test" };
        let sample = Bytes::copy_from_slice(text);
        of_delimited(sample, cut, Compression::None, Format::Csv, &order, width).map_err(|error| error.to_string())
    }

    fn columns(found: &(Layout, Columns)) -> String {
        let shown = |column: &crate::column::Column| format!("{} {}", column.name, column.kind.as_str());
        found.1.table().iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_sample_tells_delimiter_names_and_types() {
        let found = plan(b"id;A B;b\n1;2;x\n2;;y\nragged\n", false).unwrap();
        assert!(matches!(found.0, Layout::Delimited { delimiter: Delimiter(b';'), encoding: Known::Ascii, .. }));
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
        assert!(told(&vec![b'x'; LONGEST_ROW], true).contains("line 1 is longer than 1 MiB"));
        assert!(told(b"id,\"x\n1,2\n", true).contains("the quote (\") that opens in line 1"));
        let wide = vec![b','; 500_000];
        assert_eq!(told(&wide, false), "the file has 500001 columns; a table of a test has 2000 at most");
    }
}
