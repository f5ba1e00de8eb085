//! The events that move a run: ends of tasks, answers and cancellations, read from the log.

use backplane::{Destination, LogEntry};
use model::{TaskError, TaskId, TaskState, approval::Answer};
use serde_json::Value;

use super::state::workflows_kind;

/// An event of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RunEvent {
    /// The task of a step has progressed.
    TaskProgressed(TaskId, f64),
    /// The task of a step waits, for this reason.
    TaskWaits(TaskId, String),
    /// The task of a step has ended.
    TaskEnded(TaskId, TaskOutcome),
    /// A question was answered.
    Answered(Answer),
    /// The run was cancelled.
    Cancelled,
    /// A part of the log was lost: tasks that may have ended are submitted again.
    LogGap,
}

/// The end of a task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TaskOutcome {
    /// With its result.
    Succeeded(Value),
    /// With the link to what there is of it, if there is one.
    Failed(TaskError, Option<String>),
    Cancelled,
}

impl RunEvent {
    /// The run that a log entry is about, and its event, after the person in whose turn it is applied: the owner of
    /// the task, or who has answered.
    pub(crate) fn from_entry(entry: &LogEntry) -> Option<(String, TaskId, Self)> {
        let event = entry.event.as_ref().ok().filter(|_| entry.origin == Destination::Own)?;
        if let Some(answer) = Answer::of(event) {
            return Some((answer.by.clone(), answer.task, Self::Answered(answer)));
        }
        let task = event.task().ok().flatten()?;
        let owner = task.owner.clone().unwrap_or_default();
        let is_from_function = event.source.starts_with("/functions/");
        if task.state == TaskState::Cancelled && !is_from_function {
            // By its owner, or by the run that it is nested in; the task of a step publishes its own end.
            return (task.kind == workflows_kind()).then_some((owner, task.id, Self::Cancelled));
        }
        let outcome = match task.state {
            TaskState::Queued => return None,
            TaskState::Running => return Some((owner, task.parent?, Self::TaskProgressed(task.id, task.progress))),
            TaskState::Succeeded => TaskOutcome::Succeeded(task.result.unwrap_or(Value::Null)),
            TaskState::Failed => {
                let href = task.result.as_ref().and_then(|result| result["href"].as_str()).map(str::to_owned);
                TaskOutcome::Failed(task.error.unwrap_or_else(|| step_error("it failed")), href)
            }
            TaskState::Cancelled => TaskOutcome::Cancelled,
        };
        Some((owner, task.parent?, Self::TaskEnded(task.id, outcome)))
    }
}

/// An error of the run itself, which another attempt may not have.
pub(crate) fn step_error(message: impl Into<String>) -> TaskError {
    TaskError { reason: "step".to_owned(), message: message.into() }
}
