//! The parameters of a request's query, or a problem that names the wrong one.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::api::problem::Problem;

/// A request's query as `T`.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let wrong = |error: axum::extract::rejection::QueryRejection| {
            // The text is about names and types; the token among the values is never in it.
            Problem::bad_request("invalid-parameter", error.body_text())
        };
        Query::try_from_uri(&parts.uri).map(|Query(parameters)| Self(parameters)).map_err(wrong)
    }
}
