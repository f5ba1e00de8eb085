//! The settings of a host.

use std::time::Duration;

use model::Priority;
use process::quantity;
use serde::Deserialize;

use crate::policy::{RateSetting, RetrySetting};

/// The settings of a host: `[imports.host]` for imports, and so on for each kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostConfig {
    /// `BELLWIRE_IMPORTS__HOST__CONCURRENCY`: jobs at once. `2`.
    pub concurrency: u16,
    /// `BELLWIRE_IMPORTS__HOST__ATTEMPTS`: attempts at a job before it is given up, unless `retry` says otherwise, here, in the
    /// function or in a definition. `5`.
    pub attempts: u32,
    /// Attempts and pauses, such as `{ attempts = 3, first = "5s", most = "10m" }`. Pauses of 1 s, 10 s, a minute, ten minutes.
    pub retry: Option<RetrySetting>,
    /// `BELLWIRE_IMPORTS__HOST__PRIORITY`: of jobs whose definition says none: `high`, `normal`, `low`. The function's.
    pub priority: Option<Priority>,
    /// `BELLWIRE_IMPORTS__HOST__RATE`: how many jobs begin in a time over all workers, such as `10/s`; kept in `[database]`. As many as can.
    pub rate: Option<RateSetting>,
    /// `BELLWIRE_IMPORTS__HOST__GRACE`: how long running jobs may go on when the process is stopped. `25s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub grace: Duration,
    /// `BELLWIRE_IMPORTS__HOST__HORIZON`: how far back the log is read for tasks that were cancelled. `24h`.
    #[serde(deserialize_with = "quantity::duration")]
    pub horizon: Duration,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            concurrency: 2,
            attempts: 5,
            retry: None,
            priority: None,
            rate: None,
            grace: Duration::from_secs(25),
            horizon: Duration::from_secs(24 * 3600),
        }
    }
}
