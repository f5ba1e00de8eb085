//! The kit of function workers: the host that runs a function, and what functions share.
//!
//! In order of flow:
//!
//! - [`worker`]: the process of a worker; [`worker_context`]: its services
//! - [`host`]: takes jobs, a bounded number at once; [`host_config`]: its settings; `described`: what the function says of
//!   itself; `introduction` tells it again when definitions change, `registration` puts it into the catalogue, and
//!   `queue_metrics` measures its queue, `metrics` says what each metric is
//! - `job`: one job, from the queue to its settlement; `traced_log`: where its events go, with a span for each
//! - [`function`]: the trait of a function, `json_function` over JSON; [`context`]: the context of a run; [`failure`]:
//!   how it may fail
//!
//! Shared by functions:
//!
//! - [`definitions`]: files that users put into a folder, each fault with its line; [`form`]: the fields they declare;
//!   [`policy`]: how their attempts and rates are written
//! - [`database`]: SQLite and PostgreSQL: opening, our own tables, transactions, errors
//! - [`run_log`]: what a function says to the owner of its task
//! - [`stored`]: inputs and results that are too large for the broker
//! - [`thread`]: blocking work
//! - [`testing`]: running a function in a unit test

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod context;
pub mod database;
pub mod definitions;
mod described;
pub mod failure;
pub mod form;
pub mod function;
pub mod host;
pub mod host_config;
mod introduction;
mod job;
mod json_function;
mod metrics;
pub mod policy;
mod queue_metrics;
mod registration;
pub mod run_log;
pub mod stored;
pub mod testing;
pub mod thread;
mod traced_log;
pub mod worker;
pub mod worker_context;

pub use context::Context;
pub use database::{Database, DatabaseConfig, DatabaseError};
pub use described::DescriptionFault;
pub use failure::{Failure, Refusal};
pub use function::{Completion, Function};
pub use host::{Host, HostError};
pub use host_config::HostConfig;
pub use model::{Kind, Policies, Policy, Priority, Schedule, Toast, catalogue, toast::Level};
pub use process::Settings;
pub use worker::{Worker, run};
pub use worker_context::WorkerContext;
