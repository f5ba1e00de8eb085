//! What a workflow is: its form, its steps, its output. Read from TOML, kept as JSON with each run.

use std::time::Duration;

use model::catalogue::FieldType;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The name of its file without `.toml`; never written in it.
    #[serde(default)]
    pub name: String,
    /// Words for people.
    pub title: String,
    /// More words.
    #[serde(default)]
    pub description: String,
    /// Who may start it: `user:<id>` and `group:<name>`; nobody named means everybody.
    #[serde(default)]
    pub allow: Vec<String>,
    /// What its form asks for.
    #[serde(default, rename = "input")]
    pub inputs: Vec<InputField>,
    /// What is done; the order does not matter.
    #[serde(default, rename = "step")]
    pub steps: Vec<StepDefinition>,
    /// What its result shows besides its steps; may hold references.
    #[serde(default)]
    pub output: Map<String, Value>,
}

/// A field of a workflow's form, and of its input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputField {
    /// What references call it: `input.<name>`.
    pub name: String,
    /// Words for people; its name if there are none.
    #[serde(default)]
    pub title: String,
    /// How it is asked for.
    #[serde(rename = "type", default = "text")]
    pub field_type: FieldType,
    /// What it is where it is not given.
    #[serde(default)]
    pub default: Option<Value>,
    /// Whether it must be given.
    #[serde(default)]
    pub required: bool,
    /// The values that it may have.
    #[serde(default)]
    pub choices: Vec<Value>,
    /// A sentence beside it.
    #[serde(default)]
    pub hint: String,
}

fn text() -> FieldType {
    FieldType::Text
}

/// A step of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDefinition {
    /// What references call it: `steps.<id>`.
    pub id: String,
    /// Words for people; its id if there are none.
    #[serde(default)]
    pub title: String,
    /// A function, `approval`, `wait`, or the name of another workflow.
    pub kind: String,
    /// Whether the kind is another workflow; found out when it is read.
    #[serde(default)]
    pub nested: bool,
    /// The steps that must have ended well before.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Begun also where a step that it needs was skipped; otherwise it is skipped too.
    #[serde(default)]
    pub even_after_skipped: bool,
    /// An expression; false means skipped.
    #[serde(default)]
    pub when: Option<String>,
    /// An expression for a list: the step is done once for each `item` of it.
    #[serde(default)]
    pub for_each: Option<String>,
    /// What the function is given; may hold references.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// How often it is tried.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// How long its end is waited for.
    #[serde(default)]
    pub timeout: Option<Lasting>,
    /// What undoes it when a later step fails or the run is cancelled.
    #[serde(default)]
    pub compensate: Option<Compensation>,
    /// Of an approval: the audience that is asked; may hold references.
    #[serde(default)]
    pub ask: Option<String>,
    /// Of an approval: what is asked; may hold references.
    #[serde(default)]
    pub question: Option<String>,
    /// Of a wait: how long.
    #[serde(default, rename = "for")]
    pub lasts: Option<Lasting>,
    /// Of a wait: until when, a time as RFC 3339 writes it; may hold references.
    #[serde(default)]
    pub until: Option<String>,
}

/// How often a step is tried: each try is a task of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries in all.
    pub attempts: u32,
    /// The pause before the next.
    #[serde(default)]
    pub delay: Lasting,
}

/// A job that undoes a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compensation {
    /// A function.
    pub kind: String,
    /// What it is given; may hold references, also to the step's own output.
    #[serde(default)]
    pub input: Map<String, Value>,
}

/// A duration as people write it: `10s`, `5m`, `12h`, `30d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String")]
pub struct Lasting(#[serde(deserialize_with = "process::quantity::duration")] pub Duration);

impl Lasting {
    /// In milliseconds.
    pub fn milliseconds(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl From<Lasting> for String {
    fn from(lasting: Lasting) -> Self {
        format!("{}ms", lasting.0.as_millis())
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// A job of a function, or of another workflow.
    Job,
    /// Somebody is asked.
    Approval,
    /// Time passes.
    Wait,
}

impl StepDefinition {
    /// What it does.
    pub fn doing(&self) -> Doing {
        match self.kind.as_str() {
            "approval" => Doing::Approval,
            "wait" => Doing::Wait,
            _ => Doing::Job,
        }
    }

    /// The words for people.
    pub fn shown(&self) -> &str {
        if self.title.is_empty() { &self.id } else { &self.title }
    }
}

impl Definition {
    /// Where a step of this id stands.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}
