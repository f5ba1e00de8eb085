//! One load of a file: its tables, one after the other, and what comes of them.

use std::{sync::Arc, time::Instant};

use model::TaskId;
use runtime::Failure;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    definition::spec::ImportSpec,
    input::Mode,
    output::{Imported, Output},
    read::{row::RowReader, source::Progress, values::ValueCount},
    schema::{
        mapping::ColumnMapping,
        plan::{Layout, Plan},
        sheet_plans::of_sheet,
        text_plan::TextRows,
    },
    write::{
        load::{Counts, ReadOutcome, ReadSummary, RowSink, read_rows},
        quota::{Quota, WrittenBytes},
        rejected::RejectedRowsWriter,
    },
};

/// One load of a file into a database, whole or not at all.
pub(crate) struct LoadJob {
    pub(crate) task: TaskId,
    /// One, or one for each of several sheets.
    pub(crate) tables: Vec<TableLoad>,
    /// Set if sheets were asked for, be it only one.
    pub(crate) are_sheets: bool,
    /// The one that is loaded now.
    pub(crate) at: usize,
    /// The opened file, where it is no workbook.
    pub(crate) rows: Option<TextRows>,
    pub(crate) progress: watch::Sender<f64>,
    pub(crate) values: ValueCount,
    pub(crate) quota: Quota,
    /// What the load has written; begun anew with each table once that is known.
    pub(crate) written: WrittenBytes,
    /// The mappings of later tables that were read for their types, as this load is void.
    pub(crate) learned: Vec<(usize, ColumnMapping)>,
    /// What was loaded of the tables before.
    pub(crate) loaded: Vec<LoadedTable>,
    /// What is said of the whole workbook.
    pub(crate) notes: Vec<String>,
    pub(crate) rejected: RejectedRowsWriter,
    pub(crate) stop: CancellationToken,
    /// The start of the import, moved on by the time that it waited for another one.
    pub(crate) started: Instant,
}

/// A table to load.
#[derive(Debug, Clone)]
pub(crate) struct TableLoad {
    pub(crate) spec: Arc<ImportSpec>,
    pub(crate) plan: Plan,
    /// Set where the database refused a row before, of it or of a table before it.
    pub(crate) in_batches: bool,
}

/// A table that was loaded in the transaction.
pub(crate) struct LoadedTable {
    pub(crate) output: Output,
    /// False if the rows that were there are gone.
    pub(crate) keeps_rows: bool,
    /// True if it is a new one of its owner's.
    pub(crate) is_new: bool,
    pub(crate) bytes: u64,
}

/// The outcome of a load.
pub(crate) enum LoadOutcome {
    /// The tables are loaded, by this run or by an earlier one of the same task.
    Done(Imported),
    /// Nothing is loaded, because of this one: it is to be loaded again otherwise.
    Again { table: usize, why: LoadAgain, started: Instant },
}

/// Why a table is to be loaded again.
pub(crate) enum LoadAgain {
    /// A value did not fit an inferred type; these mappings, by the number of their table, fit the whole file.
    TypesChanged(Vec<(usize, ColumnMapping)>),
    /// The database refused a row, and does so with all that came with it: it is to be loaded in batches.
    RowsRefused,
}

impl LoadJob {
    /// The table that is loaded now.
    pub(crate) fn table(&self) -> &TableLoad {
        &self.tables[self.at]
    }

    /// The names of the tables whose rows do not stay, as far as that is known.
    pub(crate) fn replaced(&self) -> Vec<&str> {
        let is_replaced = |(at, table): &(usize, &TableLoad)| match self.loaded.get(*at) {
            Some(loaded) => !loaded.keeps_rows,
            None => table.spec.mode == Mode::Replace,
        };
        let replaced = self.tables.iter().enumerate().filter(is_replaced);
        replaced.map(|(_, table)| table.spec.table.as_str()).collect()
    }

    /// The number of new tables so far.
    pub(crate) fn new_tables(&self) -> u64 {
        self.loaded.iter().filter(|loaded| loaded.is_new).count() as u64
    }

    /// The table of now is to be loaded again.
    pub(crate) fn again(&self, why: LoadAgain) -> LoadOutcome {
        LoadOutcome::Again { table: self.at, why, started: self.started }
    }

    /// The same for a value that did not fit the table of now: why, with what was learned of the tables after it.
    pub(crate) fn types_changed(&mut self, mapping: ColumnMapping) -> LoadAgain {
        let mut mappings = std::mem::take(&mut self.learned);
        mappings.push((self.at, mapping));
        LoadAgain::TypesChanged(mappings)
    }

    /// The result of all.
    pub(crate) fn imported(&mut self) -> Imported {
        let seconds = self.started.elapsed().as_millis() as f64 / 1000.0;
        let mut outputs: Vec<_> = self.loaded.drain(..).map(|loaded| loaded.output).collect();
        match outputs.pop() {
            Some(output) if !self.are_sheets => Imported::Table(Box::new(output)),
            last => {
                outputs.extend(last);
                Imported::of_sheets(outputs, std::mem::take(&mut self.notes), seconds)
            }
        }
    }

