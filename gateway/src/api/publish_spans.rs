//! The spans of a request to publish: the events name them from then on, so that whoever delivers them goes on with the trace.

use model::{Environment, Event};
use process::telemetry::{Span, SpanKind, Telemetry, is_traceparent};

/// The span's name.
const PUBLISH: &str = "publish";

/// The spans of these events: one of the request for those that have no `traceparent` of their own, below the request's; and
/// one of each other that is sampled. Without any, the request's `traceparent` is carried on as it is. With what was carried.
pub(super) fn begin(
    telemetry: &Telemetry,
    environment: &Environment,
    header: Option<&str>,
    events: &mut [Event],
) -> (Vec<Span>, Option<String>) {
    let header = header.filter(|text| is_traceparent(text));
    let (mut spans, mut carried) = (Vec::new(), header.map(str::to_owned));
    if events.iter().any(|event| event.traceparent.is_none())
        && let Some(mut span) = telemetry.of_request(header, PUBLISH)
    {
        span.set("bellwire.events", i64::try_from(events.len()).unwrap_or(i64::MAX));
        carried = Some(span.traceparent());
        span.set("bellwire.environment", environment.to_string());
        spans.push(span);
    }
    for event in events {
        match event.traceparent {
            None => event.traceparent.clone_from(&carried),
            Some(_) => spans.extend(of_event(telemetry, environment, event)),
        }
    }
    (spans, carried)
}

/// The span of publishing an event, if it names one that is sampled; from then on the event names this one.
pub(super) fn of_event(telemetry: &Telemetry, environment: &Environment, event: &mut Event) -> Option<Span> {
    let mut span = telemetry.child(event.traceparent.as_deref(), SpanKind::Producer, PUBLISH)?;
    span.set("bellwire.environment", environment.to_string());
    span.set("bellwire.event.type", event.event_type.clone());
    event.traceparent = Some(span.traceparent());
    Some(span)
}

/// Takes what was carried off the events that are too large with it: what is traced is taken or refused like anything else. False
/// if there was none.
pub(super) fn make_room(events: &mut [Event], carried: Option<&str>) -> bool {
    let mut has_made = false;
    let carriers =
        events.iter_mut().filter(|event| event.traceparent.is_some() && event.traceparent.as_deref() == carried);
    for event in carriers {
        if event.encode().is_err() {
            event.traceparent = None;
            has_made = true;
        }
    }
    has_made
}

#[cfg(test)]
mod tests {
    use model::{Audience, event::MAX_EVENT_BYTES};
    use serde_json::json;

    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn event(data: &str) -> Event {
        Event::new("/test", "test.said", Audience::user("ada")).with_data(json!(data))
    }

    #[test]
    fn an_event_carries_the_trace_of_its_request_unless_it_has_its_own_or_no_room() {
        let mut own = event("");
        own.traceparent = Some("its own".to_owned());
        let room = MAX_EVENT_BYTES - event("").to_json().unwrap().len();
        let mut events = [event(""), own, event(&"x".repeat(room))];
        let environment = "prod".parse().unwrap();
        let (_, carried) = begin(&Telemetry::default(), &environment, Some(SAMPLED), &mut events);
        assert!(events[2].encode().is_err());
        assert!(make_room(&mut events, carried.as_deref()) && !make_room(&mut events, carried.as_deref()));
        assert_eq!(events.each_ref().map(|event| event.traceparent.as_deref()), [Some(SAMPLED), Some("its own"), None]);
        assert!(events.iter().all(|event| event.encode().is_ok()));
        let mut events = [event("")];
        begin(&Telemetry::default(), &environment, Some("no trace"), &mut events);
        assert_eq!(events[0].traceparent, None);
    }
}
