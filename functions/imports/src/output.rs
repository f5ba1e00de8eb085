//! The result of an import, and its toast.

use model::{
    Toast,
    toast::{Action, Level},
};
use runtime::{Completion, Failure, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{column::Column, read::detect::Certainty};

const REJECTED_LABEL: &str = "Download rejected rows";
/// Below what a toast may have.
const MAX_BODY_CHARACTERS: usize = 1900;

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

/// What an import came to: a table, or several of a workbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Imported {
    /// One table.
    Table(Box<Output>),
    /// A table for each of several sheets.
    Sheets(SheetsOutput),
}

/// The result of an import of several sheets, all of them in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SheetsOutput {
    /// The number of imported rows in all.
    pub rows: u64,
    /// The duration of the import, without waiting for another one.
    pub seconds: f64,
    /// The file's size.
    pub bytes: u64,
    /// The definition by which it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The result of each sheet, in the order in which they were asked for.
    pub sheets: Vec<Output>,
    /// What of the workbook was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The rows that were not imported, of all sheets, with the first of the first that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<RejectedRows>,
    /// The file of rejected rows, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
}

impl Imported {
    /// The result of several sheets.
    pub(crate) fn of_sheets(tables: Vec<Output>, notes: Vec<String>, seconds: f64) -> Self {
        let rejected = tables.iter().filter_map(|table| table.rejected.clone());
        let rejected = rejected.reduce(|all, more| RejectedRows { rows: all.rows + more.rows, ..all });
        Self::Sheets(SheetsOutput {
            rows: tables.iter().map(|table| table.rows).sum(),
            seconds,
            bytes: tables.first().map_or(0, |table| table.bytes),
            definition: tables.first().and_then(|table| table.definition.clone()),
            href: rejected.as_ref().map(|rejected| rejected.href.clone()),
            rejected,
            sheets: tables,
            notes,
        })
    }

    /// What the task's log says of it.
    pub(crate) fn log_lines(&self) -> Vec<(Level, String)> {
        let (tables, notes) = match self {
            Self::Table(output) => (std::slice::from_ref(&**output), [].as_slice()),
            Self::Sheets(output) => (output.sheets.as_slice(), output.notes.as_slice()),
        };
        let notes = notes.iter().map(|note| (Level::Info, format!("The workbook: {note}.")));
        tables.iter().flat_map(Output::log_lines).chain(notes).collect()
    }

