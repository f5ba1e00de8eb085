//! A run of a workflow: pure decisions, without a database or a broker.
//!
//! - [`state`]: a run, its steps and their items
//! - `asking`: how far a question of a step is
//! - [`event`]: the events that move a run, read from the log
//! - `transition`: one move of a run and the actions that follow from it
//! - `apply`: an event changes the run; `approve`: questions and their answers
//! - `advance`: starts what is due, or `compensate`s where the run cannot succeed
//! - [`resolve`]: the condition, items and input of a step, with all references replaced
//! - [`question`]: a question with all that belongs to it, and its wordings
//! - [`messages`]: the events and jobs that a run sends
//! - [`changes`]: what becomes of it, in words for its owner; [`said`]: the lines that are kept of those

mod advance;
pub(crate) mod apply;
pub(crate) mod approve;
mod asking;
pub(crate) mod changes;
mod compensate;
pub(crate) mod event;
pub(crate) mod messages;
pub(crate) mod question;
pub(crate) mod resolve;
pub(crate) mod said;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod transition;
