//! The folder of definitions, read and checked whole when the worker starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::Path,
};

use toml::{Spanned, Value};

use crate::{
    definition::{Chart, Definition, Hint},
    input::Format,
    parameter::Parameter,
    sql::Sql,
    written::{OneOrMore, Written, WrittenChart, WrittenParameter},
};

/// Most bytes of one file; larger ones are no definition.
const LARGEST: u64 = 1024 * 1024;

/// Something wrong with a definition: its file's name, the line, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Such as `sales.toml`.
    pub file: String,
    /// From 1, where it is known.
    pub line: Option<usize>,
    /// Why.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Reads all definitions of a folder, or says everything that is wrong with them. Files of other endings are left alone.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Definition>, Vec<Problem>> {
    let unreadable = |error: io::Error| vec![whole_file("the folder", format!("it cannot be read: {error}"))];
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "sql" || ending == "toml") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    let (mut definitions, mut problems) = (BTreeMap::new(), Vec::new());
    for name in names {
        match definition(folder, &name) {
            Ok(definition) => drop(definitions.insert(name, definition)),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(definitions) } else { Err(problems) }
}

fn whole_file(file: &str, message: impl Into<String>) -> Problem {
    Problem { file: file.to_owned(), line: None, message: message.into() }
}

fn content(folder: &Path, file: &str) -> Result<String, Problem> {
    let path = folder.join(file);
    let found = fs::metadata(&path).and_then(|metadata| match metadata.len() {
        length if length > LARGEST => Err(io::Error::other("it is larger than 1 MiB")),
        _ => fs::read_to_string(&path),
    });
    found.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => whole_file(file, "it is missing; a report is NAME.sql and NAME.toml"),
        io::ErrorKind::InvalidData => whole_file(file, "it is not UTF-8"),
        _ => whole_file(file, format!("it cannot be read: {error}")),
    })
}

fn definition(folder: &Path, name: &str) -> Result<Definition, Vec<Problem>> {
    let (toml, sql) = (format!("{name}.toml"), format!("{name}.sql"));
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if name.len() > 64 || !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(is_plain) {
        let why = "a report's name has 1 to 64 of a-z, 0-9, '-' and '_', and begins with a letter";
        return Err(vec![whole_file(&toml, why)]);
    }
    let text = content(folder, &toml).map_err(|problem| vec![problem])?;
    let query = content(folder, &sql).map_err(|problem| vec![problem])?;
    let mut reading = Reading { toml: &toml, text: &text, problems: Vec::new() };
    let written = reading.parse();
    let query = Sql::read(&query).map_err(|problem| {
        let (file, line) = (sql.clone(), Some(problem.line));
        reading.problems.push(Problem { file, line, message: problem.message });
    });
    let (Some(written), Ok(query)) = (written, query) else {
        return Err(reading.problems);
    };
    reading.compare(&written, &query, &sql);
    let definition = reading.check(name, written, query);
    if reading.problems.is_empty() { Ok(definition) } else { Err(reading.problems) }
}

/// One `NAME.toml` and what was found wrong so far.
struct Reading<'a> {
    toml: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn problem(&mut self, at: usize, message: impl Into<String>) {
        let line = 1 + self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count();
        self.problems.push(Problem { file: self.toml.to_owned(), line: Some(line), message: message.into() });
    }

    fn parse(&mut self) -> Option<Written> {
        match toml::from_str(self.text) {
            Ok(written) => Some(written),
            Err(error) => {
                self.problem(error.span().map_or(0, |span| span.start), error.message().replace('\n', " "));
                None
            }
        }
    }

    /// Every parameter of the query is declared, and the other way round.
    fn compare(&mut self, written: &Written, query: &Sql, sql: &str) {
        for (name, line) in &query.names {
            if written.parameter.iter().all(|declared| declared.name.get_ref() != name) {
                let message = format!("the parameter :{name} is not declared in {}", self.toml);
                self.problems.push(Problem { file: sql.to_owned(), line: Some(*line), message });
            }
        }
        for declared in &written.parameter {
            let name = declared.name.get_ref();
            if query.names.iter().all(|(used, _)| used != name) {
                self.problem(declared.name.span().start, format!("the parameter {name:?} is not used in {sql}"));
            }
        }
    }

    fn check(&mut self, name: &str, written: Written, sql: Sql) -> Definition {
        let title = written.title.get_ref().trim();
        if title.is_empty() || title.chars().count() > 120 || title.contains(char::is_control) {
            self.problem(written.title.span().start, "the title has 1 to 120 characters");
        }
        for entry in &written.allow {
            if !matches!(entry.get_ref().split_once(':'), Some(("user" | "group", who)) if !who.is_empty()) {
                let message = format!("{:?} is neither user:ID nor group:NAME", entry.get_ref());
                self.problem(entry.span().start, message);
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
                self.problem(name.span().start, format!("the {what} {:?} is there twice", name.get_ref()));
            }
        }
    }

    fn formats(&mut self, written: Option<Spanned<Vec<Format>>>) -> Vec<Format> {
        match written {
            None => Format::ALL.to_vec(),
            Some(formats) if formats.get_ref().is_empty() => {
                self.problem(formats.span().start, "formats names at least one of csv, xlsx, html, jsonl");
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
                self.problem(at, format!("{what}: {why}"));
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
        if let (Some(at), Err(why), true) = (at, parameter.read(None), self.problems.is_empty()) {
            self.problem(at, format!("default: {why}"));
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
            self.problem(at, "y names 1 to 8 columns");
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
