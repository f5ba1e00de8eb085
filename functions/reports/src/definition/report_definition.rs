//! One report: what `NAME.toml` declares, and the queries of `NAME.sql`.

use jiff::tz::TimeZone;
use runtime::{
    Failure,
    catalogue::{Field, FieldType, Offer},
    form::FormField,
};
use serde::Deserialize;
use serde_json::json;

use super::{chart::ChartDefinition, column::ColumnDefinition, sheet::SheetDefinition};
use crate::input::Format;

/// A report that can be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportDefinition {
    /// The name of its two files.
    #[serde(skip)]
    pub(crate) name: String,
    /// The beginning of a digest of its two files.
    #[serde(skip)]
    pub(crate) digest: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) description: String,
    /// All where it is missing; the first is the default.
    #[serde(default = "Format::all")]
    pub(super) formats: Vec<Format>,
    /// The users and groups that may have it; all if empty.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    /// In the order of the form.
    #[serde(default, rename = "parameter")]
    pub(crate) parameters: Vec<FormField>,
    /// The zone on whose clocks instants are shown; `reports.time_zone` where it is missing.
    #[serde(default)]
    pub(super) time_zone: Option<String>,
    #[serde(skip)]
    pub(crate) zone: Option<TimeZone>,
    /// At least one, once the definition was read.
    #[serde(default, rename = "sheet")]
    pub(crate) sheets: Vec<SheetDefinition>,
    /// Of the only sheet, which has them once the definition was read.
    pub(super) chart: Option<ChartDefinition>,
    #[serde(default, rename = "column")]
    pub(super) columns: Vec<ColumnDefinition>,
}

impl ReportDefinition {
    /// The requested format, or the default one.
    pub(crate) fn format(&self, requested: Option<Format>) -> Result<Format, Failure> {
        match requested {
            None => Ok(self.formats[0]),
            Some(format) if self.formats.contains(&format) => Ok(format),
            Some(format) => {
                let offered: Vec<_> = self.formats.iter().map(|format| format.as_str()).collect();
                let (name, offered) = (&self.name, offered.join(", "));
                Err(Failure::input(format!("format: the report {name} is not made as {format}, but as {offered}")))
            }
        }
    }

    /// The form that starts this report: a field for each parameter and one for the format.
    pub(crate) fn offer(&self) -> Offer {
        let mut fields: Vec<_> = self.parameters.iter().map(|parameter| parameter.offer("parameters")).collect();
        fields.push(Field {
            path: "format".to_owned(),
            title: "Format".to_owned(),
            field_type: FieldType::Text,
            default: Some(json!(self.formats[0])),
            required: true,
            choices: self.formats.iter().map(|format| json!(format)).collect(),
            hint: String::new(),
        });
        Offer {
            name: self.name.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            allow: self.allow.clone(),
            input: [("report".to_owned(), json!(self.name))].into_iter().collect(),
            fields,
        }
    }
}
