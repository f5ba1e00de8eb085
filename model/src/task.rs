//! A task as events tell it: who asked for what, and how far it has come.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::environment::{Environment, Kind};

/// A task's id: a ULID, 26 digits of Crockford's base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(ulid::Ulid);

/// A text that is no task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task id is 26 letters and digits, as the gateway gave it")]
pub struct TaskIdError;

impl TaskId {
    /// A new one.
    pub fn new() -> Self {
        Self(ulid::Ulid::generate())
    }

    /// The one that belongs to a caller's own key, so that every pod derives the same.
    pub fn derived(environment: &Environment, owner: &str, key: &str) -> Self {
        // A cryptographic hash: nobody may choose a key whose task is somebody else's.
        let text = format!("{environment}\0{owner}\0{key}");
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(ulid::Ulid::from(u128::from_be_bytes(half)))
    }
}

impl Default for TaskId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, TaskIdError> {
        let id = ulid::Ulid::from_string(text).map_err(|_| TaskIdError)?;
        Ok(Self(id))
    }
}

impl TryFrom<String> for TaskId {
    type Error = TaskIdError;

    fn try_from(text: String) -> Result<Self, TaskIdError> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

/// How far a task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// A worker will take it.
    Queued,
    /// A worker has it.
    Running,
    /// Done; its effect is there.
    Succeeded,
    /// Given up; `error` says why.
    Failed,
    /// Its owner took it back.
    Cancelled,
}

impl TaskState {
    /// Whether nothing more is to come.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The state as it is written: `queued`, `running`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a task failed: a word for programs and words for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// One word, such as `input`, `deadline`, `panic`, `unavailable`.
    pub reason: String,
    /// What the person reads.
    pub message: String,
}

/// A task as an event tells it and as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Which function does it.
    pub kind: Kind,
    /// Words for people.
    pub title: String,
    /// How far it has come.
    pub state: TaskState,
    /// From 0.0 to 1.0.
    #[serde(default)]
    pub progress: f64,
    /// Which attempt speaks; the gateway's words are attempt 0, the first worker's attempt 1.
    #[serde(default)]
    pub attempt: u32,
    /// Rises within an attempt.
    #[serde(default)]
    pub sequence: u32,
    /// Who asked for it: a user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When this was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    /// What came of it; `href` is a link to more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
    /// The run of a workflow that it is a step of; such a task's words are for that run's graph, not for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// Where it is a workflow's run: its steps, each time all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Until when something more is heard of it, if its worker lives; a running task that is silent beyond it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_by: Option<Timestamp>,
}

/// Whether a text can be a step's id: 1 to 64 of a-z, 0-9, '_' and '-'.
pub fn is_step_id(id: &str) -> bool {
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    !id.is_empty() && id.len() <= 64 && plain
}

/// How far a step of a workflow has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// For the steps that it needs.
    Waiting,
    /// Its job is queued or runs, or its time has not come.
    Running,
    /// Somebody was asked and has not answered.
    Asked,
    /// Done.
    Succeeded,
    /// It failed, or was rejected.
    Failed,
    /// Its condition was not met, or a step that it needs was skipped.
    Skipped,
    /// The run ended before it did.
    Cancelled,
    /// Done, and undone after a later step had failed.
    Compensated,
}

/// One step of a workflow's run, as its graph shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its id in the definition.
    pub id: String,
    /// Words for people; the id if the definition has none.
    pub title: String,
    /// Which function, `approval`, `wait`, or the name of another workflow.
    pub kind: String,
    /// The steps that must have succeeded before: their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// How far it has come.
    pub state: StepState,
    /// From 0.0 to 1.0, while it runs.
    #[serde(default)]
    pub progress: f64,
    /// Where it is done once for each of several: how many are done, of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<(u32, u32)>,
    /// Words about its end: why it failed, who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A link to what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_task_on_every_pod_and_another_owner_another() {
        let prod: Environment = "prod".parse().unwrap();
        let id = TaskId::derived(&prod, "ada", "k1");
        assert_eq!(id, TaskId::derived(&prod, "ada", "k1"));
        assert_ne!(id, TaskId::derived(&prod, "bob", "k1"));
        assert_ne!(id, TaskId::derived(&"qa".parse().unwrap(), "ada", "k1"));
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
