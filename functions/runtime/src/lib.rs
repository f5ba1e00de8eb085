//! The host of function workers; it knows no job.
//!
//! In order of flow:
//!
//! - [`function`]: what a function is: a kind, an input, an output and `run`
//! - [`context`]: what it is given to run with: progress, cancellation, files
//! - [`failure`]: how it may fail

pub mod context;
pub mod failure;
pub mod function;

pub use context::Context;
pub use failure::Failure;
pub use function::{Completion, Function};
