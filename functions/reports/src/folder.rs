//! The folder of definitions, read and checked whole when the worker starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use runtime::definitions::{Fault, Faults, Folder, Source, check_allow};
use toml::{Spanned, Value};

use crate::{
    definition::{Chart, Definition, Hint},
    input::Format,
    parameter::Parameter,
    sql::Sql,
    written::{OneOrMore, Written, WrittenChart, WrittenParameter},
};

/// Reads all definitions of a folder, or says everything that is wrong with them. Files of other endings are left alone.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Definition>, Faults> {
    let folder = Folder::open("reports.definitions (BELLWIRE_REPORTS__DEFINITIONS)", folder, ["toml", "sql"]);
    folder.read(definition, |_| Vec::new())
}

fn definition([toml, query]: &[Source; 2]) -> Result<Definition, Vec<Fault>> {
    let mut reading = Reading { toml, faults: Vec::new() };
    let written = toml.parse().map_err(|fault| reading.faults.push(fault));
    let sql = Sql::read(&query.text).map_err(|problem| {
        let (file, line) = (query.file.clone(), Some(problem.line));
        reading.faults.push(Fault { file, line, reason: problem.message });
    });
    let (Ok(written), Ok(sql)) = (written, sql) else {
        return Err(reading.faults);
    };
    reading.compare(&written, &sql, &query.file);
    let definition = reading.check(&toml.name, written, sql);
    if reading.faults.is_empty() { Ok(definition) } else { Err(reading.faults) }
}

/// One `NAME.toml` and what was found wrong so far.
struct Reading<'a> {
    toml: &'a Source,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn fault(&mut self, at: usize, why: impl Into<String>) {
        self.faults.push(self.toml.fault_at(at, why));
    }

    /// Every parameter of the query is declared, and the other way round.
    fn compare(&mut self, written: &Written, query: &Sql, sql: &str) {
        for (name, line) in &query.names {
            if written.parameter.iter().all(|declared| declared.name.get_ref() != name) {
                let reason = format!("the parameter :{name} is not declared in {}", self.toml.file);
                self.faults.push(Fault { file: sql.to_owned(), line: Some(*line), reason });
            }
        }
        for declared in &written.parameter {
            let name = declared.name.get_ref();
            if query.names.iter().all(|(used, _)| used != name) {
                self.fault(declared.name.span().start, format!("the parameter {name:?} is not used in {sql}"));
            }
        }
    }

    fn check(&mut self, name: &str, written: Written, sql: Sql) -> Definition {
        let title = written.title.get_ref().trim();
        if title.is_empty() || title.chars().count() > 120 || title.contains(char::is_control) {
            self.fault(written.title.span().start, "the title has 1 to 120 characters");
        }
        for entry in &written.allow {
            if let Err(why) = check_allow(entry.get_ref()) {
                self.fault(entry.span().start, why);
            }
        }
        self.twice(written.parameter.iter().map(|parameter| &parameter.name), "parameter");
        self.twice(written.column.iter().map(|column| &column.name), "column");
        Definition {
            name: name.to_owned(),
            title: title.to_owned(),
            formats: self.formats(written.formats),
            parameters: written.parameter.into_iter().map(|parameter| self.parameter(parameter)).collect(),
            chart: written.chart.map(|chart| self.chart(chart)),
            description: written.description,
            allow: written.allow.into_iter().map(Spanned::into_inner).collect(),
            columns: written
                .column
                .into_iter()
                .map(|column| Hint { name: column.name.into_inner(), title: column.title, format: column.format })
                .collect(),
            sql,
        }
    }

    fn twice<'s>(&mut self, names: impl Iterator<Item = &'s Spanned<String>>, what: &str) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.get_ref()) {
                self.fault(name.span().start, format!("the {what} {:?} is there twice", name.get_ref()));
            }
        }
    }

    fn formats(&mut self, written: Option<Spanned<Vec<Format>>>) -> Vec<Format> {
        match written {
            None => Format::ALL.to_vec(),
            Some(formats) if formats.get_ref().is_empty() => {
                self.fault(formats.span().start, "formats names at least one of csv, xlsx, html, jsonl");
                Vec::new()
            }
            Some(formats) => formats.into_inner(),
        }
    }

    fn parameter(&mut self, written: WrittenParameter) -> Parameter {
        let kind = written.parameter_type;
        let mut value = |value: Spanned<Value>, what: &str| {
            let (at, json) = (value.span().start, json(value.into_inner()));
            if let Err(why) = kind.read(&json) {
                self.fault(at, format!("{what}: {why}"));
            }
            json
        };
        let choices: Vec<_> = written.choices.into_iter().map(|choice| value(choice, "choices")).collect();
        let at = written.default.as_ref().map(|default| default.span().start);
        let default = written.default.map(|default| value(default, "default"));
        let name = written.name.into_inner();
        let title = written.title.unwrap_or_else(|| name.replace('_', " "));
        let (hint, required) = (written.hint, written.required);
        let parameter = Parameter { name, title, hint, parameter_type: kind, default, required, choices };
        if let (Some(at), Err(why), true) = (at, parameter.read(None), self.faults.is_empty()) {
            self.fault(at, format!("default: {why}"));
        }
        parameter
    }

    fn chart(&mut self, written: WrittenChart) -> Chart {
        let at = written.y.span().start;
        let y = match written.y.into_inner() {
            OneOrMore::One(name) => vec![name],
            OneOrMore::More(names) => names,
        };
        if y.is_empty() || y.len() > 8 {
            self.fault(at, "y names 1 to 8 columns");
        }
        Chart { chart_type: written.chart_type, x: written.x, y }
    }
}

/// A day may be written without quotes.
fn json(value: Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(truth) => truth.into(),
        Value::Datetime(day) => day.to_string().into(),
        Value::Array(values) => values.into_iter().map(json).collect(),
        Value::Table(table) => table.into_iter().map(|(name, value)| (name, json(value))).collect(),
    }
}
