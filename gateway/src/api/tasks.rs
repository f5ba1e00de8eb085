//! Tasks of one's own: started, listed, seen and cancelled, whichever way somebody asks.

use axum::http::StatusCode;
use backplane::{Destination, SendError};
use jiff::Timestamp;
use model::{Audience, Event, Job, Kind, Step, Task, TaskError, TaskId, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{FileKey, OwnerFiles};
use tracing::warn;
use utoipa::ToSchema;

use crate::{api::problem::Problem, caller::Caller, pod::Pod};

/// The scope of who may start, cancel and answer.
pub(crate) const SCOPE: &str = "tasks";
const SOURCE: &str = "/gateway";
/// Most bytes of a job on the broker; the input of a larger one is stored.
const LARGEST_JOB: usize = 64 * 1024;
const LONGEST_TITLE: usize = 200;
/// Most tasks in one list.
const MOST_LISTED: usize = 200;

/// What to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// Which function does it, such as `imports`.
    #[schema(value_type = String)]
    pub(crate) kind: Kind,
    /// Words for people; the kind if missing.
    pub(crate) title: Option<String>,
    /// What the function is given.
    #[serde(default)]
    pub(crate) input: Value,
}

/// A task as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownTask {
    /// Its id.
    #[schema(value_type = String)]
    id: TaskId,
    /// Which function does it.
    #[schema(value_type = String)]
    kind: Kind,
    /// Words for people.
    title: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    state: TaskState,
    /// From 0.0 to 1.0.
    progress: f64,
    /// Which attempt it is, from 1; 0 before the first.
    attempt: u32,
    /// When it was asked for.
    #[schema(value_type = Option<String>, format = DateTime)]
    created: Option<Timestamp>,
    /// When something was last heard of it.
    #[schema(value_type = Option<String>, format = DateTime)]
    updated: Option<Timestamp>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Why it failed: `reason` for programs, `message` for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<TaskError>,
    /// The run of a workflow that it is a step of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    parent: Option<TaskId>,
    /// Where it is a workflow's run: its steps, each with `id`, `title`, `kind`, `needs`, `state` and `progress`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    steps: Vec<Step>,
}

/// Tasks, newest first, the newest 200 at most.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tasks {
    tasks: Vec<ShownTask>,
}

impl From<Task> for ShownTask {
    fn from(task: Task) -> Self {
        let Task { id, kind, title, state, progress, attempt, created, updated, result, error, parent, steps, .. } =
            task;
        Self { id, kind, title, state, progress, attempt, created, updated, result, error, parent, steps }
    }
}

/// Starts a task of this id, or gives back the one that was started with it; it is in its queue, confirmed, afterwards.
pub(crate) async fn start(
    pod: &Pod,
    caller: &Caller,
    asked: NewTask,
    id: TaskId,
    traceparent: Option<String>,
) -> Result<Task, Problem> {
    caller.require(SCOPE)?;
    let title = title_of(&asked)?;
    if let Some(task) = caller.environment.dispatch.find(caller.listener.clone(), id).await? {
        return Ok(task);
    }
    let groups = caller.claims.groups.clone();
    let job = Job { groups, traceparent, ..Job::new(id, asked.kind.clone(), &caller.claims.sub, &title, asked.input) };
    let job = carried(job, &caller.files(pod)).await?;
    caller.environment.backplane.jobs.submit(&job).await.map_err(|error| match error {
        SendError::Unroutable(_) => {
            let detail = format!("kind: there is no function of kind {} here", asked.kind);
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-kind", detail)
        }
        other => other.into(),
    })?;
    let task = Task::of(&job, TaskState::Queued);
    announce(caller, &task, job.traceparent).await;
    Ok(task)
}

/// Those that the caller hears of, newest first; with a parent the steps of that run alone.
pub(crate) async fn list(caller: &Caller, parent: Option<TaskId>) -> Result<Tasks, Problem> {
    let tasks = caller.environment.dispatch.list(caller.listener.clone(), parent, MOST_LISTED).await?;
    Ok(Tasks { tasks: tasks.into_iter().map(ShownTask::from).collect() })
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

/// One task that the caller hears of.
pub(crate) async fn find(caller: &Caller, id: &str) -> Result<Task, Problem> {
    let nothing = || Problem::not_found("there is no such task of yours");
    // What is no id cannot be a task's: the same answer, so that nobody learns anything.
    let id: TaskId = id.parse().map_err(|_| nothing())?;
    caller.environment.dispatch.find(caller.listener.clone(), id).await?.ok_or_else(nothing)
}

/// The job as the broker carries it: a large input is stored as a file of its owner's before.
async fn carried(job: Job, files: &OwnerFiles) -> Result<Job, Problem> {
    let invalid = |error: serde_json::Error| Problem::bad_request("invalid-task", error.to_string());
    if serde_json::to_vec(&job).map_err(invalid)?.len() <= LARGEST_JOB {
        return Ok(job);
    }
    let key = FileKey::new(&job.task.to_string(), "input.json".parse()?)?;
    let mut upload = files.put(key.clone()).await?;
    upload.write(serde_json::to_vec(&job.input).map_err(invalid)?.into()).await?;
    upload.finish().await?;
    Ok(Job { input: Value::Null, stored_input: Some(key.to_string()), ..job })
}

/// The job is confirmed, so it will be done whether or not this is heard: the worker's own words follow.
async fn announce(caller: &Caller, task: &Task, traceparent: Option<String>) {
    let mut event = Event::of_task(SOURCE, Audience::user(&caller.claims.sub), task, None);
    event.id = format!("{}.queued", task.id);
    event.traceparent = traceparent;
    if let Err(error) = caller.environment.backplane.log.publish(Destination::Own, &event).await {
        warn!(task = %task.id, %error, "a task was queued without a word to its owner");
    }
}

fn title_of(asked: &NewTask) -> Result<String, Problem> {
    let title = asked.title.as_deref().map(str::trim).unwrap_or_default();
    if title.chars().count() > LONGEST_TITLE || title.chars().any(char::is_control) {
        let detail = format!("title: it may have {LONGEST_TITLE} characters, none of them a control character");
        return Err(Problem::bad_request("invalid-task", detail));
    }
    Ok(if title.is_empty() { asked.kind.to_string() } else { title.to_owned() })
}
