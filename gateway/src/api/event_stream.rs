//! `GET /events`: a caller's events as plain server-sent events.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Version},
    response::{IntoResponse, Response},
};
use metrics::counter;
use model::{Cursor, cursor::CursorError};
use serde::Deserialize;

use super::{problem::Problem, request::Parameters};
use crate::{
    caller::Caller,
    dispatch::{outbox::EndReason, registry::Recipient},
    hub::{connection_token::ConnectionToken, registry::RefreshLease, request::Reply},
    pod::{EnvironmentState, Pod},
    renewal::subscribe_anew,
    token::Claims,
    write::{
        close::{close, wait_for_eof},
        feed::EventFeed,
        format::{Format, LAST_CHUNK},
        sse,
        takeover::Takeover,
        timer::{ConnectionTimer, Tick},
        writer::{Closed, ConnectionWriter},
    },
};

const LAST_EVENT_ID: &str = "last-event-id";
/// Names a stream in its answer, so that `POST /events/refresh` can give it a newer token.
const STREAM_NAME: HeaderName = HeaderName::from_static("bellwire-stream");
/// Why a stream ended whose rights could not follow a newer token.
const RIGHTS_CHANGED: &str = "rights-changed";

/// The query of a request for events.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// A cursor; without one, or with `now`, only new events are sent.
    after: Option<String>,
    /// The last cursor, under the names that replacements of `EventSource` give it where they cannot set a header. They
    /// keep the URL of the beginning, so that it wins over `after`.
    #[serde(
        rename = "lastEventId",
        alias = "lastEventID",
        alias = "Last-Event-ID",
        alias = "Last-Event-Id",
        alias = "last-event-id",
        alias = "last_event_id",
        alias = "evs_last_event_id"
    )]
    last_event_id: Option<String>,
    /// Read by [`Caller`].
    #[serde(rename = "access_token")]
    _access_token: Option<String>,
}

/// Follow the events that are meant for the caller.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "listen",
    params(
        ("after" = Option<String>, Query, description = "a cursor to resume after, or `now`"),
        ("Last-Event-ID" = Option<String>, Header, description = "a cursor to resume after; wins over those in the query"),
        ("lastEventId" = Option<String>, Query, description = "the same, as replacements of `EventSource` send it; wins over `after`"),
        ("access_token" = Option<String>, Query, description = "the token, where no header can be set"),
    ),
    responses(
        (status = 200, description = "`event:` a type (`event.` before those that are names of the stream's own: gap, cursor, open, error, message), `data:` a CloudEvent, `id:` a cursor; first an empty event `cursor`; the header `Bellwire-Stream` is the `id` for `POST /events/refresh`", content_type = "text/event-stream"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem),
    ),
)]
pub async fn stream(
    State(pod): State<Pod>,
    caller: Caller,
    takeover: Takeover,
    version: Version,
    Parameters(query): Parameters<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = start_cursor(&headers, &query)?;
    caller.environment.available()?;
    let permit = caller.connection_permit(&pod)?;
    let subscription = caller.environment.dispatch.subscribe(caller.recipient.clone(), after).await?;
    let format = Format::plain(version);
    let timer = ConnectionTimer::new(&pod, &caller.environment, caller.claims.expires());
    let queue = caller.environment.write_queue.clone();
    let token = ConnectionToken::issue(pod.id.clone());
    let name = [(STREAM_NAME, token.sign(&caller.environment.key, &caller.claims))];
    // Registered before the head is sent, which names it.
    let lease = pod.clients.register_for_refresh(token.id);
    let mut listener = Listener::new(caller, timer);
    takeover.on_socket(move |socket, _| async move {
        let writer = ConnectionWriter::open(socket, format, &queue);
        writer.send(format.wrap(sse::retry(rand::random_range(500..3000))));
        writer.set_feed(EventFeed::new(subscription, true));
        serve(&writer, format, &mut listener, &lease).await;
        drop(permit);
    });
    Ok((sse::headers(), name, takeover.body()).into_response())
}

