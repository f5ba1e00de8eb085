//! The frame of every process, in the order of its life.
//!
//! - [`run`](mod@run): settings, logs, runtime and signals around a process's work, from `main` to the exit code;
//! - [`options`]: the flags that all binaries share;
//! - [`settings`]: file, variables and flags as one tree, read section by section;
//! - `loopback`: which hosts are this machine;
//! - [`quantity`], [`environments`] and [`token_settings`]: settings that several parts share;
//! - [`logs`]: for people on a terminal, JSON otherwise;
//! - [`telemetry`]: traces, told to a collector;
//! - [`signals`]: the first asks to stop, the second ends at once;
//! - [`readiness`]: the conditions of `/readyz`;
//! - [`admin_listen`], [`admin`] and [`prometheus`]: the port that serves probes and metrics.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod admin;
pub mod admin_listen;
mod config_error;
pub mod environments;
mod layers;
pub mod logs;
mod loopback;
pub mod options;
pub mod prometheus;
pub mod quantity;
pub mod readiness;
pub mod run;
pub mod settings;
pub mod signals;
pub mod telemetry;
pub mod token_settings;

pub use admin::Admin;
pub use admin_listen::{AdminConfig, AdminListen};
pub use config_error::ConfigError;
pub use environments::{EnvironmentConfig, Environments};
pub use loopback::is_loopback;
pub use options::Options;
pub use readiness::{Condition, Readiness};
pub use run::{ProcessContext, run, run_with};
pub use secrecy::ExposeSecret;
pub use settings::{Layers, Settings};
pub use signals::Signals;
pub use telemetry::Telemetry;
pub use token_settings::{ClaimNames, ProviderConfig, Texts};
