//! The input of an import, checked as it is read: an error here is shown with the path of its field.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use storage::FileKey;

use crate::{
    column::{ColumnType, plain_enum},
    definition::sheet_tables::SheetTables,
    moment::DateOrder,
    number::{Decimal, Thousands},
    options::{Compression, Delimiter, EncodingName, FileOptions, Format, Mark, NullWords, Quote, SheetChoice},
    table_name::TableName,
};

/// The input of an import: a file, and a definition or a table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The file, as the upload answered: `<id>/<name>`.
    #[schemars(with = "String")]
    pub file: FileKey,
    /// The definition to import it by, which sets table, mode, key and columns.
    #[serde(default)]
    pub definition: Option<String>,
    /// The table to import into.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub table: Option<TableName>,
    /// The treatment of existing rows. `replace`, or the definition's.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The columns that identify a row for `upsert`.
    #[serde(default)]
    pub key: Vec<String>,
    /// True to answer how the file would be read, with its first rows, and to import nothing.
    #[serde(default)]
    pub preview: bool,
    /// The format of the file.
    #[serde(default)]
    pub format: Option<Format>,
    /// The compression of the file.
    #[serde(default)]
    pub compression: Option<Compression>,
    /// The sheet of a workbook: its name, several of which the first that is there counts, or its position from 1; the
    /// first with a value if missing.
    #[serde(default)]
    pub sheet: Option<SheetChoice>,
    /// Several sheets of a workbook, each into a table of its own: `each` for every one that has a value, into tables named
    /// after them (and after `table` and a `_`, where that is given), or the table of each by the sheet's name. All are
    /// imported, or none.
    #[serde(default)]
    pub sheets: Option<SheetTables>,
    /// The character between two fields.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub delimiter: Option<Delimiter>,
    /// The character around fields with delimiters or line ends in them, or `none`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub quote: Option<Quote>,
    /// The character before a quote within quotes that ends nothing, such as `\`; two quotes are always one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub escape: Option<Mark>,
    /// The character at the beginning of lines that are no rows, such as `#`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub comment: Option<Mark>,
    /// The number of lines before the header.
    #[serde(default)]
    pub skip: Option<u32>,
    /// False if the first row is no header; the columns are then `column_1`, ….
    #[serde(default)]
    pub header: Option<bool>,
    /// The character before the fraction of numbers.
    #[serde(default)]
    pub decimal: Option<Decimal>,
    /// The character between groups of three digits.
    #[serde(default)]
    pub thousands: Option<Thousands>,
    /// The order of day, month and year in dates that are not written as `2026-11-22`.
    #[serde(default)]
    pub dates: Option<DateOrder>,
    /// Words that stand for no value, such as `NA`.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub nulls: Option<NullWords>,
    /// The encoding, such as `utf-8`, `windows-1252` or `cp850`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub encoding: Option<EncodingName>,
    /// Imports the rows that fit, however many do not.
    #[serde(default)]
    pub accept_rejected: bool,
    /// The types of columns; the others are inferred. Rows that do not fit a type given here are rejected.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnType>,
}

/// The treatment of existing rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = plain_enum)]
pub enum Mode {
    /// Existing rows are replaced by those of the file.
    #[default]
    Replace,
    /// The file's rows are added to the existing ones.
    Append,
    /// A row of the file replaces the existing row of its key; the others stay.
    Upsert,
}

impl Input {
    /// The same as JSON, imported however many rows do not fit.
    pub(crate) fn accepting_rejected(&self) -> Value {
        let mut input = json!(self);
        if let Value::Object(fields) = &mut input {
            fields.retain(|_, value| !value.is_null());
            fields.insert("accept_rejected".to_owned(), true.into());
        }
        input
    }

    /// Takes the options of reading the file.
    pub(crate) fn take_options(&mut self) -> FileOptions {
        FileOptions {
            format: self.format.take(),
            compression: self.compression.take(),
            sheet: self.sheet.take(),
            delimiter: self.delimiter.take(),
            quote: self.quote.take(),
            escape: self.escape.take(),
            comment: self.comment.take(),
            skip: self.skip.take(),
            header: self.header.take(),
            decimal: self.decimal.take(),
            thousands: self.thousands.take(),
            dates: self.dates.take(),
            nulls: self.nulls.take(),
            encoding: self.encoding.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(field: &str, value: serde_json::Value) -> String {
        let mut input = json!({"file": "a/b.csv", "table": "t"});
        input[field] = value;
        serde_json::from_value::<Input>(input).unwrap_err().to_string()
    }

    #[test]
    fn a_file_and_a_table_are_enough() {
        let input: Input = serde_json::from_value(json!({"file": "a/b.csv", "table": "Airports_2"})).unwrap();
        assert_eq!((input.table.unwrap().as_str(), input.mode), ("Airports_2", None));
    }

    #[test]
    fn a_table_name_that_is_sql_is_refused() {
        for bad in ["", "a b", "a\"; DROP TABLE users; --", "a.b", "1a", "é", "a\0", &"x".repeat(64)] {
            assert!(error("table", json!(bad)).contains("is no table name"), "{bad:?}");
        }
        for bad in ["sqlite_master", "pg_class", "Bellwire_imports", "PRAGMA_table_info"] {
            assert!(error("table", json!(bad)).contains("may not begin with"), "{bad}");
        }
    }

    #[test]
    fn what_is_no_delimiter_encoding_type_or_field_is_named() {
        for bad in ["", "ab", "\"", "\n", "x", "1", "é"] {
            assert!(!error("delimiter", json!(bad)).is_empty());
        }
        assert!(error("encoding", json!("klingon")).contains("\"klingon\" is no encoding"));
        assert!(error("columns", json!({"a": "money"})).contains("unknown variant `money`"));
        assert!(error("mode", json!("merge")).contains("unknown variant `merge`"));
        assert!(error("format", json!("pdf")).contains("unknown variant `pdf`"));
        assert!(error("compression", json!("rar")).contains("unknown variant `rar`"));
        assert!(error("tabel", json!("t")).contains("unknown field `tabel`"));
        assert!(error("file", json!("../secret")).contains("file"));
    }
}
