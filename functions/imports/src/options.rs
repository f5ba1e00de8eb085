//! The options of reading a file: what is missing is found out.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    moment::DateOrder,
    number::{Decimal, Thousands},
    read::charset::Charset,
    words::{plain_enum, preview},
};

/// Bytes of all words for no value.
const MAX_NULLS_BYTES: usize = 4096;

/// Options of reading a file; what is missing is found out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileOptions {
    /// The format of the file.
    pub format: Option<Format>,
    /// The compression of the file.
    pub compression: Option<Compression>,
    /// The sheet of a workbook; its first one with a value.
    pub sheet: Option<SheetChoice>,
    /// The character between two fields.
    pub delimiter: Option<Delimiter>,
    /// The character around fields with delimiters or line ends in them, or `none`.
    pub quote: Option<Quote>,
    /// The character before a quote within quotes that ends nothing, such as `\`; two quotes are always one.
    pub escape: Option<Mark>,
    /// The character at the beginning of lines that are no rows, such as `#`.
    pub comment: Option<Mark>,
    /// The number of lines before the header.
    pub skip: Option<u32>,
    /// False if the first row is no header; the columns are then `column_1`, ….
    pub header: Option<bool>,
    /// The character before the fraction of numbers.
    pub decimal: Option<Decimal>,
    /// The character between groups of three digits.
    pub thousands: Option<Thousands>,
    /// The order of day, month and year in dates that are not written as `2026-11-22`.
    pub dates: Option<DateOrder>,
    /// Words that stand for no value, such as `NA`.
    pub nulls: Option<NullWords>,
    /// The encoding, such as `utf-8`, `windows-1252` or `cp850`.
    pub encoding: Option<EncodingName>,
}

/// Which sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// The format of a file, once it is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = plain_enum)]
pub enum Format {
    /// Text with delimiters.
    Csv,
    /// Text with tabs between fields.
    Tsv,
    /// JSON Lines: an object or an array on each line.
    Jsonl,
    /// An Excel workbook.
    Xlsx,
}

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// The ASCII character between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

impl From<Delimiter> for String {
    fn from(delimiter: Delimiter) -> Self {
        delimiter.name()
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

/// The ASCII character around a field, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quote(pub Option<u8>);

impl TryFrom<String> for Quote {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "none" => Ok(Self(None)),
            _ => Mark::try_from(text)
                .map(|mark| Self(Some(mark.0)))
                .map_err(|_| "it is one character such as \"'\", or \"none\"".to_owned()),
        }
    }
}

impl From<Quote> for String {
    fn from(quote: Quote) -> Self {
        quote.0.map_or_else(|| "none".to_owned(), |quote| char::from(quote).to_string())
    }
}

/// An ASCII character with a meaning; no letter, digit, blank or line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mark(pub u8);

impl TryFrom<String> for Mark {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_bytes() {
            [byte] if byte.is_ascii_punctuation() => Ok(Self(*byte)),
            _ => Err("it is one character such as \"#\" or \"\\\"".to_owned()),
        }
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        char::from(mark.0).to_string()
    }
}

/// Words that stand for no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct NullWords(pub Vec<String>);

impl TryFrom<Vec<String>> for NullWords {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        let words: Vec<_> = words.into_iter().map(|word| word.trim().to_owned()).collect();
        match words.iter().map(String::len).sum::<usize>() > MAX_NULLS_BYTES || words.len() > 100 {
            true => Err("these are too many words".to_owned()),
            false => Ok(Self(words)),
        }
    }
}

/// An encoding, by a label of the WHATWG Encoding Standard or the name of a DOS code page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EncodingName(pub(crate) Charset);

impl TryFrom<String> for EncodingName {
    type Error = String;

    fn try_from(label: String) -> Result<Self, String> {
        Charset::for_label(&label).map(Self).ok_or_else(|| {
            format!(
                "{:?} is no encoding known here; write utf-8, utf-16le, windows-1252, cp850, macintosh, shift_jis, …",
                preview(label.as_bytes())
            )
        })
    }
}

impl From<EncodingName> for String {
    fn from(encoding: EncodingName) -> Self {
        encoding.0.name()
    }
}

