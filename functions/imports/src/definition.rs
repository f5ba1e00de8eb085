//! A definition: what a file of a certain kind becomes, written down by whoever runs the worker.

use std::{collections::HashSet, ops::Range, sync::Arc};

use regex::bytes::RegexBuilder;
use runtime::{
    catalogue::{Field, FieldType, Offer},
    definitions::check_allow,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use crate::{
    column::ColumnType,
    header,
    input::{FileOptions, Mode, TableName},
    rule::{Bound, Rule},
};

/// Bytes that a compiled pattern may have.
const LARGEST_PATTERN: usize = 1 << 20;

/// A definition that was found to be right.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The name of its file, without `.toml`.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) table: TableName,
    pub(crate) mode: Mode,
    /// Those that an input may choose instead.
    pub(crate) modes: Vec<Mode>,
    pub(crate) key: Vec<String>,
    pub(crate) allow: Vec<String>,
    pub(crate) file: FileOptions,
    /// The table's columns; none are found out from the file.
    pub(crate) columns: Arc<[Declared]>,
}

/// A declared column.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    /// Its name in the table.
    pub(crate) name: String,
    /// Its name in the file.
    pub(crate) from: String,
    pub(crate) kind: ColumnType,
    pub(crate) rule: Rule,
}

/// What is wrong, and at which bytes.
pub(crate) type Fault = (Range<usize>, String);

/// As it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: String,
    #[serde(default)]
    description: String,
    table: TableName,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    modes: Vec<Mode>,
    key: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    #[serde(default)]
    file: FileOptions,
    #[serde(default)]
    column: Vec<Spanned<WrittenColumn>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenColumn {
    name: Spanned<String>,
    from: Option<String>,
    #[serde(rename = "type")]
    kind: ColumnType,
    #[serde(default)]
    required: bool,
    min: Option<Spanned<toml::Value>>,
    max: Option<Spanned<toml::Value>>,
    pattern: Option<Spanned<String>>,
    default: Option<Spanned<toml::Value>>,
}

impl Definition {
    /// Reads it from the text of its file.
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, Vec<Fault>> {
        let written: Written = toml::from_str(text)
            .map_err(|error| vec![(error.span().unwrap_or_default(), error.message().to_owned())])?;
        let mut faults = Vec::new();
        let columns = checked_columns(written.column, &mut faults);
        let key = checked_key(written.key, written.mode, &written.modes, &columns, &mut faults);
        let allow = written.allow.into_iter().filter_map(|who| checked_audience(who, &mut faults)).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            name: name.to_owned(),
            title: written.title,
            description: written.description,
            table: written.table,
            mode: written.mode,
            modes: written.modes,
            key,
            allow,
            file: written.file,
            columns: columns.into(),
        })
    }

    /// The form that starts it.
    pub(crate) fn offer(&self) -> Offer {
        let file = Field {
            path: "file".to_owned(),
            title: "File".to_owned(),
            field_type: FieldType::File,
            default: None,
            required: true,
            choices: Vec::new(),
            hint: "CSV, TSV, JSON Lines or XLSX; the text formats also as .gz or .zst".to_owned(),
        };
        let mut fields = vec![file];
        if !self.modes.is_empty() {
            let others = self.modes.iter().filter(|mode| **mode != self.mode);
            fields.push(Field {
                path: "mode".to_owned(),
                title: "What happens to the rows that are there".to_owned(),
                field_type: FieldType::Text,
                default: Some(json!(self.mode.as_str())),
                required: true,
                choices: [&self.mode].into_iter().chain(others).map(|mode| json!(mode.as_str())).collect(),
                hint: String::new(),
            });
        }
        Offer {
            name: self.name.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            allow: self.allow.clone(),
            input: Map::from_iter([("definition".to_owned(), Value::from(self.name.as_str()))]),
            fields,
        }
    }
}

fn checked_columns(written: Vec<Spanned<WrittenColumn>>, faults: &mut Vec<Fault>) -> Vec<Declared> {
    let (mut names, mut froms) = (HashSet::new(), HashSet::new());
    let mut columns = Vec::with_capacity(written.len());
    for column in written {
        let at = column.span();
        let Some(column) = declared(column.into_inner(), faults) else {
            continue;
        };
        if !names.insert(column.name.to_lowercase()) {
            faults.push((at.clone(), format!("the column {:?} is there twice", column.name)));
        }
        if !froms.insert(column.from.clone()) {
            faults.push((at, format!("two columns come from the file's {:?}", column.from)));
        }
        columns.push(column);
    }
    columns
}

