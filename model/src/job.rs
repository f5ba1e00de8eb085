//! Jobs: pieces of work in a queue.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    environment::Kind,
    policy::Priority,
    task::{Task, TaskId, TaskState},
};

/// The kind of the jobs that begin a workflow's run.
pub const WORKFLOWS: &str = "workflows";

/// A piece of work; its task id is its message id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The id of its task.
    pub task: TaskId,
    /// The kind of function that does it.
    pub kind: Kind,
    /// The user who submitted it.
    pub owner: String,
    /// The groups of its owner at that time, for definitions that only some may start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Its title for people.
    pub title: String,
    /// The input of the function; null if it is stored.
    pub input: Value,
    /// A larger input: the key of a JSON file of the owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_input: Option<String>,
    /// The workflow run of which it is a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// The time it was submitted.
    pub created: Timestamp,
    /// It is not begun earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Earlier attempts that ended in a retry; our own count, not the broker's.
    #[serde(default)]
    pub attempts: u32,
    /// The number of its owner's other tasks that had not ended when it was submitted: it waits behind the first jobs of others.
    #[serde(default)]
    pub backlog: u32,
    /// Whether it overtakes those that wait, or waits behind them.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// Digests of what no other unfinished task has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<String>,
    /// The W3C trace context of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// A gateway's word on whose job it is; without it no worker runs the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
}

/// What a gateway has signed: that the owner of the job, with its groups, submitted a task. For a step of a workflow it is
/// that of its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The task that was submitted.
    pub task: TaskId,
    /// Its kind.
    pub kind: Kind,
    /// The workflow run that it was a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// The time it was submitted.
    pub created: Timestamp,
    /// The signature of all this with the environment, the owner and the groups, in base64url.
    pub signature: String,
}

impl Job {
    /// A job submitted now, by a user without groups, without a trace.
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
            not_before: None,
            attempts: 0,
            backlog: 0,
            priority: Priority::Normal,
            unique: Vec::new(),
            traceparent: None,
            grant: None,
        }
    }
}

impl Job {
    /// How long it is not begun yet; none if it may be.
    pub fn delay(&self, now: Timestamp) -> Option<Duration> {
        let left = self.not_before?.duration_since(now);
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }
}

impl Task {
    /// The task of a job, at attempt 0, sequence 0.
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
            not_before: job.not_before,
            result: None,
            error: None,
            parent: job.parent,
            steps: Vec::new(),
            next_by: None,
            request: None,
            priority: job.priority,
            unique: job.unique.clone(),
        }
    }
}
