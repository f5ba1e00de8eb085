//! A workflow as its file declares it: inputs, steps, output. Read from TOML, kept as JSON with each run.

use std::time::Duration;

use runtime::{Priority, form::FormField, policy::RetrySetting};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest duration of a timeout or a wait, in seconds.
pub(crate) const MAX_DURATION: u64 = 366 * 24 * 3600;

/// A workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The name of its file without `.toml`; never written in it.
    #[serde(default)]
    pub name: String,
    /// Shown to users.
    pub title: String,
    /// Shown beside the title.
    #[serde(default)]
    pub description: String,
    /// The users and groups that may start it, `user:<id>` and `group:<name>`; empty allows everybody.
    #[serde(default)]
    pub allow: Vec<String>,
    /// The fields of its form.
    #[serde(default, rename = "input")]
    pub inputs: Vec<FormField>,
    /// Its steps, in any order.
    #[serde(default, rename = "step")]
    pub steps: Vec<StepDefinition>,
    /// Shown in its result besides its steps; may hold references.
    #[serde(default)]
    pub output: Map<String, Value>,
}

/// A step of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDefinition {
    /// Its name in references: `steps.<id>`.
    pub id: String,
    /// Shown to users; by default its id.
    #[serde(default)]
    pub title: String,
    /// A function, `approval`, `wait`, or the name of another workflow.
    pub kind: String,
    /// True if the kind is another workflow; set when the folder is read.
    #[serde(default)]
    pub nested: bool,
    /// The steps that must have succeeded before.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Lets it run although a step that it needs was skipped; otherwise it is skipped too.
    #[serde(default)]
    pub even_after_skipped: bool,
    /// A condition; the step is skipped where it is false.
    #[serde(default)]
    pub when: Option<String>,
    /// An expression for a list: the step is done once for each `item` of it.
    #[serde(default)]
    pub for_each: Option<String>,
    /// The input of the function; may hold references.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// Attempts, each a task of its own; without pauses each follows at once.
    #[serde(default)]
    pub retry: Option<RetrySetting>,
    /// Of its job; that of the run if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Never: a step cannot have it, and the check says what to write instead.
    #[serde(default, skip_serializing)]
    pub unique: Option<Value>,
    /// The same.
    #[serde(default, skip_serializing)]
    pub rate: Option<Value>,
    /// The same.
    #[serde(default, skip_serializing)]
    pub delay: Option<Value>,
    /// The longest wait for its end.
    #[serde(default)]
    pub timeout: Option<HumanDuration>,
    /// Undoes it when a later step fails or the run is cancelled.
    #[serde(default)]
    pub compensate: Option<Compensation>,
    /// Of an approval: the audience that may answer. A reference fills a name in it, as in `group:{{ input.team }}-leads`.
    /// Whoever is among them may answer, the run's owner too.
    #[serde(default)]
    pub ask: Option<String>,
    /// Of an approval: the question; may hold references.
    #[serde(default)]
    pub question: Option<String>,
    /// Of an approval: how many of them must approve; one if missing. One rejection is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<u32>,
    /// Of an approval: lets whoever started the run answer too, if they are asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approval: bool,
    /// Of an approval: the form that is filled in with it; its values are `steps.<id>.answer.<name>`.
    #[serde(default, rename = "field", skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FormField>,
    /// Of an approval: names of inputs that are shown with the question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub show: Vec<String>,
    /// Of an approval: references to files of the run, or lists of them, that those who are asked may read while they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Of an approval: the pause after which they are asked again, each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind: Option<HumanDuration>,
    /// Of an approval: others who are asked as well after a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalation>,
    /// Of a wait: its length.
    #[serde(default, rename = "for")]
    pub wait_for: Option<HumanDuration>,
    /// Of a wait: its end, a time in RFC 3339; may hold references.
    #[serde(default)]
    pub until: Option<String>,
}

/// Others who are asked as well where nobody has decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// How long after the question.
    pub after: HumanDuration,
    /// The audience, as in `ask`.
    pub ask: String,
}

/// A job that undoes a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compensation {
    /// A function.
    pub kind: String,
    /// Its input; may hold references, also to the step's own output.
    #[serde(default)]
    pub input: Map<String, Value>,
}

/// A duration written as `10s`, `5m`, `12h` or `30d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String")]
pub struct HumanDuration(#[serde(deserialize_with = "process::quantity::duration")] pub Duration);

impl HumanDuration {
    /// In milliseconds.
    pub fn milliseconds(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl From<HumanDuration> for String {
    fn from(duration: HumanDuration) -> Self {
        format!("{}ms", duration.0.as_millis())
    }
}

/// The three types of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepType {
    /// A job of a function, or of another workflow.
    Job,
    /// A question that waits for an answer.
    Approval,
    /// A pause.
    Wait,
}

impl StepDefinition {
    /// Its type, by its kind.
    pub fn step_type(&self) -> StepType {
        match self.kind.as_str() {
            "approval" => StepType::Approval,
            "wait" => StepType::Wait,
            _ => StepType::Job,
        }
    }

    /// Its title, or else its id.
    pub fn display_title(&self) -> &str {
        if self.title.is_empty() { &self.id } else { &self.title }
    }
}

impl Definition {
    /// The index of the step of this id.
    pub fn step_index(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}
