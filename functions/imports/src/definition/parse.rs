//! Parses and checks one definition: how files of one sort are imported, as an operator wrote it.

use std::{collections::HashSet, ops::Range, sync::Arc};

use regex::bytes::RegexBuilder;
use runtime::{
    catalogue::{Field, FieldType, Offer},
    definitions::{Fault, Source, check_allow},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use crate::{
    column::ColumnType,
    column_names,
    definition::{
        question::Question,
        rejected::RejectedEntry,
        rule::{Bound, Rule},
    },
    input::{Mode, TableName},
    options::FileOptions,
};

/// Bytes that a compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A valid definition.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The name of its file, without `.toml`.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) table: TableName,
    /// Set if other definitions may have the same table.
    pub(crate) shared: bool,
    pub(crate) mode: Mode,
    /// Other modes that an input may choose.
    pub(crate) modes: Vec<Mode>,
    pub(crate) key: Vec<String>,
    pub(crate) allow: Vec<String>,
    pub(crate) file: FileOptions,
    /// Rows that may be rejected before a person is asked, where they are not those of the settings.
    pub(crate) rejected: RejectedEntry,
    /// The options of reading a file that its form asks for.
    pub(crate) ask: Vec<Question>,
    /// The table's columns; if empty, they are inferred from the file.
    pub(crate) columns: Arc<[DeclaredColumn]>,
}

/// A column that a definition declares.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredColumn {
    /// Its name in the table.
    pub(crate) name: String,
    /// Its name in the file.
    pub(crate) from: String,
    pub(crate) column_type: ColumnType,
    pub(crate) rule: Rule,
}

/// The file of a definition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefinitionFile {
    title: String,
    #[serde(default)]
    description: String,
    table: TableName,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    modes: Vec<Mode>,
    key: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    #[serde(default)]
    file: FileOptions,
    rejected: Option<Spanned<RejectedEntry>>,
    #[serde(default)]
    ask: Vec<Spanned<Question>>,
    #[serde(default)]
    column: Vec<Spanned<ColumnEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    name: Spanned<String>,
    from: Option<String>,
    #[serde(rename = "type")]
    column_type: ColumnType,
    #[serde(default)]
    required: bool,
    min: Option<Spanned<toml::Value>>,
    max: Option<Spanned<toml::Value>>,
    pattern: Option<Spanned<String>>,
    default: Option<Spanned<toml::Value>>,
}

impl Definition {
    /// Parses and checks its file.
    pub(crate) fn parse(source: &Source) -> Result<Self, Vec<Fault>> {
        let file: DefinitionFile = source.parse().map_err(|fault| vec![fault])?;
        let mut check = Check { source, faults: Vec::new() };
        let columns = check.columns(file.column);
        let key = check.key(file.key, file.mode, &file.modes, &columns);
        let rejected = check.rejected(file.rejected);
        let allow = file.allow.into_iter().map(|entry| check.allow(entry)).collect();
        let ask = file.ask.into_iter().map(|question| check.ask(question, &file.file)).collect();
        if let Some(reason) = file.file.contradiction() {
            check.fault(0..0, format!("file.{reason}"));
        }
        if !check.faults.is_empty() {
            return Err(check.faults);
        }
        Ok(Self {
            name: source.name.clone(),
            title: file.title,
            description: file.description,
            table: file.table,
            shared: file.shared,
            mode: file.mode,
            modes: file.modes,
            key,
            allow,
            file: file.file,
            rejected,
            ask,
            columns: columns.into(),
        })
    }

    /// The form that starts an import by it.
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
                default: Some(json!(self.mode)),
                required: true,
                choices: [&self.mode].into_iter().chain(others).map(|mode| json!(mode)).collect(),
                hint: String::new(),
            });
        }
        if self.file.sheet.is_none() {
            fields.push(Field {
                path: "sheet".to_owned(),
                title: "Sheet".to_owned(),
                field_type: FieldType::Text,
                default: None,
                required: false,
                choices: Vec::new(),
                hint: "the name of a workbook's sheet, if not the first with values".to_owned(),
            });
        }
        fields.push(Field {
            path: "accept_rejected".to_owned(),
            title: "Import although many rows do not fit".to_owned(),
            field_type: FieldType::Boolean,
            default: Some(json!(false)),
            required: false,
            choices: Vec::new(),
            hint: String::new(),
        });
        fields.extend(self.ask.iter().map(|question| question.field()));
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

