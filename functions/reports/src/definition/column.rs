//! The columns of a report and the formats of their values.

use serde::Deserialize;

/// `[[column]]`: how a column of the query is shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) format: Option<ColumnFormat>,
}

/// `format` of a `[[column]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColumnFormat {
    /// As it is, even if it looks like a day or a number.
    Text,
    /// 12,480
    Integer,
    /// 12,480.50
    Number,
    /// 12.5%, of 0.125
    Percent,
    /// 2026-11-22
    Date,
    /// 2026-11-22 05:00:00
    Timestamp,
}

/// A column that the query returned.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its name in the query.
    pub(crate) name: String,
    /// Its heading; the name where the definition has none.
    pub(crate) title: String,
    pub(crate) format: Option<ColumnFormat>,
}
