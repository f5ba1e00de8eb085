//! The settings of the workflows function.

use std::{path::PathBuf, time::Duration};

use model::Kind;
use process::{AdminListen, quantity};
use runtime::HostConfig;
use serde::Deserialize;

/// `[workflows]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkflowsConfig {
    /// `BELLWIRE_WORKFLOWS__ADMIN_LISTEN`: the port of `/livez`, `/readyz`, `/metrics` on `admin.host`, or an address. `9093`.
    pub admin_listen: AdminListen,
    /// `[workflows.host]`: how many runs are started at once, how often attempted, how stopped.
    pub host: HostConfig,
    /// `BELLWIRE_WORKFLOWS__DEFINITIONS`: the folder of the definitions, `NAME.toml` each. Empty: no workflows.
    pub definitions: PathBuf,
    /// `BELLWIRE_WORKFLOWS__KINDS`: the functions that a step may name. `["imports", "reports"]`.
    pub kinds: Vec<Kind>,
    /// `BELLWIRE_WORKFLOWS__MOST_ITEMS`: the most items of one `for_each`. `1000`.
    pub most_items: usize,
    /// `BELLWIRE_WORKFLOWS__ITEMS_AT_ONCE`: the most items of one `for_each` that run at once. `10`.
    pub items_at_once: usize,
    /// `BELLWIRE_WORKFLOWS__STEP_TIMEOUT`: the timeout of a function where its step has none. `1h`.
    #[serde(deserialize_with = "quantity::duration")]
    pub step_timeout: Duration,
    /// `BELLWIRE_WORKFLOWS__KEEP`: how long an ended run is kept in the database. `30d`.
    #[serde(deserialize_with = "quantity::duration")]
    pub keep: Duration,
}

impl Default for WorkflowsConfig {
    fn default() -> Self {
        Self {
            admin_listen: AdminListen::port(9093),
            host: HostConfig::default(),
            definitions: PathBuf::new(),
            kinds: ["imports", "reports"].map(|kind| kind.parse().expect("it is a kind's name")).into(),
            most_items: 1000,
            items_at_once: 10,
            step_timeout: Duration::from_secs(3600),
            keep: Duration::from_secs(30 * 24 * 3600),
        }
    }
}