    /// Begins with the table of now, once it is known whether its rows stay.
    pub(crate) fn begin_table(&mut self, replaces_rows: bool, written: WrittenBytes) {
        let TableLoad { spec, plan, .. } = &self.tables[self.at];
        let sheet = match &plan.layout {
            Layout::Sheet(workbook) if self.are_sheets => Some(workbook.sheet()),
            _ => None,
        };
        self.rejected.begin_table(spec, sheet, spec.rejected.map(|limits| limits.of_load(replaces_rows)));
        self.written = written;
    }

    /// Ends with the table of now.
    pub(crate) fn end_table(&mut self, summary: ReadSummary, keeps_rows: bool, is_new: bool) {
        let (output, bytes) = (self.output(summary), self.written.of_table());
        self.loaded.push(LoadedTable { output, keeps_rows, is_new, bytes });
        self.at += 1;
    }

    /// The result of the table of now.
    pub(crate) fn output(&self, summary: ReadSummary) -> Output {
        let TableLoad { spec, plan, .. } = self.table();
        let mapping = &plan.mapping;
        let workbook = match &plan.layout {
            Layout::Sheet(workbook) => Some(workbook),
            Layout::Text(_) => None,
        };
        let before: f64 = self.loaded.iter().map(|loaded| loaded.output.seconds).sum();
        Output {
            table: spec.table.as_str().to_owned(),
            rows: summary.rows,
            columns: mapping.insert_columns(),
            seconds: self.started.elapsed().as_millis() as f64 / 1000.0 - before,
            bytes: plan.bytes,
            encoding: summary.encoding,
            certainty: Some(summary.certainty),
            delimiter: plan.delimiter(),
            definition: spec.definition.clone(),
            ignored: mapping.ignored_fields(),
            notes: plan.notes.clone(),
            sheet: workbook.map(|workbook| workbook.sheet().to_owned()),
            other_sheets: workbook.map(|workbook| workbook.others().to_vec()).unwrap_or_default(),
            emptied: summary.emptied,
            href: summary.rejected.as_ref().map(|rejected| rejected.href.clone()),
            rejected: summary.rejected,
        }
    }

    /// Reads all rows of the table of now into a sink.
    pub(crate) fn read(&mut self, sink: &mut impl RowSink) -> Result<ReadOutcome, Failure> {
        let (at, of) = (self.at, self.tables.len());
        let Self { tables, rows, progress, rejected, values, written, are_sheets, .. } = self;
        let Plan { mapping, layout, .. } = &tables[at].plan;
        let mut counts = Counts { values, written };
        let counts = &mut counts;
        let outcome = match (layout, rows) {
            (Layout::Text(_), Some(TextRows::Delimited(rows))) => {
                rows.read_header(|_| Ok(()))?;
                read_rows(&mut **rows, mapping, counts, rejected, sink)
            }
            (Layout::Text(_), Some(TextRows::Json(rows))) => read_rows(&mut **rows, mapping, counts, rejected, sink),
            (Layout::Text(_), None) => Err(Failure::Stopped),
            (Layout::Sheet(workbook), _) => workbook.read(Some(Progress::new(progress.clone(), at, of)), |sheet| {
                sheet.read_header(|_| Ok(()))?;
                let names = mapping.fields.iter().map(|column| column.field.as_str());
                sheet.expect(names, mapping.accepts_new_fields());
                let read = read_rows(sheet, mapping, counts, rejected, sink);
                read.map_err(|failure| if *are_sheets { of_sheet(workbook.sheet(), failure) } else { failure })
            }),
        }?;
        if matches!(outcome, ReadOutcome::TypesChanged(_)) {
            self.learn_types_of_rest()?;
        }
        // Once they are all read, for the thread of the connection may not wait.
        if matches!(outcome, ReadOutcome::Complete(_)) && at + 1 == of {
            self.rejected.publish()?;
        }
        Ok(outcome)
    }

    /// Reads the tables after this one for their types alone, so that the load starts again only once. Not those that may
    /// keep their columns: there a value that does not fit, or a field that is new, is the row's own fault.
    fn learn_types_of_rest(&mut self) -> Result<(), Failure> {
        let makes_columns = |spec: &ImportSpec| spec.mode == Mode::Replace && spec.definition.is_none();
        let rest = self.tables.iter().enumerate().skip(self.at + 1);
        for (at, TableLoad { plan, .. }) in rest.filter(|(_, table)| makes_columns(&table.spec)) {
            let Layout::Sheet(workbook) = &plan.layout else { continue };
            let mut mapping = plan.mapping.clone();
            let read = workbook.read(None, |sheet| {
                sheet.read_header(|_| Ok(()))?;
                sheet.expect(mapping.fields.iter().map(|column| column.field.as_str()), mapping.accepts_new_fields());
                while let Some(row) = sheet.next_row()? {
                    self.values.add(&row)?;
                    mapping.widen_types(&row);
                }
                Ok(())
            });
            read.map_err(|failure| of_sheet(workbook.sheet(), failure))?;
            self.learned.push((at, mapping));
        }
        Ok(())
    }
}
