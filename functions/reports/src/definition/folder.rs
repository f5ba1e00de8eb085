//! Reads and checks the whole folder of definitions when the worker starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use runtime::{
    catalogue::FieldType,
    definitions::{Fault, Faults, Folder, Segment, Source, check_allow},
    form::FormField,
};

use super::{report_definition::ReportDefinition, sql_template::SqlTemplate};

/// The setting of the folder.
pub(crate) const SETTING: &str = "reports.definitions (BELLWIRE_REPORTS__DEFINITIONS)";

/// Reads all definitions of a folder, or returns everything that is wrong with them.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, Arc<ReportDefinition>>, Faults> {
    let folder = Folder::open(SETTING, folder, ["toml", "sql"]);
    folder.read(read_definition, |_| Vec::new())
}

pub(crate) fn read_definition([toml, query]: &[Source; 2]) -> Result<Arc<ReportDefinition>, Vec<Fault>> {
    let sql = SqlTemplate::parse(&query.text).map_err(|error| {
        let (file, line) = (query.file.clone(), Some(error.line));
        Fault { file, line, reason: error.message }
    });
    let (mut definition, sql) = match (toml.parse::<ReportDefinition>(), sql) {
        (Ok(definition), Ok(sql)) => (definition, sql),
        (definition, sql) => return Err(definition.err().into_iter().chain(sql.err()).collect()),
    };
    definition.name.clone_from(&toml.name);
    definition.sql = sql;
    definition.title = definition.title.trim().to_owned();
    for parameter in definition.parameters.iter_mut().filter(|parameter| parameter.title.is_empty()) {
        parameter.title = parameter.name.replace('_', " ");
    }
    let mut check = Check { toml, faults: Vec::new() };
    check.parameters_match_query(&definition, &query.file);
    check.definition(&definition);
    if check.faults.is_empty() { Ok(Arc::new(definition)) } else { Err(check.faults) }
}

/// Collects the faults of one `NAME.toml`.
struct Check<'a> {
    toml: &'a Source,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, path: &[Segment], reason: impl Into<String>) {
        self.faults.push(self.toml.fault_in(path, reason));
    }

    /// Every parameter of the query is declared, and the other way round.
    fn parameters_match_query(&mut self, definition: &ReportDefinition, sql_file: &str) {
        for (name, line) in &definition.sql.parameters {
            if definition.parameters.iter().all(|declared| declared.name != *name) {
                let reason = format!("the parameter :{name} is not declared in {}", self.toml.file);
                self.faults.push(Fault { file: sql_file.to_owned(), line: Some(*line), reason });
            }
        }
        for (index, FormField { name, .. }) in definition.parameters.iter().enumerate() {
            if definition.sql.parameters.iter().all(|(used, _)| used != name) {
                let path = ["parameter".into(), index.into(), "name".into()];
                self.fault(&path, format!("the parameter {name:?} is not used in {sql_file}"));
            }
        }
    }

    fn definition(&mut self, definition: &ReportDefinition) {
        let title = &definition.title;
        if title.is_empty() || title.chars().count() > 120 || title.contains(char::is_control) {
            self.fault(&["title".into()], "the title has 1 to 120 characters");
        }
        for (index, entry) in definition.allow.iter().enumerate() {
            if let Err(reason) = check_allow(entry) {
                self.fault(&["allow".into(), index.into()], reason);
            }
        }
        self.no_duplicates("parameter", definition.parameters.iter().map(|parameter| &parameter.name));
        self.no_duplicates("column", definition.columns.iter().map(|column| &column.name));
        if definition.formats.is_empty() {
            self.fault(&["formats".into()], "formats names at least one of csv, xlsx, html, jsonl");
        }
        for (index, parameter) in definition.parameters.iter().enumerate() {
            self.parameter(index, parameter);
        }
        if let Some(chart) = &definition.chart
            && !(1..=8).contains(&chart.y.len())
        {
            self.fault(&["chart".into(), "y".into()], "y names 1 to 8 columns");
        }
    }

    fn no_duplicates<'s>(&mut self, key: &str, names: impl Iterator<Item = &'s String>) {
        let mut seen = BTreeSet::new();
        for (index, name) in names.enumerate() {
            if !seen.insert(name) {
                let path = [key.into(), index.into(), "name".into()];
                self.fault(&path, format!("the {key} {name:?} is there twice"));
            }
        }
    }

    fn parameter(&mut self, index: usize, parameter: &FormField) {
        let mut faults = parameter.check();
        match parameter.field_type {
            None => faults = vec![(Vec::new(), "missing field `type`".to_owned())],
            Some(FieldType::File) => {
                faults = vec![(vec!["type".into()], "a query takes no parameter of the type file".to_owned())];
            }
            Some(_) => {}
        }
        for (path, reason) in faults {
            let start = ["parameter".into(), index.into()];
            self.fault(&start.into_iter().chain(path).collect::<Vec<_>>(), reason);
        }
    }
}
