//! `/api/tasks`: start, list, see and cancel one's own tasks.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use backplane::{Audience, Destination, Event, Job, Kind, SendError, Step, Task, TaskError, TaskId, TaskState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{FileKey, OwnerFiles};
use tracing::warn;
use utoipa::ToSchema;

use crate::{caller::Caller, parameters::Parameters, pod::Pod, problem::Problem, publish::whole};

/// The scope of who may start, cancel and answer.
pub(crate) const SCOPE: &str = "tasks";
const SOURCE: &str = "/gateway";
/// Most bytes of a request; larger input is a file that it names.
const LARGEST_REQUEST: usize = 4 << 20;
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
    kind: Kind,
    /// Words for people; the kind if missing.
    title: Option<String>,
    /// What the function is given.
    #[serde(default)]
    input: Value,
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

/// Which tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    parent: Option<TaskId>,
    /// Read where the caller is proved.
    #[serde(rename = "access_token")]
    _access_token: Option<String>,
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

/// Start a task; it is in its queue, confirmed, when this answers.
#[utoipa::path(
    post, path = "/api/tasks", tag = "tasks", request_body = NewTask,
    params(("Idempotency-Key" = Option<String>, Header, description = "the same key starts the same task once")),
    responses(
        (status = 202, body = ShownTask, description = "`Location` is where to see it"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413, body = Problem, description = "more than 4 MiB"),
        (status = 422, body = Problem, description = "no function of that kind"), (status = 503, body = Problem),
        (status = 507, body = Problem, description = "a large input cannot be stored"),
    ),
)]
pub async fn start(
    State(pod): State<Pod>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.require(SCOPE)?;
    let body = whole(body, LARGEST_REQUEST).await?;
    let asked: NewTask = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&body))
        .map_err(|error| Problem::bad_request("invalid-task", format!("the task is not what it must be: {error}")))?;
    let title = title_of(&asked)?;
    let id = task_id(&headers, &caller)?;
    if let Some(task) = caller.gate.dispatch.find(caller.listener.clone(), id).await? {
        return Ok(accepted(task));
    }
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let groups = caller.claims.groups.clone();
    let job = Job { groups, traceparent, ..Job::new(id, asked.kind.clone(), &caller.claims.sub, &title, asked.input) };
    let job = carried(job, &caller.files(&pod)).await?;
    caller.gate.backplane.jobs.submit(&job).await.map_err(|error| match error {
        SendError::Unroutable(_) => {
            let detail = format!("kind: there is no function of kind {} here", asked.kind);
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-kind", detail)
        }
        other => other.into(),
    })?;
    let task = Task::of(&job, TaskState::Queued);
    announce(&caller, &task, job.traceparent).await;
    Ok(accepted(task))
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
    if let Err(error) = caller.gate.backplane.log.publish(Destination::Own, &event).await {
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

fn task_id(headers: &HeaderMap, caller: &Caller) -> Result<TaskId, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(TaskId::new());
    };
    match key.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= 256 => {
            Ok(TaskId::derived(&caller.gate.environment, &caller.claims.sub, key))
        }
        _ => Err(Problem::bad_request("invalid-idempotency-key", "Idempotency-Key: it must have 1 to 256 characters")),
    }
}

fn accepted(task: Task) -> Response {
    let location = format!("/api/tasks/{}", task.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(ShownTask::from(task))).into_response()
}

/// List one's tasks; the steps of a workflow's run only when asked for it.
#[utoipa::path(
    get, path = "/api/tasks", tag = "tasks",
    params(("parent" = Option<String>, Query, description = "a workflow's run: its steps")),
    responses((status = 200, body = Tasks), (status = 400, body = Problem), (status = 401, body = Problem)),
)]
pub async fn list(
    State(_pod): State<Pod>,
    caller: Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<Tasks>, Problem> {
    let tasks = caller.gate.dispatch.list(caller.listener.clone(), which.parent, MOST_LISTED).await?;
    Ok(Json(Tasks { tasks: tasks.into_iter().map(ShownTask::from).collect() }))
}

/// See one task.
#[utoipa::path(
    get, path = "/api/tasks/{id}", tag = "tasks", params(("id" = String, Path)),
    responses((status = 200, body = ShownTask), (status = 401, body = Problem), (status = 404, body = Problem)),
)]
pub async fn see(State(_pod): State<Pod>, caller: Caller, Path(id): Path<String>) -> Result<Json<ShownTask>, Problem> {
    Ok(Json(find(&caller, &id).await?.into()))
}

/// Cancel one's own task: it has no effect, unless it has had it already.
#[utoipa::path(
    delete, path = "/api/tasks/{id}", tag = "tasks", params(("id" = String, Path)),
    responses(
        (status = 202, body = ShownTask), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem, description = "it has ended"),
        (status = 503, body = Problem),
    ),
)]
pub async fn cancel(State(_pod): State<Pod>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    caller.require(SCOPE)?;
    let mut task = find(&caller, &id).await?;
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
    caller.gate.backplane.log.publish(Destination::Own, &event).await?;
    Ok(accepted(task))
}

async fn find(caller: &Caller, id: &str) -> Result<Task, Problem> {
    let nothing = || Problem::not_found("there is no such task of yours");
    // What is no id cannot be a task's: the same answer, so that nobody learns anything.
    let id: TaskId = id.parse().map_err(|_| nothing())?;
    caller.gate.dispatch.find(caller.listener.clone(), id).await?.ok_or_else(nothing)
}
