//! The columns of the file and of the table.
//!
//! - `inference`: the type of a column from its values
//! - `existing`: what the database has under the table's name
//! - `mapping`: from the file's fields to the table's columns
//! - `limits`: of files and tables; `plan`, `text_plan`: how a file is read and mapped, from its beginning;
//!   `sheet_plans`: the same of several sheets

pub(crate) mod existing;
pub(crate) mod inference;
pub(crate) mod limits;
pub(crate) mod mapping;
pub(crate) mod plan;
pub(crate) mod sheet_plans;
pub(crate) mod text_plan;
