//! Charts of a report, at constant memory however many rows there are.
//!
//! - `data`: the points of a chart, sampled from the rows
//! - `svg`: draws them for a page

pub(crate) mod data;
pub(crate) mod svg;
