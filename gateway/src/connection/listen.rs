//! `GET /events`: a connection's life as plain server-sent events.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, Version, header},
    response::{IntoResponse, Response},
};
use metrics::counter;
use model::Cursor;
use serde::Deserialize;

use crate::{
    api::{parameters::Parameters, problem::Problem},
    caller::Caller,
    connection::{
        clock::{Clock, Tick},
        farewell::{farewell, left},
        format::Format,
        line::{Line, Over},
        outgoing::Telling,
        sse,
        takeover::Takeover,
        wire,
    },
    pod::Pod,
};

/// Where to begin.
#[derive(Debug, Default, Deserialize)]
pub struct Resume {
    /// A cursor; `now` or nothing begins with what comes next.
    after: Option<String>,
}

/// Follow the events that are meant for the caller.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(
        ("after" = Option<String>, Query, description = "a cursor to resume after, or `now`"),
        ("Last-Event-ID" = Option<String>, Header, description = "a cursor to resume after; wins over `after`"),
        ("access_token" = Option<String>, Query, description = "the token, where no header can be set"),
    ),
    responses(
        (status = 200, description = "`id:` a cursor, `event:` a type, `data:` a CloudEvent; first an `id:` alone", content_type = "text/event-stream"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 503, body = Problem),
    ),
)]
pub async fn listen(
    State(pod): State<Pod>,
    caller: Caller,
    takeover: Takeover,
    version: Version,
    Parameters(resume): Parameters<Resume>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = place(&headers, &resume)?;
    let seat = pod.connection_permit()?;
    let subscription = caller.environment.dispatch.subscribe(caller.listener.clone(), after).await?;
    let format = if version == Version::HTTP_10 { Format::Plain } else { Format::PlainChunked };
    let clock = Clock::new(&pod, caller.claims.expires());
    let listed = caller.environment.dispatch.listed().clone();
    takeover.then(move |socket, _| async move {
        let line = Line::own(socket, format, &listed);
        line.send(format.wrap(sse::retry(rand::random_range(500..3000))));
        line.tell(Telling::new(subscription, true));
        hold(&line, format, clock).await;
        drop(seat);
    });
    Ok((stream_headers(), takeover.body()).into_response())
}

/// What stands above every stream of server-sent events.
pub(crate) fn stream_headers() -> [(header::HeaderName, &'static str); 3] {
    [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ]
}

async fn hold(line: &Arc<Line>, format: Format, mut clock: Clock) {
    let end = loop {
        tokio::select! {
            over = line.over() => match over {
                Over::Broken => return,
                Over::Ended(end) => break end,
            },
            () = left(line) => return,
            tick = clock.tick() => match tick {
                Tick::Beat => line.beat(),
                Tick::End(end) => break end,
            },
        }
    };
    counter!("bellwire_connections_ended_total", "reason" => end.as_str()).increment(1);
    line.send(format.wrap(sse::retry(rand::random_range(200..3000))));
    if format.is_chunked() {
        line.send(wire::LAST_CHUNK);
    }
    farewell(line).await;
}

fn place(headers: &HeaderMap, resume: &Resume) -> Result<Option<Cursor>, Problem> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    match last.filter(|last| !last.is_empty()).or(resume.after.as_deref()) {
        None | Some("" | "now") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error: model::cursor::CursorError| {
            Problem::bad_request("invalid-cursor", format!("after, or Last-Event-ID: {error}"))
        }),
    }
}
