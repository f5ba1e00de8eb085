//! How much an owner may keep, and for how long.

use std::time::Duration;

use process::quantity;
use serde::Deserialize;

/// `[files]`; the gateway and the workers read the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilesConfig {
    /// `BELLWIRE_FILES__QUOTA_PER_USER`: most bytes of one user's files in one environment. `10GiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub quota_per_user: u64,
    /// `BELLWIRE_FILES__FILES_PER_USER`: most files of one user in one environment. `10000`.
    pub files_per_user: u64,
    /// `BELLWIRE_FILES__KEEP`: how long an upload and a task's files are kept; a report's file has `reports.keep`. `60d`.
    #[serde(deserialize_with = "quantity::duration")]
    pub keep: Duration,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self { quota_per_user: 10 << 30, files_per_user: 10_000, keep: Duration::from_secs(60 * 24 * 3600) }
    }
}
