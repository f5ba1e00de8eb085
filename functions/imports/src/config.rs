//! What can be set.

use std::{fmt, net::SocketAddr, time::Duration};

use process::quantity;
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
    /// `BELLWIRE_IMPORTS__DEADLINE`: how long one import may take; below the broker's 30 minutes. `20m`.
    #[serde(deserialize_with = "quantity::duration")]
    pub deadline: Duration,
    /// `BELLWIRE_IMPORTS__REJECTED_LIMIT`: rows that may be rejected before an import is given up; beyond 100, a
    /// tenth of all rows is too many as well. `10000`.
    pub rejected_limit: u64,
}

impl Default for ImportsConfig {
    fn default() -> Self {
        Self {
            admin_listen: SocketAddr::from(([0, 0, 0, 0], 9091)),
            host: HostConfig::default(),
            deadline: Duration::from_secs(20 * 60),
            rejected_limit: 10_000,
        }
    }
}

/// `[database]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `BELLWIRE_DATABASE__URL`: `sqlite://path/to/file.db` (`sqlite:///…` from the root) or `postgres://…`. No default.
    pub url: String,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("DatabaseConfig").finish_non_exhaustive()
    }
}
