//! `GET /events`: a connection's life as plain server-sent events.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use backplane::Cursor;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use metrics::counter;
use serde::Deserialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    caller::Caller,
    delivered::Delivered,
    dispatch::Subscription,
    outbox::{End, GapReason, Parcel},
    parameters::Parameters,
    pod::Pod,
    problem::Problem,
    sse,
};

/// Most bytes that are put together into one write.
const CHUNK: usize = 32 * 1024;

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
    Parameters(resume): Parameters<Resume>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = place(&headers, &resume)?;
    let subscription = caller.gate.dispatch.subscribe(caller.listener.clone(), after).await?;
    let subscription =
        subscription.ok_or_else(|| Problem::unavailable("this pod is still reading the log; come back"))?;
    let listening = Listening::new(subscription, &pod, caller.claims.expires());
    let chunks = stream::unfold(listening, |mut listening| async move {
        let chunk = listening.next().await?;
        Some((Ok::<_, Infallible>(chunk), listening))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

fn place(headers: &HeaderMap, resume: &Resume) -> Result<Option<Cursor>, Problem> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    match last.filter(|last| !last.is_empty()).or(resume.after.as_deref()) {
        None | Some("" | "now") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error: backplane::cursor::CursorError| {
            Problem::bad_request("invalid-cursor", format!("after, or Last-Event-ID: {error}"))
        }),
    }
}

struct Listening {
    subscription: Subscription,
    /// What is replayed and not yet written.
    replay: VecDeque<Arc<Delivered>>,
    /// The client's cursor.
    written: Cursor,
    begun: bool,
    /// Whether what was is joined to what comes: then the dispatcher's place is the client's.
    joined: bool,
    /// After a gap the client's cursor is worth nothing: the next place stands, even a lower one.
    rebased: bool,
    ended: bool,
    heartbeat: Interval,
    /// When it ends at the latest, and why.
    deadline: (Instant, End),
    draining: CancellationToken,
    grace: Duration,
}

impl Listening {
    fn new(subscription: Subscription, pod: &Pod, expires: jiff::Timestamp) -> Self {
        let every = pod.config().heartbeat;
        let mut heartbeat = interval_at(Instant::now() + every.mul_f64(rand::random_range(0.5..1.0)), every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let left = Duration::try_from(expires - jiff::Timestamp::now()).unwrap_or_default();
        Self {
            written: subscription.start,
            subscription,
            replay: VecDeque::new(),
            begun: false,
            joined: false,
            rebased: false,
            ended: false,
            heartbeat,
            // A token for ever would overflow the clock.
            deadline: (Instant::now() + left.min(Duration::from_secs(365 * 24 * 3600)), End::Expired),
            draining: pod.draining().clone(),
            grace: pod.config().grace,
        }
    }

    /// The next bytes to write: all that waits, up to a chunk. `None` closes the connection.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if !self.begun {
            self.begun = true;
            return Some([sse::retry(rand::random_range(500..3000)), sse::cursor(self.written)].concat().into());
        }
        if !self.replay.is_empty() {
            return Some(self.write_waiting(None));
        }
        let draining = self.draining.clone();
        tokio::select! {
            biased;
            parcel = self.subscription.outbox.next() => match parcel {
                Some(parcel) => Some(self.write_waiting(Some(parcel))),
                None => self.end(self.subscription.outbox.end().unwrap_or(End::Draining)),
            },
            _ = self.heartbeat.tick() => Some(self.beat()),
            () = sleep_until(self.deadline.0) => self.end(self.deadline.1),
            () = draining.cancelled() => {
                // Still served until its own moment: they must not all come back at once.
                let moment = Instant::now() + self.grace.mul_f64(rand::random_range(0.0..1.0));
                if moment < self.deadline.0 {
                    self.deadline = (moment, End::Draining);
                }
                self.draining = CancellationToken::new();
                Some(self.beat())
            }
        }
    }

    fn write_waiting(&mut self, first: Option<Parcel>) -> Bytes {
        let mut chunk = Chunk::default();
        if let Some(parcel) = first {
            self.write(parcel, &mut chunk);
        }
        loop {
            while chunk.len() < CHUNK
                && let Some(delivered) = self.replay.pop_front()
            {
                self.write_event(&delivered, &mut chunk);
            }
            if chunk.len() >= CHUNK {
                return chunk.done();
            }
            match self.subscription.outbox.take() {
                Some(parcel) => self.write(parcel, &mut chunk),
                None => return chunk.done(),
            }
        }
    }

    fn write(&mut self, parcel: Parcel, chunk: &mut Chunk) {
        match parcel {
            Parcel::Event(delivered) => self.write_event(&delivered, chunk),
            Parcel::Gap(reason) => self.write_gap(reason, chunk),
            Parcel::Replay { gap, events } => {
                if let Some(reason) = gap {
                    self.write_gap(reason, chunk);
                }
                self.joined = true;
                if gap.is_some() || !events.is_empty() {
                    // The place that this leads to is told as soon as all is written.
                    self.heartbeat.reset_immediately();
                }
                self.replay = events.into();
            }
        }
    }

    fn write_gap(&mut self, reason: GapReason, chunk: &mut Chunk) {
        self.rebased = true;
        chunk.push(sse::gap(reason));
    }

    fn write_event(&mut self, delivered: &Delivered, chunk: &mut Chunk) {
        self.written = delivered.cursor;
        self.rebased = false;
        if !delivered.has_expired(jiff::Timestamp::now()) {
            chunk.push(sse::event(delivered));
        }
    }

    /// The client's cursor: the dispatcher's place, once all that was put into the outbox before it is written.
    fn beat(&mut self) -> Bytes {
        let place = *self.subscription.last.borrow();
        let waiting = self.write_waiting(None);
        // A slow connection was refused something that lies before the place.
        let complete = self.joined && self.replay.is_empty() && self.subscription.outbox.end().is_none();
        if let Some(place) = place.filter(|place| complete && (self.rebased || place.offset > self.written.offset)) {
            self.written = place;
            self.rebased = false;
        }
        [waiting, sse::cursor(self.written)].concat().into()
    }

    fn end(&mut self, end: End) -> Option<Bytes> {
        counter!("bellwire_connections_ended_total", "reason" => end.as_str()).increment(1);
        self.ended = true;
        Some(sse::retry(rand::random_range(200..3000)))
    }
}

/// Bytes put together; one frame alone is not copied.
#[derive(Default)]
struct Chunk {
    first: Bytes,
    more: BytesMut,
}

impl Chunk {
    fn len(&self) -> usize {
        self.first.len().max(self.more.len())
    }

    fn push(&mut self, frame: Bytes) {
        if self.first.is_empty() {
            self.first = frame;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&self.first);
        }
        self.more.extend_from_slice(&frame);
    }

    fn done(self) -> Bytes {
        if self.more.is_empty() { self.first } else { self.more.freeze() }
    }
}