/// `HEAD /events`: the head of the answer to the same request by GET, and nobody listens.
pub async fn head(
    caller: Caller,
    Parameters(query): Parameters<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    start_cursor(&headers, &query)?;
    caller.environment.available()?;
    Ok(sse::headers().into_response())
}

/// Whom a stream is for, and until when.
struct Listener {
    environment: Arc<EnvironmentState>,
    recipient: Arc<Recipient>,
    /// When the newest of its tokens was issued.
    issued: Option<i64>,
    timer: ConnectionTimer,
}

impl Listener {
    fn new(caller: Caller, timer: ConnectionTimer) -> Self {
        let Caller { environment, recipient, claims } = caller;
        Self { environment, recipient, issued: claims.iat, timer }
    }

    /// Goes on with another token of the same person, and its rights; `None` when the stream must end.
    async fn refresh(&mut self, claims: &Claims, writer: &Arc<ConnectionWriter>) -> Option<Reply> {
        if claims.sub != self.recipient.user || claims.env != self.environment.name.as_str() {
            return Some(Reply::Gone);
        }
        let recipient = Caller::from_claims(self.environment.clone(), claims.clone()).recipient;
        if recipient.has_groups_of(&self.recipient) && self.recipient.has_groups_of(&recipient) {
            self.issued = self.issued.max(claims.iat);
            self.timer.extend_expiry(claims.expires());
            return Some(Reply::Done);
        }
        if claims.was_issued_before(self.issued) {
            return Some(Reply::Outdated);
        }
        subscribe_anew(&self.environment.dispatch, &self.recipient, recipient.clone(), true, writer).await?;
        self.timer.set_expiry(claims.expires());
        (self.recipient, self.issued) = (recipient, claims.iat);
        Some(Reply::Done)
    }
}

/// Serves a stream until it ends.
async fn serve(writer: &Arc<ConnectionWriter>, format: Format, listener: &mut Listener, lease: &RefreshLease) {
    let reason = loop {
        tokio::select! {
            closed = writer.closed() => match closed {
                Closed::Broken => return,
                Closed::Ended(reason) => break reason.as_str(),
            },
            () = wait_for_eof(writer) => return,
            newer = lease.next() => match Box::pin(listener.refresh(&newer.claims, writer)).await {
                Some(reply) => drop(newer.reply.send(reply)),
                None => break RIGHTS_CHANGED,
            },
            tick = listener.timer.tick() => match tick {
                Tick::Heartbeat => writer.heartbeat(),
                Tick::End(reason) => {
                    if reason == EndReason::Draining {
                        writer.socket.send_elsewhere();
                    }
                    break reason.as_str();
                }
            },
        }
    };
    writer.drop_feed();
    counter!("bellwire_connections_ended_total", "reason" => reason).increment(1);
    // What waits may be of a group that the client is no longer in.
    if reason == RIGHTS_CHANGED && writer.unsent() > 0 {
        return;
    }
    writer.send(format.wrap(sse::retry(rand::random_range(200..3000))));
    if format.is_chunked() {
        writer.send(LAST_CHUNK);
    }
    close(writer).await;
}

fn start_cursor(headers: &HeaderMap, query: &StreamQuery) -> Result<Option<Cursor>, Problem> {
    let header = match headers.get(LAST_EVENT_ID).map(HeaderValue::to_str) {
        Some(Err(_)) => return Err(Problem::bad_request("invalid-cursor", "Last-Event-ID: it is no text")),
        Some(Ok(text)) => Some(("Last-Event-ID", text)),
        None => None,
    };
    let last = query.last_event_id.as_deref().map(|text| ("lastEventId", text));
    let after = query.after.as_deref().map(|text| ("after", text));
    // The first that says something: a client that has no cursor yet may send an empty one.
    match [header, last, after].into_iter().flatten().find(|(_, text)| !text.is_empty()) {
        None | Some((_, "now")) => Ok(None),
        Some((name, text)) => text
            .parse()
            .map(Some)
            .map_err(|error: CursorError| Problem::bad_request("invalid-cursor", format!("{name}: {error}"))),
    }
}
