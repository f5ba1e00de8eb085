//! The gateway: holds the connections of browsers and other clients, and writes to each the events that are meant for it.
//!
//! In order of flow:
//!
//! - [`run`]: a process from its settings to its end; [`config`]: `[gateway]`
//! - [`start`]: the tasks of each environment; [`pod`]: the state that requests see
//! - [`server`]: the port; [`connection`]: each of its connections, over HTTP/1.1, HTTP/2 and TLS; [`sockets`]: how many of
//!   them; [`client_address`]: who is behind a proxy; [`routes`]: all routes, by their `path`; [`origins`]: the pages that may use them; `dev_host`: the hosts that
//!   `bellwire dev` answers to
//! - [`caller`]: the user of a request; [`token`]: the access token that proves it; [`user_permits`]: how much of what is
//!   there for all one user may have; [`counted_caller`]: how many requests at once; `renewal`: a connection goes on with a newer token;
//!   `rate_limit`, `user_rates`: how often, and how many bytes a second
//! - [`balance`]: how many connections other pods hold, and how many of this one's go to them; `balancer` tells them
//! - [`api`]: publishing, tasks, approvals, files, and their description; `expiry`: removes old files
//! - [`schedules`]: what starts by itself
//! - [`hub`]: clients of SignalR
//! - [`dispatch`]: one task per environment, which decides who gets an event
//! - [`write`](mod@write): writes events to a socket
//! - `metrics`: what each metric says

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api;
pub mod balance;
mod balancer;
pub mod caller;
pub mod client_address;
pub mod config;
mod connection;
pub mod counted_caller;
mod dev_host;
pub mod dispatch;
mod expiry;
mod hmac;
pub mod hub;
mod json_size;
mod list;
mod lock;
mod metrics;
pub mod origins;
mod path;
pub mod pod;
mod rate_limit;
mod renewal;
pub mod routes;
pub mod run;
pub mod schedules;
pub mod server;
mod sockets;
pub mod start;
pub mod token;
pub mod user_permits;
mod user_rates;
pub mod write;
mod zip;

pub use config::GatewayConfig;
pub use connection::tls::TlsConfig;
pub use run::serve;
pub use server::Gateway;
pub use start::ServedEnvironment;
pub use token::{Claims, Key, Provider};
