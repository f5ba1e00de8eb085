//! A preview: how a file would be read, with its first rows; nothing is imported.

use std::sync::Arc;

use model::{Toast, toast::Level};
use runtime::{Context, Failure, thread};
use serde::Serialize;

use crate::{
    column::{ColumnType, Value},
    definition::spec::ImportSpec,
    moment::DateOrder,
    number::{Decimal, Thousands},
    output::RejectedRow,
    read::{
        detect::Certainty,
        dialect::Dialect,
        row::{Row, RowReader},
        source::FileSource,
    },
    schema::{
        limits::Limits,
        mapping::{ColumnMapping, MappedField},
        plan::{Layout, Plan},
        text_plan::{TextFormat, TextRows},
    },
    write::load::{RowOutcome, RowSink, write_row},
};

/// Rows that are shown, and characters of a value.
const MAX_ROWS: usize = 10;
const MAX_VALUE_CHARACTERS: usize = 100;

/// How a file would be read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// The table that it would go to.
    pub table: String,
    /// The sheet of the workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The file's size.
    pub bytes: u64,
    /// The encoding.
    pub encoding: String,
    /// How sure it is.
    pub certainty: Certainty,
    /// The character between fields, or `tab`; the format, `jsonl` or `xlsx`, where it has none.
    pub delimiter: String,
    /// How text with delimiters is read.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextPreview>,
    /// The columns that would be written.
    pub columns: Vec<PreviewColumn>,
    /// Their values in the first rows.
    pub first_rows: Vec<Vec<Option<String>>>,
    /// Those of the first rows that would be rejected.
    pub first_rejected: Vec<RejectedRow>,
    /// What was found out and is not what most files have.
    pub notes: Vec<String>,
}

/// How several sheets would be read, each into a table of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SheetPreviews {
    /// Each of them.
    pub sheets: Vec<Preview>,
    /// What of the workbook would be left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How text with delimiters is read, in the words of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TextPreview {
    /// The character around fields.
    pub quote: String,
    /// The character before quotes that end nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escape: Option<char>,
    /// The character before lines that are no rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// Lines before the header.
    pub skip: u32,
    /// False if there is no header.
    pub header: bool,
}

/// A column and the notation of its values, in the words of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewColumn {
    /// Its name in the table.
    pub name: String,
    /// Its name in the file.
    pub from: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// The character before fractions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// The character between groups of digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<Thousands>,
    /// The order of dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dates: Option<DateOrder>,
    /// The words for no value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<String>,
}

/// Reads the first rows by a plan.
pub(crate) async fn preview(
    context: &Context,
    spec: &Arc<ImportSpec>,
    plan: Plan,
    limits: Limits,
) -> Result<Preview, Failure> {
    Ok(match plan.layout.clone() {
        Layout::Sheet(workbook) => {
            let (plan, spec) = (plan, spec.clone());
            let read = move || {
                workbook.read(None, |sheet| {
                    sheet.read_header(|_| Ok(()))?;
                    read_first(sheet, &plan, &spec)
                })
            };
            thread::run(read).await?
        }
        Layout::Text(layout) => {
            let (file, transfer) = FileSource::open(context, &spec.file, None).await?;
            let spec = spec.clone();
            let reading = thread::run(move || match layout.open(Box::new(file), &plan.mapping, &spec, limits) {
                TextRows::Delimited(mut rows) => {
                    rows.read_header(|_| Ok(()))?;
                    read_first(&mut *rows, &plan, &spec)
                }
                TextRows::Json(mut rows) => read_first(&mut *rows, &plan, &spec),
            });
            let (preview, ()) = tokio::join!(reading, transfer);
            preview?
        }
    })
}

/// The toast of a look at these tables.
pub(crate) fn toast(previews: &[Preview]) -> Toast {
    let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let (title, count) = match previews {
        [preview] => (format!("Preview of {}", preview.table), counted(preview.columns.len(), "column")),
        previews => ("Preview of the workbook".to_owned(), counted(previews.len(), "table")),
    };
    Toast { body: Some(format!("{count}, nothing is imported")), ..Toast::new(Level::Info, title) }
}

