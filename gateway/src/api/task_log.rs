//! `GET /api/tasks/{id}/log`: what a task's function has said to its owner, while it runs and after.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{TaskId, log_line::LogLine};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    problem::Problem,
    request::{Parameters, PathParameters},
    task_log_lines::{Place, log_files, place_of, read},
    task_log_stream, tasks,
};
use crate::{counted_caller::CountedCaller, pod::Pod};

/// The most lines of an answer.
const MAX_LINES: usize = 1000;

/// The query of a request for a log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    after: Option<String>,
    tail: Option<usize>,
    #[serde(default)]
    follow: bool,
    /// Read by [`Caller`](crate::caller::Caller).
    #[serde(rename = "access_token")]
    _access_token: Option<String>,
}

/// Lines of a task's log, in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskLog {
    /// Each with `attempt`, `number` (from 1 in each attempt; where some are missing, lines were left out), `time`, `level` and `message`.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<LogLine>,
    /// Ask with it as `after` for what was said later; none before the first line.
    next: Option<String>,
    /// True if there are more already.
    more: bool,
}

/// Read what one's own task has said; a second after it was said it is here. With `follow` the answer goes on until the task has ended:
/// a line as JSON for each that is said, and an empty one now and then.
#[utoipa::path(
    get, path = "/api/tasks/{id}/log", tag = "tasks", operation_id = "task_log",
    params(
        ("id" = String, Path),
        ("after" = Option<String>, Query, description = "`next` of an answer: only what was said after it"),
        ("tail" = Option<usize>, Query, description = "only so many of the last lines"),
        ("follow" = Option<bool>, Query, description = "`true`: as `application/jsonl`, until the task has ended"),
    ),
    responses(
        (status = 200, body = TaskLog), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem, description = "also for another's task"), (status = 429, body = Problem), (status = 503, body = Problem),
    ),
)]
pub async fn show(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters(id): PathParameters<String>,
    Parameters(query): Parameters<LogQuery>,
) -> Result<Response, Problem> {
    let after = query.after.as_deref().map(place).transpose()?;
    let files = caller.files(&pod);
    let task: Option<TaskId> = id.parse().ok();
    let log = match task {
        Some(task) => log_files(&files, task).await?,
        None => Vec::new(),
    };
    // A log outlives the list of tasks, as the task's other files do.
    let task = match task.filter(|_| !log.is_empty()) {
        Some(task) => task,
        None => tasks::find(&caller, &id).await?.id,
    };
    if query.follow {
        return task_log_stream::follow(pod, (*caller).clone(), task, after, query.tail);
    }
    let mut lines = read(&files, log).await?;
    lines.retain(|line| after.is_none_or(|after| place_of(line) > after));
    if let Some(tail) = query.tail {
        lines.drain(..lines.len().saturating_sub(tail));
    }
    let more = lines.len() > MAX_LINES;
    lines.truncate(MAX_LINES);
    let next = lines.last().map(|line| format!("{}.{}", line.attempt, line.number)).or(query.after);
    Ok(Json(TaskLog { lines, next, more }).into_response())
}

fn place(text: &str) -> Result<Place, Problem> {
    let parsed = text.split_once('.').and_then(|(attempt, number)| Some((attempt.parse().ok()?, number.parse().ok()?)));
    parsed.ok_or_else(|| Problem::bad_request("invalid-query", "after: it is `next` of an answer, as in 1.57"))
}
