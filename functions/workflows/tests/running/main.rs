//! Runs of workflows from their start to their end: real hosts over a backplane in memory and a database in a file.
#![allow(clippy::unwrap_used, missing_docs)]

mod approvals;
mod conditions;
mod failing;
mod harness;
mod resuming;
mod starting;
mod steps;
