//! `/api/files`: streamed upload of tasks' inputs, download of their results, and deletion of both; each user has files
//! of their own.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use storage::{FileKey, FileName};
use utoipa::ToSchema;

use super::{
    download,
    problem::Problem,
    request::{BodyReader, PathParameters},
    tasks::SCOPE,
};
use crate::{counted_caller::CountedCaller, pod::Pod};

/// A file that was stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct Uploaded {
    /// The key that tasks name it by.
    #[schema(value_type = String)]
    key: FileKey,
    /// The address of its download.
    href: String,
    /// Its size.
    bytes: u64,
}

/// Store a file; the body is its content, of any length up to the configured limit.
#[utoipa::path(
    put, path = "/api/files/{name}", tag = "files", params(("name" = String, Path)),
    request_body(content_type = "application/octet-stream", content = Vec<u8>),
    responses(
        (status = 201, body = Uploaded), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 408, body = Problem, description = "the body came too slowly"),
        (status = 413, body = Problem), (status = 429, body = Problem),
        (status = 507, body = Problem, description = "the quota or the storage is full"),
    ),
)]
pub async fn upload(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters(name): PathParameters<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.require(SCOPE)?;
    let key = FileKey::generate(name.parse::<FileName>()?);
    let max = pod.config.largest_file;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // An upload that is dropped before it is finished leaves nothing behind.
    let mut upload = caller.files(&pod).put(key).await?.limit(max);
    // Refused before it is sent.
    upload.check_room(announced.unwrap_or(0)).await?;
    let mut content = BodyReader::upload(&caller, &pod, body);
    while let Some(bytes) = content.next().await? {
        // An upload may take days, and goes on for no longer than its token.
        caller.require_unexpired()?;
        upload.write(bytes).await?;
    }
    let file = upload.finish().await?;
    let href = file.key.href();
    let location = [(header::LOCATION, href.clone())];
    Ok((StatusCode::CREATED, location, Json(Uploaded { key: file.key, href, bytes: file.bytes })).into_response())
}

/// Get one of one's own files.
#[utoipa::path(
    get, path = "/api/files/{key}", tag = "files", params(("key" = String, Path, description = "`<id>/<name>`")),
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
    PathParameters(key): PathParameters<String>,
) -> Result<Response, Problem> {
    let key: FileKey = key.parse()?;
    let found = download::find(&caller.files(&pod), &key, &method).await?;
    found.answer(key.name(), caller)
}

/// Delete one of one's own files, for good; a task that needs it will fail.
#[utoipa::path(
    delete, path = "/api/files/{key}", tag = "files", params(("key" = String, Path, description = "`<id>/<name>`")),
    responses(
        (status = 204, description = "it is gone"), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem, description = "also for another's file"),
        (status = 429, body = Problem),
    ),
)]
pub async fn delete(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters(key): PathParameters<String>,
) -> Result<StatusCode, Problem> {
    caller.require(SCOPE)?;
    caller.files(&pod).delete(&key.parse()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
