//! The columns that a definition declares.

use std::collections::HashSet;

use regex::bytes::RegexBuilder;
use serde::Deserialize;
use toml::Spanned;

use crate::{
    column::ColumnType,
    column_names,
    definition::{
        check::Check,
        rule::{Bound, Rule},
    },
};

/// Bytes that a compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

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

/// A column as a definition's file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnEntry {
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

impl Check<'_> {
    pub(super) fn columns(&mut self, entries: Vec<Spanned<ColumnEntry>>) -> Vec<DeclaredColumn> {
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
