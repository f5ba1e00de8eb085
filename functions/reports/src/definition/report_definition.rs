//! One report: what `NAME.toml` declares, and the query of `NAME.sql`.

use runtime::{
    Failure,
    catalogue::{Field, FieldType, Offer},
    form::FormField,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    chart::ChartDefinition,
    column::{Column, ColumnDefinition},
    sql_template::SqlTemplate,
};
use crate::input::Format;

/// A report that can be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportDefinition {
    /// The name of its two files.
    #[serde(skip)]
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) sql: SqlTemplate,
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
    pub(crate) chart: Option<ChartDefinition>,
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

    /// The columns of these names, with the titles and formats that are declared.
    pub(crate) fn columns(&self, names: Vec<String>) -> Vec<Column> {
        let column = |name: String| {
            let declared = self.columns.iter().find(|declared| declared.name == name);
            let title = declared.and_then(|declared| declared.title.clone()).unwrap_or_else(|| name.clone());
            Column { format: declared.and_then(|declared| declared.format), name, title }
        };
        names.into_iter().map(column).collect()
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
