//! What every process does, in the order of its life.
//!
//! - [`options`]: the flags all binaries share;
//! - [`settings`]: defaults, file, variables and flags as one tree, read section by section;
//! - [`quantity`], [`secret`] and [`environments`]: what settings are made of;
//! - [`logs`]: for people on a terminal, JSON otherwise;
//! - [`signals`]: the first asks to stop, the second ends at once;
//! - [`readiness`]: what must hold before others may rely on this process;
//! - [`admin`] and [`meters`]: the port where all that can be asked;
//! - [`life`]: the whole of it, from `main` to the exit code.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod admin;
mod config_error;
pub mod environments;
mod layers;
pub mod life;
pub mod logs;
pub mod meters;
pub mod options;
pub mod quantity;
pub mod readiness;
pub mod secret;
pub mod settings;
pub mod signals;

pub use admin::Admin;
pub use config_error::ConfigError;
pub use environments::{EnvironmentConfig, Environments};
pub use life::{Life, live};
pub use options::Options;
pub use readiness::{Condition, Readiness};
pub use secret::Secret;
pub use settings::Settings;
pub use signals::Signals;
