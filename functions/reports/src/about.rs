//! What a report says about itself: what it is, for whom, when, from which definition, with which parameters.

use jiff::Zoned;
use runtime::Context;
use serde_json::{Map, Value, json};

use crate::{
    definition::{column::Column, report_definition::ReportDefinition, sheet::SheetDefinition},
    input::Format,
    number::row_count,
    query::{bound_report::BoundReport, value::Display},
};

/// Most characters of a parameter's value where only some fit.
const SHORT_VALUE: usize = 40;
/// Most bytes of a file's name without its extension.
const MAX_NAME: usize = 150;
/// Most characters of what tells a report from others in a list.
const MAX_SUMMARY: usize = 200;

/// What a report says about itself.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) title: String,
    pub(crate) description: String,
    /// The name of its definition.
    pub(crate) report: String,
    /// Tells versions of the definition apart.
    pub(crate) digest: String,
    pub(crate) owner: String,
    pub(crate) format: Format,
    /// In the zone on whose clocks its instants are shown.
    pub(crate) made: Zoned,
    pub(crate) parameters: Vec<Parameter>,
    several_sheets: bool,
}

/// A parameter with its value, null where there is none.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) value: Value,
}

impl Parameter {
    /// Its value in words.
    pub(crate) fn text(&self) -> String {
        match &self.value {
            Value::Null => "(none)".to_owned(),
            Value::String(text) if text.is_empty() => "(empty)".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// A sheet that was written.
pub(crate) struct WrittenSheet {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) columns: Vec<Column>,
}

impl About {
    pub(crate) fn new(context: &Context, report: &BoundReport, format: Format, display: &Display) -> Self {
        let definition: &ReportDefinition = &report.definition;
        let parameter = |field: &runtime::form::FormField| Parameter {
            name: field.name.clone(),
            title: field.title.clone(),
            value: report.parameters.get(&field.name).cloned().unwrap_or_default(),
        };
        Self {
            title: definition.title.clone(),
            description: definition.description.clone(),
            report: definition.name.clone(),
            digest: definition.digest.clone(),
            owner: context.owner.clone(),
            format,
            made: jiff::Timestamp::now().to_zoned(display.zone.clone()),
            parameters: definition.parameters.iter().map(parameter).collect(),
            several_sheets: definition.sheets.len() > 1,
        }
    }

    /// The name of the zone on whose clocks instants are shown.
    pub(crate) fn zone(&self) -> &str {
        self.made.time_zone().iana_name().unwrap_or("UTC")
    }

    /// `2026-11-22 05:00:00+01:00`.
    pub(crate) fn made_text(&self) -> String {
        self.made.strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
    }

    /// What it says, as names and values for people; the parameters first.
    pub(crate) fn entries(&self) -> Vec<(String, String)> {
        let parameters = self.parameters.iter().map(|parameter| (parameter.title.clone(), parameter.text()));
        let others = [
            ("Made for", self.owner.clone()),
            ("Made at", self.made_text()),
            ("Time zone", self.zone().to_owned()),
            ("Definition", format!("{}, version {}", self.report, self.digest)),
        ];
        parameters.chain(others.map(|(name, value)| (name.to_owned(), value))).collect()
    }

    /// What tells this report from others of its title: `XLSX · Year: 2015`.
    pub(crate) fn summary(&self) -> String {
        let given = self.parameters.iter().filter(|parameter| !parameter.value.is_null());
        let shown =
            given.map(|parameter| format!("{}: {}", parameter.title, shortened(&parameter.text(), SHORT_VALUE)));
        let parts: Vec<_> = std::iter::once(self.format.as_str().to_uppercase()).chain(shown).collect();
        shortened(&parts.join(" · "), MAX_SUMMARY)
    }

    /// The name of the file: `weather-by-month_year-2015.xlsx`.
    pub(crate) fn file_name(&self) -> String {
        let mut name = self.report.clone();
        for parameter in self.parameters.iter().filter(|parameter| !parameter.value.is_null()) {
            name += &format!("_{}-{}", parameter.name, file_word(&parameter.text()));
        }
        let end = (0..=MAX_NAME.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(end);
        let raw = if self.format == Format::CsvRaw { ".raw" } else { "" };
        let zipped = if self.is_zipped() { ".zip" } else { "" };
        format!("{name}{raw}.{}{zipped}", self.format.extension())
    }

    /// The media type of the file.
    pub(crate) fn content_type(&self) -> &'static str {
        match self.format {
            _ if self.is_zipped() => "application/zip",
            Format::Csv | Format::CsvRaw => "text/csv; charset=utf-8",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Html => "text/html; charset=utf-8",
            Format::Pdf => "application/pdf",
            Format::Jsonl => "application/jsonl",
        }
    }

    /// True if its file is an archive of several.
    pub(crate) fn is_zipped(&self) -> bool {
        self.format.is_bare() && self.several_sheets
    }

    /// All of it for programs, with the sheets that were written: what lies beside files that only hold rows.
    pub(crate) fn json(&self, sheets: &[WrittenSheet]) -> Value {
        let parameters: Map<_, _> =
            self.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value.clone())).collect();
        let column = |column: &Column| json!({ "name": column.name, "title": column.title });
        let sheet = |sheet: &WrittenSheet| {
            let columns: Vec<_> = sheet.columns.iter().map(column).collect();
            json!({ "name": sheet.name, "rows": sheet.rows, "columns": columns })
        };
        json!({
            "title": self.title,
            "description": self.description,
            "report": self.report,
            "definition": self.digest,
            "parameters": parameters,
            "made_for": self.owner,
            "made_at": self.made.timestamp(),
            "time_zone": self.zone(),
            "format": self.format,
            "file": self.file_name(),
            "sheets": sheets.iter().map(sheet).collect::<Vec<_>>(),
        })
    }

