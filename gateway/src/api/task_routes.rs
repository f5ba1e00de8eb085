//! `/api/tasks` over HTTP.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{Task, TaskId};
use serde::Deserialize;

use crate::{
    api::{
        parameters::Parameters,
        problem::Problem,
        publish::whole,
        tasks::{self, NewTask, ShownTask, Tasks},
    },
    caller::Caller,
    pod::Pod,
};

/// Most bytes of a request; larger input is a file that it names.
const LARGEST_REQUEST: usize = 4 << 20;

/// Which tasks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    parent: Option<TaskId>,
    /// Read where the caller is proved.
    #[serde(rename = "access_token")]
    _access_token: Option<String>,
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
    caller.require(tasks::SCOPE)?;
    let body = whole(body, LARGEST_REQUEST).await?;
    let asked: NewTask = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&body))
        .map_err(|error| Problem::bad_request("invalid-task", format!("the task is not what it must be: {error}")))?;
    let id = task_id(&headers, &caller)?;
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(accepted(tasks::start(&pod, &caller, asked, id, traceparent).await?))
}

fn task_id(headers: &HeaderMap, caller: &Caller) -> Result<TaskId, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(TaskId::new());
    };
    match key.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= 256 => {
            Ok(TaskId::derived(&caller.environment.name, &caller.claims.sub, key))
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
    Ok(Json(tasks::list(&caller, which.parent).await?))
}

/// See one task.
#[utoipa::path(
    get, path = "/api/tasks/{id}", tag = "tasks", params(("id" = String, Path)),
    responses((status = 200, body = ShownTask), (status = 401, body = Problem), (status = 404, body = Problem)),
)]
pub async fn see(State(_pod): State<Pod>, caller: Caller, Path(id): Path<String>) -> Result<Json<ShownTask>, Problem> {
    Ok(Json(tasks::find(&caller, &id).await?.into()))
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
    Ok(accepted(tasks::cancel(&caller, &id).await?))
}
