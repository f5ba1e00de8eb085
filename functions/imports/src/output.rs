//! The result of an import, and its toast.

use model::{
    Toast,
    toast::{Action, Level},
};
use runtime::Completion;
use serde::{Deserialize, Serialize};

use crate::{column::Column, read::detect::Certainty};

/// The result of an import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The table.
    pub table: String,
    /// The number of imported rows.
    pub rows: u64,
    /// The columns that were written, as the table has them.
    pub columns: Vec<Column>,
    /// The duration of the import, without waiting for another one.
    pub seconds: f64,
    /// The file's size.
    pub bytes: u64,
    /// The encoding: `utf-8`, `windows-1252`, …
    pub encoding: String,
    /// How sure it is that this is the encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certainty: Option<Certainty>,
    /// The character between fields, or `tab`; the format, `jsonl` or `xlsx`, where it has none.
    pub delimiter: String,
    /// The definition by which it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The file's columns that the definition does not have, and that were not imported; the first fifty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// The sheet of the workbook that was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Its other sheets that have values, and that were not imported, where nobody said which one is meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_sheets: Vec<String>,
    /// The cells that hold an error or the like, and have no value in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emptied: Option<EmptiedCells>,
    /// What was found out of the file and is not what most files have: a header further down, commas before fractions, ….
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The rows that were not imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<RejectedRows>,
    /// The file of rejected rows, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
}

/// The cells of a workbook that hold no value that a table could have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmptiedCells {
    /// Their number.
    pub cells: u64,
    /// The first few.
    pub first: Vec<EmptiedCell>,
}

/// A cell that got no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmptiedCell {
    /// Its row.
    pub line: u64,
    /// Its column: `A`, `B`, …
    pub column: String,
    /// What it holds instead.
    pub reason: String,
}

/// The rows that were not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRows {
    /// Their number.
    pub rows: u64,
    /// A CSV of their lines, reasons and texts.
    pub href: String,
    /// The first few.
    pub first: Vec<RejectedRow>,
}

/// A row that was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// The line of the file on which it begins.
    pub line: u64,
    /// The reason.
    pub reason: String,
}

/// The result with its toast.
pub(crate) fn completion(output: Output) -> Completion<Output> {
    let rows = count(output.rows, "row");
    let columns = count(output.columns.len() as u64, "column");
    let mut body = format!("{rows}, {columns}");
    // "In 0.0 s" says nothing.
    if output.seconds >= 0.1 {
        body = format!("{body} in {:.1} s", output.seconds);
    }
    let mut toast = Toast::new(Level::Success, format!("{} is imported", output.table));
    if let Some(rejected) = &output.rejected {
        let verb = if rejected.rows == 1 { "was" } else { "were" };
        body = format!("{body}; {} {verb} rejected", count(rejected.rows, "row"));
        toast.level = Level::Warning;
        toast.action = Some(Action { label: "Download rejected rows".to_owned(), href: rejected.href.clone() });
    }
    if output.certainty == Some(Certainty::Guess) {
        body = format!("{body}; read as {}, which is a guess", output.encoding);
    }
    if let Some(EmptiedCells { cells, first }) = &output.emptied {
        let has = if *cells == 1 { "has" } else { "have" };
        let such =
            first.first().map(|cell| format!(", such as {}{}, which holds {}", cell.column, cell.line, cell.reason));
        body = format!("{body}; {} {has} no value{}", count(*cells, "cell"), such.unwrap_or_default());
        toast.level = Level::Warning;
    }
    if !output.other_sheets.is_empty() {
        let sheet = output.sheet.as_deref().unwrap_or_default();
        body = format!("{body}; only the sheet {sheet:?} of {}", output.other_sheets.len() + 1);
    }
    toast.body = Some(body);
    Completion { output, toast }
}

/// `1 row`, `3,376 rows`.
fn count(number: u64, noun: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        for (number, text) in [(0, "0 rows"), (1, "1 row"), (999, "999 rows"), (1_234_567, "1,234,567 rows")] {
            assert_eq!(count(number, "row"), text);
        }
    }
}
