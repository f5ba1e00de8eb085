//! Tasks as events report them: owner, kind and progress.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    environment::{Environment, Kind},
    policy::Priority,
};

/// A task's id: a ULID, 26 digits of Crockford's base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(ulid::Ulid);

/// A text that is not a task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task id is 26 letters and digits, as the gateway gave it")]
pub struct TaskIdError;

impl TaskId {
    /// A new id.
    pub fn new() -> Self {
        Self(ulid::Ulid::generate())
    }

    /// The id for an idempotency key of a caller, the same on every pod.
    pub fn derived(environment: &Environment, owner: &str, key: &str) -> Self {
        // A cryptographic hash: nobody can find a key whose task belongs to someone else.
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

crate::text_form!(TaskId);

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// It waits for a worker.
    Queued,
    /// A worker runs it.
    Running,
    /// Done; its effect is in place.
    Succeeded,
    /// Given up; `error` is the reason.
    Failed,
    /// Cancelled by its owner.
    Cancelled,
}

impl TaskState {
    /// True for the final states.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The state as text: `queued`, `running`, …
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

/// Why a task failed: a reason for programs and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// One word, such as `input`, `deadline`, `panic`, `unavailable`.
    pub reason: String,
    /// The message for people.
    pub message: String,
}

/// The reason of a run that somebody who was asked has rejected.
pub const DECLINED: &str = "declined";

impl TaskError {
    /// True if another attempt would fail as well: of any reason but those of what was away, lost or too slow.
    pub fn is_permanent(&self) -> bool {
        !["unavailable", "stopped", "panic", "lost", "deadline", "timeout", "step"].contains(&self.reason.as_str())
    }
}

/// A task, as events report it and the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The kind of function that does it.
    pub kind: Kind,
    /// Its title for people.
    pub title: String,
    /// Its state.
    pub state: TaskState,
    /// From 0.0 to 1.0.
    #[serde(default)]
    pub progress: f64,
    /// The attempt that reports: 0 for the gateway, from 1 for workers.
    #[serde(default)]
    pub attempt: u32,
    /// Increases within an attempt.
    #[serde(default)]
    pub sequence: u32,
    /// The user who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The time it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// It is not begun earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The time of this report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    /// Its result; `href` is a link to more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The reason of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
    /// The workflow run of which it is a step; such a task is shown in that run's graph, not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// The steps of a workflow's run, always all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The time by which its worker reports again; a running task without a report by then is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_by: Option<Timestamp>,
    /// A digest of the request that started it, if that had an idempotency key: the same key with another is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Whether its job overtakes those that wait, or waits behind them.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// Digests of what no other unfinished task has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<String>,
}

/// True if a text can be a step's id: 1 to 64 of a-z, 0-9, '_' and '-'.
pub fn is_step_id(id: &str) -> bool {
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    !id.is_empty() && id.len() <= 64 && plain
}

/// The state of a workflow's step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// It waits for the steps that it needs.
    Waiting,
    /// Its job is queued or runs, or its time has not come.
    Running,
    /// Its question is not answered yet.
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
    /// Its title for people; the id if the definition has none.
    pub title: String,
    /// The kind of function, `approval`, `wait`, or the name of another workflow.
    pub kind: String,
    /// The steps that must have succeeded before: their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Its state.
    pub state: StepState,
    /// From 0.0 to 1.0, while it runs.
    #[serde(default)]
    pub progress: f64,
    /// For a step that runs once per item: the number of items done, and of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<(u32, u32)>,
    /// A note about its end: the failure, or the user who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A link to its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// True if it failed because somebody who was asked has rejected it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejected: bool,
    /// While it asks: whom, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<StepAsks>,
}

/// Whom a step asks, and what has been answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepAsks {
    /// The people who may answer: `user:<id>`, `group:<name>`, `environment`, with spaces between.
    pub audience: String,
    /// The time by which they must.
    pub until: Timestamp,
    /// How many of them must approve.
    pub needed: u32,
    /// Who has approved already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
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