fn read_first(rows: &mut impl RowReader, plan: &Plan, spec: &ImportSpec) -> Result<Preview, Failure> {
    let mut mapping = plan.mapping.clone();
    let (mut shown, mut rejected) = (ShownRows::default(), Vec::new());
    while shown.rows.len() < MAX_ROWS && rejected.len() < MAX_ROWS {
        let Some(row) = rows.next_row()? else { break };
        match write_row(&row, &mapping, &mut shown)? {
            RowOutcome::Written => shown.end_row(&row)?,
            RowOutcome::Rejected(reason) => {
                shown.discard_row();
                rejected.push(RejectedRow { line: row.line, reason });
            }
            RowOutcome::DoesNotFit => {
                shown.discard_row();
                mapping.widen_types(&row);
            }
        }
    }
    let (encoding, certainty) = match &plan.layout {
        Layout::Text(layout) => (layout.encoding.name(), layout.encoding.certainty()),
        Layout::Sheet(_) => (rows.encoding_name(), rows.certainty()),
    };
    Ok(Preview {
        table: spec.table.as_str().to_owned(),
        sheet: match &plan.layout {
            Layout::Sheet(workbook) => Some(workbook.sheet().to_owned()),
            Layout::Text(_) => None,
        },
        bytes: plan.bytes,
        encoding,
        certainty,
        delimiter: plan.delimiter(),
        text: match &plan.layout {
            Layout::Text(layout) => TextPreview::of(layout.format),
            Layout::Sheet(_) => None,
        },
        columns: columns(&mapping),
        first_rows: shown.rows,
        first_rejected: rejected,
        notes: plan.notes.clone(),
    })
}

impl TextPreview {
    fn of(format: TextFormat) -> Option<Self> {
        let TextFormat::Delimited(Dialect { quote, escape, comment, skip, header, .. }) = format else { return None };
        Some(Self {
            quote: quote.map_or("none".to_owned(), |quote| char::from(quote).to_string()),
            escape: escape.map(char::from),
            comment: comment.map(char::from),
            skip,
            header,
        })
    }
}

/// The columns in the order in which rows are written.
fn columns(mapping: &ColumnMapping) -> Vec<PreviewColumn> {
    let used = mapping.fields.iter().filter(|column| column.used).map(PreviewColumn::of);
    let defaults = mapping.defaults.iter().map(|default| PreviewColumn {
        name: default.column.name.clone(),
        from: String::new(),
        column_type: default.column.column_type,
        decimal: None,
        thousands: None,
        dates: None,
        nulls: Vec::new(),
    });
    used.chain(defaults).collect()
}

impl PreviewColumn {
    fn of(column: &MappedField) -> Self {
        let (column_type, notation) = (column.inference.column_type(), &column.notation);
        let is_number = matches!(column_type, ColumnType::Integer | ColumnType::Number);
        let is_date = matches!(column_type, ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz);
        let found = notation.found_nulls.iter().filter(|_| column_type != ColumnType::Text);
        let nulls = notation.nulls.iter().chain(found);
        Self {
            name: column.name.clone(),
            from: column.field.clone(),
            column_type,
            decimal: Some(notation.decimal).filter(|_| is_number),
            thousands: notation.thousands.filter(|_| is_number),
            dates: notation.dates.filter(|_| is_date),
            nulls: nulls.map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
        }
    }
}

/// Keeps rows to show them.
#[derive(Default)]
struct ShownRows {
    row: Vec<Option<String>>,
    rows: Vec<Vec<Option<String>>>,
}

impl RowSink for ShownRows {
    fn put(&mut self, _: usize, text: &[u8], value: Value) -> Result<(), Failure> {
        let shown = || String::from_utf8_lossy(text).chars().take(MAX_VALUE_CHARACTERS).collect();
        self.row.push((value != Value::Null).then(shown));
        Ok(())
    }

    fn end_row(&mut self, _: &Row<'_>) -> Result<(), Failure> {
        self.rows.push(std::mem::take(&mut self.row));
        Ok(())
    }

    fn discard_row(&mut self) {
        self.row.clear();
    }
}
