//! The chart that a definition declares.

use serde::Deserialize;
use toml::Spanned;

/// `[chart]`. Its columns can be looked up only once the query runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChartDefinition {
    #[serde(rename = "type")]
    pub(crate) chart_type: ChartType,
    pub(crate) x: String,
    pub(crate) y: Spanned<ColumnNames>,
}

/// The shape of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChartType {
    Bar,
    Line,
    Scatter,
}

/// `"a"` or `["a", "b"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a column's name or a list of them")]
pub(crate) enum ColumnNames {
    One(String),
    Many(Vec<String>),
}

impl ColumnNames {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}
