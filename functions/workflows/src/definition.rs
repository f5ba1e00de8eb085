//! Workflow definitions: read from a folder and checked when the process starts.
//!
//! - [`document`]: a workflow as its file declares it
//! - `ask`: whom an approval asks, cut into terms before values are filled in
//! - `expression`: references such as `{{ steps.load.output }}`
//! - `input`: its inputs, offered as a form and checked when a run starts
//! - `check`: a definition by itself, its `references` and the `dependencies` of its steps
//! - `folder`: all definitions of a folder, and how they nest

pub(crate) mod ask;
mod check;
pub(crate) mod dependencies;
pub mod document;
pub(crate) mod expression;
mod folder;
pub(crate) mod input;
mod references;

pub use folder::Definitions;
pub(crate) use folder::{MAX_DEPTH, SETTING};