    /// The heading of a sheet, where there are several.
    pub(crate) fn heading<'a>(&self, sheet: &'a SheetDefinition) -> Option<&'a str> {
        self.several_sheets.then_some(sheet.title.as_str())
    }
}

/// `12 rows`, or `12 rows on 2 sheets`.
pub(crate) fn rows_text(sheets: &[WrittenSheet]) -> String {
    let rows = row_count(sheets.iter().map(|sheet| sheet.rows).sum());
    if sheets.len() == 1 { rows } else { format!("{rows} on {} sheets", sheets.len()) }
}

/// At most so many characters of a text, with `…` for the rest.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value as a part of a file's name: letters, digits, `.`, `-` and `_` alone.
fn file_word(text: &str) -> String {
    let plain = |letter: char| if letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_') { letter } else { ' ' };
    let words: String = text.chars().take(SHORT_VALUE).map(plain).collect();
    words.split_whitespace().collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(format: Format, parameters: &[(&str, Value)]) -> About {
        let parameter = |(name, value): &(&str, Value)| Parameter {
            name: (*name).to_owned(),
            title: name.to_uppercase(),
            value: value.clone(),
        };
        About {
            title: "T".to_owned(),
            description: String::new(),
            report: "sales".to_owned(),
            digest: "0123456789ab".to_owned(),
            owner: "ada".to_owned(),
            format,
            made: "2026-11-22T05:00:00+01:00[Europe/Berlin]".parse().unwrap(),
            parameters: parameters.iter().map(parameter).collect(),
            several_sheets: false,
        }
    }

    #[test]
    fn a_files_name_tells_what_was_asked_for() {
        for (format, parameters, name) in [
            (Format::Xlsx, vec![], "sales.xlsx"),
            (Format::Csv, vec![("year", json!(2015)), ("state", Value::Null)], "sales_year-2015.csv"),
            (Format::CsvRaw, vec![("q", json!("../Ä b\n/ö"))], "sales_q-..-Ä-b-ö.raw.csv"),
            (Format::Pdf, vec![("q", json!(""))], "sales_q-empty.pdf"),
        ] {
            assert_eq!(about(format, &parameters).file_name(), name);
        }
        let many: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| (name, json!("é".repeat(100)))).into();
        let name = about(Format::Html, &many).file_name();
        assert!(name.len() <= 160 && name.ends_with("é.html"), "{name}");
    }

    #[test]
    fn a_summary_has_the_format_and_what_was_given() {
        let about = about(Format::CsvRaw, &[("a", json!(true)), ("b", Value::Null), ("c", json!("x".repeat(50)))]);
        assert_eq!(about.summary(), format!("CSV-RAW · A: true · C: {}…", "x".repeat(40)));
        assert_eq!((about.made_text().as_str(), about.zone()), ("2026-11-22 05:00:00+01:00", "Europe/Berlin"));
    }
}
