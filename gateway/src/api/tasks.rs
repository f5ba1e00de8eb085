//! Starting, listing, showing and cancelling a caller's tasks, over HTTP and over the hub.

use axum::http::StatusCode;
use backplane::{Destination, SendError};
use jiff::Timestamp;
use model::{Audience, Event, Job, Kind, Step, Task, TaskError, TaskId, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{FileKey, OwnerFiles};
use tracing::warn;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::{caller::Caller, pod::Pod};

/// The scope for starting, cancelling and answering.
pub(crate) const SCOPE: &str = "tasks";
const SOURCE: &str = "/gateway";
/// The size of a job on the broker; the input of a larger one is stored as a file.
const MAX_JOB_BYTES: usize = 64 * 1024;
const MAX_TITLE_CHARS: usize = 200;
/// The number of tasks that are counted to find the queue of the next; more of them do not change it.
const MAX_COUNTED: usize = 32;
/// The number of tasks in one list.
const MAX_LISTED: usize = 200;

/// A task to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// The kind of its function, such as `imports`.
    #[schema(value_type = String)]
    pub(crate) kind: Kind,
    /// A title for people; the kind if missing.
    pub(crate) title: Option<String>,
    /// The function's input.
    #[serde(default)]
    pub(crate) input: Value,
}

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
    /// Its result.
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
}

/// Tasks, newest first, the newest 200 at most.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tasks {
    tasks: Vec<TaskView>,
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        let Task { id, kind, title, state, progress, attempt, created, updated, result, error, parent, steps, .. } =
            task;
        Self { id, kind, title, state, progress, attempt, created, updated, result, error, parent, steps }
    }
}

/// Starts a task with this id, or returns the one that was started with it. The job is confirmed in its queue afterwards.
pub(crate) async fn start(
    pod: &Pod,
    caller: &Caller,
    new: NewTask,
    id: TaskId,
    traceparent: Option<String>,
) -> Result<Task, Problem> {
    caller.require(SCOPE)?;
    let title = title_of(&new)?;
    if let Some(task) = caller.environment.dispatch.find_task(caller.recipient.clone(), id).await? {
        return Ok(task);
    }
    let groups = caller.claims.groups.clone();
    let backlog = unfinished_tasks(caller).await?;
    let job =
        Job { groups, backlog, traceparent, ..Job::new(id, new.kind.clone(), &caller.claims.sub, &title, new.input) };
    let job = with_stored_input(job, &caller.files(pod)).await?;
    caller.environment.backplane.jobs.submit(&job).await.map_err(|error| match error {
        SendError::Unroutable(_) => {
            let detail = format!("kind: there is no function of kind {} here", new.kind);
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-kind", detail)
        }
        other => other.into(),
    })?;
    let task = Task::of(&job, TaskState::Queued);
    publish_queued(caller, &task, job.traceparent).await;
    Ok(task)
}

/// The number of the caller's tasks that have not ended, as far as it decides on the queue of the next. One that was
/// cancelled before a worker took it still waits in its queue.
async fn unfinished_tasks(caller: &Caller) -> Result<u32, Problem> {
    let tasks = caller.environment.dispatch.list_tasks(caller.recipient.clone(), None, MAX_COUNTED).await?;
    let is_own = |task: &&Task| task.owner.as_deref() == Some(caller.claims.sub.as_str());
    let waits = |task: &&Task| !task.state.is_end() || (task.state == TaskState::Cancelled && task.attempt == 0);
    let count = tasks.iter().filter(is_own).filter(waits).count();
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The tasks that the caller may see, newest first; with a parent only the steps of that run.
pub(crate) async fn list(caller: &Caller, parent: Option<TaskId>) -> Result<Tasks, Problem> {
    let tasks = caller.environment.dispatch.list_tasks(caller.recipient.clone(), parent, MAX_LISTED).await?;
    Ok(Tasks { tasks: tasks.into_iter().map(TaskView::from).collect() })
}

/// Cancels the caller's own task.
pub(crate) async fn cancel(caller: &Caller, id: &str) -> Result<Task, Problem> {
    caller.require(SCOPE)?;
    let mut task = find(caller, id).await?;
    if task.owner.as_deref() != Some(caller.claims.sub.as_str()) {
        return Err(Problem::not_found(format!("there is no task {id} of yours")));
    }
    if task.state.is_end() {
        let detail = format!("the task has {} already", task.state.as_str());
        return Err(Problem::new(StatusCode::CONFLICT, "task-ended", detail));
    }
    task.state = TaskState::Cancelled;
    let mut event = Event::of_task(SOURCE, Audience::user(&caller.claims.sub), &task, None);
    event.id = format!("{}.cancelled", task.id);
    caller.environment.backplane.log.publish(Destination::Own, &event).await?;
    Ok(task)
}

/// One task that the caller may see.
pub(crate) async fn find(caller: &Caller, id: &str) -> Result<Task, Problem> {
    let not_found = || Problem::not_found("there is no such task of yours");
    // An invalid id gets the same answer, so that nobody learns anything.
    let id: TaskId = id.parse().map_err(|_| not_found())?;
    caller.environment.dispatch.find_task(caller.recipient.clone(), id).await?.ok_or_else(not_found)
}

/// The job as it goes to the broker: a large input is stored as a file of the owner's first.
async fn with_stored_input(job: Job, files: &OwnerFiles) -> Result<Job, Problem> {
    let invalid = |error: serde_json::Error| Problem::bad_request("invalid-task", error.to_string());
    if serde_json::to_vec(&job).map_err(invalid)?.len() <= MAX_JOB_BYTES {
        return Ok(job);
    }
    let key = FileKey::new(&job.task.to_string(), "input.json".parse()?)?;
    let mut upload = files.put(key.clone()).await?;
    upload.write(serde_json::to_vec(&job.input).map_err(invalid)?.into()).await?;
    upload.finish().await?;
    Ok(Job { input: Value::Null, stored_input: Some(key.to_string()), ..job })
}

/// Publishes that a task is queued. Its job is confirmed, so a failure is only logged: the worker's own events follow.
async fn publish_queued(caller: &Caller, task: &Task, traceparent: Option<String>) {
    let mut event = Event::of_task(SOURCE, Audience::user(&caller.claims.sub), task, None);
    event.id = format!("{}.queued", task.id);
    event.traceparent = traceparent;
    if let Err(error) = caller.environment.backplane.log.publish(Destination::Own, &event).await {
        warn!(task = %task.id, %error, "a task is queued, and its owner was not told");
    }
}

fn title_of(new: &NewTask) -> Result<String, Problem> {
    let title = new.title.as_deref().map(str::trim).unwrap_or_default();
    if title.chars().count() > MAX_TITLE_CHARS || title.chars().any(char::is_control) {
        let detail = format!("title: it may have {MAX_TITLE_CHARS} characters, none of them a control character");
        return Err(Problem::bad_request("invalid-task", detail));
    }
    Ok(if title.is_empty() { new.kind.to_string() } else { title.to_owned() })
}
