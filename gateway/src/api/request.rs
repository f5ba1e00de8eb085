//! A request's query and body, or a problem that says what is wrong with them.

use std::error::Error;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, Query},
    http::{StatusCode, request::Parts},
};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

use super::problem::Problem;

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

/// Reads a request's whole body, at most `max` bytes.
pub async fn read_body(body: Body, max: usize) -> Result<Bytes, Problem> {
    to_bytes(body, max).await.map_err(|error| {
        if error.source().is_some_and(|cause| cause.is::<LengthLimitError>()) {
            let detail = format!("the request may have {max} bytes at most");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request-too-large", detail);
        }
        Problem::bad_request("request-broken", "the request's body did not arrive whole")
    })
}

/// Reads JSON from a request's body; a problem of this code names the wrong field of this part.
pub(crate) async fn read_json<T: DeserializeOwned>(
    body: Body,
    max: usize,
    code: &str,
    part: &str,
) -> Result<T, Problem> {
    let body = read_body(body, max).await?;
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&body))
        .map_err(|error| Problem::bad_request(code, format!("the {part} is invalid: {error}")))
}