impl FileOptions {
    /// Adds what these leave open from others; `Err` names a field that both set.
    pub(crate) fn or(&self, given: Self) -> Result<Self, &'static str> {
        fn fixed_or_given<T: Clone>(
            fixed: &Option<T>,
            given: Option<T>,
            field: &'static str,
        ) -> Result<Option<T>, &'static str> {
            match (fixed, given) {
                (Some(_), Some(_)) => Err(field),
                (fixed, given) => Ok(given.or_else(|| fixed.clone())),
            }
        }
        Ok(Self {
            format: fixed_or_given(&self.format, given.format, "format")?,
            compression: fixed_or_given(&self.compression, given.compression, "compression")?,
            sheet: fixed_or_given(&self.sheet, given.sheet, "sheet")?,
            delimiter: fixed_or_given(&self.delimiter, given.delimiter, "delimiter")?,
            quote: fixed_or_given(&self.quote, given.quote, "quote")?,
            escape: fixed_or_given(&self.escape, given.escape, "escape")?,
            comment: fixed_or_given(&self.comment, given.comment, "comment")?,
            skip: fixed_or_given(&self.skip, given.skip, "skip")?,
            header: fixed_or_given(&self.header, given.header, "header")?,
            decimal: fixed_or_given(&self.decimal, given.decimal, "decimal")?,
            thousands: fixed_or_given(&self.thousands, given.thousands, "thousands")?,
            dates: fixed_or_given(&self.dates, given.dates, "dates")?,
            nulls: fixed_or_given(&self.nulls, given.nulls, "nulls")?,
            encoding: fixed_or_given(&self.encoding, given.encoding, "encoding")?,
        })
    }

    /// The reason why two of these cannot both be.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let marks = [
            ("delimiter", self.delimiter.map(|delimiter| delimiter.0)),
            ("quote", self.quote.and_then(|quote| quote.0)),
            ("escape", self.escape.map(|escape| escape.0)),
            ("comment", self.comment.map(|comment| comment.0)),
        ];
        for (at, (one, byte)) in marks.iter().enumerate() {
            let same = |(_, other): &&(&str, Option<u8>)| byte.is_some() && other == byte;
            if let Some((other, _)) = marks[..at].iter().find(same) {
                return Some(format!("{one}: it is the same character as {other}"));
            }
        }
        let decimal = self.decimal.map(Decimal::byte);
        (decimal.is_some() && decimal == self.thousands.map(Thousands::byte))
            .then(|| "thousands: it is the same character as decimal".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(fields: serde_json::Value) -> Result<FileOptions, String> {
        serde_json::from_value(fields).map_err(|error| error.to_string())
    }

    #[test]
    fn a_tab_may_be_written_as_a_word() {
        for text in ["tab", "\t"] {
            let delimiter = Delimiter::try_from(text.to_owned()).unwrap();
            assert_eq!((delimiter.0, delimiter.name().as_str()), (b'\t', "tab"));
        }
    }

    #[test]
    fn an_option_that_is_none_is_named() {
        for (field, value, words) in [
            ("quote", json!("''"), "it is one character such as \"'\", or \"none\""),
            ("escape", json!("a"), "it is one character"),
            ("comment", json!("//"), "it is one character"),
            ("decimal", json!(";"), "unknown variant `;`"),
            ("thousands", json!("x"), "unknown variant `x`"),
            ("dates", json!("dym"), "unknown variant `dym`"),
            ("skip", json!(-1), "invalid value"),
            ("nulls", json!(["x".repeat(5000)]), "too many words"),
            ("encoding", json!("klingon"), "\"klingon\" is no encoding"),
        ] {
            let told = options(json!({field: value})).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn two_meanings_of_one_character_are_refused() {
        let told = |fields| options(fields).unwrap().contradiction();
        assert_eq!(
            told(json!({"decimal": ",", "thousands": ","})).unwrap(),
            "thousands: it is the same character as decimal"
        );
        assert_eq!(
            told(json!({"delimiter": "|", "quote": "|"})).unwrap(),
            "quote: it is the same character as delimiter"
        );
        assert_eq!(told(json!({"quote": "none", "escape": "\\", "decimal": ",", "delimiter": ","})), None);
    }
}
