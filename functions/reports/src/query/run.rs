//! One run of a report's queries, its limits and its errors.

use std::time::Duration;

use runtime::Failure;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{batch::Message, bound_report::BoundReport};

/// One run of the queries, one after another over the same state of the database.
pub(crate) struct QueryRun {
    pub(crate) report: BoundReport,
    /// Limits the whole run, its rows fetched.
    pub(crate) timeout: Duration,
    pub(crate) stop: CancellationToken,
    /// Receives the rows; a full channel makes the query wait for the file.
    pub(crate) rows: mpsc::Sender<Message>,
}

impl QueryRun {
    /// The query took too long; permanent, because the next attempt would as well.
    pub(crate) fn timed_out(&self) -> Failure {
        let (report, seconds) = (&self.report.definition.name, self.timeout.as_secs_f64());
        let message = format!("The query of {report} took longer than {seconds} seconds (reports.statement_timeout).");
        Failure::Permanent { reason: "timeout", message }
    }

    /// The database refused the query of a sheet; `line` is one of its text.
    pub(crate) fn refused(&self, sheet: usize, line: Option<usize>, why: &str) -> Failure {
        let report = &self.report.definition.name;
        let sheet = &self.report.definition.sheets[sheet];
        let line = match line {
            Some(line) => format!(", line {}", sheet.sql.lines_before + line),
            None if sheet.name.is_empty() => String::new(),
            None => format!(", query {}", sheet.name),
        };
        let message = format!("The query of the report failed ({report}.sql{line}): {why}");
        Failure::Permanent { reason: "query", message }
    }
}
