//! Who holds the browsers.
//!
//! In order of flow:
//!
//! - [`life`]: settings, ports, serving, the end; [`config`]: `[gateway]`
//! - [`server`]: the port and its sockets; [`routes`]: what is asked where; [`origins`]: from whose pages
//! - [`pod`]: what lives as long as the process; [`caller`] and [`token`]: who asks
//! - [`api`]: what programs and pages ask for
//! - [`hub`]: clients of SignalR
//! - [`dispatch`]: one task per environment, which knows who is to hear what
//! - [`write`]: what is written to a socket, and when

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api;
pub mod caller;
pub mod config;
pub mod dispatch;
pub mod hub;
pub mod life;
pub mod origins;
pub mod pod;
pub mod routes;
pub mod server;
pub mod token;
pub mod write;

pub use config::GatewayConfig;
pub use life::serve;
pub use pod::Served;
pub use server::Gateway;
pub use token::{Claims, Key};
