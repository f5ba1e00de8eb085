//! The questions of a definition's form: how to read the file that a person brings.

use runtime::catalogue::{Field, FieldType};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::options::FileOptions;

/// An option of reading a file that a form asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Question {
    Encoding,
    Delimiter,
    Decimal,
    Thousands,
    Dates,
    Header,
    Skip,
    Preview,
}

/// The encodings that a form offers; an input may name any other.
const ENCODINGS: [&str; 22] = [
    "utf-8",
    "utf-16le",
    "windows-1252",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "iso-8859-2",
    "cp437",
    "cp850",
    "cp852",
    "macintosh",
    "koi8-r",
    "shift_jis",
    "euc-jp",
    "gb18030",
    "big5",
    "euc-kr",
    "windows-874",
];

impl Question {
    /// The field of an input that answers it.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Delimiter => "delimiter",
            Self::Decimal => "decimal",
            Self::Thousands => "thousands",
            Self::Dates => "dates",
            Self::Header => "header",
            Self::Skip => "skip",
            Self::Preview => "preview",
        }
    }

    /// True if these options answer it.
    pub(crate) fn is_answered(self, options: &FileOptions) -> bool {
        match self {
            Self::Encoding => options.encoding.is_some(),
            Self::Delimiter => options.delimiter.is_some(),
            Self::Decimal => options.decimal.is_some(),
            Self::Thousands => options.thousands.is_some(),
            Self::Dates => options.dates.is_some(),
            Self::Header => options.header.is_some(),
            Self::Skip => options.skip.is_some(),
            Self::Preview => false,
        }
    }

    /// Its field in a form.
    pub(crate) fn field(self) -> Field {
        let found_out = "Found out if it is left empty";
        let (title, field_type, choices, hint) = match self {
            Self::Encoding => ("Encoding", FieldType::Text, texts(&ENCODINGS), found_out),
            Self::Delimiter => ("Between fields", FieldType::Text, texts(&[",", ";", "tab", "|"]), found_out),
            Self::Decimal => ("Before fractions", FieldType::Text, texts(&[".", ","]), found_out),
            Self::Thousands => ("Between thousands", FieldType::Text, texts(&[",", ".", " ", "'"]), found_out),
            Self::Dates => ("Order of dates", FieldType::Text, texts(&["ymd", "dmy", "mdy"]), found_out),
            Self::Header => ("The first row names the columns", FieldType::Boolean, Vec::new(), found_out),
            Self::Skip => ("Lines before the first row", FieldType::Integer, Vec::new(), found_out),
            Self::Preview => ("Only show how it would be read", FieldType::Boolean, Vec::new(), ""),
        };
        Field {
            path: self.path().to_owned(),
            title: title.to_owned(),
            field_type,
            default: (self == Self::Preview).then_some(json!(false)),
            required: false,
            choices,
            hint: hint.to_owned(),
        }
    }
}

fn texts(choices: &[&str]) -> Vec<Value> {
    choices.iter().map(|choice| json!(choice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::EncodingName;

    #[test]
    fn every_encoding_of_the_form_is_known() {
        for name in ENCODINGS {
            assert!(EncodingName::try_from(name.to_owned()).is_ok(), "{name}");
        }
    }
}
