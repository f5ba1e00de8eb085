//! The settings of reports.

use std::{fmt, path::PathBuf, time::Duration};

use process::{AdminListen, quantity};
use runtime::HostConfig;
use serde::Deserialize;

/// `[reports]`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportsConfig {
    /// `BELLWIRE_REPORTS__ADMIN_LISTEN`: the port of `/livez`, `/readyz`, `/metrics` on `admin.host`, or an address. `9092`.
    pub admin_listen: AdminListen,
    /// `[reports.host]`: concurrency, attempts and shutdown.
    pub host: HostConfig,
    /// `BELLWIRE_REPORTS__DEADLINE`: the time limit of one report; below the broker's 30 minutes. `20m`.
    #[serde(deserialize_with = "quantity::duration")]
    pub deadline: Duration,
    /// `BELLWIRE_REPORTS__DEFINITIONS`: the folder of the reports, `NAME.sql` and `NAME.toml` each. Empty: no reports.
    pub definitions: PathBuf,
    /// `BELLWIRE_REPORTS__DATABASE_URL`: the database of the queries, with a role that may only read. Empty: `database.url`.
    pub database_url: String,
    /// `BELLWIRE_REPORTS__ONLY_READERS`: whether the worker ends where the role of the queries may do more than read; else
    /// it warns. `false`.
    pub only_readers: bool,
    /// `BELLWIRE_REPORTS__STATEMENT_TIMEOUT`: the time limit of one report's query, its rows fetched. `5m`.
    #[serde(deserialize_with = "quantity::duration")]
    pub statement_timeout: Duration,
    /// `BELLWIRE_REPORTS__ROW_LIMIT`: most rows of a report; one that has more fails whole. `2000000`.
    pub row_limit: u64,
    /// `BELLWIRE_REPORTS__BYTE_LIMIT`: most bytes of a report's values and of its file. `1GiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub byte_limit: u64,
    /// `BELLWIRE_REPORTS__PDF_ROW_LIMIT`: most rows of a PDF. `50000`.
    pub pdf_row_limit: u64,
    /// `BELLWIRE_REPORTS__PDF_FONTS`: files of more fonts (TrueType or OpenType), for letters that the one within does not
    /// have: that one has Latin, Greek and Cyrillic. Empty.
    pub pdf_fonts: Vec<PathBuf>,
    /// `BELLWIRE_REPORTS__TIME_ZONE`: the zone on whose clocks instants are shown, unless a definition has its own. `UTC`.
    pub time_zone: String,
    /// `BELLWIRE_REPORTS__KEEP`: the time in which a report's file can be fetched. `7d`.
    #[serde(deserialize_with = "quantity::duration")]
    pub keep: Duration,
}

impl Default for ReportsConfig {
    fn default() -> Self {
        Self {
            admin_listen: AdminListen::port(9092),
            host: HostConfig::default(),
            deadline: Duration::from_secs(20 * 60),
            definitions: PathBuf::new(),
            database_url: String::new(),
            only_readers: false,
            statement_timeout: Duration::from_secs(5 * 60),
            row_limit: 2_000_000,
            byte_limit: 1 << 30,
            pdf_row_limit: 50_000,
            pdf_fonts: Vec::new(),
            time_zone: "UTC".to_owned(),
            keep: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl fmt::Debug for ReportsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        let database_url = if self.database_url.is_empty() { "" } else { "…" };
        f.debug_struct("ReportsConfig")
            .field("admin_listen", &self.admin_listen)
            .field("host", &self.host)
            .field("deadline", &self.deadline)
            .field("definitions", &self.definitions)
            .field("database_url", &database_url)
            .field("only_readers", &self.only_readers)
            .field("statement_timeout", &self.statement_timeout)
            .field("row_limit", &self.row_limit)
            .field("byte_limit", &self.byte_limit)
            .field("pdf_row_limit", &self.pdf_row_limit)
            .field("pdf_fonts", &self.pdf_fonts)
            .field("time_zone", &self.time_zone)
            .field("keep", &self.keep)
            .finish()
    }
}