/// Checks the parts of a definition, collecting their faults.
struct Check<'a> {
    source: &'a Source,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, at: Range<usize>, reason: impl Into<String>) {
        self.faults.push(self.source.fault_at(at.start, reason));
    }

    fn columns(&mut self, entries: Vec<Spanned<ColumnEntry>>) -> Vec<DeclaredColumn> {
        let (mut names, mut froms) = (HashSet::new(), HashSet::new());
        let mut columns = Vec::with_capacity(entries.len());
        for entry in entries {
            let at = entry.span();
            let Some(column) = self.column(entry.into_inner()) else {
                continue;
            };
            if !names.insert(column.name.to_lowercase()) {
                self.fault(at.clone(), format!("the column {:?} is there twice", column.name));
            }
            if !froms.insert(column.from.clone()) {
                self.fault(at, format!("two columns come from the file's {:?}", column.from));
            }
            columns.push(column);
        }
        columns
    }

    fn column(&mut self, entry: ColumnEntry) -> Option<DeclaredColumn> {
        let faults = self.faults.len();
        let (column_type, name) = (entry.column_type, entry.name.get_ref().clone());
        if column_names::unique_names([name.as_str()].into_iter()) != [name.as_str()] {
            let rule = "it has letters, digits and '_', at most 63 bytes, no digit first";
            self.fault(entry.name.span(), format!("{name:?} is no column name; {rule}"));
        }
        let (min, max) = (self.bound(column_type, entry.min, "min"), self.bound(column_type, entry.max, "max"));
        let pattern = entry.pattern.and_then(|pattern| {
            // The whole value must match, and not a part of it.
            let anchored = format!("^(?:{})$", pattern.get_ref());
            let compiled = RegexBuilder::new(&anchored).size_limit(MAX_PATTERN_BYTES).build();
            compiled.map_err(|error| self.fault(pattern.span(), format!("pattern: {}", last_line(&error)))).ok()
        });
        let mut rule = Rule { required: entry.required, min, max, pattern, ..Rule::default() };
        if let Some(default) = entry.default {
            rule.default = toml_text(default.get_ref()).filter(|text| is_allowed(column_type, &rule, text));
            if rule.default.is_none() {
                let expected = column_type.as_str();
                self.fault(default.span(), format!("default: it is no {expected} that the column may have"));
            }
        }
        let from = entry.from.unwrap_or_else(|| name.clone());
        (self.faults.len() == faults).then_some(DeclaredColumn { name, from, column_type, rule })
    }

    fn bound(&mut self, column_type: ColumnType, value: Option<Spanned<toml::Value>>, field: &str) -> Option<Bound> {
        let value = value?;
        let bound = toml_text(value.get_ref()).and_then(|text| Bound::parse(column_type, &text));
        if bound.is_none() {
            let expected = column_type.as_str();
            let reason = match column_type {
                ColumnType::Integer | ColumnType::Number | ColumnType::Date => format!("{field}: it is no {expected}"),
                _ => format!("{field} is for integer, number and date, not for {expected}"),
            };
            self.fault(value.span(), reason);
        }
        bound
    }

    fn key(
        &mut self,
        key: Option<Spanned<Vec<String>>>,
        mode: Mode,
        modes: &[Mode],
        columns: &[DeclaredColumn],
    ) -> Vec<String> {
        let upserts = mode == Mode::Upsert || modes.contains(&Mode::Upsert);
        let Some(key) = key else {
            if upserts {
                self.fault(0..0, "mode upsert needs a key, the columns that tell rows apart: key = [\"id\"]");
            }
            return Vec::new();
        };
        let (at, key) = (key.span(), key.into_inner());
        if key.is_empty() || !upserts {
            self.fault(at.clone(), "a key names one or more columns, and only mode upsert has one");
        }
        let mut seen = HashSet::new();
        for name in &key {
            if !columns.is_empty() && !columns.iter().any(|column| column.name == *name) {
                self.fault(at.clone(), format!("key: there is no [[column]] of the name {name:?}"));
            }
            if !seen.insert(name) {
                self.fault(at.clone(), format!("key: {name:?} is there twice"));
            }
        }
        key
    }

    fn rejected(&mut self, entry: Option<Spanned<RejectedEntry>>) -> RejectedEntry {
        let Some(entry) = entry else { return RejectedEntry::default() };
        if entry.get_ref().share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            self.fault(entry.span(), "rejected: the share is a number from 0 to 1, such as 0.05");
        }
        entry.into_inner()
    }

    fn ask(&mut self, question: Spanned<Question>, options: &FileOptions) -> Question {
        let at = question.span();
        let question = question.into_inner();
        if question.is_answered(options) {
            self.fault(at, format!("ask: {:?} is said under [file] already", question.path()));
        }
        question
    }

    fn allow(&mut self, entry: Spanned<String>) -> String {
        if let Err(reason) = check_allow(entry.get_ref()) {
            self.fault(entry.span(), reason);
        }
        entry.into_inner()
    }
}

fn is_allowed(column_type: ColumnType, rule: &Rule, text: &str) -> bool {
    let read = column_type.read(text.as_bytes());
    !text.is_empty() && read.is_some_and(|(text, value)| rule.violation(&text, value).is_none())
}

/// A TOML value as the text of a field.
fn toml_text(value: &toml::Value) -> Option<String> {
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
    let message = error.to_string();
    // The lines before the last one draw the pattern.
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
