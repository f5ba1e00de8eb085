//! One dispatcher task per environment: it reads the environment's log and decides which connection gets which event.
//!
//! In order of flow:
//!
//! - [`handle`]: how the rest of the pod asks a dispatcher; [`command`]: what it can be asked
//! - [`dispatcher`]: the task; it owns [`window`], [`registry`], [`task_list`] and [`questions`], each an [`asked_question`]
//! - [`term_index`]: which events of the window are for whom
//! - [`task_index`]: in which orders tasks are looked up; [`submissions`]: those on their way to the log;
//!   [`claims`]: which of them has what only one may have
//! - `newest`: reads several lists as one; [`shares`]: who has most of what is bounded; [`replay_limits`]: how much is sent again
//! - [`outgoing_event`]: an event, while it is delivered encoded once for each format; [`outbox`]: the bounded queue of one connection
//! - `metrics`: what a dispatcher counts; `delivery_spans`: what it tells of sampled traces
//! - [`lost_workers`]: shows tasks as queued again whose worker has stopped reporting

pub mod asked_question;
pub mod claims;
pub mod command;
mod delivery_spans;
pub mod dispatcher;
pub mod handle;
pub mod lost_workers;
mod metrics;
mod newest;
pub mod outbox;
pub mod outgoing_event;
pub mod questions;
pub mod registry;
pub mod replay_limits;
pub mod shares;
pub mod submissions;
pub mod task_index;
pub mod task_list;
pub mod term_index;
pub mod window;
