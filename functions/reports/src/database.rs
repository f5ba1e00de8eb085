//! Where a report's rows come from. Both databases are only read, however the query is written.

use std::time::Duration;

use runtime::{DatabaseConfig, Failure};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{broken::Broken, definition::Query, postgres::Postgres, row::Message, sqlite::Sqlite};

/// One reading of a query.
pub(crate) struct Reading {
    pub(crate) query: Query,
    /// How long it may take, its rows fetched.
    pub(crate) timeout: Duration,
    pub(crate) stop: CancellationToken,
    /// Where what it says goes; it waits there while the file is slower.
    pub(crate) rows: mpsc::Sender<Message>,
}

/// The database that is read.
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Opens it; nothing is connected yet. The text says what is wrong with the address, and never shows it.
    pub(crate) fn open(config: &DatabaseConfig) -> Result<Self, String> {
        match config.url.split_once("://") {
            Some(("sqlite", path)) => Sqlite::open(path).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Postgres::open(&config.url).map(Self::Postgres),
            _ => Err("it is neither sqlite://PATH nor postgres://…".to_owned()),
        }
    }

    /// Runs a query to its end.
    pub(crate) async fn read(&self, reading: Reading) -> Result<(), Broken> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read(reading).await,
            Self::Postgres(postgres) => postgres.read(reading).await,
        }
    }
}

impl Reading {
    /// It took too long, for good: the next time it would as well.
    pub(crate) fn too_long(&self) -> Failure {
        let (report, seconds) = (&self.query.report, self.timeout.as_secs_f64());
        let message = format!("The query of {report} took longer than {seconds} seconds (reports.statement_timeout).");
        Failure::Permanent { reason: "timeout", message }
    }

    /// The database refused it; `line` is one of the query's file.
    pub(crate) fn refused(&self, line: Option<usize>, why: &str) -> Failure {
        let report = &self.query.report;
        let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
        Failure::Permanent {
            reason: "query",
            message: format!("The query of the report failed ({report}.sql{line}): {why}"),
        }
    }
}

/// The line of a place in a text; `before` bytes of it.
pub(crate) fn line_of(text: &str, before: usize) -> usize {
    1 + text.bytes().take(before).filter(|byte| *byte == b'\n').count()
}
