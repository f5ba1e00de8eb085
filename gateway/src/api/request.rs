//! A request's path, query and body, or a problem that says what is wrong with them.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    extract::{FromRequestParts, Path, Query, rejection::PathRejection},
    http::{StatusCode, request::Parts},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use model::json_memory;
use serde::de::DeserializeOwned;
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::problem::Problem;
use crate::{caller::Caller, pod::PodState, user_permits::UserPermit};

/// The size of JSON that is read or written where it is; the rest gets a thread, so that nobody else waits for it.
const LARGE_JSON: usize = 64 * 1024;
/// The memory that a request's JSON may take once it is read.
const MAX_JSON_MEMORY: usize = 32 << 20;
/// The memory beyond which only a few of one user's requests are read at once.
const MUCH_JSON_MEMORY: usize = 4 << 20;

/// A request's query as `T`.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let invalid = |error: axum::extract::rejection::QueryRejection| {
            // The text is about names and types; the token among the values is never in it.
            Problem::bad_request("invalid-parameter", error.body_text())
        };
        Query::try_from_uri(&parts.uri).map(|Query(parameters)| Self(parameters)).map_err(invalid)
    }
}

/// The parameters in a request's path as `T`, percent-decoded.
pub struct PathParameters<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(parameters) = Path::from_request_parts(parts, state)
            .await
            .map_err(|error: PathRejection| Problem::bad_request("invalid-path", error.body_text()))?;
        Ok(Self(parameters))
    }
}

/// A body as it arrives; a client that stalls or trickles is refused.
pub struct BodyReader<'a> {
    caller: &'a Caller,
    content: BodyDataStream,
    silence: Duration,
    /// The fewest bytes a second.
    rate: u64,
    bytes: u64,
    waited: Duration,
}

impl<'a> BodyReader<'a> {
    /// Reads an upload: no longer silence than allowed, on average as many bytes a second as asked for, and no more of all
    /// of the user's than allowed.
    pub fn upload(caller: &'a Caller, pod: &PodState, body: Body) -> Self {
        let (silence, rate) = (pod.config.body_silence, pod.config.upload_rate);
        Self { caller, content: body.into_data_stream(), silence, rate, bytes: 0, waited: Duration::ZERO }
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let begun = Instant::now();
        let Ok(next) = timeout(self.silence, self.content.next()).await else {
            return Err(too_slow(format!("nothing of the body came for {:?}", self.silence)));
        };
        let broken = |_| {
            Problem::bad_request(
                "request-broken",
                "the request's body did not arrive whole, or is not what content-encoding says",
            )
        };
        let next = next.transpose().map_err(broken)?;
        // Only the client's time: storing takes what it takes.
        self.waited += begun.elapsed();
        let bytes = next.as_ref().map_or(0, Bytes::len);
        self.bytes += bytes as u64;
        let expected = self.waited.as_secs_f64() * self.rate as f64;
        if next.is_some() && self.waited > self.silence && (self.bytes as f64) < expected {
            return Err(too_slow(format!("the body must come with {} bytes a second at least", self.rate)));
        }
        self.caller.throttle(bytes).await;
        Ok(next)
    }
}

fn too_slow(detail: String) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request-too-slow", format!("{detail}; nothing was kept, send it again"))
}

/// Reads a request's whole body, at most `max` bytes, within the deadline.
pub async fn read_body(caller: &Caller, pod: &PodState, body: Body, max: usize) -> Result<Bytes, Problem> {
    let deadline = pod.config.body_deadline;
    let mut reader = BodyReader { rate: 0, ..BodyReader::upload(caller, pod, body) };
    let read = async {
        let mut all = BytesMut::new();
        while let Some(bytes) = reader.next().await? {
            if all.len() + bytes.len() > max {
                let detail = format!("the request may have {max} bytes at most");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request-too-large", detail));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    };
    timeout(deadline, read)
        .await
        .unwrap_or_else(|_| Err(too_slow(format!("the whole body must come within {deadline:?}"))))
}

/// Takes care that a request's JSON takes no more memory than allowed once it is read; the permit, where it is much, is to
/// be held until what was read is dropped.
pub(crate) async fn admit_json(caller: &Caller, pod: &PodState, body: &Bytes) -> Result<Option<UserPermit>, Problem> {
    let text = body.clone();
    let memory = with_json(pod, body.len(), move || Ok(json_memory::of_text(&text))).await?;
    if memory > MAX_JSON_MEMORY {
        let detail = format!(
            "the JSON has too many values: it would take {} MiB of memory, and {} are allowed; large data are files",
            memory >> 20,
            MAX_JSON_MEMORY >> 20
        );
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request-too-large", detail));
    }
    (memory > MUCH_JSON_MEMORY).then(|| caller.much_json_permit(pod)).transpose()
}

/// Reads JSON from a request's body, with a permit as [`admit_json`] gives it; a problem of this code names the wrong
/// field of this part.
pub(crate) async fn read_json<T: DeserializeOwned + Send + 'static>(
    caller: &Caller,
    pod: &PodState,
    body: Body,
    max: usize,
    code: &'static str,
    part: &'static str,
) -> Result<(T, Option<UserPermit>), Problem> {
    let body = read_body(caller, pod, body, max).await?;
    let permit = admit_json(caller, pod, &body).await?;
    let read = with_json(pod, body.len(), move || {
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&body))
            .map_err(|error| Problem::bad_request(code, format!("the {part} is invalid: {error}")))
    });
    Ok((read.await?, permit))
}

/// Reads or writes JSON of so many bytes: large JSON on a thread of its own, so that nobody else waits for it.
pub(crate) async fn with_json<T: Send + 'static>(
    pod: &PodState,
    bytes: usize,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    if bytes <= LARGE_JSON {
        return work();
    }
    let ended = |_| Problem::unavailable("this pod is ending");
    let permit = pod.large_json.clone().acquire_owned().await.map_err(ended)?;
    let work = move || {
        let _permit = permit;
        work()
    };
    spawn_blocking(work).await.unwrap_or_else(|_| Err(Problem::unavailable("the request could not be read")))
}
