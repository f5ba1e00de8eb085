//! One piece of work, as it waits in a queue.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    environment::Kind,
    task::{Task, TaskId, TaskState},
};

/// One piece of work; its task id is its message id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The task it is.
    pub task: TaskId,
    /// Which function does it.
    pub kind: Kind,
    /// Who asked for it: a user id.
    pub owner: String,
    /// The groups its owner had when asking, for definitions that say who may start them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Words for people.
    pub title: String,
    /// What the function is given; null where it is stored.
    pub input: Value,
    /// Where a larger input lies: the key of a JSON file of the owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_input: Option<String>,
    /// The run of a workflow that it is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// When it was asked for.
    pub created: Timestamp,
    /// Attempts that ended before this one and were put on the ladder; our own count, never the broker's.
    #[serde(default)]
    pub attempts: u32,
    /// W3C trace context of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Job {
    /// A job asked for now, by somebody of no group, without a trace.
    pub fn new(task: TaskId, kind: Kind, owner: &str, title: &str, input: Value) -> Self {
        Self {
            task,
            kind,
            owner: owner.to_owned(),
            groups: Vec::new(),
            title: title.to_owned(),
            input,
            stored_input: None,
            parent: None,
            created: Timestamp::now(),
            attempts: 0,
            traceparent: None,
        }
    }
}

impl Task {
    /// What is said of a job, by attempt 0, sequence 0.
    pub fn of(job: &Job, state: TaskState) -> Self {
        Self {
            id: job.task,
            kind: job.kind.clone(),
            title: job.title.clone(),
            state,
            progress: 0.0,
            attempt: 0,
            sequence: 0,
            owner: Some(job.owner.clone()),
            created: Some(job.created),
            updated: Some(Timestamp::now()),
            result: None,
            error: None,
            parent: job.parent,
            steps: Vec::new(),
            next_by: None,
        }
    }
}
