//! Report definitions: `NAME.toml` beside `NAME.sql`.
//!
//! - `folder`: reads a folder of them and checks each
//! - `report_definition`: one report, with its `chart` and `column`s
//! - `sql_template`: the query's text, cut where its parameters stand

pub(crate) mod chart;
pub(crate) mod column;
pub(crate) mod folder;
pub(crate) mod report_definition;
pub(crate) mod sql_template;
