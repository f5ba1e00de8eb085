//! New access tokens over HTTP: for a client of the hub by `POST /hub/refresh`, for a plain stream by `POST /events/refresh`.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    request::Operation,
    routes::{HubQuery, respond},
    routing,
};
use crate::{
    api::{problem::Problem, request::Parameters},
    caller::Caller,
    pod::Pod,
};

/// The rest of an access token's life.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    /// Whole seconds until it ends; missing beyond 24 days, which timers of browsers cannot wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_lifetime_seconds: Option<u64>,
}

/// Go on with a newer access token of the same person, without connecting again.
#[utoipa::path(
    post, path = "/hub/refresh", tag = "hub",
    params(("id" = String, Query, description = "the connection token")),
    responses(
        (status = 200, body = Refreshed), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem),
    ),
)]
pub async fn refresh(
    State(pod): State<Pod>,
    caller: Caller,
    Parameters(query): Parameters<HubQuery>,
) -> Result<Json<Refreshed>, Problem> {
    let token = query.token(&caller)?;
    let _permit = caller.hub_request_permit(&pod)?;
    let token_lifetime_seconds = caller.claims.lifetime_seconds();
    let request = query.request(&caller, token, Operation::Refresh);
    respond(routing::existing(&pod, caller, request).await?, StatusCode::OK)?;
    Ok(Json(Refreshed { token_lifetime_seconds }))
}

/// Go on with a newer access token of the same person on a stream of `GET /events`, without connecting again.
#[utoipa::path(
    post, path = "/events/refresh", tag = "events",
    params(("id" = String, Query, description = "the header `Bellwire-Stream` of the stream's answer")),
    responses(
        (status = 200, body = Refreshed), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem, description = "there is no such stream: connect again"), (status = 503, body = Problem),
    ),
)]
pub async fn refresh_stream(
    pod: State<Pod>,
    caller: Caller,
    query: Parameters<HubQuery>,
) -> Result<Json<Refreshed>, Problem> {
    refresh(pod, caller, query).await
}
