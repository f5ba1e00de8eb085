//! `/api/tasks` over HTTP.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{Task, TaskId};
use process::telemetry::is_traceparent;
use serde::Deserialize;

use super::{
    problem::Problem,
    request::{Parameters, PathParameters, read_json},
    tasks::{self, NewTask, Started, TaskKey, TaskView, Tasks},
};
use crate::{caller::Caller, counted_caller::CountedCaller, pod::Pod};

/// The size of a request; larger input is a file that the request names.
const MAX_REQUEST_BYTES: usize = 4 << 20;

/// The query of a request for tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    parent: Option<TaskId>,
    /// Read by [`Caller`].
    #[serde(rename = "access_token")]
    _access_token: Option<String>,
}

/// Start a task; it is in its queue, confirmed, when this answers.
#[utoipa::path(
    post, path = "/api/tasks", tag = "tasks", request_body = NewTask,
    params(("Idempotency-Key" = Option<String>, Header, description = "the same key starts the same task once; 422 with another task")),
    responses(
        (status = 200, body = TaskView, description = "nothing was started, for this one is unique and has not ended: `existing` is true"),
        (status = 202, body = TaskView, description = "`Location` is where to see it"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 408, body = Problem, description = "the body came too slowly"),
        (status = 409, body = Problem, description = "one of another user is unique and has not ended"),
        (status = 413, body = Problem, description = "more than 4 MiB"),
        (status = 422, body = Problem, description = "no function of that kind; or the `Idempotency-Key` was used for another task"),
        (status = 429, body = Problem, description = "too many unfinished tasks, or too many requests at once"),
        (status = 503, body = Problem),
        (status = 507, body = Problem, description = "a large input cannot be stored"),
    ),
)]
pub async fn start(
    State(pod): State<Pod>,
    caller: CountedCaller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.require(tasks::SCOPE)?;
    let (new, permit) = read_json::<NewTask>(&caller, &pod, body, MAX_REQUEST_BYTES, "invalid-task", "task").await?;
    caller.require_unexpired()?;
    let key = task_key(&headers, &caller)?;
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let traceparent = traceparent.filter(|text| is_traceparent(text)).map(str::to_owned);
    let Started { task, existing } =
        tasks::start(&pod, &caller.clone(), new, key, traceparent, (caller, permit)).await?;
    let status = if existing { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(shown(status, &task.id.to_string(), TaskView::from(task).existing(existing)))
}

fn task_key(headers: &HeaderMap, caller: &Caller) -> Result<TaskKey, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(TaskKey::New);
    };
    TaskKey::of(key.to_str().map_err(|_| TaskKey::invalid())?, caller)
}

fn accepted(task: Arc<Task>) -> Response {
    shown(StatusCode::ACCEPTED, &task.id.to_string(), TaskView::from(task))
}

fn shown(status: StatusCode, id: &str, task: TaskView) -> Response {
    (status, [(header::LOCATION, format!("/api/tasks/{id}"))], Json(task)).into_response()
}

/// List one's tasks; the steps of a workflow's run only when asked for it.
#[utoipa::path(
    get, path = "/api/tasks", tag = "tasks",
    params(("parent" = Option<String>, Query, description = "a workflow's run: its steps")),
    responses(
        (status = 200, body = Tasks, description = "of a result the fields that fit into 2 KiB, each whole, and of a failure 1,000 characters; all of it is at `/api/tasks/{id}`"),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 429, body = Problem, description = "too many requests at once"),
    ),
)]
pub async fn list(caller: CountedCaller, Parameters(query): Parameters<ListQuery>) -> Result<Json<Tasks>, Problem> {
    // Read first: what comes between the two is in the list and told again, and not the other way round.
    let cursor = caller.environment.dispatch.cursor();
    Ok(Json(tasks::list(&caller, query.parent).await?.up_to(cursor)))
}

/// See one task.
#[utoipa::path(
    get, path = "/api/tasks/{id}", tag = "tasks", operation_id = "see", params(("id" = String, Path)),
    responses((status = 200, body = TaskView), (status = 401, body = Problem), (status = 404, body = Problem)),
)]
pub async fn show(
    caller: CountedCaller,
    PathParameters(id): PathParameters<String>,
) -> Result<Json<TaskView>, Problem> {
    let cursor = caller.environment.dispatch.cursor();
    Ok(Json(TaskView::from(tasks::find(&caller, &id).await?).up_to(cursor)))
}

/// Cancel one's own task: it has no effect, unless it has had it already.
#[utoipa::path(
    delete, path = "/api/tasks/{id}", tag = "tasks", params(("id" = String, Path)),
    responses(
        (status = 202, body = TaskView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem, description = "it has ended, or is a step of a workflow's run"),
        (status = 503, body = Problem),
    ),
)]
pub async fn cancel(caller: CountedCaller, PathParameters(id): PathParameters<String>) -> Result<Response, Problem> {
    Ok(accepted(tasks::cancel(&caller, &id).await?))
}
