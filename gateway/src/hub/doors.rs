//! `/hub`: how a client comes in, and what it says by POST.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tungstenite::handshake::server::create_response;

use super::{
    connection_token::ConnectionToken,
    reach,
    request::{Reply, Request as Asked, What},
    session::{After, Session, largest_message},
    stream, websocket,
};
use crate::{
    api::{
        problem::Problem,
        request::{Parameters, read_body},
    },
    caller::Caller,
    pod::Pod,
    write::{clock::Clock, format::Format, sse, takeover::Takeover},
};

/// What stands in the URL of every request of a client's.
#[derive(Debug, Deserialize)]
pub struct Named {
    /// The connection token.
    id: Option<String>,
    after: Option<String>,
}

impl Named {
    fn after(&self) -> Result<After, Problem> {
        After::read(self.after.as_deref())
            .map_err(|error| Problem::bad_request("invalid-cursor", format!("after: {error}, or `now`")))
    }

    /// What is asked of who holds the client.
    fn request(self, caller: &Caller, token: ConnectionToken, what: What) -> Asked {
        Asked { token, claims: caller.claims.clone(), after: self.after, what }
    }

    fn token(&self, caller: &Caller) -> Result<ConnectionToken, Problem> {
        let id = self.id.as_deref().ok_or_else(|| {
            Problem::bad_request("id-missing", "id: negotiate first, and send what that gave as `id`")
        })?;
        Ok(ConnectionToken::verify(caller, id)?)
    }
}

/// `GET /hub`: a WebSocket, a stream of server-sent events, or a poll.
pub async fn enter(
    State(pod): State<Pod>,
    caller: Caller,
    takeover: Takeover,
    Parameters(named): Parameters<Named>,
    request: Request,
) -> Result<Response, Problem> {
    if request.headers().contains_key(header::UPGRADE) {
        return upgrade(&pod, caller, &takeover, &named, request);
    }
    if accepts_events(request.headers()) {
        return listen(&pod, caller, &takeover, &named, request.version());
    }
    named.after()?;
    let token = named.token(&caller)?;
    let request = named.request(&caller, token, What::Poll);
    answer(reach::poll(&pod, caller, request).await?, StatusCode::OK)
}

fn upgrade(
    pod: &Pod,
    caller: Caller,
    takeover: &Takeover,
    named: &Named,
    request: Request,
) -> Result<Response, Problem> {
    pod.config().origins.check(request.headers())?;
    // A client that skips negotiation has none; one that shows one again begins anew with it.
    named.id.is_some().then(|| named.token(&caller)).transpose()?;
    let after = named.after()?;
    let (parts, _) = request.into_parts();
    let response = create_response(&axum::http::Request::from_parts(parts, ()))
        .map_err(|error| Problem::bad_request("invalid-upgrade", format!("this is no WebSocket's request: {error}")))?;
    let clock = Clock::new(pod.config(), pod.draining(), caller.claims.expires());
    let session = Session::new(pod, caller, after)?;
    takeover.on_socket(move |socket, early| websocket::hold(socket, early, session, clock));
    Ok(response.map(|()| Body::empty()))
}

fn listen(
    pod: &Pod,
    caller: Caller,
    takeover: &Takeover,
    named: &Named,
    version: Version,
) -> Result<Response, Problem> {
    let token = named.token(&caller)?;
    let after = named.after()?;
    let format = match version {
        Version::HTTP_10 => Format::HubJsonStream,
        _ => Format::HubJsonStreamChunked,
    };
    let clock = Clock::new(pod.config(), pod.draining(), caller.claims.expires());
    let session = Session::new(pod, caller, after)?;
    // Held before the head is out, since the client says the first thing once it has that.
    let holding = pod.held().hold(token.id);
    takeover.on_socket(move |socket, _| stream::hold(socket, format, session, clock, holding));
    Ok((sse::headers(), takeover.body()).into_response())
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// `POST /hub`: what a client says whose stream or polls are elsewhere.
pub async fn post(
    State(pod): State<Pod>,
    caller: Caller,
    Parameters(named): Parameters<Named>,
    body: Body,
) -> Result<Response, Problem> {
    let token = named.token(&caller)?;
    let bytes = read_body(body, largest_message(&pod)).await?;
    let request = named.request(&caller, token, What::Post(bytes));
    answer(reach::post(&pod, caller, request).await?, StatusCode::OK)
}

/// `DELETE /hub`: a client that polls has done.
pub async fn delete(
    State(pod): State<Pod>,
    caller: Caller,
    Parameters(named): Parameters<Named>,
) -> Result<Response, Problem> {
    let token = named.token(&caller)?;
    let request = named.request(&caller, token, What::Delete);
    answer(reach::delete(&pod, caller, request).await?, StatusCode::ACCEPTED)
}

fn answer(reply: Reply, done: StatusCode) -> Result<Response, Problem> {
    match reply {
        Reply::Done => Ok(done.into_response()),
        Reply::Messages { is_text, bytes } => {
            let content_type = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
            Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
        }
        Reply::Over => Ok(StatusCode::NO_CONTENT.into_response()),
        Reply::Gone => Err(Problem::not_found("id: this connection is over; negotiate again")),
        Reply::Unavailable(why) => Err(Problem::unavailable(why)),
    }
}
