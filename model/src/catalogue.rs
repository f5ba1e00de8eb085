//! Descriptions of functions, from which a page makes forms and the API a schema.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{environment::Kind, schedule::Schedule};

/// A kind of function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its kind.
    pub kind: Kind,
    /// Its title for people.
    pub title: String,
    /// The JSON Schema of its input.
    pub input: Value,
    /// The things that can be started by a form, such as each report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// What starts by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
}

/// True if an [`Offer::allow`] list allows this user.
pub fn allows(allow: &[String], user: &str, groups: &[String]) -> bool {
    allow.is_empty()
        || allow.iter().any(|each| match each.split_once(':') {
            Some(("user", id)) => id == user,
            Some(("group", name)) => groups.iter().any(|group| group == name),
            _ => false,
        })
}

/// Something that can be started by filling in a form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// Its name among the offers of its kind.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// A longer text for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The users who may start it: `user:<id>` and `group:<name>`; empty means everyone. The worker checks it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// The part of the input that is always the same, such as `{"report": "sales"}`.
    pub input: Map<String, Value>,
    /// The fields of the form, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The path of its value in the input: names with dots between them, such as `parameters.month`.
    pub path: String,
    /// Its label for people.
    pub title: String,
    /// Its control; the value's JSON type follows from it.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Its initial value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// True if it must be filled in.
    #[serde(default)]
    pub required: bool,
    /// The values to choose from, if it is one of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
    /// A sentence shown beside it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// The control of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// A line of text; a string.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Yes or no; true or false.
    Boolean,
    /// A day; `2026-11-22`.
    Date,
    /// A month; `2026-11`.
    Month,
    /// A file, uploaded first; its key.
    File,
}
