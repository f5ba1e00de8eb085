//! A job, from the queue to its settlement.
//!
//! - [`runner`]: takes a job, runs the function, publishes the outcome, settles the job
//! - [`log_reader`]: the cancelled tasks of the log; [`task_locks`]: one run of a task at a time
//! - [`input`] and [`schema`]: its input, read and checked
//! - [`attempt`]: one run of the function, with a deadline
//! - [`verdict`]: the decision after a run: done, failed, retried
//! - [`rates`]: when it may begin
//! - [`publisher`]: the events of its task

pub(crate) mod attempt;
pub(crate) mod input;
pub(crate) mod log_reader;
pub(crate) mod publisher;
pub(crate) mod rates;
pub(crate) mod runner;
pub(crate) mod schema;
pub(crate) mod task_locks;
pub(crate) mod verdict;
