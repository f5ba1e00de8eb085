//! `/hub`: a client connects by GET, sends messages by POST and closes by DELETE.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tungstenite::handshake::server::create_response;

use super::{
    connection_token::ConnectionToken,
    request::{ClientRequest, Operation, Reply},
    routing,
    session::{Session, StartPosition, largest_message},
    stream, websocket,
};
use crate::{
    api::{problem::Problem, request::Parameters, request::read_body},
    caller::{Caller, RETRY_USER, TOO_MANY_CONNECTIONS},
    pod::Pod,
    token::TokenError,
    write::{format::Format, sse, takeover::Takeover},
};

/// The parameters of every request.
#[derive(Debug, Deserialize)]
pub struct HubQuery {
    /// The connection token.
    id: Option<String>,
    after: Option<String>,
}

impl HubQuery {
    fn after(&self) -> Result<StartPosition, Problem> {
        StartPosition::read(self.after.as_deref()).map_err(|error| Problem::bad_request("invalid-cursor", error))
    }

    pub(super) fn token(&self, caller: &Caller) -> Result<ConnectionToken, Problem> {
        let id = self.id.as_deref().ok_or_else(|| {
            Problem::bad_request("id-missing", "id: negotiate first, and send the connection token as `id`")
        })?;
        // Clients take this answer for a connection that is over, and start again.
        ConnectionToken::verify(&caller.environment.key, &caller.claims, id)
            .ok_or_else(|| Problem::not_found("id: it is no connection of yours; negotiate again"))
    }

    /// The request for the task that serves the client.
    pub(super) fn request(self, caller: &Caller, token: ConnectionToken, operation: Operation) -> ClientRequest {
        ClientRequest { token, claims: caller.claims.clone(), after: self.after, operation }
    }
}

/// `GET /hub`: a WebSocket, a stream of server-sent events, or a poll.
pub async fn connect(
    State(pod): State<Pod>,
    caller: Caller,
    takeover: Takeover,
    Parameters(query): Parameters<HubQuery>,
    request: Request,
) -> Result<Response, Problem> {
    if request.method() == Method::HEAD {
        // It would take a client's messages and throw them away, or register a stream that nobody reads.
        let detail = "/hub cannot be used with HEAD: a client connects by GET";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail));
    }
    if asks_for_websocket(request.headers()) {
        return upgrade(&pod, caller, &takeover, &query, request);
    }
    if accepts_events(request.headers()) {
        return stream_events(&pod, caller, &takeover, &query, request.version());
    }
    query.after()?;
    let token = query.token(&caller)?;
    let _permit = caller.hub_request_permit(&pod)?;
    let request = query.request(&caller, token, Operation::Poll);
    respond(routing::poll(&pod, caller, request).await?, StatusCode::OK)
}

fn upgrade(
    pod: &Pod,
    caller: Caller,
    takeover: &Takeover,
    query: &HubQuery,
    request: Request,
) -> Result<Response, Problem> {
    pod.config.origins.check(request.headers())?;
    caller.environment.available()?;
    // A client that skips negotiation has no token; one that sends its token again starts anew with it.
    let token = query.id.is_some().then(|| query.token(&caller)).transpose()?;
    let after = query.after()?;
    let (parts, _) = request.into_parts();
    let response = create_response(&axum::http::Request::from_parts(parts, ()))
        .map_err(|error| Problem::bad_request("invalid-upgrade", format!("this is no WebSocket request: {error}")))?;
    let session = Session::new(pod, caller, after)?;
    let lease = token.map(|token| pod.clients.register_for_refresh(token.id));
    takeover.on_socket(move |socket, early| websocket::run(socket, early, session, lease));
    Ok(response.map(|()| Body::empty()))
}

fn stream_events(
    pod: &Pod,
    caller: Caller,
    takeover: &Takeover,
    query: &HubQuery,
    version: Version,
) -> Result<Response, Problem> {
    caller.environment.available()?;
    let token = query.token(&caller)?;
    let after = query.after()?;
    let format = Format::hub_stream(version);
    let session = Session::new(pod, caller, after)?;
    // Registered before the head is sent: once it has that, the client posts its handshake.
    let lease = pod.clients.register(token.id);
    takeover.on_socket(move |socket, _| stream::run(socket, format, session, lease));
    Ok((sse::headers(), takeover.body()).into_response())
}

/// True if `Upgrade` names WebSockets. Clients that offer HTTP/2 or something else are served without it.
fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::UPGRADE).iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("websocket"))
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// `POST /hub`: messages of a client that has a stream or polls.
pub async fn post(
    State(pod): State<Pod>,
    caller: Caller,
    Parameters(query): Parameters<HubQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let token = query.token(&caller)?;
    let _permit = caller.hub_request_permit(&pod)?;
    let bytes = read_body(&caller, &pod, body, largest_message(&pod)).await?;
    let request = query.request(&caller, token, Operation::Post(bytes));
    respond(routing::post(&pod, caller, request).await?, StatusCode::OK)
}

/// `DELETE /hub`: a client that polls closes its connection.
pub async fn delete(
    State(pod): State<Pod>,
    caller: Caller,
    Parameters(query): Parameters<HubQuery>,
) -> Result<Response, Problem> {
    let token = query.token(&caller)?;
    let _permit = caller.hub_request_permit(&pod)?;
    let request = query.request(&caller, token, Operation::Delete);
    respond(routing::existing(&pod, caller, request).await?, StatusCode::ACCEPTED)
}

pub(super) fn respond(reply: Reply, done: StatusCode) -> Result<Response, Problem> {
    match reply {
        Reply::Done => Ok(done.into_response()),
        Reply::Messages { is_text, bytes } => {
            let content_type = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
            Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
        }
        Reply::Over => Ok(StatusCode::NO_CONTENT.into_response()),
        Reply::Gone => Err(Problem::not_found("id: this connection is over; negotiate again")),
        Reply::Outdated => Err(TokenError::Outdated.into()),
        Reply::TooManyConnections(reason) => {
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY_CONNECTIONS, reason).retry_after(RETRY_USER))
        }
        Reply::Unavailable(reason) => Err(Problem::unavailable(reason)),
    }
}
