//! The input of a report's task.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The input of a report.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The name of its definition.
    pub report: String,
    /// Values for its parameters, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// The format of the file; by default the first of its definition's formats.
    #[serde(default)]
    pub format: Option<Format>,
}

/// The format of a report's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// UTF-8 with a byte order mark, lines that end with CR LF (RFC 4180), a header.
    Csv,
    /// A workbook.
    Xlsx,
    /// A page that needs nothing else.
    Html,
    /// A JSON object in each line.
    Jsonl,
}

impl Format {
    /// All formats.
    pub fn all() -> Vec<Self> {
        vec![Self::Csv, Self::Xlsx, Self::Html, Self::Jsonl]
    }

    /// Its name, which is also the extension of such a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Html => "html",
            Self::Jsonl => "jsonl",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
