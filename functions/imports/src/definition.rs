//! Definitions that an operator wrote, and what an input asks for together with one.
//!
//! - `rule`: what a definition requires of a column's values; `rejected`: how many rows may be rejected
//! - `parse`: one definition, read and checked by `check`; `tables` and `columns`: what it says of those
//! - `folder`: all definitions of a worker
//! - `sheet_tables`: which sheets go into which tables
//! - `request`: an input and its definition, resolved to a `spec` for each table: what is imported and how

pub(crate) mod check;
pub(crate) mod columns;
pub(crate) mod folder;
pub(crate) mod parse;
pub(crate) mod question;
pub(crate) mod rejected;
pub(crate) mod request;
pub(crate) mod rule;
pub(crate) mod sheet_tables;
pub(crate) mod spec;
pub(crate) mod tables;
