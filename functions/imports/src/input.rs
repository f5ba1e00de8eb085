//! The input of an import, checked as it is read: an error here is shown with the path of its field.

use std::{collections::BTreeMap, fmt};

use encoding_rs::Encoding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storage::FileKey;

use crate::column::{ColumnType, plain_enum, preview};

/// The input of an import: a file, and a definition or a table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
    /// The format of the file; detected if missing.
    #[serde(default)]
    pub format: Option<Format>,
    /// The compression of the file; detected if missing.
    #[serde(default)]
    pub compression: Option<Compression>,
    /// The sheet of a workbook: its name, several of which the first that is there counts, or its position from 1; the
    /// first with a value if missing.
    #[serde(default)]
    pub sheet: Option<SheetChoice>,
    /// The character between two fields; detected if missing.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub delimiter: Option<Delimiter>,
    /// The encoding, such as `utf-8` or `windows-1252`; detected if missing.
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

/// Options of reading a file; what is missing is detected.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileOptions {
    /// The format.
    pub format: Option<Format>,
    /// The compression.
    pub compression: Option<Compression>,
    /// The sheet of a workbook.
    pub sheet: Option<SheetChoice>,
    /// The character between two fields.
    pub delimiter: Option<Delimiter>,
    /// The encoding.
    pub encoding: Option<EncodingName>,
}

/// Which sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "it is the name of a sheet, a list of names, or a position from 1")]
pub enum SheetChoice {
    /// The one at this place, from 1.
    Position(usize),
    /// The one of this name.
    Name(String),
    /// The first of these names that is there.
    Names(Vec<String>),
}

impl fmt::Display for SheetChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "at position {position}"),
            Self::Name(name) => write!(f, "{:?}", preview(name.as_bytes())),
            Self::Names(names) => {
                let names: Vec<_> =
                    names.iter().take(10).map(|name| format!("{:?}", preview(name.as_bytes()))).collect();
                write!(f, "{}", names.join(" or "))
            }
        }
    }
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

/// The format of a file, once it is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = plain_enum)]
pub enum Format {
    /// Text with delimiters.
    Csv,
    /// Text with tabs between fields.
    Tsv,
    /// JSON Lines: an object on each line.
    Jsonl,
    /// An Excel workbook.
    Xlsx,
}

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = plain_enum)]
pub enum Compression {
    /// None.
    None,
    /// gzip, also of several members.
    Gzip,
    /// Zstandard, also of several frames.
    Zstd,
}

impl Input {
    /// The options of reading the file.
    pub(crate) fn file_options(&self) -> FileOptions {
        FileOptions {
            format: self.format,
            compression: self.compression,
            sheet: self.sheet.clone(),
            delimiter: self.delimiter,
            encoding: self.encoding,
        }
    }
}

/// A table's name: 1 to 63 of A-Z, a-z, 0-9 and '_', no digit first, and no prefix of the database or of ours.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TableName(String);

impl TableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || name.len() > 63 || !plain || name.as_bytes()[0].is_ascii_digit() {
            return Err(format!(
                "{:?} is no table name; it has 1 to 63 of A-Z, a-z, 0-9 and '_', and begins with no digit",
                preview(name.as_bytes())
            ));
        }
        let lower = name.to_ascii_lowercase();
        match ["bellwire_", "sqlite_", "pg_", "pragma_"].iter().find(|prefix| lower.starts_with(**prefix)) {
            Some(prefix) => Err(format!("a table name may not begin with {prefix}; those tables are not yours")),
            None => Ok(Self(name)),
        }
    }
}

/// The ASCII character between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Delimiter(pub u8);

impl TryFrom<String> for Delimiter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_bytes() {
            b"tab" => Ok(Self(b'\t')),
            [b'"' | b'\r' | b'\n' | 0] => Err("a quote or a line end cannot stand between fields".to_owned()),
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() => Ok(Self(*byte)),
            _ => Err("it is one character such as \",\", \";\" or \"|\", or \"tab\"".to_owned()),
        }
    }
}

impl Delimiter {
    /// The delimiter as it is written in an input: the character, or `tab`.
    pub fn name(self) -> String {
        match self.0 {
            b'\t' => "tab".to_owned(),
            byte => char::from(byte).to_string(),
        }
    }
}

/// An encoding, by a label of the WHATWG Encoding Standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EncodingName(pub &'static Encoding);

impl TryFrom<String> for EncodingName {
    type Error = String;

    fn try_from(label: String) -> Result<Self, String> {
        // "replacement" stands for unsafe encodings, which are not decoded.
        let known = Encoding::for_label_no_replacement(label.as_bytes());
        known.map(Self).ok_or_else(|| {
            format!(
                "{:?} is no encoding known here; write utf-8, utf-16le, windows-1252, shift_jis, …",
                preview(label.as_bytes())
            )
        })
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

    #[test]
    fn a_tab_may_be_written_as_a_word() {
        for text in ["tab", "\t"] {
            let delimiter = Delimiter::try_from(text.to_owned()).unwrap();
            assert_eq!((delimiter.0, delimiter.name().as_str()), (b'\t', "tab"));
        }
    }
}
