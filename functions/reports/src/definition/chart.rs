//! The chart that a definition declares.

use serde::{Deserialize, Deserializer};

/// `[chart]`. Its columns can be looked up only once the query runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChartDefinition {
    #[serde(rename = "type")]
    pub(crate) chart_type: ChartType,
    pub(crate) x: String,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) y: Vec<String>,
}

/// The shape of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChartType {
    Bar,
    Line,
    Scatter,
}

/// Reads `"a"` or `["a", "b"]`.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a column's name or a list of them")]
    enum Names {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(name) => vec![name],
        Names::Many(names) => names,
    })
}
