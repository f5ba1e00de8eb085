//! The host of function workers; it knows no job.
//!
//! In order of flow:
//!
//! - [`function`]: what a function is: a kind, an input, an output and `run`
//! - [`context`]: what it is given to run with: progress, cancellation, files, a [`database`]
//! - [`failure`]: how it may fail
//! - [`host`]: takes jobs and has them done, a bounded number at once; `introduction` tells gateways what it is
//! - `runner`: one job, from taken to settled; `underway` and `cancellations` say whether it may begin
//! - `schema`: what it may be given; `stored`: what is too large for the broker; `attempt`: one run, `erased` to JSON
//! - `verdict`: what becomes of the job after it
//! - `announce`: what people hear of it
//! - `waiting`: how many jobs wait, as metrics
//! - [`definitions`]: what users drop into a folder
//! - [`worker`]: the life of a process that is a host
//! - [`thread`]: work that would hold up the runtime
//! - [`testing`]: running a function in a unit test

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod announce;
mod attempt;
mod cancellations;
pub mod context;
pub mod database;
pub mod definitions;
mod erased;
pub mod failure;
pub mod form;
pub mod function;
pub mod host;
mod introduction;
mod job_input;
mod runner;
mod schema;
pub mod stored;
pub mod testing;
pub mod thread;
mod underway;
mod verdict;
mod waiting;
pub mod worker;

pub use context::Context;
pub use database::{Database, DatabaseConfig, DatabaseError};
pub use failure::Failure;
pub use function::{Completion, Function};
pub use host::{Host, HostConfig, HostError, WorkerContext};
pub use model::{Kind, Toast, catalogue, toast::Level};
pub use worker::{Worker, live};
