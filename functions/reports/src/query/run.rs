//! One run of a query, its limits and its errors.

use std::time::Duration;

use runtime::Failure;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{batch::Message, bound_query::BoundQuery};

/// One run of a query.
pub(crate) struct QueryRun {
    pub(crate) query: BoundQuery,
    /// Limits the whole run, its rows fetched.
    pub(crate) timeout: Duration,
    pub(crate) stop: CancellationToken,
    /// Receives the rows; a full channel makes the query wait for the file.
    pub(crate) rows: mpsc::Sender<Message>,
}

impl QueryRun {
    /// The query took too long; permanent, because the next attempt would as well.
    pub(crate) fn timed_out(&self) -> Failure {
        let (report, seconds) = (&self.query.definition.name, self.timeout.as_secs_f64());
        let message = format!("The query of {report} took longer than {seconds} seconds (reports.statement_timeout).");
        Failure::Permanent { reason: "timeout", message }
    }

    /// The database refused the query; `line` is one of `NAME.sql`.
    pub(crate) fn refused(&self, line: Option<usize>, why: &str) -> Failure {
        let report = &self.query.definition.name;
        let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
        let message = format!("The query of the report failed ({report}.sql{line}): {why}");
        Failure::Permanent { reason: "query", message }
    }
}
