//! The input of a report's task.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
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
    /// A schedule of the definition whose report goes to others as well; its parameters and format are the definition's. For the
    /// owner of the schedule alone.
    #[serde(default)]
    pub schedule: Option<ScheduledTime>,
}

/// A schedule of the definition, and the time that its report is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduledTime {
    /// Its name.
    pub name: String,
    /// The time, such as `2026-11-29T05:00:00Z`.
    #[schemars(with = "String")]
    pub time: Timestamp,
}

/// The format of a report's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For spreadsheets: UTF-8 with a byte order mark, lines that end with CR LF (RFC 4180), a header of titles, values as
    /// they are shown, and no text that would be computed.
    Csv,
    /// A workbook.
    Xlsx,
    /// A page that needs nothing else.
    Html,
    /// A document of pages.
    Pdf,
    /// For programs: a JSON object in each line.
    Jsonl,
    /// For programs: UTF-8 without a mark, a header of names, every value as the database has it; null is empty and an
    /// empty text is "".
    CsvRaw,
}

impl Format {
    /// All formats.
    pub fn all() -> Vec<Self> {
        vec![Self::Csv, Self::Xlsx, Self::Html, Self::Pdf, Self::Jsonl, Self::CsvRaw]
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CsvRaw => "csv-raw",
            other => other.extension(),
        }
    }

    /// The extension of such a file.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Csv | Self::CsvRaw => "csv",
            Self::Xlsx => "xlsx",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Jsonl => "jsonl",
        }
    }

    /// True if such a file holds one table and no word about itself.
    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Self::Csv | Self::CsvRaw | Self::Jsonl)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
