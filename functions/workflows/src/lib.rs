//! The workflows function: steps that are jobs of other workers, with approvals and waits, in durable state.
//!
//! In order of flow:
//!
//! - [`config`]: what can be set; [`definition`]: what a workflow is
//! - [`definitions`]: all of a folder, checked at start (`check`, `references`, `order`), each error with its line
//! - [`workflows`]: begins a run, whose input is that of its `form`
//! - `engine`: brings runs forward: what it hears of them (`hear`) and the clock become changes, what they decide is sent (`send`)
//! - `change`: one change of a run, a transaction over `store` and `outbox`
//! - `state`: how far a run is; `fold`: what a word changes in it; `plan`: what comes next, and `unwind` where it fails
//! - `prepare`: a step's condition, items and input; `expression`: references
//! - `tell`: what people hear

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod change;
mod check;
pub mod config;
pub mod definition;
pub mod definitions;
mod engine;
mod expression;
mod fold;
mod form;
mod hear;
mod order;
mod outbox;
mod plan;
#[cfg(test)]
mod planned;
mod prepare;
mod references;
mod send;
mod state;
mod store;
mod tell;
mod unwind;
pub mod workflows;

pub use config::WorkflowsConfig;
pub use definitions::Definitions;
pub use workflows::Workflows;
