//! One reading of the whole file into a table, whatever the database.

use std::time::Instant;

use backplane::TaskId;
use runtime::Failure;
use tokio_util::sync::CancellationToken;

use crate::{
    column::Value,
    infer::Kind,
    input::Input,
    outcome::Output,
    plan::{Plan, PlannedColumn},
    records::{Record, Records},
    rejected::{Rejected, RejectedRows},
};

/// What a database is asked to do, whole or not at all.
pub(crate) struct Load {
    pub(crate) task: TaskId,
    pub(crate) input: Input,
    pub(crate) plan: Plan,
    pub(crate) records: Records,
    pub(crate) rejected: Rejected,
    pub(crate) stop: CancellationToken,
    pub(crate) started: Instant,
}

/// What became of it.
pub(crate) enum Loaded {
    /// The table is there, by this run or by an earlier one of the same task.
    Done(Output),
    /// Nothing is there: a value did not fit what the sample told. These columns hold all of the file.
    Misfit(Vec<PlannedColumn>),
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
    Misfit(Vec<PlannedColumn>),
}

/// What was read.
pub(crate) struct Summary {
    pub(crate) rows: u64,
    pub(crate) rejected: Option<RejectedRows>,
    pub(crate) encoding: String,
}

/// Reads the whole file into a sink.
pub(crate) fn read(load: &mut Load, sink: &mut impl Sink) -> Result<Reading, Failure> {
    let Load { records, plan, rejected, .. } = load;
    // The header, which the plan knows.
    records.next()?;
    let mut rows = 0;
    while let Some(row) = records.next()? {
        match put(&row, &plan.columns, sink)? {
            Put::Whole => {
                sink.row()?;
                rows += 1;
            }
            Put::Rejected(reason) => {
                sink.undo();
                rejected.add(row.line, reason, row.raw)?;
            }
            Put::Misfit => {
                let mut columns = plan.columns.clone();
                learn(&row, &mut columns);
                return survey(records, columns);
            }
        }
    }
    let rejected = rejected.finish(rows)?;
    Ok(Reading::All(Summary { rows, rejected, encoding: records.text().encoding() }))
}

/// Reads the rest for its types alone, so that the load need begin again but once.
fn survey(records: &mut Records, mut columns: Vec<PlannedColumn>) -> Result<Reading, Failure> {
    while let Some(row) = records.next()? {
        if row.len() == columns.len() && row.fault().is_none() {
            learn(&row, &mut columns);
        }
    }
    Ok(Reading::Misfit(columns))
}

fn learn(row: &Record<'_>, columns: &mut [PlannedColumn]) {
    columns.iter_mut().zip(row.fields()).for_each(|(column, field)| column.kind.learn(field));
}

enum Put {
    Whole,
    Rejected(String),
    Misfit,
}

fn put(row: &Record<'_>, columns: &[PlannedColumn], sink: &mut impl Sink) -> Result<Put, Failure> {
    if row.len() != columns.len() {
        let (has, header) = (count(row.len(), "field"), columns.len());
        return Ok(Put::Rejected(format!("it has {has}, the header {header}")));
    }
    if let Some(reason) = row.fault() {
        return Ok(Put::Rejected(reason));
    }
    for (at, (column, field)) in columns.iter().zip(row.fields()).enumerate() {
        let read = match column.kind {
            Kind::Given(kind) | Kind::Inferred(kind) => kind.read(field),
            Kind::Unknown if field.trim_ascii().is_empty() => Some((&b""[..], Value::Null)),
            Kind::Unknown => None,
        };
        match (read, column.kind) {
            (Some((text, value)), _) => sink.put(at, text, value)?,
            (None, Kind::Given(kind)) => {
                let field: String = String::from_utf8_lossy(field).chars().take(40).collect();
                return Ok(Put::Rejected(format!("column {}: {field:?} is no {}", column.name, kind.as_str())));
            }
            (None, _) => return Ok(Put::Misfit),
        }
    }
    Ok(Put::Whole)
}

/// `1 field`, `3 fields`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
