//! Descriptions of functions, from which a page makes forms and the API a schema.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{environment::Kind, policy::Policies, schedule::Schedule};

/// The most characters of a text value.
const MAX_TEXT: usize = 16 * 1024;
/// The most characters of a value that an error message shows.
const MAX_SHOWN: usize = 60;

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
    /// How its jobs are treated.
    #[serde(default, skip_serializing_if = "Policies::is_empty")]
    pub policies: Policies,
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

impl Field {
    /// The name of its value: the end of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }
}

impl FieldType {
    /// Checks that a value is of this type; of a file only that it is a text.
    pub fn check(self, value: &Value) -> Result<(), String> {
        let text = value.as_str();
        let (fits, expected) = match self {
            Self::Text if text.is_some_and(|text| text.contains('\0')) => (false, "a text without null characters"),
            Self::Text if text.is_some_and(|text| text.chars().count() > MAX_TEXT) => {
                return Err(format!("the text is longer than {MAX_TEXT} characters"));
            }
            Self::Text => (text.is_some(), "a text"),
            Self::Integer => (value.is_i64(), "a whole number of 64 bits"),
            Self::Number => (value.is_number(), "a number"),
            Self::Boolean => (value.is_boolean(), "true or false"),
            Self::Date => (text.is_some_and(is_date), "a day; write it like 2026-11-22"),
            Self::Month => (text.is_some_and(|text| is_date(&format!("{text}-01"))), "a month; write it like 2026-11"),
            Self::File => (text.is_some(), "the key of an uploaded file"),
        };
        if fits { Ok(()) } else { Err(format!("{} is not {expected}", shown(value))) }
    }
}

/// Checks that a value is one of these choices, if there are any.
pub fn check_choice(choices: &[Value], value: &Value) -> Result<(), String> {
    if choices.is_empty() || choices.iter().any(|choice| is_same(choice, value)) {
        return Ok(());
    }
    let choices: Vec<_> = choices.iter().map(shown).collect();
    Err(format!("{} is none of its choices: {}", shown(value), choices.join(", ")))
}

/// 2 and 2.0 are the same choice.
fn is_same(choice: &Value, value: &Value) -> bool {
    choice == value || choice.as_f64().is_some_and(|number| value.as_f64() == Some(number))
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok_and(|date| date.to_string() == text)
}

/// A value as an error message shows it.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
