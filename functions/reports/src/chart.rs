//! Charts of a report, at constant memory however many rows there are.
//!
//! - `data`: the points of a chart, sampled from the rows
//! - `plot`: draws them; `svg`: for a page

pub(crate) mod data;
pub(crate) mod plot;
pub(crate) mod svg;
