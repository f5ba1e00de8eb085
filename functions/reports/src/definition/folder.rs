//! Reads and checks the whole folder of definitions when the worker starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use runtime::definitions::{Fault, Faults, Source, fault_of_allow, fault_of_name, files};
use toml::Spanned;

use super::{parameter::Parameter, report_definition::ReportDefinition, sql_template::SqlTemplate};

/// Reads all definitions of a folder, or returns everything that is wrong with them. Other files are ignored.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, Arc<ReportDefinition>>, Faults> {
    let (mut definitions, mut faults) = (BTreeMap::new(), Vec::new());
    let files = files(folder, &["sql", "toml"]).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    let names: BTreeSet<_> = files.iter().filter_map(|file| Some(file.rsplit_once('.')?.0)).collect();
    for name in names {
        match read_definition(folder, name) {
            Ok(definition) => drop(definitions.insert(name.to_owned(), Arc::new(definition))),
            Err(found) => faults.extend(found),
        }
    }
    Faults::unless_none("reports.definitions (BELLWIRE_REPORTS__DEFINITIONS)", faults).map(|()| definitions)
}

fn read_definition(folder: &Path, name: &str) -> Result<ReportDefinition, Vec<Fault>> {
    let file = format!("{name}.toml");
    if let Some(why) = fault_of_name(name) {
        return Err(vec![Fault { file, line: None, why: why.to_owned() }]);
    }
    let toml = Source::read(folder, &file).map_err(|fault| vec![fault])?;
    let query = Source::read(folder, &format!("{name}.sql")).map_err(|fault| vec![fault])?;
    let sql = SqlTemplate::parse(&query.text).map_err(|error| {
        let (file, line) = (query.file.clone(), Some(error.line));
        Fault { file, line, why: error.message }
    });
    let (mut definition, sql) = match (toml.parse::<ReportDefinition>(), sql) {
        (Ok(definition), Ok(sql)) => (definition, sql),
        (definition, sql) => return Err(definition.err().into_iter().chain(sql.err()).collect()),
    };
    name.clone_into(&mut definition.name);
    definition.sql = sql;
    let mut check = Check { toml: &toml, faults: Vec::new() };
    check.parameters_match_query(&definition, &query.file);
    check.definition(&definition);
    if check.faults.is_empty() { Ok(definition) } else { Err(check.faults) }
}

/// Collects the faults of one `NAME.toml`.
struct Check<'a> {
    toml: &'a Source,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault<T>(&mut self, value: &Spanned<T>, why: impl Into<String>) {
        self.faults.push(self.toml.fault_at(value.span().start, why));
    }

    /// Every parameter of the query is declared, and the other way round.
    fn parameters_match_query(&mut self, definition: &ReportDefinition, sql_file: &str) {
        for (name, line) in &definition.sql.parameters {
            if definition.parameters.iter().all(|declared| declared.name.get_ref() != name) {
                let why = format!("the parameter :{name} is not declared in {}", self.toml.file);
                self.faults.push(Fault { file: sql_file.to_owned(), line: Some(*line), why });
            }
        }
        for declared in &definition.parameters {
            let name = declared.name.get_ref();
            if definition.sql.parameters.iter().all(|(used, _)| used != name) {
                self.fault(&declared.name, format!("the parameter {name:?} is not used in {sql_file}"));
            }
        }
    }

    fn definition(&mut self, definition: &ReportDefinition) {
        let title = definition.title();
        if title.is_empty() || title.chars().count() > 120 || title.contains(char::is_control) {
            self.fault(&definition.title, "the title has 1 to 120 characters");
        }
        for entry in &definition.allow {
            if let Some(why) = fault_of_allow(entry.get_ref()) {
                self.fault(entry, why);
            }
        }
        self.no_duplicates(definition.parameters.iter().map(|parameter| &parameter.name), "parameter");
        self.no_duplicates(definition.columns.iter().map(|column| &column.name), "column");
        if let Some(formats) = definition.formats.as_ref().filter(|formats| formats.get_ref().is_empty()) {
            self.fault(formats, "formats names at least one of csv, xlsx, html, jsonl");
        }
        for parameter in &definition.parameters {
            self.parameter(parameter);
        }
        if let Some(chart) = &definition.chart
            && !(1..=8).contains(&chart.y.get_ref().as_slice().len())
        {
            self.fault(&chart.y, "y names 1 to 8 columns");
        }
    }

    fn no_duplicates<'s>(&mut self, names: impl Iterator<Item = &'s Spanned<String>>, kind: &str) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.get_ref()) {
                self.fault(name, format!("the {kind} {:?} is there twice", name.get_ref()));
            }
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        let faults_before = self.faults.len();
        for (value, key) in parameter
            .choices
            .iter()
            .map(|choice| (choice, "choices"))
            .chain(parameter.default.iter().map(|value| (value, "default")))
        {
            if let Err(why) = parameter.bind_value(&value.get_ref().0) {
                self.fault(value, format!("{key}: {why}"));
            }
        }
        if let Some(default) = &parameter.default
            && let Err(why) = parameter.bind(None)
            && self.faults.len() == faults_before
        {
            self.fault(default, format!("default: {why}"));
        }
    }
}
