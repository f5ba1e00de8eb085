//! What an import comes to: the task's result, and the words for its owner.

use model::{
    Toast,
    toast::{Action, Level},
};
use runtime::Completion;
use serde::{Deserialize, Serialize};

use crate::{column::Column, rejected::RejectedRows};

/// The task's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The table.
    pub table: String,
    /// Rows that came to it.
    pub rows: u64,
    /// The columns that were filled, as they stand in the table.
    pub columns: Vec<Column>,
    /// How long it worked, without waiting for another import.
    pub seconds: f64,
    /// The file's size.
    pub bytes: u64,
    /// What the file was read as: `utf-8`, `windows-1252`, …
    pub encoding: String,
    /// What stands between its fields: a character, or `tab`; `jsonl` or `xlsx` where that is its format.
    pub delimiter: String,
    /// The definition by which it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The file's columns that its definition has not, and that did not come to the table; the first fifty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// What was not imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<RejectedRows>,
    /// The file of rejected rows, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
}

/// The result with its words.
pub(crate) fn completion(output: Output) -> Completion<Output> {
    let rows = counted(output.rows, "row");
    let columns = counted(output.columns.len() as u64, "column");
    let mut body = format!("{rows}, {columns}");
    // "In 0.0 s" tells nobody anything.
    if output.seconds >= 0.1 {
        body = format!("{body} in {:.1} s", output.seconds);
    }
    let mut toast = Toast::new(Level::Success, format!("{} is imported", output.table));
    if let Some(rejected) = &output.rejected {
        let does = if rejected.rows == 1 { "was" } else { "were" };
        body = format!("{body}; {} {does} rejected", counted(rejected.rows, "row"));
        toast.level = Level::Warning;
        toast.action = Some(Action { label: "Download rejected rows".to_owned(), href: rejected.href.clone() });
    }
    toast.body = Some(body);
    Completion { output, toast }
}

/// `1 row`, `3,376 rows`.
fn counted(number: u64, what: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        for (number, text) in [(0, "0 rows"), (1, "1 row"), (999, "999 rows"), (1_234_567, "1,234,567 rows")] {
            assert_eq!(counted(number, "row"), text);
        }
    }
}
