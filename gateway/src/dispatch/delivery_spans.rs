//! The spans of events that go to connections: one for each event and pod, however many connections there are.

use jiff::Timestamp;
use model::{Environment, event::SharedEvent};
use process::telemetry::{Parent, Span, SpanKind, Telemetry};

/// The spans of what was put into outboxes and is not written yet.
pub(super) struct DeliverySpans {
    telemetry: Telemetry,
    environment: String,
    put: Vec<(Span, Option<Timestamp>)>,
}

impl DeliverySpans {
    /// Without a collector there are none.
    pub(super) fn new(environment: &Environment, telemetry: Telemetry) -> Self {
        Self { telemetry, environment: environment.to_string(), put: Vec::new() }
    }

    /// The span that published an event, if its trace is sampled.
    pub(super) fn parent(&self, event: Option<&SharedEvent>) -> Option<Parent> {
        self.telemetry.parent(event?.traceparent.as_deref())
    }

    /// Begins the span of an event of this type and time that was put into the outboxes of so many connections.
    pub(super) fn begin(&mut self, parent: Parent, event_type: &str, connections: usize, time: Option<Timestamp>) {
        let Some(mut span) = self.telemetry.child_of(parent, SpanKind::Consumer, "deliver") else { return };
        span.set("bellwire.environment", self.environment.clone());
        span.set("bellwire.event.type", event_type.to_owned());
        span.set("bellwire.connections", i64::try_from(connections).unwrap_or(i64::MAX));
        self.put.push((span, time));
    }

    /// Notes that the outboxes are written from now on: how long after the time that each event says.
    pub(super) fn writing(&mut self) {
        if self.put.is_empty() {
            return;
        }
        let now = Timestamp::now();
        for (span, time) in &mut self.put {
            if let Some(time) = time {
                span.set("bellwire.lag_seconds", now.duration_since(*time).as_secs_f64().max(0.0));
            }
        }
    }

    /// Ends them: the outboxes were written.
    pub(super) fn written(&mut self) {
        self.put.clear();
    }
}
