//! Reads all rows of a table into a sink, whatever the database.

use std::borrow::Cow;

use runtime::Failure;

use crate::{
    column::{Value, preview},
    definition::rule::Rule,
    output::{EmptiedCells, RejectedRows},
    read::{
        detect::Certainty,
        row::{Row, RowReader},
        values::ValueCount,
    },
    schema::{
        inference::TypeInference,
        mapping::{ColumnMapping, MappedField},
    },
    write::{quota::WrittenBytes, refused::RefusedRow, rejected::RejectedRowsWriter},
};

/// Takes the rows of a load.
pub(crate) trait RowSink {
    /// Adds a field to the current row: its text, trimmed, and the value that it was read as.
    fn put(&mut self, column: usize, text: &[u8], value: Value) -> Result<(), Failure>;
    /// Writes the current row, whose fields came from this one.
    fn end_row(&mut self, row: &Row<'_>) -> Result<(), Failure>;
    /// Drops the fields of the current row.
    fn discard_row(&mut self);
    /// Writes what is left.
    fn finish(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    /// The rows that the database refused since the last call.
    fn take_refused(&mut self) -> Vec<RefusedRow> {
        Vec::new()
    }
}

/// The outcome of reading the file into a sink.
pub(crate) enum ReadOutcome {
    /// All rows are written or rejected.
    Complete(ReadSummary),
    /// A value did not fit; the rows in the sink are void.
    TypesChanged(ColumnMapping),
}

/// The counts of a complete read.
pub(crate) struct ReadSummary {
    pub(crate) rows: u64,
    pub(crate) rejected: Option<RejectedRows>,
    pub(crate) encoding: String,
    pub(crate) emptied: Option<EmptiedCells>,
    pub(crate) certainty: Certainty,
}

/// What a reading counts: all that the file comes to, and what of it is written.
pub(crate) struct Counts<'a> {
    pub(crate) values: &'a mut ValueCount,
    pub(crate) written: &'a mut WrittenBytes,
}

/// Reads all rows into a sink.
pub(crate) fn read_rows(
    rows: &mut impl RowReader,
    mapping: &ColumnMapping,
    counts: &mut Counts<'_>,
    rejected: &mut RejectedRowsWriter,
    sink: &mut impl RowSink,
) -> Result<ReadOutcome, Failure> {
    let mut count = 0;
    while let Some(row) = rows.next_row()? {
        counts.values.add(&row)?;
        match write_row(&row, mapping, sink)? {
            RowOutcome::Written => {
                counts.written.add(&row)?;
                sink.end_row(&row)?;
                count += 1;
                count -= reject_refused(sink, counts, rejected)?;
            }
            RowOutcome::Rejected(reason) => {
                sink.discard_row();
                rejected.add(row.line, reason, row.raw)?;
            }
            RowOutcome::DoesNotFit => {
                let mut mapping = mapping.clone();
                mapping.widen_types(&row);
                // The rest is read for its types alone, so that the load starts again only once.
                while let Some(row) = rows.next_row()? {
                    counts.values.add(&row)?;
                    mapping.widen_types(&row);
                }
                return Ok(ReadOutcome::TypesChanged(mapping));
            }
        }
    }
    sink.finish()?;
    count -= reject_refused(sink, counts, rejected)?;
    let rejected = rejected.end_table(count)?;
    let emptied = Some(rows.emptied()).filter(|emptied| emptied.cells > 0);
    let (encoding, certainty) = (rows.encoding_name(), rows.certainty());
    Ok(ReadOutcome::Complete(ReadSummary { rows: count, rejected, encoding, emptied, certainty }))
}

/// Rejects the rows that the database refused; their number.
fn reject_refused(
    sink: &mut impl RowSink,
    counts: &mut Counts<'_>,
    rejected: &mut RejectedRowsWriter,
) -> Result<u64, Failure> {
    let refused = sink.take_refused();
    for row in &refused {
        counts.written.remove(row.bytes);
        rejected.add(row.line, row.reason.clone(), &row.raw)?;
    }
    Ok(refused.len() as u64)
}

/// The outcome of writing one row.
pub(crate) enum RowOutcome {
    Written,
    Rejected(String),
    /// A value does not fit an inferred type, or it has a new field.
    DoesNotFit,
}

/// Writes a row's fields to the sink; the caller ends the row or discards it.
pub(crate) fn write_row(
    row: &Row<'_>,
    mapping: &ColumnMapping,
    sink: &mut impl RowSink,
) -> Result<RowOutcome, Failure> {
    if let Some(reason) = row.error() {
        return Ok(RowOutcome::Rejected(reason));
    }
    if row.len() != mapping.fields.len()
        && let Some(outcome) = check_field_count(row, mapping)
    {
        return Ok(outcome);
    }
    let mut at = 0;
    for (index, (column, field)) in mapping.fields.iter().zip(row.fields()).enumerate() {
        if !column.used {
            continue;
        }
        let Some((text, value)) = column.inference.read(field, row.kind(index), &column.notation) else {
            return Ok(match column.inference {
                TypeInference::Fixed(column_type) => {
                    let (name, reason) = (&column.name, column_type.mismatch(field));
                    RowOutcome::Rejected(format!("column {name}: {reason}"))
                }
                TypeInference::Inferred(_) | TypeInference::Unknown => RowOutcome::DoesNotFit,
            });
        };
        let (text, value) = match &column.rule {
            None => (text, value),
            Some(rule) => match apply_rule(column, rule, text, value) {
                Ok(value) => value,
                Err(reason) => return Ok(RowOutcome::Rejected(format!("column {}: {reason}", column.name))),
            },
        };
        sink.put(at, &text, value)?;
        at += 1;
    }
    for default in &mapping.defaults {
        sink.put(at, default.text.as_bytes(), default.value)?;
        at += 1;
    }
    Ok(RowOutcome::Written)
}

/// The outcome of a row that has not as many fields as the file has names; `None` if it can be written all the same.
fn check_field_count(row: &Row<'_>, mapping: &ColumnMapping) -> Option<RowOutcome> {
    let (has, known) = (row.len(), mapping.fields.len());
    // Where nothing stands in a field, there is none: some programs end each row with a delimiter.
    if has > known && !row.has_value_beyond(known) {
        return None;
    }
    if row.names.is_empty() || has < known {
        let s = if has == 1 { "" } else { "s" };
        return Some(RowOutcome::Rejected(format!("it has {has} field{s}, the header {known}")));
    }
    let (at, _) = row.fields().enumerate().skip(known).find(|(_, field)| !field.is_empty())?;
    Some(match mapping.accepts_new_fields() {
        true => RowOutcome::DoesNotFit,
        false => {
            let key = preview(row.names[at].as_bytes());
            RowOutcome::Rejected(format!("it has the key {key:?}, which the table has not"))
        }
    })
}

/// A value with its column's default and rule applied, or the reason why it breaks the rule.
fn apply_rule<'a>(
    column: &MappedField,
    rule: &'a Rule,
    text: Cow<'a, [u8]>,
    value: Value,
) -> Result<(Cow<'a, [u8]>, Value), String> {
    let default = rule.default.as_ref().filter(|_| value == Value::Null);
    let default = default.and_then(|default| column.inference.column_type().read(default.as_bytes()));
    let (text, value) = default.unwrap_or((text, value));
    match rule.violation(&text, value) {
        Some(reason) => Err(reason),
        None => Ok((text, value)),
    }
}
