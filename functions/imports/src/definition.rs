//! Definitions that an operator wrote, and what an input asks for together with one.
//!
//! - `rule`: what a definition requires of a column's values; `rejected`: how many rows may be rejected
//! - `parse`: one definition, read and checked
//! - `folder`: all definitions of a worker
//! - `spec`: an input and its definition, resolved to what is imported and how

pub(crate) mod folder;
pub(crate) mod parse;
pub(crate) mod question;
pub(crate) mod rejected;
pub(crate) mod rule;
pub(crate) mod spec;
