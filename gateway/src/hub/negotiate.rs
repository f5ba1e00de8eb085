//! `POST /hub/negotiate`: tells a client how to connect and gives it a connection token. Any pod answers; none keeps state.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{connection_token::ConnectionToken, session::StartPosition};
use crate::{
    api::{problem::Problem, request::Parameters},
    caller::Caller,
    pod::Pod,
};

/// The newest version of negotiation that is known here.
const NEWEST_VERSION: u64 = 1;

/// The parameters of a request; others in its URL (an old `id`, stateful reconnect) are ignored.
#[derive(Debug, Deserialize)]
pub struct NegotiateQuery {
    /// 0, if it is missing.
    #[serde(rename = "negotiateVersion", default)]
    version: u64,
    after: Option<String>,
}

/// The ways to connect, or the reason why the client cannot.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Negotiated {
    /// 0 where the client did not ask for 1.
    negotiate_version: u64,
    /// A public id; in version 0 the token itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<String>,
    /// The `id` to send with each request; version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<String>,
    /// In the order in which they should be tried.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    available_transports: &'static [Transport],
    /// Whole seconds until the access token ends: clients that can, refresh it by then; version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_lifetime_seconds: Option<u64>,
    /// The reason why the client cannot connect; clients show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A way to connect.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transport {
    /// `WebSockets`, `ServerSentEvents` or `LongPolling`.
    transport: &'static str,
    /// `Text`, `Binary`.
    transfer_formats: &'static [&'static str],
}

const TRANSPORTS: &[Transport] = &[
    Transport { transport: "WebSockets", transfer_formats: &["Text", "Binary"] },
    Transport { transport: "ServerSentEvents", transfer_formats: &["Text"] },
    Transport { transport: "LongPolling", transfer_formats: &["Text", "Binary"] },
];

/// Ask how to connect to the SignalR hub.
#[utoipa::path(
    post, path = "/hub/negotiate", tag = "hub",
    params(
        ("negotiateVersion" = Option<u64>, Query, description = "the newest version the client knows; 0 if it does not say"),
        ("after" = Option<String>, Query, description = "a cursor to resume after, or `now`; asks to be told cursors"),
        ("access_token" = Option<String>, Query, description = "the token, where no header can be set"),
    ),
    responses(
        (status = 200, body = Negotiated), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub async fn negotiate(
    State(pod): State<Pod>,
    caller: Caller,
    Parameters(query): Parameters<NegotiateQuery>,
) -> Result<Json<Negotiated>, Problem> {
    caller.environment.available()?;
    let version = query.version.min(NEWEST_VERSION);
    if let Err(error) = StartPosition::read(query.after.as_deref()) {
        // Clients show this text, and of a problem its status alone.
        return Ok(Json(Negotiated { negotiate_version: version, error: Some(error), ..Negotiated::default() }));
    }
    let token = ConnectionToken::issue(pod.id.clone());
    let text = token.sign(&caller.environment.key, &caller.claims);
    let (id, token) = if version == 0 { (text, None) } else { (token.id.to_string(), Some(text)) };
    Ok(Json(Negotiated {
        negotiate_version: version,
        connection_id: Some(id),
        connection_token: token,
        available_transports: TRANSPORTS,
        token_lifetime_seconds: caller.claims.lifetime_seconds().filter(|_| version > 0),
        error: None,
    }))
}
