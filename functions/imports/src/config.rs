//! What can be set.

use std::{net::SocketAddr, time::Duration};

use runtime::HostConfig;
use serde::Deserialize;

/// `[imports]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportsConfig {
    /// `BELLWIRE_IMPORTS__ADMIN_LISTEN`: `/livez`, `/readyz`, `/metrics`. `0.0.0.0:9091`.
    pub admin_listen: SocketAddr,
    /// `[imports.host]`: how many at once, how often tried, how stopped.
    pub host: HostConfig,
    /// `BELLWIRE_IMPORTS__DEADLINE_SECONDS`: how long one import may take; below the broker's consumer timeout of
    /// 30 minutes. 1200.
    pub deadline_seconds: u64,
    /// `BELLWIRE_IMPORTS__REJECTED_LIMIT`: rows that may be rejected before an import is given up; beyond 100, a
    /// tenth of all rows is too many as well. 10000.
    pub rejected_limit: u64,
}

impl Default for ImportsConfig {
    fn default() -> Self {
        Self {
            admin_listen: SocketAddr::from(([0, 0, 0, 0], 9091)),
            host: HostConfig::default(),
            deadline_seconds: 20 * 60,
            rejected_limit: 10_000,
        }
    }
}

impl ImportsConfig {
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }
}

/// `[database]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `BELLWIRE_DATABASE__URL`: `sqlite://path/to/file.db` (`sqlite:///…` from the root) or `postgres://…`. No default.
    pub url: String,
}
