//! What a function's worker says of itself, so that a page can show a form and the API a schema.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::environment::Kind;

/// A kind of function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its kind.
    pub kind: Kind,
    /// Words for people.
    pub title: String,
    /// The JSON Schema of its input.
    pub input: Value,
    /// What of it can be started by a form, such as each report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
}

/// Whether a definition that says who may start it lets somebody; see [`Offer::allow`].
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
    /// Words for people.
    pub title: String,
    /// More words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who may start it: `user:<id>` and `group:<name>`; nobody named means everybody. The worker checks it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// The part of the input that is always the same, such as `{"report": "sales"}`.
    pub input: Map<String, Value>,
    /// What the form asks for, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Where its value goes in the input: names with dots between them, such as `parameters.month`.
    pub path: String,
    /// Words for people.
    pub title: String,
    /// How it is asked for; the value's JSON type follows from it.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// What it begins as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether it must be filled in.
    #[serde(default)]
    pub required: bool,
    /// The values to choose from, if it is one of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
    /// A sentence beside it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// How a field is asked for.
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