fn declared(written: WrittenColumn, faults: &mut Vec<Fault>) -> Option<Declared> {
    let before = faults.len();
    let (kind, name) = (written.kind, written.name.get_ref().clone());
    if header::names([name.as_str()].into_iter()) != [name.as_str()] {
        let why =
            format!("{name:?} is no column name; it has letters, digits and '_', at most 63 bytes, no digit first");
        faults.push((written.name.span(), why));
    }
    let mut bound = |value: Option<Spanned<toml::Value>>, which: &str| {
        let value = value?;
        let read = shown(value.get_ref()).and_then(|text| Bound::read(kind, &text));
        if read.is_none() {
            let why = match kind {
                ColumnType::Integer | ColumnType::Number | ColumnType::Date => {
                    format!("{which}: it is no {}", kind.as_str())
                }
                _ => format!("{which} is for integer, number and date, not for {}", kind.as_str()),
            };
            faults.push((value.span(), why));
        }
        read
    };
    let (min, max) = (bound(written.min, "min"), bound(written.max, "max"));
    let pattern = written.pattern.and_then(|pattern| {
        // Around the whole: a part that matches is not enough.
        let whole = format!("^(?:{})$", pattern.get_ref());
        let compiled = RegexBuilder::new(&whole).size_limit(LARGEST_PATTERN).build();
        compiled.map_err(|error| faults.push((pattern.span(), format!("pattern: {}", last_line(&error))))).ok()
    });
    let mut rule = Rule { required: written.required, min, max, pattern, ..Rule::default() };
    if let Some(default) = written.default {
        match shown(default.get_ref()).filter(|text| is_allowed(kind, &rule, text)) {
            Some(text) => rule.default = Some(text),
            None => {
                faults.push((default.span(), format!("default: it is no {} that the column may have", kind.as_str())))
            }
        }
    }
    let from = written.from.unwrap_or_else(|| name.clone());
    (faults.len() == before).then_some(Declared { name, from, kind, rule })
}

fn is_allowed(kind: ColumnType, rule: &Rule, text: &str) -> bool {
    let read = kind.read(text.as_bytes());
    !text.is_empty() && read.is_some_and(|(text, value)| rule.broken_by(text, value).is_none())
}

/// A value of TOML as a field of a file has it.
fn shown(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Datetime(at) => Some(at.to_string()),
        _ => None,
    }
}

fn last_line(error: &regex::Error) -> String {
    let words = error.to_string();
    // The parser draws a picture first; its last line says what is wrong.
    words.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn checked_key(
    key: Option<Spanned<Vec<String>>>,
    mode: Mode,
    modes: &[Mode],
    columns: &[Declared],
    faults: &mut Vec<Fault>,
) -> Vec<String> {
    let upserts = mode == Mode::Upsert || modes.contains(&Mode::Upsert);
    let Some(key) = key else {
        if upserts {
            faults.push((0..0, "mode upsert needs a key, the columns that tell rows apart: key = [\"id\"]".to_owned()));
        }
        return Vec::new();
    };
    let (at, key) = (key.span(), key.into_inner());
    let mut seen = HashSet::new();
    let mut fault = |why: String| faults.push((at.clone(), why));
    if key.is_empty() || !upserts {
        fault("a key names one or more columns, and only mode upsert has one".to_owned());
    }
    for name in &key {
        if !columns.is_empty() && !columns.iter().any(|column| column.name == *name) {
            fault(format!("key: there is no [[column]] of the name {name:?}"));
        }
        if !seen.insert(name) {
            fault(format!("key: {name:?} is there twice"));
        }
    }
    key
}

fn checked_audience(who: Spanned<String>, faults: &mut Vec<Fault>) -> Option<String> {
    if let Err(reason) = check_allow(who.get_ref()) {
        faults.push((who.span(), reason));
        return None;
    }
    Some(who.into_inner())
}
