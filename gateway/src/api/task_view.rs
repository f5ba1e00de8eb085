//! Tasks as clients see them, one or a list.

use std::sync::Arc;

use jiff::Timestamp;
use model::{Cursor, Kind, Priority, Step, Task, TaskError, TaskId, TaskState};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::json_size::fits;

/// The size of a field of a result, and of all of them, in a list.
const MAX_LISTED_RESULT: usize = 2 * 1024;
/// The length of the reason of a failure in a list.
const MAX_LISTED_MESSAGE: usize = 1000;

/// A task as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownTask)]
pub struct TaskView {
    /// Its id.
    #[schema(value_type = String)]
    id: TaskId,
    /// The kind of its function.
    #[schema(value_type = String)]
    kind: Kind,
    /// A title for people.
    title: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    state: TaskState,
    /// From 0.0 to 1.0.
    progress: f64,
    /// The number of the attempt, from 1; 0 before the first.
    attempt: u32,
    /// When it was started.
    #[schema(value_type = Option<String>, format = DateTime)]
    created: Option<Timestamp>,
    /// The time of its last event.
    #[schema(value_type = Option<String>, format = DateTime)]
    updated: Option<Timestamp>,
    /// It is not begun earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    not_before: Option<Timestamp>,
    /// `high` or `low`; `normal` if missing.
    #[serde(skip_serializing_if = "Priority::is_normal")]
    #[schema(value_type = Option<String>)]
    priority: Priority,
    /// True if it was there already: it is `unique`, and the request started nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    existing: bool,
    /// Its result; in a list without its large fields. A failed task has one where that says how to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Why it failed: `reason` for programs, `message` for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<TaskError>,
    /// The workflow's run that it is a step of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    parent: Option<TaskId>,
    /// The steps of a workflow's run, each with `id`, `title`, `kind`, `needs`, `state` and `progress`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    steps: Vec<Step>,
    /// Where one task is shown: it is complete up to here, and what happens later is told by `/events?after=`, on any pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Tasks, newest first, the newest 200 at most.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tasks {
    pub(super) tasks: Vec<TaskView>,
    /// The list is complete up to here: what happens later is told by `/events?after=`, on any pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
}

impl Tasks {
    /// The same, complete up to this cursor.
    pub(super) fn up_to(self, cursor: Option<Cursor>) -> Self {
        Self { cursor: cursor.map(|cursor| cursor.to_string()), ..self }
    }
}

impl TaskView {
    /// The task in a list: without the large fields of its result.
    pub(super) fn listed(task: &Task) -> Self {
        Self::of(task, task.result.as_ref().and_then(small_result), task.error.as_ref().map(short_error))
    }

    /// The task with so much of its result and of the reason of its failure.
    fn of(task: &Task, result: Option<Value>, error: Option<TaskError>) -> Self {
        Self {
            id: task.id,
            kind: task.kind.clone(),
            title: task.title.clone(),
            state: task.state,
            progress: task.progress,
            attempt: task.attempt,
            created: task.created,
            updated: task.updated,
            not_before: task.not_before,
            priority: task.priority,
            existing: false,
            result,
            error,
            parent: task.parent,
            steps: task.steps.clone(),
            cursor: None,
        }
    }

    /// The same, complete up to this cursor.
    pub(super) fn up_to(self, cursor: Option<Cursor>) -> Self {
        Self { cursor: cursor.map(|cursor| cursor.to_string()), ..self }
    }

    /// The same, as it is answered where it was there already.
    pub(crate) fn existing(self, existing: bool) -> Self {
        Self { existing, ..self }
    }
}

impl From<Arc<Task>> for TaskView {
    fn from(task: Arc<Task>) -> Self {
        Self::of(&task, task.result.clone(), task.error.clone())
    }
}

/// The fields of a result that fit into a list, each whole.
fn small_result(result: &Value) -> Option<Value> {
    let Some(fields) = result.as_object() else {
        return fits(result, MAX_LISTED_RESULT).map(|_| result.clone());
    };
    let mut left = MAX_LISTED_RESULT;
    let small = fields.iter().filter_map(|(name, value)| {
        let size = name.len() + fits(value, left)?;
        left = left.checked_sub(size)?;
        Some((name.clone(), value.clone()))
    });
    Some(Value::Object(small.collect::<Map<_, _>>()))
}

fn short_error(error: &TaskError) -> TaskError {
    let mut message: String = error.message.chars().take(MAX_LISTED_MESSAGE).collect();
    if message.len() < error.message.len() {
        message.push('…');
    }
    TaskError { reason: error.reason.clone(), message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_has_the_fields_of_a_result_that_are_small_each_whole() {
        let long = "x".repeat(MAX_LISTED_RESULT);
        let result = json!({ "columns": [1, 2], "log": long, "rejected": { "rows": 1 }, "rows": 7 });
        let small = json!({ "columns": [1, 2], "rejected": { "rows": 1 }, "rows": 7 });
        assert_eq!(small_result(&result), Some(small));
        assert_eq!((small_result(&json!(long)), small_result(&json!(7))), (None, Some(json!(7))));
        let many: Map<_, _> = (0..1000).map(|n| (format!("f{n}"), json!("some text"))).collect();
        let size = small_result(&Value::Object(many)).unwrap().to_string().len();
        assert!(size < 3 * MAX_LISTED_RESULT, "{size}");
        let long = TaskError { reason: "input".to_owned(), message: "é".repeat(MAX_LISTED_MESSAGE + 1) };
        assert_eq!(short_error(&long).message, "é".repeat(MAX_LISTED_MESSAGE) + "…");
        let short = TaskError { message: "sour".to_owned(), ..long };
        assert_eq!(short_error(&short), short);
    }
}
