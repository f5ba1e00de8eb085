//! The workflows function: steps that are jobs of other workers, with approvals and waits, in durable state.
//!
//! In order of flow:
//!
//! - [`config`]: the settings
//! - [`definition`]: the workflows of a folder, read and checked at start
//! - [`workflows`]: the function; its job starts a run
//! - `run`: a run and the decisions about it, without a database or a broker
//! - `inspect`: expressions without a run
//! - `engine`: advances runs by the log and the clock, in transactions, and sends what follows

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config;
pub mod definition;
mod engine;
mod inspect;
mod run;
pub mod workflows;

pub use config::WorkflowsConfig;
pub use definition::Definitions;
pub use inspect::{Evaluations, inspect_expression};
pub use workflows::Workflows;
