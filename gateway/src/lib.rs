//! Who holds the browsers.
//!
//! In order of flow:
//!
//! - [`life`]: settings, ports, serving, the end; [`config`]: `[gateway]`
//! - [`server`]: the port and its connections; [`routes`]: what is asked where
//! - [`pod`]: what lives as long as the process; [`caller`] and [`token`]: who asks
//! - [`publish`], [`tasks`], [`files`]: what programs and pages ask for
//! - [`functions`]: what can be started; [`openapi`]: all of it described
//! - [`approvals`]: what workflows ask people, and their answers
//! - [`dispatch`]: how one speaks to the [`dispatcher`], one task per environment that owns [`window`], [`registry`],
//!   [`task_list`] and [`questions`]
//! - [`lost`]: tasks whose worker fell silent are said to wait again
//! - [`delivered`]: an event, encoded once; [`outbox`]: what waits for one connection
//! - [`listen`]: a connection's life as server-sent events; [`sse`]: their bytes
//! - [`hub`]: the SignalR front door
//! - [`page`], [`dev_token`]: the page, and tokens for it in `bellwire dev`
//! - [`problem`]: what goes wrong, as an answer; [`parameters`]: a request's query; [`origins`]: whose pages may speak to it

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod approvals;
pub mod caller;
pub mod clock;
pub mod config;
pub mod delivered;
pub mod dev_token;
pub mod dispatch;
pub mod dispatcher;
pub mod farewell;
pub mod files;
pub mod format;
pub mod functions;
pub mod hub;
pub mod life;
pub mod line;
pub mod listed;
pub mod listen;
pub mod lost;
pub mod openapi;
pub mod origins;
pub mod outbox;
pub mod outgoing;
pub mod page;
pub mod parameters;
pub mod pod;
pub mod problem;
pub mod publish;
pub mod questions;
pub mod registry;
pub mod routes;
pub mod server;
pub mod sse;
pub mod takeover;
pub mod task_list;
pub mod task_routes;
pub mod tasks;
pub mod token;
pub mod window;
pub mod wire;

pub use config::GatewayConfig;
pub use life::serve;
pub use pod::Served;
pub use server::Gateway;
pub use token::{Claims, Key};
