//! A job, from the queue to its settlement.
//!
//! - [`runner`]: takes a job, runs the function, publishes the outcome, settles the job
//! - [`task_locks`] and [`cancellations`]: whether it may begin
//! - [`input`] and [`schema`]: its input, read and checked
//! - [`attempt`]: one run of the function, with a deadline
//! - [`verdict`]: the decision after a run: done, failed, retried
//! - [`publisher`]: the events of its task

pub(crate) mod attempt;
pub(crate) mod cancellations;
pub(crate) mod input;
pub(crate) mod publisher;
pub(crate) mod runner;
pub(crate) mod schema;
pub(crate) mod task_locks;
pub(crate) mod verdict;
