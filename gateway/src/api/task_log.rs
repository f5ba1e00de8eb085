//! `GET /api/tasks/{id}/log`: what a task's function has said to its owner, while it runs and after.

use axum::{Json, extract::State};
use futures_util::TryStreamExt;
use model::{
    TaskId,
    log_line::{LogLine, attempt_of},
};
use serde::{Deserialize, Serialize};
use storage::{FileKey, OwnerFiles, StorageError};
use utoipa::ToSchema;

use super::{
    problem::Problem,
    request::{Parameters, PathParameters},
    tasks,
};
use crate::{counted_caller::CountedCaller, pod::Pod};

/// The most lines of an answer.
const MAX_LINES: usize = 1000;
/// The most bytes of the log of an attempt: a worker keeps fewer.
const MAX_BYTES: u64 = 2 << 20;

/// The query of a request for a log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    after: Option<String>,
    tail: Option<usize>,
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

/// Read what one's own task has said; a second after it was said it is here.
#[utoipa::path(
    get, path = "/api/tasks/{id}/log", tag = "tasks", operation_id = "task_log",
    params(
        ("id" = String, Path),
        ("after" = Option<String>, Query, description = "`next` of an answer: only what was said after it"),
        ("tail" = Option<usize>, Query, description = "only so many of the last lines"),
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
) -> Result<Json<TaskLog>, Problem> {
    let after = query.after.as_deref().map(place).transpose()?;
    let mut lines = match id.parse() {
        Ok(task) => read(&caller.files(&pod), task).await?,
        Err(_) => Vec::new(),
    };
    // A log outlives the list of tasks, as the task's other files do.
    if lines.is_empty() {
        tasks::find(&caller, &id).await?;
    }
    lines.retain(|line| after.is_none_or(|after| place_of(line) > after));
    if let Some(tail) = query.tail {
        lines.drain(..lines.len().saturating_sub(tail));
    }
    let more = lines.len() > MAX_LINES;
    lines.truncate(MAX_LINES);
    let next = lines.last().map(|line| format!("{}.{}", line.attempt, line.number)).or(query.after);
    Ok(Json(TaskLog { lines, next, more }))
}

/// The lines of all attempts, in order.
async fn read(files: &OwnerFiles, task: TaskId) -> Result<Vec<LogLine>, Problem> {
    let mut attempts: Vec<_> = files
        .keys_of(&task.to_string())
        .await?
        .into_iter()
        .filter_map(|key| Some((attempt_of(key.name())?, key)))
        .collect();
    attempts.sort_unstable_by_key(|(attempt, _)| *attempt);
    let mut lines = Vec::new();
    for (_, key) in attempts {
        // A line that is cut off, or of a later version, is left out.
        let text = text(files, &key).await?;
        lines.extend(text.lines().filter_map(|line| serde_json::from_str::<LogLine>(line).ok()));
    }
    Ok(lines)
}

async fn text(files: &OwnerFiles, key: &FileKey) -> Result<String, Problem> {
    let file = match files.get(key).await {
        // It expired in this moment.
        Err(StorageError::NotFound(_)) => return Ok(String::new()),
        found => found?,
    };
    if file.bytes > MAX_BYTES {
        return Err(StorageError::TooLarge(MAX_BYTES).into());
    }
    let bytes = file.content.map_ok(|piece| piece.to_vec()).try_concat().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn place_of(line: &LogLine) -> (u32, u64) {
    (line.attempt, line.number)
}

fn place(text: &str) -> Result<(u32, u64), Problem> {
    let parsed = text.split_once('.').and_then(|(attempt, number)| Some((attempt.parse().ok()?, number.parse().ok()?)));
    parsed.ok_or_else(|| Problem::bad_request("invalid-query", "after: it is `next` of an answer, as in 1.57"))
}
