//! Report definitions: `NAME.toml` beside `NAME.sql`.
//!
//! - `folder`: reads a folder of them; `check`: what can be wrong with one
//! - `report_definition`: one report, with its `sheet`s and their `chart` and `column`s
//! - `named_queries`: a text of several queries; `sql_template`: one, cut where its parameters stand

pub(crate) mod chart;
mod check;
pub(crate) mod column;
pub(crate) mod folder;
mod named_queries;
pub(crate) mod report_definition;
pub(crate) mod sheet;
pub(crate) mod sql_template;
