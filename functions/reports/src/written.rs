//! A definition as it is written in `NAME.toml`.

use serde::Deserialize;
use toml::{Spanned, Value};

use crate::{format::Shown, input::Format, parameter::ParameterType};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    pub(crate) title: Spanned<String>,
    #[serde(default)]
    pub(crate) description: String,
    /// All where it is missing; the first is what a report becomes unless its reader chooses.
    pub(crate) formats: Option<Spanned<Vec<Format>>>,
    #[serde(default)]
    pub(crate) allow: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) parameter: Vec<WrittenParameter>,
    pub(crate) chart: Option<WrittenChart>,
    #[serde(default)]
    pub(crate) column: Vec<WrittenColumn>,
}

/// `[[parameter]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenParameter {
    pub(crate) name: Spanned<String>,
    #[serde(rename = "type")]
    pub(crate) parameter_type: ParameterType,
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) hint: String,
    pub(crate) default: Option<Spanned<Value>>,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) choices: Vec<Spanned<Value>>,
}

/// `[chart]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenChart {
    #[serde(rename = "type")]
    pub(crate) chart_type: ChartType,
    pub(crate) x: String,
    pub(crate) y: Spanned<OneOrMore>,
}

/// How a chart looks.
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
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// `[[column]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenColumn {
    pub(crate) name: Spanned<String>,
    pub(crate) title: Option<String>,
    pub(crate) format: Option<Shown>,
}
