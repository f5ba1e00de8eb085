//! `[gateway]`.

use std::{net::SocketAddr, time::Duration};

use process::quantity;
use serde::Deserialize;

use crate::{dispatcher::Bounds, lost::Watch};

/// `[gateway]`; each field names its variable and default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// `BELLWIRE_GATEWAY__LISTEN`: where browsers and programs connect. `0.0.0.0:8080`.
    pub listen: SocketAddr,
    /// `BELLWIRE_GATEWAY__ADMIN_LISTEN`: `/livez`, `/readyz`, `/metrics`. `0.0.0.0:9090`.
    pub admin_listen: SocketAddr,
    /// `BELLWIRE_GATEWAY__WINDOW`: how much of the past is kept in memory, in event time; the same on every pod. `24h`.
    #[serde(deserialize_with = "quantity::duration")]
    pub window: Duration,
    /// `BELLWIRE_GATEWAY__WINDOW_BYTES`: most bytes of events in it, per environment. `256MiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub window_bytes: u64,
    /// `BELLWIRE_GATEWAY__HEARTBEAT`: how often a silent connection is told its cursor. `15s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub heartbeat: Duration,
    /// `BELLWIRE_GATEWAY__OUTBOX`: events that may wait for one connection before it is ended as slow. `256`.
    pub outbox: usize,
    /// `BELLWIRE_GATEWAY__LARGEST_FILE`: most bytes of an upload. `4GiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub largest_file: u64,
    /// `BELLWIRE_GATEWAY__GRACE`: over how long connections are sent away at the end. `20s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub grace: Duration,
    /// How tasks whose worker is lost are looked for; not set from outside.
    #[serde(skip)]
    pub lost: Watch,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            admin_listen: SocketAddr::from(([0, 0, 0, 0], 9090)),
            window: Duration::from_secs(24 * 3600),
            window_bytes: 256 << 20,
            heartbeat: Duration::from_secs(15),
            outbox: 256,
            largest_file: 4 << 30,
            grace: Duration::from_secs(20),
            lost: Watch::default(),
        }
    }
}

impl GatewayConfig {
    /// What bounds a dispatcher.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            window: self.window,
            window_bytes: usize::try_from(self.window_bytes).unwrap_or(usize::MAX),
            outbox: self.outbox.max(1),
        }
    }
}
