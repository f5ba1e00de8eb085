//! The answer to who may read a file: the file, or a link to it in the bucket where `storage.signed_links` says so.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use storage::{Download, FileKey, OwnerFiles, StorageError, served_as};

use super::problem::Problem;
use crate::counted_caller::CountedCaller;

/// A file that is there.
pub(super) enum Found {
    /// To be read from the bucket.
    Link(String),
    /// To be sent.
    File(Download),
}

/// Finds a file; whether the caller may read it is known before.
pub(super) async fn find(files: &OwnerFiles, key: &FileKey, method: &Method) -> Result<Found, StorageError> {
    // A link is signed for one method.
    if method == Method::GET
        && let Some(link) = files.link(key).await?
    {
        return Ok(Found::Link(link));
    }
    files.get(key).await.map(Found::File)
}

impl Found {
    /// The answer with this file, by its name.
    pub(super) fn answer(self, name: &str, caller: CountedCaller) -> Result<Response, Problem> {
        match self {
            Self::Link(link) => redirect(link),
            Self::File(file) => send(name, Some(file.bytes), file.content, caller),
        }
    }
}

fn redirect(link: String) -> Result<Response, Problem> {
    let link = HeaderValue::try_from(link).map_err(|_| Problem::unavailable("the link to the file cannot be sent"))?;
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, link);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(served_as::CACHE_CONTROL));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The answer that sends a file: a browser must save it, whatever it is, and not show it as a page of this site.
pub(super) fn send<E: std::error::Error + Send + Sync + 'static>(
    name: &str,
    bytes: Option<u64>,
    content: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    caller: CountedCaller,
) -> Result<Response, Problem> {
    let disposition = HeaderValue::try_from(served_as::disposition(name))
        .map_err(|_| Problem::bad_request("invalid-file-key", "the file's name cannot be sent"))?;
    // The request counts until it was sent, or nobody reads it any more.
    let caller = Arc::new(caller);
    let content = content.and_then(move |bytes| {
        let caller = caller.clone();
        async move {
            caller.throttle(bytes.len()).await;
            Ok(bytes)
        }
    });
    let mut response = Body::from_stream(content).into_response();
    let headers = response.headers_mut();
    if let Some(bytes) = bytes {
        headers.insert(header::CONTENT_LENGTH, bytes.into());
    }
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(served_as::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(served_as::CACHE_CONTROL));
    Ok(response)
}