    /// The names of the tables.
    pub(crate) fn tables(&self) -> String {
        match self {
            Self::Table(output) => output.table.clone(),
            Self::Sheets(output) => {
                output.sheets.iter().map(|sheet| sheet.table.as_str()).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

impl Output {
    fn log_lines(&self) -> Vec<(Level, String)> {
        let Self { table, rows, seconds, encoding, .. } = self;
        let encoding = match self.sheet {
            Some(_) => String::new(),
            None => format!("; the file was read as {encoding}"),
        };
        let imported = format!("{rows} rows are in {table}, after {seconds:.1} s{encoding}.");
        let mut lines = vec![(Level::Info, imported)];
        lines.extend(self.notes.iter().map(|note| (Level::Info, format!("{table}: {note}."))));
        if let Some(emptied) = &self.emptied {
            lines.push((Level::Warning, format!("{table}: {} cells have no value in the table.", emptied.cells)));
        }
        if let Some(RejectedRows { rows, first, .. }) = &self.rejected {
            lines.push((Level::Warning, format!("{table}: {rows} rows were not imported.")));
            let first = first.iter().map(|row| (Level::Warning, format!("{table}, line {}: {}", row.line, row.reason)));
            lines.extend(first);
        }
        lines
    }
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
pub(crate) fn completion(imported: Imported) -> Completion<Imported> {
    let toast = match &imported {
        Imported::Table(output) => of_table(output),
        Imported::Sheets(output) => of_sheets(output),
    };
    Completion { output: imported, toast }
}

fn of_table(output: &Output) -> Toast {
    let rows = count(output.rows, "row");
    let columns = count(output.columns.len() as u64, "column");
    let mut body = format!("{rows}, {columns}");
    // "In 0.0 s" says nothing.
    if output.seconds >= 0.1 {
        body = format!("{body} in {:.1} s", output.seconds);
    }
    let mut toast = Toast::new(Level::Success, format!("{} is imported", output.table));
    body += &rejected_words(output.rejected.as_ref(), &mut toast);
    if output.certainty == Some(Certainty::Guess) {
        body = format!("{body}; read as {}, which is a guess", output.encoding);
    }
    body += &emptied_words(output.emptied.as_ref(), &mut toast);
    if !output.other_sheets.is_empty() {
        let sheet = output.sheet.as_deref().unwrap_or_default();
        body = format!("{body}; only the sheet {sheet:?} of {}", output.other_sheets.len() + 1);
    }
    toast.body = Some(body);
    toast
}

fn of_sheets(output: &SheetsOutput) -> Toast {
    let tables = output.sheets.len() as u64;
    let mut toast = Toast::new(Level::Success, format!("{} imported", are(&count(tables, "table"), tables)));
    let mut body: Vec<_> =
        output.sheets.iter().map(|sheet| format!("{}: {}", sheet.table, count(sheet.rows, "row"))).collect();
    let rejected = rejected_words(output.rejected.as_ref(), &mut toast);
    body.extend(rejected.strip_prefix("; ").map(str::to_owned));
    for sheet in &output.sheets {
        let emptied = emptied_words(sheet.emptied.as_ref(), &mut toast);
        body.extend(emptied.strip_prefix("; ").map(|words| format!("{}: {words}", sheet.table)));
    }
    body.extend(output.notes.iter().cloned());
    toast.body = Some(body.join("; ").chars().take(MAX_BODY_CHARACTERS).collect());
    toast
}

/// What a toast says of rejected rows, with the link to them.
fn rejected_words(rejected: Option<&RejectedRows>, toast: &mut Toast) -> String {
    let Some(rejected) = rejected else { return String::new() };
    toast.level = Level::Warning;
    toast.action = Some(Action { label: REJECTED_LABEL.to_owned(), href: rejected.href.clone() });
    let verb = if rejected.rows == 1 { "was" } else { "were" };
    format!("; {} {verb} rejected", count(rejected.rows, "row"))
}

/// What a toast says of cells that got no value.
fn emptied_words(emptied: Option<&EmptiedCells>, toast: &mut Toast) -> String {
    let Some(EmptiedCells { cells, first }) = emptied else { return String::new() };
    toast.level = Level::Warning;
    let has = if *cells == 1 { "has" } else { "have" };
    let such = first.first().map(|cell| format!(", such as {}{}, which holds {}", cell.column, cell.line, cell.reason));
    format!("; {} {has} no value{}", count(*cells, "cell"), such.unwrap_or_default())
}

/// `1 table is`, `2 tables are`.
fn are(words: &str, number: u64) -> String {
    format!("{words} {}", if number == 1 { "is" } else { "are" })
}

/// An import that is refused for its rejected rows.
pub(crate) struct TooManyRejected<'a> {
    /// How many, in words.
    pub(crate) count: String,
    /// The sheet, where there are several.
    pub(crate) sheet: Option<&'a str>,
    pub(crate) rejected: &'a RejectedRows,
    /// The link to their file, or why they could not be kept.
    pub(crate) kept: Result<&'a String, String>,
    /// The input that imports the other rows, where the person may say so.
    pub(crate) again: Option<&'a Value>,
}

impl TooManyRejected<'_> {
    /// The end of the import into a table.
    pub(crate) fn refusal(self, table: &str) -> Failure {
        let Self { count, sheet, rejected, kept, again } = self;
        let first: Vec<_> = rejected.first.iter().map(|row| format!("line {}: {}", row.line, row.reason)).collect();
        let not_kept = kept.as_ref().err().map(|why| format!("; {why}")).unwrap_or_default();
        let first = format!("the first: {}{not_kept}", first.join("; "));
        let of_sheet = sheet.map(|sheet| format!("the sheet {sheet:?}: ")).unwrap_or_default();
        let (confirm, from_list) = match again {
            Some(_) => (
                " (to import the others all the same, say so: accept_rejected)",
                "; the others can be imported from the list of tasks",
            ),
            None => ("", ""),
        };
        let body = format!("{of_sheet}{count} do not fit{from_list}; {first}");
        let title = match sheet {
            Some(_) => "The workbook was not imported".to_owned(),
            None => format!("{table} was not imported"),
        };
        let mut toast = Toast::new(Level::Warning, title);
        toast.body = Some(body.chars().take(MAX_BODY_CHARACTERS).collect());
        let mut result = Map::new();
        if let Ok(href) = kept {
            toast.action = Some(Action { label: REJECTED_LABEL.to_owned(), href: href.clone() });
            result.insert("href".to_owned(), json!(href));
            result.insert("rejected".to_owned(), json!(rejected));
        }
        result.extend(again.map(|input| ("again".to_owned(), input.clone())));
        let message = format!("{of_sheet}{count} do not fit, so nothing was imported{confirm}; {first}");
        Refusal { reason: "rejected", message, result: result.into(), toast }.into()
    }
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
