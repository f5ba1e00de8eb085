//! `/api/shared/{id}/{name}`: files of others that the caller may read.

use axum::{extract::State, http::Method, response::Response};

use super::{download, problem::Problem, request::PathParameters};
use crate::{counted_caller::CountedCaller, pod::Pod};

/// Get a file that was shared with the caller, for as long as it is kept.
#[utoipa::path(
    get, path = "/api/shared/{id}/{name}", tag = "files", operation_id = "shared_file",
    params(("id" = String, Path), ("name" = String, Path)),
    responses(
        (status = 200, content_type = "application/octet-stream"),
        (status = 307, description = "where `storage.signed_links` is set: the file is at this address for a while"),
        (status = 401, body = Problem),
        (status = 404, body = Problem, description = "also for a file that is not shared with the caller"),
        (status = 429, body = Problem), (status = 503, body = Problem),
    ),
)]
pub async fn download(
    State(pod): State<Pod>,
    caller: CountedCaller,
    method: Method,
    PathParameters((id, name)): PathParameters<(String, String)>,
) -> Result<Response, Problem> {
    // One answer for what is not there and for what is not the caller's to read.
    let not_found = || Problem::not_found("no such file is shared with you, or it is not kept any more");
    let environment = &caller.environment.name;
    let share = pod.storage.shares(environment).find(&id).await?.ok_or_else(not_found)?;
    let (user, groups) = (&caller.claims.sub, &caller.claims.groups);
    let may_read = *user == share.owner || share.audience.includes(user, groups);
    if !may_read || share.key.name() != name {
        return Err(not_found());
    }
    let files = pod.storage.files(environment, &share.owner);
    let found = download::find(&files, &share.key, &method).await.map_err(|error| match error {
        storage::StorageError::NotFound(_) => not_found(),
        error => error.into(),
    })?;
    tracing::info!(by = user, owner = share.owner, key = %share.key, "a file is read by somebody with whom it is shared");
    found.answer(share.key.name(), caller)
}
