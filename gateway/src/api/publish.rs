//! `POST /api/events`: publishes events by the CloudEvents HTTP binding: structured, binary or batch.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use backplane::{BatchError, Destination, SendError};
use jiff::Timestamp;
use model::{Event, event::MESSAGE};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    event_request::EventRequest,
    problem::Problem,
    publish_spans,
    request::{Parameters, admit_json, read_body, with_json},
};
use crate::{caller::Caller, counted_caller::CountedCaller, pod::Pod};

/// The scope for events of anything but tasks.
const PUBLISH: &str = "publish";
/// The scope for events of tasks, as workers publish them.
const PUBLISH_TASKS: &str = "publish:tasks";
/// The scope for every environment.
const PUBLISH_EVERYWHERE: &str = "publish:everywhere";
/// The first letters of the types of events of tasks.
const TASK_TYPES: &str = "bellwire.task.";
/// The first letters of the types that are Bellwire's own.
const OWN_TYPES: &str = "bellwire.";

const MAX_REQUEST_BYTES: usize = 1 << 20;

/// The query of a request to publish.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishQuery {
    to: Option<String>,
    /// Read by [`Caller`].
    #[serde(rename = "access_token")]
    _access_token: Option<String>,
}

/// The number of events that the broker has confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// All that were sent.
    accepted: usize,
    /// What has no effect, though it looks as if it should: names that are nearly one of ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Publish one event or a batch into one's own environment, or everywhere.
#[utoipa::path(
    post, path = "/api/events", tag = "events",
    params(("to" = Option<String>, Query, description = "`everywhere` reaches every environment; scope `publish:everywhere`")),
    request_body(content_type = "application/cloudevents+json", content = serde_json::Value,
        description = "a CloudEvent 1.0 with `audience`: user:<id>, group:<name> or environment, separated by spaces. The scope is `publish`; that of `bellwire.task.…` is `publish:tasks`; of other types that begin with `bellwire.` only `bellwire.message` is taken. A batch (`application/cloudevents-batch+json`) has 100 events at most and is taken as a whole; in binary mode attributes are `ce-` headers and the body is `data`"),
    responses(
        (status = 202, body = Accepted, description = "the broker has confirmed all"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 408, body = Problem), (status = 413, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem),
    ),
)]
pub async fn publish(
    State(pod): State<Pod>,
    caller: CountedCaller,
    Parameters(query): Parameters<PublishQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let destination = destination(&caller, query.to.as_deref())?;
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = read_body(&caller, &pod, body, MAX_REQUEST_BYTES).await?;
    // The body may have taken longer than the token was valid.
    caller.require_unexpired()?;
    let _permit = admit_json(&caller, &pod, &body).await?;
    let body_bytes = body.len();
    let read = move || {
        let request = EventRequest::read(&headers, &body)?;
        let warnings = request.warnings();
        Ok((request, warnings))
    };
    let (EventRequest { mut events, is_batch }, warnings) = with_json(&pod, body_bytes, read).await?;
    for (at, event) in events.iter().enumerate() {
        let checked = check_rights(&caller, destination, event);
        checked.map_err(|problem| if is_batch { problem.within(&format!("event {at}")) } else { problem })?;
    }
    events.iter_mut().for_each(prepare);
    let environment = &caller.environment;
    let (mut spans, carried) =
        publish_spans::begin(&pod.telemetry, &environment.name, traceparent.as_deref(), &mut events);
    // All of them are valid before the first is sent.
    let encoded: Vec<_> = loop {
        match events.iter().map(Event::encode).collect::<Result<_, _>>() {
            Ok(encoded) => break encoded,
            Err(error) => {
                if !publish_spans::make_room(&mut events, carried.as_deref()) {
                    return Err(Problem::from(error));
                }
            }
        }
    };
    let published = environment.backplane.log.publish_all(destination, &encoded).await;
    if published.is_err() {
        spans.iter_mut().for_each(|span| span.fail("not published"));
    }
    published.map_err(|BatchError { published, error }| {
        publish_problem(error, destination).after(published, events.len())
    })?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted: events.len(), warnings })))
}

/// A problem for a failed publish. To publish everywhere, a gateway's broker user needs a right of its own.
fn publish_problem(error: SendError, destination: Destination) -> Problem {
    match (error, destination) {
        (SendError::Refused(_), Destination::Everywhere) => Problem::new(
            StatusCode::FORBIDDEN,
            "everywhere-refused",
            "this gateway's broker user may not publish everywhere: an operator can, with `bellwire notify --everywhere`",
        ),
        (error, _) => error.into(),
    }
}

fn destination(caller: &Caller, to: Option<&str>) -> Result<Destination, Problem> {
    match to {
        // Which of the two it takes depends on the events.
        None if caller.claims.has_scope(PUBLISH_TASKS) => Ok(Destination::Own),
        None => caller.require(PUBLISH).map(|()| Destination::Own),
        Some("everywhere") => caller.require(PUBLISH_EVERYWHERE).map(|()| Destination::Everywhere),
        Some(_) => Err(Problem::bad_request("invalid-parameter", "to: it can only be `everywhere`")),
    }
}

/// Checks that the caller may publish events of this type.
fn check_rights(caller: &Caller, destination: Destination, event: &Event) -> Result<(), Problem> {
    let event_type = event.event_type.as_str();
    // Under words of the publisher's choice people would answer a question that they do not see.
    if event.toast()?.is_some_and(|toast| toast.decision.is_some()) {
        let detail = "data.toast.decision: only the workflow that asks may put its question's buttons on a toast";
        return Err(Problem::new(StatusCode::FORBIDDEN, "event-reserved", detail));
    }
    if event_type.starts_with(TASK_TYPES) {
        if destination == Destination::Everywhere {
            // No task is of every environment; readers drop what claims to be.
            let detail = format!("type: {event_type} cannot be published everywhere");
            return Err(Problem::new(StatusCode::FORBIDDEN, "event-reserved", detail));
        }
        return caller.require(PUBLISH_TASKS);
    }
    if event.is_pulse() {
        return Err(Problem::bad_request("invalid-event", "type: bellwire.pulse is for gateways alone"));
    }
    if !event.is_for_publishers() || looks_reserved(event_type) && event_type != MESSAGE {
        // Only the gateway can vouch for the user who answers a question, only a workflow's worker may ask, and a later
        // version may give a meaning to the rest.
        let detail = format!(
            "type: {event_type} is reserved: of the types that begin with bellwire. a publisher may use bellwire.message, \
             and with the scope {PUBLISH_TASKS} those of bellwire.task.; answers go to /api/tasks/{{id}}/steps/{{step}}"
        );
        return Err(Problem::new(StatusCode::FORBIDDEN, "event-reserved", detail));
    }
    match destination {
        Destination::Own | Destination::Publishers => caller.require(PUBLISH),
        Destination::Everywhere => Ok(()),
    }
}

/// Returns true if a type differs from one of ours at most in case, or in characters that cannot be seen.
fn looks_reserved(event_type: &str) -> bool {
    let visible = event_type.chars().filter(|letter| letter.is_ascii_graphic() || letter.is_alphanumeric());
    visible.flat_map(char::to_lowercase).take(OWN_TYPES.len()).eq(OWN_TYPES.chars())
}

/// Sets what a publisher cannot.
fn prepare(event: &mut Event) {
    event.time.get_or_insert_with(Timestamp::now);
    // Stamped on delivery; a publisher's values are dropped.
    event.environment = None;
    event.cursor = None;
}
