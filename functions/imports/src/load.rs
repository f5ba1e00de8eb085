//! One reading of the whole file into a table, whatever the database.

use std::sync::Arc;

use model::TaskId;
use runtime::Failure;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    column::Value,
    columns::{Columns, PlannedColumn},
    infer::Kind,
    json_lines::JsonLines,
    order::Order,
    outcome::Output,
    plan::Plan,
    records::Records,
    rejected::{Rejected, RejectedRows},
    row::{Record, Rows},
    stopwatch::Stopwatch,
    workbook::Workbook,
};

/// What a database is asked to do, whole or not at all.
pub(crate) struct Load {
    pub(crate) task: TaskId,
    pub(crate) order: Arc<Order>,
    pub(crate) plan: Plan,
    pub(crate) content: Content,
    pub(crate) rejected: Rejected,
    pub(crate) stop: CancellationToken,
    pub(crate) stopwatch: Stopwatch,
}

/// The file, opened to be read.
pub(crate) enum Content {
    Delimited(Box<Records>),
    Json(Box<JsonLines>),
    Sheet(Workbook, watch::Sender<f64>),
}

/// What became of it.
pub(crate) enum Loaded {
    /// The table is there, by this run or by an earlier one of the same task.
    Done(Output),
    /// Nothing is there: a value did not fit what the sample told. These columns hold all of the file.
    Misfit(Columns),
}

/// Where rows go.
pub(crate) trait Sink {
    /// Adds a field to the row at hand: its text without blanks around it, and what that was read as.
    fn put(&mut self, column: usize, text: &[u8], value: Value) -> Result<(), Failure>;
    /// The row at hand is whole.
    fn row(&mut self) -> Result<(), Failure>;
    /// The row at hand is rejected.
    fn undo(&mut self);
}

/// What a reading came to.
pub(crate) enum Reading {
    /// All rows are in the sink, or rejected.
    All(Summary),
    /// What is in the sink is void.
    Misfit(Columns),
}

/// What was read.
pub(crate) struct Summary {
    pub(crate) rows: u64,
    pub(crate) rejected: Option<RejectedRows>,
    pub(crate) encoding: String,
}

impl Load {
    /// What it came to.
    pub(crate) fn output(&self, summary: Summary) -> Output {
        let columns = &self.plan.columns;
        Output {
            table: self.order.table.as_str().to_owned(),
            rows: summary.rows,
            columns: columns.put(),
            seconds: self.stopwatch.seconds(),
            bytes: self.plan.bytes,
            encoding: summary.encoding,
            delimiter: self.plan.delimiter(),
            definition: self.order.definition.clone(),
            ignored: columns.ignored(),
            href: summary.rejected.as_ref().map(|rejected| rejected.href.clone()),
            rejected: summary.rejected,
        }
    }
}

/// Reads the whole file into a sink.
pub(crate) fn read(load: &mut Load, sink: &mut impl Sink) -> Result<Reading, Failure> {
    let Load { content, plan, rejected, .. } = load;
    let columns = &plan.columns;
    match content {
        Content::Delimited(records) => {
            records.read_header(|_| Ok(()))?;
            read_rows(&mut **records, columns, rejected, sink)
        }
        Content::Json(lines) => read_rows(&mut **lines, columns, rejected, sink),
        Content::Sheet(book, progress) => book.read(Some(progress.clone()), |sheet| {
            sheet.read_header(|_| Ok(()))?;
            read_rows(sheet, columns, rejected, sink)
        }),
    }
}

fn read_rows(
    rows: &mut impl Rows,
    columns: &Columns,
    rejected: &mut Rejected,
    sink: &mut impl Sink,
) -> Result<Reading, Failure> {
    let mut count = 0;
    while let Some(row) = rows.next()? {
        match put(&row, columns, sink)? {
            Put::Whole => {
                sink.row()?;
                count += 1;
            }
            Put::Rejected(reason) => {
                sink.undo();
                rejected.add(row.line, reason, row.raw)?;
            }
            Put::Misfit => {
                let mut columns = columns.clone();
                columns.learn(&row);
                return survey(rows, columns);
            }
        }
    }
    let rejected = rejected.finish(count)?;
    Ok(Reading::All(Summary { rows: count, rejected, encoding: rows.encoding() }))
}

/// Reads the rest for its types alone, so that the load need begin again but once.
fn survey(rows: &mut impl Rows, mut columns: Columns) -> Result<Reading, Failure> {
    while let Some(row) = rows.next()? {
        columns.learn(&row);
    }
    Ok(Reading::Misfit(columns))
}

enum Put {
    Whole,
    Rejected(String),
    Misfit,
}

fn put(row: &Record<'_>, columns: &Columns, sink: &mut impl Sink) -> Result<Put, Failure> {
    if let Some(reason) = row.fault() {
        return Ok(Put::Rejected(reason));
    }
    if row.len() != columns.fields.len()
        && let Some(put) = unlike(row, columns)
    {
        return Ok(put);
    }
    let mut at = 0;
    for (index, (column, field)) in columns.fields.iter().zip(row.fields()).enumerate() {
        if !column.used {
            continue;
        }
        let Some((text, value)) = column.kind.read(field, row.is_text(index)) else {
            return Ok(match column.kind {
                Kind::Given(kind) => {
                    Put::Rejected(format!("column {}: {:?} is no {}", column.name, shown(field), kind.as_str()))
                }
                Kind::Inferred(_) | Kind::Unknown => Put::Misfit,
            });
        };
        let (text, value) = match &column.rule {
            None => (text, value),
            Some(_) => match ruled(column, text, value) {
                Ok(ruled) => ruled,
                Err(reason) => return Ok(Put::Rejected(format!("column {}: {reason}", column.name))),
            },
        };
        sink.put(at, text, value)?;
        at += 1;
    }
    for filled in &columns.filled {
        sink.put(at, filled.text.as_bytes(), filled.value)?;
        at += 1;
    }
    Ok(Put::Whole)
}

/// What becomes of a row that has not as many fields as there are columns.
fn unlike(row: &Record<'_>, columns: &Columns) -> Option<Put> {
    let known = columns.fields.len();
    if row.names.is_empty() || row.len() < known {
        let has = count(row.len(), "field");
        return Some(Put::Rejected(format!("it has {has}, the header {known}")));
    }
    // Names that others brought are nothing to a row without a value there.
    let new = row.fields().enumerate().skip(known).find(|(_, field)| !field.is_empty());
    let (at, _) = new?;
    Some(match columns.takes_new_fields() {
        true => Put::Misfit,
        false => {
            Put::Rejected(format!("it has the key {:?}, which the table has not", shown(row.names[at].as_bytes())))
        }
    })
}

/// A value as its column's rule lets it in, or why it does not.
fn ruled<'a>(column: &'a PlannedColumn, text: &'a [u8], value: Value) -> Result<(&'a [u8], Value), String> {
    let Some(rule) = &column.rule else {
        return Ok((text, value));
    };
    let by_default = rule.default.as_ref().filter(|_| value == Value::Null);
    let read = by_default.and_then(|default| column.kind.kind().read(default.as_bytes()));
    let (text, value) = read.unwrap_or((text, value));
    match rule.broken_by(text, value) {
        Some(reason) => Err(reason),
        None => Ok((text, value)),
    }
}

fn shown(field: &[u8]) -> String {
    String::from_utf8_lossy(field).chars().take(40).collect()
}

/// `1 field`, `3 fields`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
