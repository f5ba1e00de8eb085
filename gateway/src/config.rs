//! The settings of a gateway.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use axum::http::HeaderName;
use process::{AdminListen, quantity};
use serde::Deserialize;

use crate::{
    balance::BalanceTiming,
    client_address::{ClientAddress, Network},
    connection::tls::TlsConfig,
    dispatch::{dispatcher::Bounds, lost_workers::LostWorkerTiming},
    list,
    origins::Origins,
    schedules::beneficiary::Beneficiary,
};

/// `[gateway]`; each field names its variable and default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// `BELLWIRE_GATEWAY__LISTEN`: the address for browsers and programs. `0.0.0.0:8080`.
    pub listen: SocketAddr,
    /// `BELLWIRE_GATEWAY__ADMIN_LISTEN`: the port of `/livez`, `/readyz`, `/metrics` on `admin.host`, or an address. `9090`.
    pub admin_listen: AdminListen,
    /// `BELLWIRE_GATEWAY__WINDOW`: the past that is kept in memory, in event time; the same on every pod. `24h`.
    #[serde(deserialize_with = "quantity::duration")]
    pub window: Duration,
    /// `BELLWIRE_GATEWAY__WINDOW_BYTES`: most bytes of events in it, per environment. `256MiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub window_bytes: u64,
    /// `BELLWIRE_GATEWAY__HEARTBEAT`: how often an idle connection is sent its cursor. `15s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub heartbeat: Duration,
    /// `BELLWIRE_GATEWAY__OUTBOX`: events that may wait for one connection before it is ended as slow. `256`.
    pub outbox: usize,
    /// `BELLWIRE_GATEWAY__LARGEST_FILE`: most bytes of an upload. `4GiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub largest_file: u64,
    /// `BELLWIRE_GATEWAY__LINGER`: how long a pod that is told to stop still accepts, while it says that it is not ready;
    /// longer than those in front take to send nothing more. `5s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub linger: Duration,
    /// `BELLWIRE_GATEWAY__GRACE`: the time over which connections are then sent away. `20s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub grace: Duration,
    /// `BELLWIRE_GATEWAY__MOST_AGE`: the age at which a connection is told to go and come back, each up to a quarter earlier;
    /// 0 for never. `1h`.
    #[serde(deserialize_with = "quantity::duration")]
    pub most_age: Duration,
    /// `BELLWIRE_GATEWAY__REBALANCE`: connections of an environment that a pod sends to others each second while it holds more
    /// than a tenth, and more than 16, above the mean of all; 0 for none. `100`.
    pub rebalance: u32,
    /// `BELLWIRE_GATEWAY__ORIGINS`, separated by commas: the pages that may use it, besides its own. None.
    pub origins: Origins,
    /// `BELLWIRE_GATEWAY__CONNECTIONS`: most long-lived connections on this pod. `50000`.
    pub connections: usize,
    /// `BELLWIRE_GATEWAY__CONNECTIONS_PER_USER`: most of one user in one environment on this pod, each from its first
    /// request; and four times as many requests of hub clients at once. `64`.
    pub connections_per_user: usize,
    /// `BELLWIRE_GATEWAY__UNAUTHENTICATED_CONNECTIONS`: most sockets on which no request with a valid token is under way;
    /// beyond it the one that has waited longest is closed. `1000`.
    pub unauthenticated_connections: usize,
    /// `BELLWIRE_GATEWAY__ACCEPTS`: new sockets that are accepted each second; the others wait their turn. `2000`.
    pub accepts: NonZeroU32,
    /// `BELLWIRE_GATEWAY__LARGEST_MESSAGE`: most bytes of a hub client's message. `32KiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub largest_message: u64,
    /// `BELLWIRE_GATEWAY__MESSAGES`: messages that a hub client may send each second, ten times as many at once. `100`.
    pub messages: NonZeroU32,
    /// `BELLWIRE_GATEWAY__REPLAYED_EVENTS`: events that one user's connections may be sent again each second when they come
    /// back with a cursor, fifty times as many at once; each time counts as 200 more. `20000`.
    pub replayed_events: NonZeroU32,
    /// `BELLWIRE_GATEWAY__CLIENT_TIMEOUT`: how long a hub client may be silent. `30s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub client_timeout: Duration,
    /// `BELLWIRE_GATEWAY__HANDSHAKE_TIMEOUT`: how long a hub client may take for its handshake. `15s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub handshake_timeout: Duration,
    /// `BELLWIRE_GATEWAY__POLL_TIMEOUT`: the time after which a long poll is answered with nothing; below what proxies allow. `30s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub poll_timeout: Duration,
    /// `BELLWIRE_GATEWAY__TASKS_PER_USER`: most unfinished tasks of one user in one environment. `1000`.
    pub tasks_per_user: usize,
    /// `BELLWIRE_GATEWAY__REQUESTS_PER_USER`: requests of one user that this pod works on at once. `32`.
    pub requests_per_user: usize,
    /// `BELLWIRE_GATEWAY__BYTES_PER_USER`: bytes a second that are read of one user's request bodies and sent of their files,
    /// all together; what comes faster waits. `32MiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub bytes_per_user: u64,
    /// `BELLWIRE_GATEWAY__BODY_SILENCE`: how long a client may send nothing of a body, or read nothing of an answer. `30s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub body_silence: Duration,
    /// `BELLWIRE_GATEWAY__BODY_DEADLINE`: how long a request's whole body may take, unless it is an upload. `60s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub body_deadline: Duration,
    /// `BELLWIRE_GATEWAY__UPLOAD_RATE`: the fewest bytes a second of an upload, on average. `16KiB`.
    #[serde(deserialize_with = "quantity::bytes")]
    pub upload_rate: u64,
    /// `BELLWIRE_GATEWAY__KEEP_ALIVE`: how long a socket may wait for its next request, or take for a head; longer than the
    /// proxies in front keep theirs, which otherwise answer 502. `75s`.
    #[serde(deserialize_with = "quantity::duration")]
    pub keep_alive: Duration,
    /// `BELLWIRE_GATEWAY__ALLOWED_HEADERS`, separated by commas: request headers that the pages of `origins` may send,
    /// besides the usual ones. None.
    #[serde(deserialize_with = "list::list")]
    pub allowed_headers: Vec<HeaderName>,
    /// `BELLWIRE_GATEWAY__CLIENT_ADDRESS`: whose word for a client's address goes into the log: `socket`, `x-forwarded-for`,
    /// `forwarded`, `proxy-protocol`; or `none`. `none`.
    pub client_address: ClientAddress,
    /// `BELLWIRE_GATEWAY__TRUSTED_PROXIES`, separated by commas: the addresses and networks of proxies whose word counts for
    /// it. With `proxy-protocol` each connection of theirs must begin with its header. None.
    #[serde(deserialize_with = "list::list")]
    pub trusted_proxies: Vec<Network>,
    /// `BELLWIRE_GATEWAY__SCHEDULES_FOR`, separated by commas: the users and groups, `user:<id>` and `group:<name>`, for whom
    /// schedules may start tasks, or `*`; a schedule needs its owner and each of its groups. None.
    #[serde(deserialize_with = "list::list")]
    pub schedules_for: Vec<Beneficiary>,
    /// `BELLWIRE_GATEWAY__STREAMS_PER_CONNECTION`: most requests and streams that are under way at once on a connection of
    /// HTTP/2. `256`.
    pub streams_per_connection: NonZeroU32,
    /// `[gateway.tls]`: with it the port speaks TLS. None.
    pub tls: Option<TlsConfig>,
    /// The times of the watch for tasks whose worker is lost; no setting.
    #[serde(skip)]
    pub lost: LostWorkerTiming,
    /// The times of balancing; no setting.
    #[serde(skip)]
    pub balance: BalanceTiming,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            admin_listen: AdminListen::port(9090),
            window: Duration::from_secs(24 * 3600),
            window_bytes: 256 << 20,
            heartbeat: Duration::from_secs(15),
            outbox: 256,
            largest_file: 4 << 30,
            linger: Duration::from_secs(5),
            grace: Duration::from_secs(20),
            most_age: Duration::from_secs(3600),
            rebalance: 100,
            origins: Origins::default(),
            connections: 50_000,
            connections_per_user: 64,
            unauthenticated_connections: 1000,
            accepts: NonZeroU32::MIN.saturating_add(1_999),
            largest_message: 32 << 10,
            messages: NonZeroU32::MIN.saturating_add(99),
            replayed_events: NonZeroU32::MIN.saturating_add(19_999),
            client_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(15),
            poll_timeout: Duration::from_secs(30),
            tasks_per_user: 1000,
            requests_per_user: 32,
            bytes_per_user: 32 << 20,
            body_silence: Duration::from_secs(30),
            body_deadline: Duration::from_secs(60),
            upload_rate: 16 << 10,
            keep_alive: Duration::from_secs(75),
            allowed_headers: Vec::new(),
            client_address: ClientAddress::default(),
            trusted_proxies: Vec::new(),
            schedules_for: Vec::new(),
            streams_per_connection: NonZeroU32::MIN.saturating_add(255),
            tls: None,
            lost: LostWorkerTiming::default(),
            balance: BalanceTiming::default(),
        }
    }
}

impl GatewayConfig {
    /// The bounds of a dispatcher.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            window: self.window,
            window_bytes: usize::try_from(self.window_bytes).unwrap_or(usize::MAX),
            outbox: self.outbox.max(1),
            replayed_events: self.replayed_events,
        }
    }
}
