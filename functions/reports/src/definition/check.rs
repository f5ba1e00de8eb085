//! Checks one definition: each fault has its file and line.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use runtime::{
    catalogue::FieldType,
    definitions::{Fault, Segment, Source, check_allow, check_name},
    form::FormField,
};

use super::{
    chart::ChartDefinition,
    column::ColumnDefinition,
    report_definition::ReportDefinition,
    sheet::{SheetDefinition, check_sheet_name},
};

/// The most sheets of a report.
const MAX_SHEETS: usize = 50;

/// Collects the faults of one `NAME.toml`, and of the query beside it.
pub(super) struct Check<'a> {
    pub(super) toml: &'a Source,
    pub(super) sql_file: &'a str,
    pub(super) faults: Vec<Fault>,
}

impl Check<'_> {
    pub(super) fn fault(&mut self, path: &[Segment], reason: impl Into<String>) {
        self.faults.push(self.toml.fault_in(path, reason));
    }

    pub(super) fn sql_fault(&mut self, line: usize, reason: String) {
        self.faults.push(Fault { file: self.sql_file.to_owned(), line: Some(line), reason });
    }

    /// Every parameter of the queries is declared, and the other way round.
    pub(super) fn parameters_match_queries(&mut self, definition: &ReportDefinition) {
        let used: Vec<_> = definition.sheets.iter().flat_map(|sheet| &sheet.sql.parameters).collect();
        let mut seen = BTreeSet::new();
        for (name, line) in used.iter().filter(|(name, _)| seen.insert(name)) {
            if definition.parameters.iter().all(|declared| declared.name != *name) {
                self.sql_fault(*line, format!("the parameter :{name} is not declared in {}", self.toml.file));
            }
        }
        for (index, FormField { name, .. }) in definition.parameters.iter().enumerate() {
            if used.iter().all(|(used, _)| used != name) && !definition.sheets.is_empty() {
                let path = ["parameter".into(), index.into(), "name".into()];
                self.fault(&path, format!("the parameter {name:?} is not used in {}", self.sql_file));
            }
        }
    }

    pub(super) fn definition(&mut self, definition: &mut ReportDefinition) {
        let title = &definition.title;
        if title.is_empty() || title.chars().count() > 120 || title.contains(char::is_control) {
            self.fault(&["title".into()], "the title has 1 to 120 characters");
        }
        for (index, entry) in definition.allow.iter().enumerate() {
            if let Err(reason) = check_allow(entry) {
                self.fault(&["allow".into(), index.into()], reason);
            }
        }
        if let Some(name) = &definition.time_zone {
            match TimeZone::get(name) {
                Ok(zone) => definition.zone = Some(zone),
                Err(_) => self.fault(&["time_zone".into()], format!("{name:?} is no time zone, such as Europe/Berlin")),
            }
        }
        self.no_duplicates(&["parameter".into()], definition.parameters.iter().map(|parameter| &parameter.name));
        if definition.formats.is_empty() {
            self.fault(&["formats".into()], "formats names at least one of csv, xlsx, html, pdf, jsonl, csv-raw");
        }
        for (index, parameter) in definition.parameters.iter().enumerate() {
            self.parameter(index, parameter);
        }
        self.shown(&[], definition.chart.as_ref(), &definition.columns);
        if !definition.sheets.is_empty() {
            for (key, is_there) in [("chart", definition.chart.is_some()), ("column", !definition.columns.is_empty())] {
                if is_there {
                    self.fault(&[key.into()], format!("with [[sheet]] a {key} is one of a sheet: [sheet.{key}]"));
                }
            }
            self.sheets(&mut definition.sheets);
        }
    }

    fn sheets(&mut self, sheets: &mut [SheetDefinition]) {
        if sheets.len() > MAX_SHEETS {
            self.fault(&["sheet".into()], format!("a report has {MAX_SHEETS} sheets at most"));
        }
        self.no_duplicates(&["sheet".into()], sheets.iter().map(|sheet| &sheet.name));
        let mut titles = BTreeSet::new();
        for (index, sheet) in sheets.iter_mut().enumerate() {
            let path = |key: &str| ["sheet".into(), index.into(), key.into()];
            if let Err(reason) = check_name(&sheet.name) {
                self.fault(&path("name"), reason);
            }
            if sheet.title.is_empty() {
                sheet.title.clone_from(&sheet.name);
            }
            match check_sheet_name(&sheet.title) {
                Ok(()) if !titles.insert(sheet.title.to_lowercase()) => {
                    self.fault(&path("title"), format!("the title {:?} is there twice", sheet.title));
                }
                Ok(()) => {}
                Err(reason) => self.fault(&path("title"), reason),
            }
            self.shown(&["sheet".into(), index.into()], sheet.chart.as_ref(), &sheet.columns);
        }
    }

    /// The chart and columns that stand at a path.
    fn shown(&mut self, path: &[Segment], chart: Option<&ChartDefinition>, columns: &[ColumnDefinition]) {
        self.no_duplicates(&[path, &["column".into()]].concat(), columns.iter().map(|column| &column.name));
        if let Some(chart) = chart
            && !(1..=8).contains(&chart.y.len())
        {
            self.fault(&[path, &["chart".into(), "y".into()]].concat(), "y names 1 to 8 columns");
        }
    }

    fn no_duplicates<'s>(&mut self, path: &[Segment], names: impl Iterator<Item = &'s String>) {
        let mut seen = BTreeSet::new();
        let Some(Segment::Key(key)) = path.last() else { return };
        for (index, name) in names.enumerate() {
            if !seen.insert(name) {
                let path = [path, &[index.into(), "name".into()]].concat();
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
