//! `/api/tasks/{id}/steps/{step}/files/{key}`: the files that an open question to the caller is about.

use axum::{extract::State, http::Method, response::Response};
use model::TaskId;
use serde::Serialize;
use storage::FileKey;
use utoipa::ToSchema;

use super::{caught_up, download, problem::Problem, request::PathParameters};
use crate::{counted_caller::CountedCaller, pod::Pod};

/// A file that a question is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskedFile {
    /// Its name.
    name: String,
    /// Where the caller may read it.
    href: String,
}

impl AskedFile {
    /// The file of this key that a step asks about.
    pub(super) fn of(task: TaskId, step: &str, key: &str) -> Option<Self> {
        let key: FileKey = key.parse().ok()?;
        let href = key.href().replacen("/api/", &format!("/api/tasks/{task}/steps/{step}/"), 1);
        Some(Self { name: key.name().to_owned(), href })
    }
}

/// Get a file that an open question to the caller is about.
#[utoipa::path(
    get, path = "/api/tasks/{id}/steps/{step}/files/{key}", tag = "approvals", operation_id = "asked_file",
    params(("id" = String, Path), ("step" = String, Path), ("key" = String, Path, description = "`<id>/<name>`")),
    responses(
        (status = 200, content_type = "application/octet-stream"),
        (status = 307, description = "where `storage.signed_links` is set: the file is at this address for a while"),
        (status = 401, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem),
    ),
)]
pub async fn download(
    State(pod): State<Pod>,
    caller: CountedCaller,
    method: Method,
    PathParameters((id, step, key)): PathParameters<(String, String, String)>,
) -> Result<Response, Problem> {
    let not_found = || Problem::not_found("you are not asked about such a file, or not any more");
    let (task, key): (TaskId, FileKey) = (id.parse().map_err(|_| not_found())?, key.parse()?);
    let dispatch = &caller.environment.dispatch;
    let look = || dispatch.owner_of_asked_file(caller.recipient.clone(), task, step.clone(), key.to_string());
    let owner = caught_up::find(dispatch, look).await?.ok_or_else(not_found)?;
    let found = download::find(&pod.storage.files(&caller.environment.name, &owner), &key, &method).await?;
    tracing::info!(%task, by = caller.claims.sub, owner, %key, "a file is read by somebody who is asked about it");
    found.answer(key.name(), caller)
}
